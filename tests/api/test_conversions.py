from datetime import timedelta

import pytest

from contacts.models import Address
from conversations.models import Conversion
from tests.api.conftest import now
from tests.builders.contacts import NOW, ContactBuilder, PhoneBuilder
from tests.builders.conversations import ConversationBuilder, OutboundBuilder

CONVERSIONS = "/api/v1/conversions"
PHONE = "+84901234567"
ORDER = {"external_id": "order-1", "kind": "purchase", "value": "1250000", "currency": "VND"}


@pytest.fixture
def conversation(db):
    opened = now() - timedelta(hours=2)
    conversation = ConversationBuilder(opened_at=opened, last_inbound_at=opened)
    PhoneBuilder(value=PHONE, contact=conversation.contact)
    return conversation


def test_an_outcome_is_counted_credited_and_cancels_the_callback(api, conversation):
    callback = OutboundBuilder(conversation=conversation)
    told = api.post(CONVERSIONS, {**ORDER, "phone": "+84 901 234 567"})
    assert told.status_code == 201, told.content
    conversion = told.json()
    assert (conversion["value"], conversion["currency"]) == ("1250000.00", "VND")
    assert conversion["campaign"] == str(conversation.campaign_id)
    assert conversion["conversation"] == str(conversation.pk)
    assert conversion["source"] == "api"
    callback.refresh_from_db()
    assert (callback.status, callback.reason) == ("cancelled", "converted")


def test_told_again_by_its_external_id_it_is_counted_once(api, conversation):
    first = api.post(CONVERSIONS, {**ORDER, "contact": str(conversation.contact_id)})
    again = api.post(CONVERSIONS, {**ORDER, "phone": PHONE, "value": "1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Conversion.objects.count() == 1


def test_told_again_by_its_idempotency_key_the_answer_is_the_same(api, conversation):
    body = {**ORDER, "phone": PHONE}
    first = api.post(CONVERSIONS, body, HTTP_IDEMPOTENCY_KEY="c1")
    again = api.post(CONVERSIONS, body, HTTP_IDEMPOTENCY_KEY="c1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotent-Replayed"] == "true"


def test_the_same_external_id_for_another_person_is_a_conflict(api, conversation):
    api.post(CONVERSIONS, {**ORDER, "phone": PHONE})
    answer = api.post(CONVERSIONS, {**ORDER, "contact": str(ContactBuilder().pk)})
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "#/external_id"


def test_a_person_may_be_named_by_a_business_scoped_id(api, db):
    people = [
        Address.objects.create(
            contact=ContactBuilder(),
            channel="whatsapp",
            scope=scope,
            kind="bsuid",
            value="US.1",
            first_seen_at=NOW,
            last_seen_at=NOW,
        ).contact
        for scope in ("77", "78")
    ]
    unclear = api.post(CONVERSIONS, {**ORDER, "bsuid": "US.1"})
    assert (unclear.status_code, unclear.json()["errors"][0]["pointer"]) == (422, "#/bsuid")
    clear = api.post(CONVERSIONS, {**ORDER, "bsuid": "US.1", "portfolio_id": "78"})
    assert clear.json()["contact"] == str(people[1].pk)


@pytest.mark.parametrize(
    ("fields", "status", "pointer"),
    [
        ({}, 400, "#/contact"),
        ({"phone": PHONE, "bsuid": "x"}, 400, "#/contact"),
        ({"phone": "+84900000000"}, 422, "#/phone"),
        ({"contact": "0198c0de-0000-7000-8000-000000000000"}, 422, "#/contact"),
        ({"phone": PHONE, "currency": ""}, 422, "#/currency"),
        ({"phone": PHONE, "value": "-1"}, 400, "#/value"),
        ({"phone": PHONE, "value": "NaN"}, 400, "#/value"),
        ({"phone": PHONE, "occurred_at": "2099-01-01T00:00:00Z"}, 422, "#/occurred_at"),
        ({"phone": PHONE, "kind": ""}, 400, "#/kind"),
    ],
)
def test_an_outcome_without_sense_is_refused(api, conversation, fields, status, pointer):
    answer = api.post(CONVERSIONS, {**ORDER, **fields})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)
    assert Conversion.objects.count() == 0


def test_outcomes_are_filtered(api, client_of, conversation):
    api.post(CONVERSIONS, {**ORDER, "phone": PHONE, "occurred_at": now().isoformat()})
    reader = client_of("conversions:read")
    for query, count in {
        "external_id=order-1": 1,
        "kind=lead": 0,
        f"campaign={conversation.campaign_id}": 1,
        "since=2099-01-01T00:00:00Z": 0,
        "currency=VND": 1,
    }.items():
        assert len(reader.get(f"{CONVERSIONS}?{query}").json()["results"]) == count, query
    row = reader.get(CONVERSIONS).json()["results"][0]
    assert reader.get(f"{CONVERSIONS}/{row['id']}").json() == row
    assert reader.post(CONVERSIONS, ORDER).status_code == 403
