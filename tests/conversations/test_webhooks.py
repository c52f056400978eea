"""The webhook door, over real HTTP with signed bodies."""

import http.client
import io
import socket
import time
from urllib.parse import urlsplit

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.test import RequestFactory

from config.celery import app
from conversations.models import Message
from conversations.receipts import receipts_process
from conversations.webhooks import webhook_door
from messaging.credentials import Credentials, credentials_write
from messaging.models import WebhookReceipt
from tests.builders import webhooks as wa
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = 4 * 1024 * 1024


def get(server, path):
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_handshake_answers_the_challenge_for_our_token_only(live_server, account):
    ask = "/webhooks/whatsapp/?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    assert get(live_server, ask + "handshake-me") == (200, b"1158201444")
    assert get(live_server, ask + "guess")[0] == 403
    assert get(live_server, ask)[0] == 403


def test_it_keeps_the_exact_bytes_and_says_who_vouched_for_them(live_server, account):
    AccountBuilder()  # another shop, whose secret did not sign
    raw = wa.messages(account, wa.text("Chào shop, còn nhẫn không?"))
    assert wa.post(live_server, raw) == 200
    receipt = WebhookReceipt.objects.get()
    assert bytes(receipt.body) == raw
    assert receipt.verified_account_ids == [account.id]
    assert receipt.state == "pending"


def test_the_same_webhook_a_hundred_times_is_one_message(live_server, account):
    raw = wa.messages(account, wa.text("hola"))
    assert [wa.post(live_server, raw) for _ in range(50)] == [200] * 50
    receipts_process(now=NOW)
    assert [wa.post(live_server, raw) for _ in range(50)] == [200] * 50
    assert receipts_process(now=NOW) == 0
    assert WebhookReceipt.objects.get().deliveries == 100
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    "forge",
    [
        {"secret": "somebody else's"},
        {"headers": {"X-Hub-Signature-256": ""}},
        {"headers": {"X-Hub-Signature-256": "sha256=" + "0" * 64}},
        {"headers": {"X-Hub-Signature-256": "sha1=abc"}},
    ],
)
def test_a_forged_body_is_refused_and_leaves_nothing(live_server, account, forge):
    assert wa.post(live_server, wa.messages(account, wa.text("hi")), **forge) == 401
    assert not WebhookReceipt.objects.exists()


def test_a_signature_over_other_bytes_is_forged(live_server, account):
    raw = wa.messages(account, wa.text("hi"))
    changed = raw.replace(b"hi", b"ho")
    assert wa.post(live_server, changed, headers={"X-Hub-Signature-256": wa.signature(raw)}) == 401


def test_during_rotation_both_secrets_open_the_door(live_server, account):
    credentials_write(account, Credentials(access_token="t", app_secrets=("new", "old"), verify_token="v"))
    assert wa.post(live_server, wa.messages(account, wa.text("a")), secret="old") == 200
    assert wa.post(live_server, wa.messages(account, wa.text("b")), secret="new") == 200


def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_not(live_server, account):
    padding = LIMIT - len(wa.messages(account, wa.text("", wamid="wamid.BIG")))
    full = wa.messages(account, wa.text("x" * padding, wamid="wamid.BIG"))
    assert len(full) == LIMIT
    assert wa.post(live_server, full) == 200
    assert wa.post(live_server, full + b" ") == 413
    assert WebhookReceipt.objects.count() == 1


