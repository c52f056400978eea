"""Every send shape, and what every kind of answer proves."""

import json

import pytest

from messaging.adapters.outbound import outbound_adapter
from messaging.credentials import Credentials
from messaging.errors import UnsendableError
from messaging.events import (
    AddressRef,
    Button,
    ErrorClass,
    FreeForm,
    Outcome,
    Scope,
    TemplateContent,
)
from messaging.models import ChannelAccount
from tests.messaging.conftest import PAYLOADS

REF = "0190aaaabbbbccccddddeeeeffff0001.1"
PHONE = AddressRef("phone", "+84900000001")
ACCOUNT = ChannelAccount(base_url="https://graph.example/", api_version="v26.0", sender_id="800000000000001")
SENDS = {
    "text_to_phone": (PHONE, FreeForm("Chào bạn!")),
    "text_to_user_id": (AddressRef("bsuid", "VN.1001"), FreeForm("Chào bạn!")),
    "buttons": (PHONE, FreeForm("Bạn còn quan tâm?", (Button("yes", "Còn"), Button("no", "Thôi")))),
    "template_plain": (PHONE, TemplateContent("come_back", "vi")),
    "template_positional": (
        PHONE,
        TemplateContent("come_back", "vi", {"body.2": "nhẫn", "header.1": "Tết", "body.1": "Lan"}),
    ),
    "template_named": (
        PHONE,
        TemplateContent(
            "promo_1",
            "pt_BR",
            {
                "button.1.1": "ana-7f",
                "button.0.payload": "CALL_ME",
                "body.first_name": "Ana",
                "header.image": "600001",
            },
            "NAMED",
        ),
    ),
    "template_media_link": (
        PHONE,
        TemplateContent("come_back", "vi", {"header.document": "https://files.example/a/bang-gia.pdf"}),
    ),
    "template_location": (
        PHONE,
        TemplateContent("come_back", "vi", {"header.location": "21.03, 105.85, Tiệm Vàng, 12 Hàng Bạc, Hà Nội"}),
    ),
    "template_coupon": (PHONE, TemplateContent("come_back", "vi", {"button.0.coupon_code": "TET10"})),
}


def render(to, content):
    return outbound_adapter("whatsapp").render(
        account=ACCOUNT, credentials=Credentials("token-1"), to=to, content=content, ref=REF
    )


def answer(status, body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return outbound_adapter("whatsapp").read_answer(status=status, headers=headers or {}, body=raw)


def refusal(code, **more):
    return {"error": {"message": f"(#{code}) x", "code": code, "fbtrace_id": "A1", **more}}


@pytest.mark.parametrize("name", sorted(SENDS))
def test_it_renders(name):
    request = render(*SENDS[name])
    assert json.loads(request.body) == json.loads((PAYLOADS / "sends" / f"{name}.json").read_text())
    assert request.url == "https://graph.example/v26.0/800000000000001/messages"
    assert dict(request.headers)["Authorization"] == "Bearer token-1"


def test_every_send_fixture_is_rendered_by_a_test():
    assert {path.stem for path in (PAYLOADS / "sends").glob("*.json")} == set(SENDS)


def test_a_phone_always_travels_with_a_plus():
    """Without it the provider may put the sender's country in front and reach a stranger."""
    assert json.loads(render(AddressRef("phone", "84900000001"), FreeForm("x")).body)["to"] == "+84900000001"


def test_the_end_of_an_address_is_url_encoded_once():
    content = TemplateContent("t", "vi", {"button.0.1": "lan anh/%C3%A1?x=é"})
    body = json.loads(render(PHONE, content).body)
    assert body["template"]["components"][0]["parameters"][0]["text"] == "lan%20anh/%C3%A1?x=%C3%A9"


def test_an_address_that_whatsapp_does_not_know_is_refused():
    with pytest.raises(UnsendableError):
        render(AddressRef("psid", "1"), FreeForm("x"))


def test_a_place_that_no_template_has_is_refused():
    with pytest.raises(UnsendableError):
        render(PHONE, TemplateContent("t", "vi", {"footer.1": "x"}))
    with pytest.raises(UnsendableError):
        render(PHONE, TemplateContent("t", "vi", {"button.first.1": "x"}))


class TestAccepted:
    @pytest.mark.parametrize("extra", [{}, {"message_status": "accepted"}])
    def test_accepted(self, extra):
        got = answer(200, {"messages": [{"id": "wamid.OUT1", **extra}]})
        assert (got.outcome, got.message_id, got.error) == (Outcome.ACCEPTED, "wamid.OUT1", None)

    @pytest.mark.parametrize("status", ["held_for_quality_assessment", "paused"])
    def test_held_is_never_sent_again(self, status):
        got = answer(200, {"messages": [{"id": "wamid.OUT1", "message_status": status}]})
        assert (got.outcome, got.message_id) == (Outcome.HELD, "wamid.OUT1")

    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>ok</html>", b'{"messages":[{"id"', {}, [], {"messages": []}, {"messages": [{"id": ""}]},
         {"messages": [{"id": 7}]}, {"messages": ["x"]}, {"messages": {"id": "w"}}],
    )  # fmt: skip
    def test_an_unreadable_yes_is_unknown(self, body):
        assert answer(200, body).outcome is Outcome.UNKNOWN


