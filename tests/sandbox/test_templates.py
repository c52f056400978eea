import pytest

from tests.sandbox.conftest import template
from tests.sandbox.test_messages import refused
from tests.sandbox_process import NUMBER

TEMPLATES = f"/{NUMBER['waba_id']}/message_templates"


def test_a_filled_template_goes_out_without_a_window(sandbox, send):
    assert send(**template("Lan", "B12"))[0] == 200
    [row] = sandbox.sends()
    assert row["text"] == "Chào Lan, mẫu B12 còn chờ bạn nhé!"
    assert (row["template"], row["language"], row["category"]) == ("come_back", "vi", "MARKETING")
    assert not row["window_open"]


def test_a_wrong_number_of_parameters_is_132000_and_says_which_part(send):
    details = refused(send(**template("Lan")), 132000)
    assert details == "body: number of localizable_params (1) does not match the expected number of params (2)"
    assert "(0)" in refused(send(**template()), 132000)
    assert "(3)" in refused(send(**template("a", "b", "c")), 132000)


def test_a_missing_template_or_language_is_132001_with_404(send):
    assert "nope" in refused(send(**template("a", "b", name="nope")), 132001, 404)
    assert "vi_VN" in refused(send(**template("a", "b", language="vi_VN")), 132001, 404)


@pytest.mark.parametrize(
    ("status", "code", "http"),
    [("PENDING", 132001, 404), ("REJECTED", 132001, 404), ("PAUSED", 132015, 400), ("DISABLED", 132016, 400)],
)
def test_only_an_approved_template_can_be_sent(sandbox, send, status, code, http):
    sandbox.template("come_back", "Chào {{1}}, {{2}}!", status=status)
    refused(send(**template("a", "b")), code, http)


@pytest.mark.parametrize(
    ("value", "code"),
    [("two\nlines", 132018), ("a\ttab", 132018), ("five     spaces", 132018), (" ", 131008), ("x" * 1025, 132005)],
)
def test_what_a_parameter_may_not_hold(send, value, code):
    refused(send(**template("Lan", value)), code)


def test_four_spaces_are_still_allowed(send):
    assert send(**template("Lan", "a    b"))[0] == 200


def test_a_parameter_of_another_type_is_132012(send):
    body = template("Lan", "B")
    body["template"]["components"][0]["parameters"][0] = {"type": "image", "image": {"id": "1"}}
    refused(send(**body), 132012)


def named(**values):
    parameters = [{"type": "text", "parameter_name": name, "text": text} for name, text in values.items()]
    return template(components=[{"type": "body", "parameters": parameters}], name="named")


def test_named_parameters_go_by_name_in_any_order(sandbox, send):
    sandbox.template("named", "{{first}} rồi {{second}} nhé", parameter_format="NAMED")
    assert send(**named(second="B", first="A"))[0] == 200
    assert sandbox.sends()[0]["text"] == "A rồi B nhé"
    assert "second" in refused(send(**named(first="A", third="B")), 132000)
    refused(send(**named(first="A")), 132000)
    body = named(first="A", second="B")
    del body["template"]["components"][0]["parameters"][0]["parameter_name"]
    assert "Parameter name" in refused(send(**body), 100)


RICH = [
    {"type": "HEADER", "format": "IMAGE"},
    {"type": "BODY", "text": "Xin chào"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Gọi tôi"},
            {"type": "URL", "text": "Xem", "url": "https://example.com/{{1}}"},
        ],
    },
]
IMAGE = {"type": "header", "parameters": [{"type": "image", "image": {"id": "600001"}}]}
LINK = {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "lan-7f"}]}
REPLY = {
    "type": "button",
    "sub_type": "quick_reply",
    "index": "0",
    "parameters": [{"type": "payload", "payload": "CALL_ME"}],
}


@pytest.mark.parametrize(
    ("components", "code"),
    [
        ([IMAGE, LINK], None),
        ([IMAGE, LINK, REPLY], None),
        ([IMAGE, LINK | {"index": 1}], None),
        ([LINK], 132000),
        ([IMAGE], 132000),
        ([IMAGE, LINK | {"index": "7"}], 132000),
        ([IMAGE, LINK | {"index": "x"}], 131009),
        ([IMAGE, LINK | {"sub_type": "quick_reply"}], 132012),
        ([{"type": "header", "parameters": [{"type": "video", "video": {"id": "1"}}]}, LINK], 132012),
        ([{"type": "header", "parameters": [{"type": "image", "image": {}}]}, LINK], 131008),
        ([IMAGE, IMAGE, LINK], 100),
        ([{"type": "footer", "parameters": []}, IMAGE, LINK], 132012),
    ],
)
def test_header_and_buttons_are_checked_too(sandbox, send, components, code):
    sandbox.post(
        "templates", waba_id=NUMBER["waba_id"], name="rich", language="vi", category="UTILITY", components=RICH
    )
    answer = send(**template(name="rich", components=components))
    if code is None:
        assert answer[0] == 200, answer
    else:
        refused(answer, code)


