"""Taking over templates and limits from the provider, over real HTTP."""

import json
from datetime import timedelta

import pytest

from messaging.accounts import account_health, account_refresh, accounts_sync, template_stop, templates_sync
from messaging.credentials import Credentials, credentials_write
from messaging.errors import ProviderRefusedError
from messaging.events import ErrorClass
from messaging.models import Template
from messaging.tasks import templates_sync_task
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder, TemplateBuilder
from tests.messaging.provider import provider

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=15)
BODY = [{"type": "BODY", "text": "Chào {{1}}!"}]


def remote(name, status="APPROVED", **more):
    return {
        "id": "77",
        "name": name,
        "language": "vi",
        "status": status,
        "category": "MARKETING",
        "components": BODY,
        "quality_score": {"score": "GREEN", "date": 1},
        "rejected_reason": "NONE",
    } | more


def ok(body):
    return 200, {}, json.dumps(body).encode()


def account_at(base_url, **more):
    account = AccountBuilder(base_url=base_url, **more)
    credentials_write(account, Credentials("token-1"))
    return account


def sync(templates, account=None, now=NOW):
    """One sync against a provider that lists `templates` on one page."""
    with provider(lambda *_: ok({"data": templates, "paging": {"cursors": {"after": "x"}}})) as (url, _calls):
        account = account or account_at(url)
        account.base_url = url
        assert templates_sync(account=account, now=now) == len({t["name"] for t in templates})
    return account


def test_it_takes_over_new_templates_with_all_their_facts():
    sync([remote("a", parameter_format="NAMED"), remote("b", status="REJECTED", rejected_reason="SCAM")])
    a, b = Template.objects.order_by("name")
    assert (a.provider_id, a.status, a.category, a.quality) == ("77", "APPROVED", "MARKETING", "GREEN")
    assert (a.components, a.parameter_format, a.synced_at) == (BODY, "NAMED", NOW)
    assert (b.status, b.status_reason, b.parameter_format) == ("REJECTED", "SCAM", "POSITIONAL")


def test_it_reads_every_page_and_asks_with_its_own_address_only():
    def answer(path, query, headers):
        page = {None: ("a", "1"), "1": ("b", "2"), "2": ("c", "3")}[query.get("after")]
        paging = {"cursors": {"after": page[1]}}
        if page[0] != "c":
            paging["next"] = "http://127.0.0.1:9/steal?access_token=token-1"
        return ok({"data": [remote(page[0])], "paging": paging})

    with provider(answer) as (url, calls):
        account = account_at(url)
        assert templates_sync(account=account, now=NOW) == 3
    assert [query.get("after") for _path, query, _headers in calls] == [None, "1", "2"]
    assert {path for path, _query, _headers in calls} == {f"/v26.0/{account.business_account_id}/message_templates"}
    assert {headers["Authorization"] for _path, _query, headers in calls} == {"Bearer token-1"}
    assert all("token" not in json.dumps(query) for _path, query, _headers in calls)


def test_it_updates_what_changed_and_keeps_what_vanished_as_deleted():
    account = sync([remote("a"), remote("b")])
    sync([remote("a", status="PAUSED", components=[])], account, LATER)
    a, b = Template.objects.order_by("name")
    assert (a.status, a.components) == ("PAUSED", [])
    assert b.status == "DELETED"


def test_what_a_webhook_taught_us_during_the_fetch_stays():
    account = sync([remote("a")])
    Template.objects.update(status="PAUSED", synced_at=LATER + timedelta(seconds=1))
    sync([remote("a")], account, LATER)
    assert Template.objects.get().status == "PAUSED"


def test_a_broken_page_changes_nothing():
    account = sync([remote("a")])

    def answer(path, query, headers):
        return ok({"data": [], "paging": {"cursors": {"after": "1"}, "next": "x"}}) if "after" not in query else (
            500, {}, b"oops")  # fmt: skip

    with provider(answer) as (url, _calls):
        account.base_url = url
        with pytest.raises(ProviderRefusedError):
            templates_sync(account=account, now=LATER)
    assert Template.objects.get().status == "APPROVED"


