import http.client
import urllib.error

import pytest

from tests.sandbox.conftest import LAN, template
from tests.sandbox.test_messages import refused
from tests.sandbox_process import SandboxError


def accepted(sandbox):
    return [row["accepted"] for row in sandbox.sends()]


def test_a_documented_error_for_the_next_two_with_a_live_count(sandbox, send, lan):
    sandbox.fault("error", code=131016, next=2)
    refused(send(), 131016, 503)
    assert sandbox.get("faults")["faults"][0]["remaining"] == 1
    refused(send(), 131016, 503)
    assert send()[0] == 200
    [rule] = sandbox.get("faults")["faults"]
    assert (rule["seen"], rule["fired"], rule["remaining"]) == (3, 2, 0)
    assert accepted(sandbox) == [False, False, True]
    assert sandbox.sends()[0]["fault"] == "error"


def test_every_third_fails(sandbox, send, lan):
    sandbox.fault("http", http=503, every=3)
    assert [send()[0] for _ in range(6)] == [200, 200, 503, 200, 200, 503]
    sandbox.clear_faults()
    assert [send()[0] for _ in range(3)] == [200] * 3


def test_a_fault_may_concern_one_person_only(sandbox, send, lan):
    sandbox.fault("error", code=131026, where={"to": "+84912345679"})
    assert send()[0] == 200
    refused(send(to="+84912345679", **template("a", "b")), 131026)


def test_throttled_answers_say_when_to_come_back(sandbox, lan):
    body = b'{"messaging_product":"whatsapp","to":"+84912345678","type":"text","text":{"body":"x"}}'
    sandbox.fault("error", code=130429, retry_after="7", usage_minutes=5)
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"))
    connection.request("POST", "/v26.0/800000000000001/messages", body, {"Authorization": "Bearer sandbox-token"})
    answer = connection.getresponse()
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "7"
    assert '"estimated_time_to_regain_access": 5' in answer.headers["X-Business-Use-Case-Usage"]
    connection.close()


def test_seconds_to_wait_may_be_given_as_a_number(sandbox, send, lan):
    sandbox.fault("error", code=130429, next=1, retry_after=7)
    refused(send(), 130429, 429)
    assert send()[0] == 200


def test_a_time_to_wait_that_no_header_can_carry_is_refused(sandbox):
    with pytest.raises(SandboxError):
        sandbox.fault("error", code=130429, retry_after={"seconds": 7})


@pytest.mark.parametrize("accept", [True, False])
def test_a_reset_before_or_after_the_message_was_taken(sandbox, send, lan, product, accept):
    sandbox.fault("reset", next=1, accept=accept)
    with pytest.raises((urllib.error.URLError, ConnectionError, http.client.RemoteDisconnected)):
        send(biz_opaque_callback_data="r")
    sandbox.wait_webhooks()
    assert accepted(sandbox) == [accept]
    assert sandbox.sends()[0]["answer"]["http"] is None
    assert [status["biz_opaque_callback_data"] for status in product.statuses()] == ["r", "r"] * accept


def test_a_timeout_takes_the_message_and_never_answers(sandbox, lan, product):
    sandbox.fault("timeout", next=1)
    body = {"messaging_product": "whatsapp", "to": LAN, "type": "text", "text": {"body": "x"}}
    with pytest.raises(TimeoutError):
        sandbox.request(
            "POST",
            "/v26.0/800000000000001/messages",
            body,
            headers={"Authorization": "Bearer sandbox-token"},
            timeout=0.3,
        )
    assert accepted(sandbox) == [True]
    sandbox.wait_webhooks()
    assert [status["status"] for status in product.statuses()] == ["sent", "delivered"]


def test_an_unreadable_200(sandbox, send, lan):
    sandbox.fault("unreadable", next=1)
    status, text = send()
    assert status == 200
    assert text.startswith("<html>")
    assert accepted(sandbox) == [True]


def test_a_slow_answer_comes_after_its_statuses(sandbox, send, lan, product):
    sandbox.fault("slow", seconds=0.3, next=1)
    assert send()[0] == 200
    assert [status["status"] for status in product.statuses()] == ["sent", "delivered"]


def test_held_messages_are_released_or_dropped(sandbox, send, product):
    sandbox.fault("held", next=1, release_after=0.05)
    sandbox.fault("held", next=1, seconds=0.05)
    for _ in range(2):
        _, body = send(**template("a", "b"))
        assert body["messages"][0]["message_status"] == "held_for_quality_assessment"
        sandbox.wait_webhooks()
    assert [status["status"] for status in product.statuses()] == ["sent", "delivered", "failed"]
    assert product.statuses()[-1]["errors"][0]["code"] == 132015


def test_other_endpoints_can_break_too(sandbox, graph):
    sandbox.fault("error", endpoint="message_templates", code=80007, next=1)
    refused(graph("GET", "/900000000000001/message_templates"), 80007)
    assert graph("GET", "/900000000000001/message_templates")[0] == 200


@pytest.mark.parametrize("rule", [{"kind": "magic"}, {"kind": "error", "whom": "all"}, {"kind": "error", "next": 0}])
def test_a_rule_that_makes_no_sense_is_refused(sandbox, rule):
    with pytest.raises(SandboxError):
        sandbox.post("faults", **rule)
