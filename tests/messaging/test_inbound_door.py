"""Shared by all adapters: what every channel's receiving side must hold. WhatsApp's own vectors stand below."""

import hashlib
import hmac
import json

import pytest

from messaging.adapters import inbound_adapter, management_adapter
from messaging.adapters.outbound import outbound_adapter
from messaging.errors import UnknownChannelError

WHATSAPP_SECRET = "test-app-secret"
WHATSAPP_BODY = b'{"object":"whatsapp_business_account","entry":[]}'
WHATSAPP_SIGNATURE = "sha256=c84a394cc475525991e78ff16e430b02e47f953877d2af0ade26956ce6f384dc"


def whatsapp_headers(secret, raw):
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()}


# A new channel adds a line here and gets every test below.
CHANNELS = [("whatsapp", whatsapp_headers)]


@pytest.mark.parametrize(("channel", "sign"), CHANNELS)
class TestSignature:
    raw = json.dumps({"name": "Nguyễn Thị Ánh"}).encode()  # \uXXXX in the signed bytes, as the provider writes it

    def test_it_accepts_what_was_signed_with_the_secret(self, channel, sign):
        assert b"\\u1ec5" in self.raw
        assert inbound_adapter(channel).signature_valid("s1", sign("s1", self.raw), self.raw)

    def test_it_refuses_another_secret(self, channel, sign):
        assert not inbound_adapter(channel).signature_valid("s2", sign("s1", self.raw), self.raw)

    def test_it_refuses_a_changed_body(self, channel, sign):
        assert not inbound_adapter(channel).signature_valid("s1", sign("s1", self.raw), self.raw + b" ")

    def test_it_signs_raw_bytes_and_never_json_written_again(self, channel, sign):
        again = json.dumps(json.loads(self.raw), ensure_ascii=False).encode()
        assert not inbound_adapter(channel).signature_valid("s1", sign("s1", self.raw), again)

    def test_it_refuses_a_body_without_signature(self, channel, sign):
        assert not inbound_adapter(channel).signature_valid("s1", {}, self.raw)

    def test_an_empty_secret_believes_nobody(self, channel, sign):
        assert not inbound_adapter(channel).signature_valid("", sign("", self.raw), self.raw)

    def test_headers_are_found_in_any_case(self, channel, sign):
        headers = {name.lower(): value for name, value in sign("s1", self.raw).items()}
        assert inbound_adapter(channel).signature_valid("s1", headers, self.raw)

    @pytest.mark.parametrize("junk", ["", "sha256=", "é", "sha256=" + "0" * 64, "\udcff"])
    def test_junk_is_refused_without_an_error(self, channel, sign, junk):
        headers = dict.fromkeys(sign("s1", self.raw), junk)
        assert not inbound_adapter(channel).signature_valid("s1", headers, self.raw)


def test_whatsapps_published_vector():
    headers = {"X-Hub-Signature-256": WHATSAPP_SIGNATURE}
    assert inbound_adapter("whatsapp").signature_valid(WHATSAPP_SECRET, headers, WHATSAPP_BODY)


class TestHandshake:
    query = {"hub.mode": "subscribe", "hub.verify_token": "v2", "hub.challenge": "1158201444"}

    def test_it_answers_the_challenge_to_any_of_our_tokens(self):
        assert inbound_adapter("whatsapp").handshake(self.query, ["v1", "v2"]) == "1158201444"

    def test_it_refuses_another_token(self):
        assert inbound_adapter("whatsapp").handshake(self.query, ["v1"]) is None

    def test_an_account_without_a_token_opens_no_door(self):
        assert inbound_adapter("whatsapp").handshake({**self.query, "hub.verify_token": ""}, ["", "v1"]) is None

    def test_it_refuses_another_mode(self):
        assert inbound_adapter("whatsapp").handshake({**self.query, "hub.mode": "unsubscribe"}, ["v2"]) is None

    def test_an_empty_query_is_no_handshake(self):
        assert inbound_adapter("whatsapp").handshake({}, ["v1"]) is None


@pytest.mark.parametrize("registry", [inbound_adapter, outbound_adapter, management_adapter])
def test_a_channel_without_an_adapter_is_refused(registry):
    with pytest.raises(UnknownChannelError):
        registry("pigeon")