class TestRefused:
    def test_a_documented_refusal_says_what_to_do(self):
        details = {"messaging_product": "whatsapp", "details": "More than 24 hours have passed for +84 900 000 001."}
        got = answer(400, refusal(131047, error_data=details))
        assert got.outcome is Outcome.REFUSED
        assert (got.error.error_class, got.error.code, got.error.trace_id) == (ErrorClass.USE_TEMPLATE, "131047", "A1")
        assert got.error.detail == "More than 24 hours have passed for …."

    def test_an_error_shows_no_token_and_no_user_id(self):
        got = answer(401, refusal(190, message="Malformed token EAAGm0PX4ZCpsBAKZCwwwwwwwwwwwwww of VN.1001"))
        assert got.error.detail == "Malformed token … of …"
        assert got.error.error_class is ErrorClass.AUTH

    def test_retry_after_in_seconds(self):
        assert answer(429, refusal(130429), {"Retry-After": "17"}).error.retry_after == 17

    def test_retry_after_as_a_date_is_measured_by_the_answers_own_clock(self):
        headers = {"retry-after": "Sat, 21 Nov 2026 05:02:00 GMT", "date": "Sat, 21 Nov 2026 05:00:00 GMT"}
        assert answer(429, refusal(130429), headers).error.retry_after == 120

    def test_usage_is_counted_in_minutes_and_the_longest_wait_wins(self):
        usage = {"900": [{"type": "messaging", "estimated_time_to_regain_access": 3}]}
        headers = {"X-Business-Use-Case-Usage": json.dumps(usage), "Retry-After": "5"}
        assert answer(400, refusal(80007), headers).error.retry_after == 180

    def test_without_a_header_the_tables_wait_counts(self):
        assert answer(400, refusal(131056)).error.retry_after == 4

    @pytest.mark.parametrize("value", ["soon", "-1", "", "٣", "99999999999", "Sat, 99 Nov 2026"])
    def test_a_senseless_retry_after_is_ignored(self, value):
        assert answer(429, refusal(130429), {"Retry-After": value}).error.retry_after == 1

    def test_an_unknown_4xx_fails_the_message_and_is_not_retried(self):
        error = answer(400, refusal(999999)).error
        assert (error.error_class, error.max_retries) == (ErrorClass.FIX_MESSAGE, 0)

    def test_a_proxys_429_slows_the_number(self):
        got = answer(429, b"slow down", {"Retry-After": "3"})
        assert (got.outcome, got.error.error_class, got.error.scope) == (Outcome.REFUSED, ErrorClass.SLOW, Scope.NUMBER)
        assert got.error.retry_after == 3


class TestUnknown:
    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    @pytest.mark.parametrize("body", [b"", b"<html>", refusal(131000), refusal(131016), refusal(2), refusal(424242)])
    def test_a_server_error_may_have_sent_it(self, status, body):
        assert answer(status, body).outcome is Outcome.UNKNOWN

    @pytest.mark.parametrize("code", [3, 131045, 131057, 131031])
    def test_unless_the_code_itself_proves_the_refusal(self, code):
        assert answer(500, refusal(code)).outcome is Outcome.REFUSED

    @pytest.mark.parametrize("status", [0, 302, 400, 403, 404, 408])
    def test_an_answer_that_is_not_the_providers_proves_nothing(self, status):
        assert answer(status, b"<html>proxy</html>").outcome is Outcome.UNKNOWN

    def test_an_error_without_a_code_proves_nothing(self):
        assert answer(400, {"error": {"message": "?"}}).outcome is Outcome.UNKNOWN