def test_an_announced_giant_is_refused_without_reading_it(live_server, account):
    address = urlsplit(live_server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(b"POST /webhooks/whatsapp/ HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n")
        assert b" 413 " in line.recv(100)


def test_a_body_without_a_length_is_not_waited_for(live_server, account):
    address = urlsplit(live_server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(b"POST /webhooks/whatsapp/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 411 " in line.recv(100)


def chunked(raw: bytes) -> WSGIRequest:
    """As granian hands over a chunked body: no length, and an input that ends by itself."""
    request = RequestFactory().post("/webhooks/whatsapp/", headers={"X-Hub-Signature-256": wa.signature(raw)})
    environ = request.META | {"CONTENT_LENGTH": "", "wsgi.input_terminated": True, "wsgi.input": io.BytesIO(raw)}
    return WSGIRequest(environ)


def test_a_chunked_body_is_taken_up_to_the_limit_and_no_further(account):
    assert webhook_door(chunked(wa.messages(account, wa.text("hi"))), "whatsapp").status_code == 200
    assert webhook_door(chunked(b"{" + b" " * LIMIT), "whatsapp").status_code == 413
    assert WebhookReceipt.objects.count() == 1


def test_a_body_cut_short_is_refused(live_server, account):
    raw = wa.messages(account, wa.text("hi"))
    address = urlsplit(live_server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        head = f"POST /webhooks/whatsapp/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(raw)}\r\n"
        head += f"X-Hub-Signature-256: {wa.signature(raw)}\r\n\r\n"
        line.sendall(head.encode() + raw[:-5])
        line.shutdown(socket.SHUT_WR)
        assert b" 400 " in line.recv(100)
    assert not WebhookReceipt.objects.exists()


def test_the_wrong_address_and_the_wrong_method_are_said_so(live_server, account):
    raw = wa.messages(account, wa.text("hi"))
    assert wa.post(live_server, raw, path="/webhooks/pigeon/") == 404
    assert wa.post(live_server, raw, path="/webhooks/") == 404
    assert wa.post(live_server, raw, method="PUT") == 405
    assert not WebhookReceipt.objects.exists()


@pytest.mark.parametrize("raw", [b"", b"   ", b"hello", b"[]", b"entry=1"])
def test_signed_bytes_that_are_no_json_object_are_refused(live_server, account, raw):
    assert wa.post(live_server, raw) == 400
    assert not WebhookReceipt.objects.exists()


def test_signed_broken_json_is_kept_and_marked(live_server, account):
    assert wa.post(live_server, b'{"object": "whatsapp_business_account", "entry": [') == 200
    assert wa.post(live_server, wa.messages(account, wa.text("a good one"))) == 200
    assert receipts_process(now=NOW) == 2
    broken, good = WebhookReceipt.objects.order_by("id")
    assert (broken.state, good.state) == ("partial", "processed")
    assert broken.faults


def test_without_the_database_the_provider_is_asked_to_come_again(live_server, account):
    raw = wa.messages(account, wa.text("hi"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE messaging_webhookreceipt RENAME TO gone")
    try:
        assert wa.post(live_server, raw) == 503
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO messaging_webhookreceipt")
    assert wa.post(live_server, raw) == 200


def test_a_lost_redis_neither_fails_nor_slows_the_answer(live_server, account, monkeypatch):
    deaf = socket.create_server(("127.0.0.1", 0))  # takes the call and never answers, not even "no"
    url = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
    monkeypatch.setattr(app, "_pool", None)
    monkeypatch.setattr(app.amqp, "_producer_pool", None)
    monkeypatch.setattr(app.conf, "broker_url", url)
    monkeypatch.setattr(app.conf, "broker_write_url", url)
    started = time.monotonic()
    assert wa.post(live_server, wa.messages(account, wa.text("hi"))) == 200
    # The broker's own time-outs are 5 and 10 s: this says that the answer does not wait for them.
    assert time.monotonic() - started < 4
    assert WebhookReceipt.objects.count() == 1
    deaf.close()


def test_a_second_app_that_vouches_for_the_same_bytes_adds_its_account(live_server, account):
    partner = AccountBuilder()
    credentials_write(partner, Credentials(access_token="t", app_secrets=("partner",), verify_token="v"))
    raw = wa.messages(partner, wa.text("hi"))
    assert wa.post(live_server, raw) == 200  # signed by the first shop's app, about the partner's number
    receipts_process(now=NOW)
    assert not Message.objects.exists()
    assert wa.post(live_server, raw, secret="partner") == 200
    receipts_process(now=NOW)
    assert Message.objects.get().account == partner
    assert WebhookReceipt.objects.count() == 1


def test_an_account_whose_secrets_cannot_be_read_does_not_close_the_door_for_others(live_server, account):
    AccountBuilder(credentials_encrypted="encrypted with a key that was lost")
    assert wa.post(live_server, wa.messages(account, wa.text("hi"))) == 200
