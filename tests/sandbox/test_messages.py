"""One strict test per refusal that a sender must know how to read."""

import base64

import pytest

from tests.sandbox.conftest import AUTH, LAN, template
from tests.sandbox_process import NUMBER

MESSAGES = f"/{NUMBER['phone_number_id']}/messages"


def refused(answer, code, status=400, subcode=None):
    """The answer is Meta's envelope with this code; returns its details."""
    http, body = answer
    error = body["error"]
    assert (http, error["code"], error.get("error_subcode")) == (status, code, subcode), body
    assert error["message"].startswith(f"(#{code}) ")
    assert error["type"] == "OAuthException"
    assert error["fbtrace_id"]
    if "error_data" in error:
        assert error["error_data"]["messaging_product"] == "whatsapp"
    return error.get("error_data", {}).get("details", "")


def test_a_text_to_a_phone_is_accepted_and_answered_with_a_wa_id(send, lan):
    status, body = send(text={"body": "Dạ còn ạ"}, biz_opaque_callback_data="ref-1")
    assert status == 200
    assert body["messaging_product"] == "whatsapp"
    assert body["contacts"] == [{"input": LAN, "wa_id": "84912345678"}]
    [message] = body["messages"]
    assert message["message_status"] == "accepted"
    assert base64.b64decode(message["id"].removeprefix("wamid."))
    assert "ref-1" not in str(body)


def test_a_text_to_a_user_id_is_answered_with_the_user_id_only(send, lan):
    status, body = send(recipient=lan["user_id"])
    assert status == 200
    assert body["contacts"] == [{"input": lan["user_id"], "user_id": lan["user_id"]}]


def test_with_both_addresses_the_phone_wins(send, lan):
    assert send(to=LAN, recipient="VN.999")[1]["contacts"] == [{"input": LAN, "wa_id": "84912345678"}]


def test_buttons_are_accepted(send, lan, sandbox):
    buttons = [{"type": "reply", "reply": {"id": str(n), "title": f"Nút {n}"}} for n in range(3)]
    node = {"type": "button", "body": {"text": "Chọn nhé"}, "action": {"buttons": buttons}}
    assert send(type="interactive", interactive=node)[0] == 200
    assert sandbox.sends()[0]["text"] == "Chọn nhé"


def test_every_version_is_served_alike(sandbox, lan):
    body = {"messaging_product": "whatsapp", "to": LAN, "type": "text", "text": {"body": "x"}}
    for version in ("v21.0", "v26.0", "v31.7"):
        assert sandbox.request("POST", f"/{version}{MESSAGES}", body, headers=AUTH)[0] == 200


def test_mexican_numbers_come_back_without_the_old_prefix(send):
    _, body = send(to="+5215512345678", **template("Ana", "A"))
    assert body["contacts"] == [{"input": "+5215512345678", "wa_id": "525512345678"}]


def test_no_token_is_401_and_190(graph, lan):
    refused(graph("POST", MESSAGES, {"messaging_product": "whatsapp"}, headers={}), 190, 401)


def test_an_unknown_token_is_190(graph):
    refused(
        graph("POST", MESSAGES, {"messaging_product": "whatsapp"}, headers={"Authorization": "Bearer no"}), 190, 401
    )


def test_an_expired_token_has_subcode_463(sandbox, send, lan):
    sandbox.post("tokens", access_token=NUMBER["access_token"], state="expired")
    refused(send(), 190, 401, 463)


def test_an_unknown_number_is_100_33_and_never_404(graph):
    refused(graph("POST", "/123/messages", {"messaging_product": "whatsapp"}), 100, 400, 33)


def test_an_unknown_path_is_100_33_as_well(sandbox):
    refused(sandbox.request("GET", "/nothing/here", headers=AUTH), 100, 400, 33)


def test_a_number_of_another_token_looks_as_if_it_did_not_exist(sandbox, graph):
    sandbox.number(phone_number_id="800000000000002", access_token="another")
    refused(graph("POST", "/800000000000002/messages", {"messaging_product": "whatsapp", "to": LAN}), 100, 400, 33)


