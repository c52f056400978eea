import hashlib
import hmac
import json

import pytest

from sandbox.webhooks import signature
from tests.sandbox.conftest import LAN
from tests.sandbox_process import NUMBER


def body_of(product, index=-1):
    return json.loads(product.received[index][1])


def test_the_signature_is_over_the_sent_bytes_and_these_are_ascii(sandbox, product, lan):
    headers, raw = product.received[0]
    digest = hmac.new(NUMBER["app_secret"].encode(), raw, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature-256"] == f"sha256={digest}"
    assert max(raw) < 0x80
    assert b"Ch\\u00e0o shop \\u1ea1" in raw
    assert b"Lan \\ud83d\\udc8d" in raw
    again = json.dumps(json.loads(raw), ensure_ascii=False, separators=(",", ":")).encode()
    assert hmac.new(NUMBER["app_secret"].encode(), again, hashlib.sha256).hexdigest() != digest


def test_the_signature_matches_the_published_vector():
    raw = b'{"object":"whatsapp_business_account","entry":[]}'
    assert signature("test-app-secret", raw) == (
        "sha256=c84a394cc475525991e78ff16e430b02e47f953877d2af0ade26956ce6f384dc"
    )


def test_an_inbound_text_has_the_documented_shape(sandbox, product, lan):
    user_id = lan["user_id"]
    assert body_of(product) == {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": NUMBER["waba_id"],
                "changes": [
                    {
                        "field": "messages",
                        "value": {
                            "messaging_product": "whatsapp",
                            "metadata": {
                                "display_phone_number": "842473000001",
                                "phone_number_id": NUMBER["phone_number_id"],
                            },
                            "contacts": [{"profile": {"name": "Lan 💍"}, "wa_id": "84912345678", "user_id": user_id}],
                            "messages": [
                                {
                                    "from": "84912345678",
                                    "from_user_id": user_id,
                                    "id": lan["message_id"],
                                    "timestamp": lan["message"]["timestamp"],
                                    "type": "text",
                                    "text": {"body": "Chào shop ạ"},
                                }
                            ],
                        },
                    }
                ],
            }
        ],
    }
    assert lan["message"]["timestamp"].isdigit()
    assert user_id.startswith("VN.")


def test_a_username_user_has_no_phone_keys_at_all(sandbox, product):
    sandbox.inbound("oi", phone="+5511961234567", user_id="BR.1001", name="Ana", username="ana.b")
    [value] = product.values()
    assert value["contacts"] == [{"profile": {"name": "Ana", "username": "ana.b"}, "user_id": "BR.1001"}]
    assert "from" not in value["messages"][0]
    assert value["messages"][0]["from_user_id"] == "BR.1001"


def test_a_hidden_phone_can_come_back(sandbox, product):
    sandbox.inbound("a", phone=LAN, user_id="VN.7", username="lan.7")
    sandbox.inbound("b", user_id="VN.7", hidden=False)
    assert [message.get("from") for value in product.values() for message in value["messages"]] == [None, "84912345678"]


def test_a_referral_stands_on_the_message(sandbox, product):
    referral = {"source_id": "120200000000001", "ctwa_clid": "ARx", "headline": "H"}
    sandbox.inbound("Hi", phone=LAN, referral=referral)
    shown = product.values()[0]["messages"][0]["referral"]
    assert shown == {"source_type": "ad", "source_url": "https://fb.me/invented", **referral}


def test_taps_and_replies_point_to_the_message(sandbox, product):
    sandbox.inbound(phone=LAN, type="button", button={"payload": "CALL", "text": "Gọi"}, reply_to="wamid.OUT1")
    reply = {"type": "button_reply", "button_reply": {"id": "b1", "title": "Có"}}
    sandbox.inbound(phone=LAN, interactive=reply, reply_to="wamid.OUT2")
    tap, answer = (value["messages"][0] for value in product.values())
    assert (tap["type"], tap["button"]) == ("button", {"payload": "CALL", "text": "Gọi"})
    assert tap["context"] == {"from": "842473000001", "id": "wamid.OUT1"}
    assert (answer["type"], answer["interactive"]) == ("interactive", reply)


def test_media_come_with_what_meta_always_adds(sandbox, product):
    sandbox.inbound(phone=LAN, type="audio", audio={"id": "1"})
    sandbox.inbound(phone=LAN, type="sticker", sticker={"id": "2"})
    audio, sticker = (value["messages"][0] for value in product.values())
    assert audio["audio"]["voice"] is True
    assert sticker["sticker"]["animated"] is False
    assert len(audio["audio"]["sha256"]) == 44  # base64, not hex


