import pytest
from django.db import connection
from rest_framework.test import APIClient

from campaigns.models import Campaign
from tests.builders.campaigns import CampaignBuilder
from tests.builders.messaging import AccountBuilder

PROBLEM = "application/problem+json"


def test_what_is_not_there_is_a_problem_document_under_every_api_address(db, api):
    for path in ("/api/nothing", "/api/v1/nothing/", "/api/v1/campaigns/0198c0de-0000-7000-8000-000000000000"):
        answer = api.get(path)
        assert answer.status_code == 404
        assert answer["Content-Type"] == PROBLEM
        assert answer.json() == {
            "type": "urn:rekindle:problem:not-found",
            "title": "Not Found",
            "status": 404,
            "detail": "Not found.",
            "instance": path,
        }


def test_an_address_with_a_slash_at_its_end_works_too(db, api):
    account = AccountBuilder()
    made = api.post("/api/v1/campaigns/", {"name": "Tết", "account": str(account.pk)})
    assert made.status_code == 201
    assert api.get(f"/api/v1/campaigns/{made.json()['id']}/").status_code == 200


def test_mistakes_are_named_by_pointers_into_the_body(db, api):
    answer = api.post("/api/v1/campaigns", {"name": "", "account": "x"})
    assert answer.status_code == 400
    assert answer["Content-Type"] == PROBLEM
    problem = answer.json()
    assert problem["type"] == "urn:rekindle:problem:invalid"
    assert {error["pointer"] for error in problem["errors"]} == {"#/name", "#/account"}
    assert all(error["detail"] and error["code"] for error in problem["errors"])


def test_a_rule_that_says_no_is_422_and_a_state_that_says_no_is_409(db, api):
    account = AccountBuilder()
    rule = api.post("/api/v1/campaigns", {"name": "Tết", "account": str(account.pk), "currency": "QQQ"})
    assert rule.status_code == 422
    assert rule.json()["type"] == "urn:rekindle:problem:campaign-invalid"
    assert rule.json()["errors"][0]["pointer"] == "#/currency"
    campaign = CampaignBuilder(status=Campaign.Status.DRAFT)
    state = api.post(f"/api/v1/campaigns/{campaign.pk}/start")
    assert state.status_code == 409
    assert state.json()["type"] == "urn:rekindle:problem:campaign-state"


def test_an_unexpected_error_tells_nothing_of_its_cause(db, api, monkeypatch):
    secret = "+84901234567 broke it"

    def breaks(*args, **kwargs):
        raise RuntimeError(secret)

    monkeypatch.setattr("campaigns.services.campaign_start", breaks)
    campaign = CampaignBuilder()
    api.raise_request_exception = False
    answer = api.post(f"/api/v1/campaigns/{campaign.pk}/start")
    assert answer.status_code == 500
    assert answer["Content-Type"] == PROBLEM
    assert secret not in answer.content.decode()
    assert answer.json()["type"] == "urn:rekindle:problem:internal"


def test_a_database_error_midway_undoes_the_whole_request(db, api, monkeypatch):
    campaign = CampaignBuilder(status=Campaign.Status.DRAFT)
    original = Campaign.objects.get(pk=campaign.pk).name

    def breaks(*args, **kwargs):
        Campaign.objects.filter(pk=campaign.pk).update(name="half done")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")

    monkeypatch.setattr("campaigns.services.campaign_submit", breaks)
    api.raise_request_exception = False
    assert api.post(f"/api/v1/campaigns/{campaign.pk}/submit").status_code == 500
    assert Campaign.objects.get(pk=campaign.pk).name == original


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [("application/json", b"{", 400), ("text/csv", b"a,b", 415), ("application/json", b" " * 300_000, 413)],
)
def test_a_body_we_cannot_read_is_refused(db, api, content_type, body, status):
    answer = api.generic("POST", "/api/v1/campaigns", body, content_type=content_type)
    assert answer.status_code == status
    assert answer["Content-Type"] == PROBLEM


def test_a_method_that_is_not_there_is_405(db, api):
    answer = api.put("/api/v1/campaigns", {})
    assert answer.status_code == 405
    assert answer["Content-Type"] == PROBLEM


def test_html_is_never_answered_to_a_browser_without_a_key(db):
    answer = APIClient().get("/api/v1/campaigns", HTTP_ACCEPT="text/html")
    assert answer.status_code == 401
    assert answer["Content-Type"] == PROBLEM


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "contacts", '{"phone": "+84901234567", "attributes": {"a": "\\u0000"}}'),
        ("POST", "contacts", '{"phone": "+84901234567", "attributes": {"a\\u0000": 1}}'),
        ("POST", "contacts", '{"phone": "+84901234567", "name": "\\u0000"}'),
        ("POST", "contacts", "[" * 100_000),
        ("POST", "contacts", '{"phone": "+84901234567", "attributes": ' + '{"a":' * 3000 + "1" + "}" * 3001),
        ("POST", "contacts", '{"phone": {"a": 1}, "attributes": [], "time_zones": "x"}'),
        ("POST", "contacts", "null"),
        ("POST", "conversions", '{"external_id": "o", "kind": "k", "phone": "+84901234567", "value": 1e999}'),
        (
            "POST",
            "conversions",
            '{"external_id": "o", "kind": "k", "contact": "x", "value": "1e30", "currency": "VND"}',
        ),
        ("POST", "suppressions", '{"value": "\\ud800", "reason": "x"}'),
        ("POST", "suppressions", '{"kind": "bsuid", "value": "\\ud800", "reason": "x"}'),
        ("GET", "campaigns?cursor=cD1hYmM%3D", ""),
        ("GET", "templates?cursor=cD1hYmM%3D", ""),
        ("GET", "campaigns?name=%00", ""),
        ("GET", "contacts?attribute=a%00:b", ""),
        ("GET", "contacts?phone=%FF", ""),
        ("GET", "messages?conversation=x", ""),
        ("GET", "templates/99999999999999999999999", ""),
        ("GET", "reports/funnel?since=0001-01-01T00:00:00%2B14:00", ""),
    ],
)
def test_nonsense_is_never_our_fault(db, api, method, path, body):
    answer = api.generic(method, f"/api/v1/{path}", body.encode(), content_type="application/json")
    assert 400 <= answer.status_code < 500, answer.content
    assert answer["Content-Type"] == PROBLEM