def test_a_number_that_is_not_connected_is_133010(sandbox, send, lan):
    sandbox.number(status="DISCONNECTED")
    refused(send(), 133010)


def test_an_unknown_user_id_is_100_33(send):
    refused(send(recipient="VN.404"), 100, 400, 33)


def test_a_user_id_of_another_portfolio_is_unknown(sandbox, send, lan):
    sandbox.number(portfolio_id="700000000000009")
    refused(send(recipient=lan["user_id"]), 100, 400, 33)


def test_the_sender_cannot_be_the_recipient(send):
    refused(send(to=NUMBER["display_phone_number"]), 131021)


@pytest.mark.parametrize("to", ["not a number", "+0123456789", "+12", "+1234567890123456"])
def test_what_is_no_phone_number_is_131009(send, to):
    refused(send(to=to), 131009)


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ({"to": ""}, 131008, "to"),
        ({"type": "text", "text": {}}, 131008, "text"),
        ({"type": "text", "text": {"body": ""}}, 131008, "body"),
        ({"type": "text", "text": {"body": "x" * 4097}}, 131009, "4096"),
        ({"type": "text", "text": {"body": 7}}, 100, "body"),
        ({"type": "text", "text": {"body": "x", "bold": True}}, 100, "bold"),
        ({"type": "text", "text": {"body": "x"}, "ref": "a"}, 100, "ref"),
        ({"type": "text", "text": {"body": "x"}, "biz_opaque_callback_data": "x" * 513}, 131009, "512"),
        ({"type": "text", "text": {"body": "x"}, "recipient_type": "everybody"}, 131009, "recipient_type"),
        ({"type": "text", "text": {"body": "x"}, "category": "utility"}, 100, "Direct Send"),
        ({"type": "poll", "poll": {}}, 131051, "poll"),
        ({"type": "image", "image": {}}, 131008, "image"),
        ({"type": "image", "image": {"id": "1", "link": "https://example.com/a.jpg"}}, 131008, "link"),
        ({"type": "audio", "audio": {"id": "1", "caption": "x"}}, 100, "caption"),
    ],
)
def test_a_wrong_field_is_named_with_its_documented_code(send, lan, body, code, word):
    assert word in refused(send(**body), code)


def test_a_body_must_be_for_whatsapp_and_be_json(graph, sandbox):
    assert "messaging_product" in refused(graph("POST", MESSAGES, {"to": LAN}), 100)
    assert "messaging_product" in refused(graph("POST", MESSAGES, {"messaging_product": "sms", "to": LAN}), 100)
    refused(graph("POST", MESSAGES, b"{not json"), 100)


def buttons(*pairs):
    return {
        "type": "button",
        "body": {"text": "x"},
        "action": {"buttons": [{"type": "reply", "reply": {"id": i, "title": t}} for i, t in pairs]},
    }


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (buttons(), 131009),
        (buttons(("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")), 131009),
        (buttons(("1", "x" * 21)), 131009),
        (buttons(("i" * 257, "x")), 131009),
        (buttons(("1", "same"), ("2", "same")), 131009),
        (buttons(("1", "a"), ("1", "b")), 131009),
        (buttons(("", "a")), 131008),
        (buttons(("1", "a")) | {"body": {"text": "x" * 1025}}, 131009),
        (buttons(("1", "a")) | {"footer": {"text": "x" * 61}}, 131009),
        ({"type": "button", "body": {"text": "x"}}, 131008),
        ({"type": "magic", "body": {"text": "x"}, "action": {}}, 131009),
    ],
)
def test_wrong_buttons_are_refused(send, lan, node, code):
    refused(send(type="interactive", interactive=node), code)


# -- the window ------------------------------------------------------------------------------------------------------


def test_free_form_outside_the_window_is_131047(send):
    refused(send(), 131047)


def test_the_window_closes_24_hours_after_the_last_message(sandbox, send):
    sandbox.clock("2026-11-20T08:00:00Z")
    sandbox.inbound("Chào", phone=LAN)
    sandbox.clock("2026-11-21T07:59:59Z")
    assert send()[0] == 200
    sandbox.clock("2026-11-21T08:00:00Z")
    refused(send(), 131047)