def test_an_unsupported_message_has_only_errors(sandbox, product):
    sandbox.inbound(phone=LAN, type="unsupported", fields={"unsupported": {"type": "poll"}})
    message = product.values()[0]["messages"][0]
    assert message["errors"][0]["code"] == 131051
    assert message["unsupported"] == {"type": "poll"}


def test_a_number_change_is_a_system_message_without_contacts(sandbox, product, lan):
    changed = sandbox.post("identity-change", new_phone="+84912345679", new_user_id="VN.2002", **{"from": LAN})
    sandbox.wait_webhooks()
    value = product.values()[-1]
    assert "contacts" not in value
    message = value["messages"][0]
    assert (message["type"], message["from"]) == ("system", "84912345678")
    assert message["system"]["type"] == "user_changed_number"
    assert message["system"]["wa_id"] == "84912345679"
    assert message["system"]["user_id"] == "VN.2002"
    assert message["system"]["previous_user_id"] == lan["user_id"]
    assert changed["phone"] == "+84912345679"
    assert sandbox.inbound("tôi đây", phone="+84912345679")["user_id"] == "VN.2002"


def test_a_user_id_change_may_come_without_the_old_one(sandbox, product, lan):
    sandbox.post("identity-change", kind="user_changed_user_id", with_previous=False, **{"from": LAN})
    sandbox.wait_webhooks()
    message = product.values()[-1]["messages"][0]
    assert "from" not in message
    assert "previous_user_id" not in message["system"]
    assert message["system"]["user_id"] != lan["user_id"]


def test_a_preference_has_a_number_for_a_timestamp(sandbox, product, lan):
    sandbox.post("preferences", value="stop", wait=5, **{"from": LAN})
    [value] = product.values("user_preferences")
    [preference] = value["user_preferences"]
    assert (preference["value"], preference["category"]) == ("stop", "marketing_messages")
    assert isinstance(preference["timestamp"], int)
    assert (preference["wa_id"], preference["user_id"]) == ("84912345678", lan["user_id"])
    assert "profile" not in value["contacts"][0]
    assert [row["message"]["type"] for row in sandbox.record()["opt_outs"]] == ["preference_stop"]


# -- statuses --------------------------------------------------------------------------------------------------------


def test_statuses_carry_the_reference_and_the_price(sandbox, product, send, lan):
    sandbox.number(read_after=0.1)
    _, answer = send(biz_opaque_callback_data="ref-1")
    sandbox.wait_webhooks()
    statuses = product.statuses()
    assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
    assert {status["id"] for status in statuses} == {answer["messages"][0]["id"]}
    assert {status["biz_opaque_callback_data"] for status in statuses} == {"ref-1"}
    assert all(status["timestamp"].isdigit() for status in statuses)
    assert {status["recipient_id"] for status in statuses} == {"84912345678"}
    assert {status["recipient_user_id"] for status in statuses} == {lan["user_id"]}
    price = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "service"}
    assert [status.get("pricing") for status in statuses] == [price, price, None]
    assert product.values()[-1]["contacts"] == [{"wa_id": "84912345678", "user_id": lan["user_id"]}]
    assert [status["status"] for status in sandbox.sends()[0]["statuses"]] == ["sent", "delivered", "read"]


def test_a_failed_status_to_a_phone_has_no_user_id_and_no_contacts(sandbox, product, send, lan):
    sandbox.fault("fail", code=131049)
    send(biz_opaque_callback_data="r")
    sandbox.wait_webhooks()
    value = product.values()[-1]
    assert "contacts" not in value
    [status] = value["statuses"]
    assert "recipient_user_id" not in status
    assert "pricing" not in status
    error = status["errors"][0]
    assert error["code"] == 131049
    assert set(error) == {"code", "title", "message", "error_data", "href"}
    assert status["biz_opaque_callback_data"] == "r"


def test_statuses_of_a_username_user_name_the_user_id_only(sandbox, product, send):
    sandbox.inbound("oi", user_id="BR.1001", username="ana.b")
    send(recipient="BR.1001")
    sandbox.wait_webhooks()
    assert all(
        "recipient_id" not in status and status["recipient_user_id"] == "BR.1001" for status in product.statuses()
    )
    assert product.values()[-1]["contacts"] == [{"user_id": "BR.1001"}]


def test_an_answer_to_an_ad_click_is_free_for_72_hours(sandbox, product, send):
    sandbox.clock("2026-11-20T08:00:00Z")
    sandbox.inbound("Hi", phone=LAN, referral={"source_id": "1"})
    for moment in ("2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z"):
        sandbox.clock(moment)
        send()
        sandbox.wait_webhooks()
    kinds = {status["pricing"]["type"] for status in product.statuses()}
    assert kinds == {"free_entry_point"}