def test_an_authentication_template_needs_a_phone_number(sandbox, send, lan):
    sandbox.template("code", "Mã {{1}} nhé", category="AUTHENTICATION")
    refused(send(recipient=lan["user_id"], **template("1234", name="code")), 131062)


# -- what becomes of marketing ---------------------------------------------------------------------------------------


def failed_with(product, sandbox):
    sandbox.wait_webhooks()
    [status] = product.statuses()
    assert status["status"] == "failed"
    return status["errors"][0]["code"]


def test_a_marketing_template_to_the_united_states_fails_with_131049(sandbox, send, product):
    assert send(to="+12125550123", **template("Ana", "A"))[0] == 200
    assert failed_with(product, sandbox) == 131049


def test_canada_is_not_the_united_states(sandbox, send, product):
    assert send(to="+14165550123", **template("Ana", "A"))[0] == 200
    sandbox.wait_webhooks()
    assert [status["status"] for status in product.statuses()] == ["sent", "delivered"]


def test_a_utility_template_reaches_the_united_states(sandbox, send, product):
    sandbox.template("receipt", "Cảm ơn {{1}} nhé", category="UTILITY")
    send(to="+12125550123", **template("Ana", name="receipt"))
    sandbox.wait_webhooks()
    assert [status["status"] for status in product.statuses()] == ["sent", "delivered"]


def test_an_american_known_by_user_id_only_gets_no_marketing_either(sandbox, send, product):
    sandbox.inbound("Hola", user_id="US.1001", username="ana")
    send(recipient="US.1001", **template("Ana", "A"))
    assert failed_with(product, sandbox) == 131049


def test_who_stopped_marketing_gets_131050_until_resuming(sandbox, send, product, lan):
    sandbox.post("preferences", value="stop", wait=5, **{"from": lan["phone"]})
    send(**template("Lan", "A"))
    assert failed_with(product, sandbox) == 131050
    assert send(text={"body": "Vâng ạ"})[0] == 200  # service goes on
    sandbox.wait_webhooks()
    sandbox.post("preferences", value="resume", wait=5, **{"from": lan["phone"]})
    send(**template("Lan", "A"))
    sandbox.wait_webhooks()
    assert [status["status"] for status in product.statuses()][-2:] == ["sent", "delivered"]


def test_a_phone_without_whatsapp_ends_in_131026(sandbox, send, product):
    sandbox.post("people", on_whatsapp=False, **{"from": "+84912000111"})
    send(to="+84912000111", **template("Lan", "A"))
    assert failed_with(product, sandbox) == 131026


def test_somebody_in_an_experiment_gets_130472(sandbox, send, product):
    sandbox.post("people", experiment=True, **{"from": "+84912000112"})
    send(to="+84912000112", **template("Lan", "A"))
    assert failed_with(product, sandbox) == 130472


# -- management ------------------------------------------------------------------------------------------------------


def test_templates_are_listed_in_pages_with_cursors(sandbox, graph):
    for number in range(4):
        sandbox.template(f"more_{number}", "Xin chào")
    names, url = [], f"{TEMPLATES}?limit=2"
    pages = 0
    while url:
        status, body = graph("GET", url)
        assert status == 200
        assert set(body["paging"]["cursors"]) == {"before", "after"}
        names += [row["name"] for row in body["data"]]
        pages += 1
        url = body["paging"].get("next", "").removeprefix(sandbox.url + "/v26.0")
    assert names == ["come_back", "more_0", "more_1", "more_2", "more_3"]
    assert pages == 3


def test_the_list_can_be_filtered_and_cut_to_fields(sandbox, graph):
    sandbox.template("old", "Xin chào", status="PAUSED")
    _, body = graph("GET", f"{TEMPLATES}?status=PAUSED&fields=name,status")
    assert [set(row) for row in body["data"]] == [{"id", "name", "status"}]
    assert body["data"][0]["name"] == "old"
    assert isinstance(body["data"][0]["id"], str)


def test_a_list_of_another_account_is_100_33(graph):
    refused(graph("GET", "/123/message_templates"), 100, 400, 33)


def creation(**changes):
    body = {"type": "BODY", "text": "Chào {{1}} nhé", "example": {"body_text": [["Lan"]]}}
    return {"name": "fresh", "language": "vi", "category": "MARKETING", "components": [body]} | changes


