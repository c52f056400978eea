"""Whatever the provider sends: parsing never raises and never loses a good sibling."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.adapters import inbound_adapter
from messaging.adapters.outbound import outbound_adapter
from messaging.events import InboundMessage, Outcome, StatusUpdate
from tests.messaging.conftest import PAYLOADS, RECEIVED, payload_bytes

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
KEYS = st.sampled_from(
    [
        *("id", "from", "from_user_id", "timestamp", "type", "text", "image", "interactive", "system", "reaction"),
        *("button", "order", "contacts", "context", "referral", "errors", "status", "pricing", "recipient_id", "to"),
        *("user_id", "wa_id", "edit", "revoke", "group_id", "message", "value", "category"),
    ]
)
KINDS = st.sampled_from(["text", "image", "interactive", "system", "button", "edit", "revoke", "reaction", "sent"])
items = anything | st.dictionaries(KEYS, anything | KINDS, max_size=8)
FIELDS = st.sampled_from([path.stem for path in PAYLOADS.glob("*.json")])


def parse(body):
    return inbound_adapter("whatsapp").parse(body, received_at=RECEIVED)


@given(st.binary(max_size=200))
def test_any_bytes(raw):
    parse(raw)


@given(anything)
def test_any_json(body):
    parse(json.dumps(body).encode())


@given(anything, anything, anything)
def test_any_change_in_any_entry(field, value, entry):
    parsed = parse(json.dumps({"entry": [entry, {"changes": [{"field": field, "value": value}, entry]}]}).encode())
    assert len(parsed.events) + len(parsed.faults) == parsed.item_count


@settings(max_examples=300)
@given(st.lists(items, max_size=4), st.lists(items, max_size=4), st.lists(items, max_size=3), anything)
def test_a_good_item_survives_any_siblings(before, after, statuses, contacts):
    good = {"from": "84900000001", "id": "wamid.GOOD", "timestamp": "1790000000", "type": "text"}
    read = {"id": "wamid.OK", "status": "read", "timestamp": "1790000000"}
    value = {
        "metadata": {"phone_number_id": "8"},
        "contacts": contacts,
        "messages": [*before, {**good, "text": {"body": "STOP"}}, *after],
        "statuses": [*statuses, read],
    }
    parsed = parse(json.dumps({"entry": [{"changes": [{"field": "messages", "value": value}]}]}).encode())
    assert [e.text for e in parsed.events if isinstance(e, InboundMessage) and e.message_id == "wamid.GOOD"] == ["STOP"]
    assert any(isinstance(e, StatusUpdate) and e.message_id == "wamid.OK" for e in parsed.events)
    assert parsed.item_count == len(before) + len(after) + len(statuses) + 2
    assert len(parsed.events) + len(parsed.faults) == parsed.item_count


@settings(max_examples=300)
@given(FIELDS, st.data())
def test_any_fixture_with_any_one_value_replaced(name, data):
    body = json.loads(payload_bytes(name))
    holder, key = data.draw(st.sampled_from(list(places(body))))
    holder[key] = data.draw(scalars | st.lists(scalars, max_size=2) | st.dictionaries(KEYS, scalars, max_size=2))
    parsed = parse(json.dumps(body).encode())
    assert len(parsed.events) + len(parsed.faults) == parsed.item_count
    json.dumps([event.raw for event in parsed.events], allow_nan=False)


HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "X-Business-Use-Case-Usage"]),
    st.text(max_size=20)
    | st.sampled_from(["Sat, 21 Nov 2026 05:02:00 GMT", "Sat, 21 Nov 2026 05:02:00 -0000", '{"9": [{}, 1]}'])
    | anything.map(json.dumps),
)
ANSWERS = st.dictionaries(st.sampled_from(["error", "messages"]), anything | st.dictionaries(KEYS, anything))


@given(
    st.integers(0, 599), HEADERS, st.binary(max_size=50) | (ANSWERS | anything).map(lambda b: json.dumps(b).encode())
)
def test_any_answer_proves_something_and_only_a_readable_yes_is_a_yes(status, headers, body):
    answer = outbound_adapter("whatsapp").read_answer(status=status, headers=headers, body=body)
    assert (answer.outcome in (Outcome.ACCEPTED, Outcome.HELD)) == bool(answer.message_id)
    assert not answer.message_id or 200 <= status < 300
    assert (answer.error is not None) or answer.outcome is not Outcome.REFUSED


def places(value):
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries):
        yield value, key
        yield from places(inner)