def test_a_list_that_never_ends_is_refused():
    def answer(path, query, headers):
        return ok({"data": [], "paging": {"cursors": {"after": str(int(query.get("after", 0)) + 1)}, "next": "x"}})

    with provider(answer) as (url, _calls), pytest.raises(ProviderRefusedError):
        templates_sync(account=account_at(url), now=NOW)


@pytest.mark.parametrize(
    ("stopped_as", "listed", "after"),
    [
        ("PAUSED", remote("a"), "APPROVED"),  # the provider ended its pause
        ("DISABLED", remote("a"), "DISABLED"),  # the list does not show our trouble: it stays stopped
        ("DISABLED", remote("a", components=[{"type": "BODY", "text": "x"}]), "APPROVED"),  # somebody mended it
        ("DISABLED", remote("a", status="REJECTED"), "REJECTED"),  # the provider's own word again
    ],
)
def test_our_own_stop_lasts_until_it_is_mended(stopped_as, listed, after):
    account = sync([remote("a")])
    template_stop(account_id=account.id, name="a", language="vi", status=stopped_as, reason="x", now=NOW)
    sync([listed], account, LATER)
    assert Template.objects.get().status == after


def test_a_refusal_is_classified_and_shows_no_token():
    error = {"error": {"code": 190, "message": "Error validating access token: token-EAAB1234567890123456789012345"}}
    refused = pytest.raises(ProviderRefusedError)
    with provider(lambda *_: (401, {}, json.dumps(error).encode())) as (url, _calls), refused as caught:
        templates_sync(account=account_at(url), now=NOW)
    assert caught.value.error.error_class is ErrorClass.AUTH
    assert "EAAB" not in str(caught.value)


def test_an_unreachable_provider_is_a_refusal_without_an_address():
    with pytest.raises(ProviderRefusedError) as caught:
        templates_sync(account=account_at("http://127.0.0.1:9"), now=NOW)
    assert "127.0.0.1" not in str(caught.value)


def test_it_takes_over_the_numbers_quality_and_the_portfolios_limit():
    node = {
        "quality_rating": "YELLOW",
        "whatsapp_business_manager_messaging_limit": "TIER_10K",
        "is_on_biz_app": True,
    }
    with provider(lambda *_: ok(node)) as (url, calls):
        account = account_at(url, portfolio_id="p1", messaging_limit=250)
        sibling = AccountBuilder(portfolio_id="p1", messaging_limit=250)
        account_refresh(account=account)
    assert calls[0][0] == f"/v26.0/{account.sender_id}"
    account.refresh_from_db()
    sibling.refresh_from_db()
    assert (account.quality_rating, account.throughput_per_second) == ("YELLOW", 20)
    assert account.messaging_limit == sibling.messaging_limit == 10_000


def test_silence_about_a_limit_changes_nothing():
    with provider(lambda *_: ok({"id": "1"})) as (url, _calls):
        account = account_at(url, messaging_limit=250)
        account_refresh(account=account)
    account.refresh_from_db()
    assert (account.messaging_limit, account.throughput_per_second) == (250, 80)


def test_health_tells_what_to_do():
    error = {"error_code": 1, "error_description": "No payment method.", "possible_solution": "Add one."}
    entities = [{"entity_type": "WABA", "errors": [error]}, {"entity_type": "APP"}]
    node = {"health_status": {"can_send_message": "BLOCKED", "entities": entities}}
    with provider(lambda *_: ok(node)) as (url, _calls):
        health = account_health(account_at(url))
    assert (health.can_send, health.problems) == ("BLOCKED", ("WABA: No payment method. Add one.",))


def test_one_accounts_trouble_stops_no_other():
    def answer(path, query, headers):
        return ok({"data": [remote("a")], "paging": {}}) if path.endswith("message_templates") else ok({"id": "1"})

    account_at("http://127.0.0.1:9")
    AccountBuilder()  # without credentials: not asked
    with provider(answer) as (url, _calls):
        account_at(url)
        assert accounts_sync(now=NOW) == 1
        templates_sync_task()
    assert Template.objects.count() == 1


def test_a_template_twice_in_a_list_is_taken_once():
    account = account_at("http://127.0.0.1:9")
    TemplateBuilder(account=account, name="a", language="vi")
    sync([remote("a"), remote("a", status="PAUSED")], account, LATER)
    assert Template.objects.get().status == "APPROVED"