def test_a_status_can_be_told_late_twice_and_in_any_order(sandbox, product, send, lan):
    sandbox.number(sent_after=None, delivered_after=None)
    send(biz_opaque_callback_data="r")
    for name, code in (("read", None), ("sent", None), ("failed", 131026)):
        sandbox.post("statuses", ref="r", status=name, code=code, at="2026-11-20T08:00:00Z")
    sandbox.wait_webhooks()
    assert [(status["status"], status["timestamp"]) for status in product.statuses()] == [
        ("read", "1795161600"),
        ("sent", "1795161600"),
        ("failed", "1795161600"),
    ]


# -- the way they travel ---------------------------------------------------------------------------------------------


def test_a_webhook_is_sent_until_it_is_answered_with_200(sandbox, product):
    product.answers = [500, 302, 201]
    sandbox.webhooks(retry_first=0.02)
    assert sandbox.inbound("Chào", phone=LAN)["acknowledged"]
    assert len({raw for _, raw in product.received}) == 1
    [delivery] = sandbox.deliveries()
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 302, 201, 200]
    assert delivery["state"] == "delivered"
    assert delivery["body"].encode() == product.received[0][1]


def test_an_unreachable_product_is_tried_again(sandbox, product):
    sandbox.number("http://127.0.0.1:9/hook")
    sandbox.webhooks(retry_first=0.02, retry_most=0.05)
    sandbox.inbound("Chào", phone=LAN, wait=0)
    sandbox.until(lambda: len(sandbox.deliveries()[0]["attempts"]) >= 3)
    [delivery] = sandbox.deliveries(state="retrying")
    assert delivery["attempts"][0]["status"] is None
    assert delivery["attempts"][0]["error"] == "ClientConnectorError"


def test_a_logged_webhook_can_be_sent_again(sandbox, product, lan):
    delivery = sandbox.call("POST", f"deliveries/{sandbox.deliveries()[0]['id']}/again", {"times": 100})
    assert len(delivery["attempts"]) == 101
    assert len(product.received) == 101
    assert len({(headers["X-Hub-Signature-256"], raw) for headers, raw in product.received}) == 1


def test_duplicates_on_request(sandbox, product):
    sandbox.webhooks(duplicate=2)
    sandbox.inbound("Chào", phone=LAN)
    sandbox.until(lambda: len(product.received) == 3)
    assert len({raw for _, raw in product.received}) == 1


def test_many_updates_in_one_body(sandbox, product):
    sandbox.webhooks(hold=True, batch=50)
    for number in range(50):
        sandbox.inbound(f"số {number}", phone=f"+849123450{number:02d}", wait=0)
    assert product.received == []
    sandbox.webhooks(hold=False)
    assert sandbox.wait_webhooks()
    assert len(product.received) == 1
    assert [value["messages"][0]["text"]["body"] for value in product.values()] == [f"số {n}" for n in range(50)]
    assert len(sandbox.deliveries()[0]["kinds"]) == 50


def test_reordered_on_request_and_the_same_for_the_same_seed(sandbox, product):
    orders = []
    for _ in range(2):
        sandbox.reset(seed=5)
        sandbox.number(product.url)
        product.received.clear()
        sandbox.webhooks(hold=True, reorder=10)
        for number in range(10):
            sandbox.inbound(str(number), phone=LAN, wait=0)
        sandbox.webhooks(hold=False)
        assert sandbox.wait_webhooks()
        orders.append([value["messages"][0]["text"]["body"] for value in product.values()])
    assert orders[0] == orders[1]
    assert orders[0] != sorted(orders[0])
    assert sorted(orders[0]) == [str(n) for n in range(10)]


def test_delayed_on_request(sandbox, product):
    sandbox.webhooks(delay=[0.2, 0.3])
    sandbox.inbound("Chào", phone=LAN, wait=0)
    assert product.received == []
    assert sandbox.wait_webhooks()
    assert len(product.received) == 1


@pytest.mark.parametrize("how", ["valid", "invalid", "missing"])
def test_any_body_can_be_posted_signed_wrongly_or_not_at_all(sandbox, product, how):
    answer = sandbox.post("raw", body='{"odd": "ậ"}', signature=how)
    assert answer["attempts"][0]["status"] == 200
    headers, raw = product.received[0]
    assert raw == '{"odd": "ậ"}'.encode()
    good = signature(NUMBER["app_secret"], raw)
    assert headers.get("X-Hub-Signature-256") == {"valid": good, "missing": None}.get(
        how, headers.get("X-Hub-Signature-256")
    )
    assert (headers.get("X-Hub-Signature-256") == good) is (how == "valid")


def test_any_field_can_be_told(sandbox, product):
    value = {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "X"}]}
    sandbox.post("event", field="account_update", value=value, entry_id="700000000000001")
    sandbox.wait_webhooks()
    assert product.values("account_update") == [value]
    assert body_of(product)["entry"][0]["id"] == "700000000000001"