def test_a_window_belongs_to_one_number(sandbox, graph, lan, product):
    sandbox.number(product.url, phone_number_id="800000000000002", display_phone_number="+842473000002")
    body = {"messaging_product": "whatsapp", "to": LAN, "type": "text", "text": {"body": "x"}}
    refused(graph("POST", "/800000000000002/messages", body), 131047)


def test_a_number_may_take_it_and_fail_it_later_instead(sandbox, send, product):
    sandbox.number(window_error="status")
    assert send(biz_opaque_callback_data="late")[0] == 200
    sandbox.wait_webhooks()
    [status] = product.statuses()
    assert status["status"] == "failed"
    assert status["errors"][0]["code"] == 131047
    assert status["biz_opaque_callback_data"] == "late"


# -- limits ----------------------------------------------------------------------------------------------------------


def test_too_many_in_a_second_is_130429_and_inbound_counts_as_well(sandbox, send):
    sandbox.number(throughput=2)
    sandbox.inbound("Chào", phone=LAN)
    answers = [send() for _ in range(12)]  # far more than two a second, however busy the machine
    assert answers[0][0] == 200
    refused(next(answer for answer in answers if answer[0] != 200), 130429, 429)
    assert len([answer for answer in answers if answer[0] == 200]) < 6


def test_too_many_to_one_person_is_131056_and_eases_with_time(sandbox, send):
    sandbox.number(pair_burst=3, pair_seconds=6)
    sandbox.clock("2026-11-20T08:00:00Z")
    sandbox.inbound("Chào", phone=LAN)
    assert [send()[0] for _ in range(3)] == [200] * 3
    refused(send(), 131056)
    assert send(to="+84912345679", **template("Mai", "B"))[0] == 200
    sandbox.clock("2026-11-20T08:00:05Z")
    refused(send(), 131056)
    sandbox.clock("2026-11-20T08:00:06Z")
    assert send()[0] == 200
    refused(send(), 131056)


# -- read receipts ---------------------------------------------------------------------------------------------------


def test_an_inbound_message_is_marked_read_without_a_webhook(sandbox, send, lan, product):
    before = len(product.received)
    read = {"to": "", "status": "read", "message_id": lan["message_id"]}
    del read["to"]
    body = {"messaging_product": "whatsapp", **read, "typing_indicator": {"type": "text"}}
    assert sandbox.request("POST", "/v26.0" + MESSAGES, body, headers=AUTH) == (200, {"success": True})
    sandbox.wait_webhooks()
    assert len(product.received) == before
    assert sandbox.sends() == []


def test_an_unknown_message_cannot_be_marked_read(graph):
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.X"}
    refused(graph("POST", MESSAGES, body), 100, 400, 33)


# -- the record ------------------------------------------------------------------------------------------------------


def test_the_record_keeps_accepted_and_refused_sends_alike(sandbox, send, lan):
    send(biz_opaque_callback_data="good")
    send(to="+84912345679", biz_opaque_callback_data="bad")
    good, bad = sandbox.sends()
    assert (good["ref"], good["accepted"], good["window_open"], good["answer"]["http"]) == ("good", True, True, 200)
    assert (bad["ref"], bad["accepted"], bad["answer"]["code"], bad["answer"]["http"]) == ("bad", False, 131047, 400)
    assert good["body"]["text"] == {"body": "Chào bạn"}
    assert sandbox.sends(since=good["seq"]) == [bad]
    assert sandbox.sends(ref="good") == [sandbox.sends(to=LAN)[0]]


def test_the_record_tells_when_an_opt_out_was_written_and_when_the_product_knew(sandbox, product):
    product.answers = [500]
    sandbox.webhooks(retry_first=0.05)
    stop = sandbox.inbound("HỦY", phone=LAN, opt_out=True)
    assert stop["acknowledged"]
    [row] = sandbox.record()["opt_outs"]
    assert row["phone"] == LAN
    assert row["at"] < row["acknowledged_at"]
