"""The walk-through of docs/api.md over real HTTP, and what only a real server shows."""

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from campaigns.models import Campaign
from conversations.models import Conversion
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def http(live_server, make_key):
    """`http(method, path, body)` -> (status, headers, JSON), with every scope."""
    _row, first = make_key()

    def request(method, path, body=None, *, key=first, **headers):
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection(live_server.thread.host, live_server.thread.port, timeout=20)
        try:
            connection.request(
                method,
                f"/api/v1{path}",
                body=data,
                headers={"Authorization": f"Api-Key {key}", "Content-Type": "application/json", **named},
            )
            answer = connection.getresponse()
            status, got, raw = answer.status, answer.headers, answer.read()
        finally:
            connection.close()
        return status, got, json.loads(raw) if raw else None

    return request


def ok(answer, status=200):
    assert answer[0] == status, answer
    return answer[2]


def test_the_walk_through_of_the_documentation(http, make_key):
    AccountBuilder()
    _row, approver = make_key("campaigns:read", "campaigns:approve", name="Approver")
    account = ok(http("GET", "/accounts"))["results"][0]["id"]
    campaign = ok(
        http("POST", "/campaigns", {"name": "Tết", "account": account, "currency": "VND", "budget": "5000000"}), 201
    )["id"]
    door = ok(http("POST", "/entry-points", {"campaign": campaign, "kind": "link", "name": "Bio link"}), 201)
    assert "/c/" in door["url"]
    steps = [{"delay": 3600, "text": "Chào {{ contact.name | default: 'bạn' }}!"}]
    ok(http("POST", "/policies", {"campaign": campaign, "patience": 7200, "steps": steps}), 201)
    revision = ok(http("POST", f"/campaigns/{campaign}/submit"))["revision"]
    assert http("POST", f"/campaigns/{campaign}/approve", {"revision": revision})[0] == 409
    ok(http("POST", f"/campaigns/{campaign}/approve", {"revision": revision}, key=approver))
    assert ok(http("POST", f"/campaigns/{campaign}/start"))["status"] == "running"
    ok(http("POST", "/contacts", {"phone": "+84901234567", "name": "Lan"}), 201)
    order = {
        "external_id": "order-1001",
        "kind": "purchase",
        "value": "1250000",
        "currency": "VND",
        "phone": "+84901234567",
    }
    first = http("POST", "/conversions", order, Idempotency_Key="order-1001")
    again = http("POST", "/conversions", order, Idempotency_Key="order-1001")
    assert ok(first, 201) == ok(again, 201)
    assert again[1]["Idempotent-Replayed"] == "true"


def test_twins_over_http_make_one_thing(http):
    body = {"name": "Tết", "account": str(AccountBuilder().pk)}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _i: http("POST", "/campaigns", body, Idempotency_Key="t"), range(16)))
    assert {status for status, _headers, _body in answers} <= {201, 409}
    assert len({answer["id"] for status, _headers, answer in answers if status == 201}) == 1
    assert Campaign.objects.count() == 1


def test_one_order_told_many_times_at_once_is_counted_once(http):
    ok(http("POST", "/contacts", {"phone": "+84901234567"}), 201)
    order = {"external_id": "o", "kind": "purchase", "phone": "+84901234567"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _i: http("POST", "/conversions", order), range(16)))
    assert sorted(status for status, _headers, _body in answers) == [200] * 15 + [201]
    assert Conversion.objects.count() == 1


def test_one_person_named_many_times_at_once_is_one_person(http):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _i: http("POST", "/contacts", {"phone": "+84901234567"}), range(16)))
    assert len({ok_["id"] for _status, _headers, ok_ in answers}) == 1


def test_a_post_to_an_address_with_a_slash_is_served_and_not_redirected(http):
    status, _headers, body = http("POST", "/campaigns/", {"name": "Tết", "account": str(AccountBuilder().pk)})
    assert (status, body["status"]) == (201, "draft")


def test_a_body_too_large_and_a_body_that_is_no_json_are_problems(http):
    for body, expected in ((b"x" * 300_000, 413), (b"{", 400), (b"[]", 400)):
        status, headers, problem = http("POST", "/campaigns", body)
        assert (status, problem["status"]) == (expected, expected)
        assert headers["Content-Type"] == "application/problem+json"