def test_a_created_template_is_pending_until_approved(sandbox, graph, send, product):
    status, body = graph("POST", TEMPLATES, creation())
    assert (status, body["status"], body["category"]) == (200, "PENDING", "MARKETING")
    refused(send(**template("Lan", name="fresh")), 132001, 404)
    sandbox.post("template-status", name="fresh", language="vi", event="APPROVED")
    assert send(**template("Lan", name="fresh"))[0] == 200
    sandbox.wait_webhooks()
    [value] = product.values("message_template_status_update")
    assert value["event"] == "APPROVED"
    assert value["message_template_id"] == int(body["id"])
    assert value["reason"] == "NONE"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "Not Allowed"}, 100),
        ({"name": ""}, 131008),
        ({"category": "ADS"}, 100),
        ({"components": [{"type": "FOOTER", "text": "x"}]}, 2388072),
        ({"components": [{"type": "BODY", "text": "{{1}} ơi", "example": {"body_text": [["a"]]}}]}, 2388299),
        ({"components": [{"type": "BODY", "text": "Chào {{1}} nhé"}]}, 2388072),
        ({"components": [{"type": "BODY", "text": "x"}, {"type": "FOOTER", "text": "x" * 61}]}, 2388073),
        (
            {"components": [{"type": "BODY", "text": "x"}, {"type": "HEADER", "format": "TEXT", "text": "x" * 61}]},
            2388047,
        ),
    ],
)
def test_a_wrong_template_is_not_created(graph, changes, code):
    refused(graph("POST", TEMPLATES, creation(**changes)), code)


def test_a_paused_template_is_told_stops_sends_and_can_be_unpaused(sandbox, graph, send, product):
    sandbox.post("template-status", name="come_back", language="vi", event="PAUSED", title="RATE_LIMITING_PAUSE")
    refused(send(**template("a", "b")), 132015)
    sandbox.wait_webhooks()
    [value] = product.values("message_template_status_update")
    assert value["other_info"]["title"] == "RATE_LIMITING_PAUSE"
    assert graph("POST", f"/{value['message_template_id']}/unpause") == (200, {"success": True})
    assert send(**template("a", "b"))[0] == 200


def test_the_number_node_tells_limits_and_health(sandbox, graph):
    fields = "display_phone_number,quality_rating,throughput,whatsapp_business_manager_messaging_limit,health_status"
    sandbox.number(throughput=1000, messaging_limit="TIER_2K", quality_rating="YELLOW")
    _, body = graph("GET", f"/{NUMBER['phone_number_id']}?fields={fields}")
    assert body["throughput"] == {"level": "HIGH"}
    assert body["whatsapp_business_manager_messaging_limit"] == "TIER_2K"
    assert body["quality_rating"] == "YELLOW"
    assert body["health_status"]["can_send_message"] == "AVAILABLE"
    sandbox.number(status="BANNED")
    _, body = graph("GET", f"/{NUMBER['phone_number_id']}?fields=health_status")
    assert body["health_status"]["can_send_message"] == "BLOCKED"
    assert set(body) == {"health_status", "id"}


def test_a_token_can_be_inspected(sandbox, graph):
    _, body = graph("GET", f"/debug_token?input_token={NUMBER['access_token']}")
    assert body["data"]["is_valid"]
    assert "whatsapp_business_messaging" in body["data"]["scopes"]
    sandbox.post("tokens", access_token="old", state="expired")
    assert not graph("GET", "/debug_token?input_token=old")[1]["data"]["is_valid"]


def test_a_detached_account_is_silent(sandbox, graph, product):
    assert graph("DELETE", f"/{NUMBER['waba_id']}/subscribed_apps") == (200, {"success": True})
    assert graph("GET", f"/{NUMBER['waba_id']}/subscribed_apps")[1] == {"data": []}
    sandbox.inbound("Chào", phone="+84912345678", wait=0)
    assert sandbox.wait_webhooks()
    assert product.received == []
    graph("POST", f"/{NUMBER['waba_id']}/subscribed_apps")
    assert sandbox.inbound("Chào", phone="+84912345678")["acknowledged"]


def test_a_new_webhook_address_must_echo_the_challenge(sandbox, graph, product):
    path = f"/{NUMBER['waba_id']}/subscribed_apps"
    good = {"override_callback_uri": product.url + "/hook", "verify_token": NUMBER["verify_token"]}
    assert graph("POST", path, good)[0] == 200
    refused(graph("POST", path, good | {"verify_token": "guess"}), 2200)
    assert sandbox.post("handshake")["ok"]
    assert sandbox.post("handshake", verify_token="guess")["status"] == 403
