"""Pausing, and what the provider's events change."""

from datetime import timedelta

import pytest

from messaging.accounts import (
    account_pause,
    account_resume,
    accounts_match,
    provider_event_apply,
    template_release,
    template_stop,
)
from messaging.errors import NotPausedError
from messaging.events import Scope
from messaging.models import ChannelAccount, ProviderEvent, Template
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder, TemplateBuilder

pytestmark = pytest.mark.django_db
WABA, PORTFOLIO = "900000000000001", "700000000000001"


@pytest.fixture
def account():
    return AccountBuilder(
        sender_id="800000000000001",
        business_account_id=WABA,
        portfolio_id=PORTFOLIO,
        display_number="+15550100001",
        messaging_limit=250,
    )


@pytest.fixture
def apply(account, parse_one):
    def run(name, to=None):
        return provider_event_apply(event=parse_one(name), account=to or account, receipt=None, now=NOW)

    return run


def fresh(row):
    return type(row).objects.get(pk=row.pk)


class TestPause:
    def test_a_paused_account_says_why_and_since_when(self, account):
        assert account_pause(account_id=account.id, reason="131048", now=NOW) == 1
        row = fresh(account)
        assert (row.status, row.pause_reason, row.paused_at) == ("paused", "131048", NOW)

    def test_the_first_reason_stays(self, account):
        account_pause(account_id=account.id, reason="first", now=NOW)
        assert account_pause(account_id=account.id, reason="second", now=NOW) == 0
        assert fresh(account).pause_reason == "first"

    @pytest.mark.parametrize(
        ("scope", "paused"), [(Scope.NUMBER, {"a"}), (Scope.ACCOUNT, {"a", "b"}), (Scope.PORTFOLIO, {"a", "b", "c"})]
    )
    def test_the_scope_says_who_else_is_paused(self, scope, paused):
        first = AccountBuilder(name="a", business_account_id="w1", portfolio_id="p1")
        AccountBuilder(name="b", business_account_id="w1", portfolio_id="p1")
        AccountBuilder(name="c", business_account_id="w2", portfolio_id="p1")
        AccountBuilder(name="d", business_account_id="w3", portfolio_id="p2")
        account_pause(account_id=first.id, reason="x", now=NOW, scope=scope)
        assert set(ChannelAccount.objects.filter(status="paused").values_list("name", flat=True)) == paused

    def test_a_person_resumes_it(self, account):
        account_pause(account_id=account.id, reason="x", now=NOW)
        row = account_resume(account_id=account.id, actor=None, now=NOW)
        assert (row.status, row.pause_reason, row.paused_at) == ("active", "", None)

    def test_only_a_paused_account_can_be_resumed(self, account):
        with pytest.raises(NotPausedError):
            account_resume(account_id=account.id, actor=None, now=NOW)


class TestMatch:
    def test_by_number_id(self, account, parse_one):
        other = AccountBuilder(business_account_id=WABA)
        assert accounts_match(event=parse_one("text"), accounts=[other, account]) == [account]

    def test_an_account_event_reaches_every_number_of_the_business_account(self, account, parse_one):
        second, stranger = AccountBuilder(business_account_id=WABA), AccountBuilder()
        found = accounts_match(event=parse_one("account_deleted"), accounts=[account, stranger, second])
        assert found == [account, second]

    def test_a_number_event_reaches_the_number_it_displays(self, account, parse_one):
        second = AccountBuilder(business_account_id=WABA)
        assert accounts_match(event=parse_one("number_limit"), accounts=[second, account]) == [account]

    def test_a_portfolio_event_reaches_every_account_of_the_portfolio(self, parse_one):
        first, stranger = AccountBuilder(portfolio_id=WABA), AccountBuilder()
        assert accounts_match(event=parse_one("capability_tier"), accounts=[first, stranger]) == [first]

    def test_an_unknown_number_reaches_nobody(self, parse_one):
        assert accounts_match(event=parse_one("text"), accounts=[AccountBuilder(business_account_id=WABA)]) == []

    def test_what_a_person_did_is_not_guessed_to_be_for_several_numbers(self, account, parse_one):
        second = AccountBuilder(business_account_id=WABA)
        assert accounts_match(event=parse_one("rough_no_metadata"), accounts=[account]) == [account]
        assert accounts_match(event=parse_one("rough_no_metadata"), accounts=[account, second]) == []


class TestAccountEvents:
    def test_a_ban_pauses_the_whole_business_account(self, account, apply):
        second = AccountBuilder(business_account_id=WABA)
        apply("account_disabled")
        assert fresh(account).pause_reason == "DISABLED_UPDATE DISABLE"
        assert fresh(second).status == "paused"

    def test_the_same_event_again_does_not_pause_what_a_person_resumed(self, account, apply):
        apply("account_disabled")
        account_resume(account_id=account.id, actor=None, now=NOW)
        assert apply("account_disabled") is None
        assert fresh(account).status == "active"
        assert ProviderEvent.objects.count() == 1

    def test_news_pause_nothing(self, account, apply):
        row = apply("account_violation")
        assert (row.known, row.summary) == (True, "ACCOUNT_VIOLATION ADULT")
        assert fresh(account).status == "active"

    def test_the_limit_is_the_portfolios(self, account, apply):
        sibling, stranger = AccountBuilder(portfolio_id=PORTFOLIO), AccountBuilder(messaging_limit=250)
        apply("capability_tier")
        assert fresh(account).messaging_limit == fresh(sibling).messaging_limit == 10_000
        assert fresh(stranger).messaging_limit == 250
        apply("capability_unlimited")
        assert fresh(account).messaging_limit is None

    def test_an_upgraded_number_may_send_faster(self, account, apply):
        apply("number_throughput_upgrade")
        assert fresh(account).throughput_per_second == 1000

    def test_what_we_do_not_know_is_kept_and_marked(self, account, apply):
        row = apply("unheard_of_field")
        assert (row.known, row.kind, row.payload, row.account) == (False, "quantum_updates", {"spin": "up"}, account)

    def test_one_event_is_kept_for_each_account_it_reaches(self, account, apply):
        assert apply("account_alert")
        assert apply("account_alert", to=AccountBuilder(business_account_id=WABA))

    def test_an_event_of_no_account_is_kept_too(self, parse_one):
        event = parse_one("unheard_of_field")
        assert provider_event_apply(event=event, account=None, receipt=None, now=NOW).account is None


class TestTemplateEvents:
    @pytest.fixture
    def template(self, account):
        return TemplateBuilder(
            account=account,
            name="promo_1",
            language="pt_BR",
            provider_id="700001",
            category="UTILITY",
            synced_at=NOW - timedelta(days=365),
        )

    def test_a_pause_stops_the_template(self, template, apply):
        apply("template_paused")
        assert (fresh(template).status, fresh(template).status_reason) == ("PAUSED", "FIRST_PAUSE")

    def test_it_is_found_by_name_when_the_id_is_not_known_yet(self, template, apply):
        Template.objects.update(provider_id="")
        apply("template_paused")
        assert fresh(template).status == "PAUSED"

    def test_quality_and_category_change_alone(self, template, apply):
        apply("template_quality")
        apply("template_category_changed")
        row = fresh(template)
        assert (row.quality, row.category, row.status) == ("YELLOW", "MARKETING", "APPROVED")

    def test_a_notice_changes_no_category_yet(self, template, apply):
        apply("template_category_notice")
        assert (fresh(template).category, fresh(template).status_reason) == ("UTILITY", "CATEGORY_WILL_BE MARKETING")

    def test_an_old_approval_does_not_undo_a_newer_list(self, template, apply):
        Template.objects.update(status="PAUSED", synced_at=NOW)
        apply("template_approved")
        assert fresh(template).status == "PAUSED"

    def test_a_stop_counts_however_late_it_comes(self, template, apply):
        Template.objects.update(synced_at=NOW)
        apply("template_disabled")
        assert fresh(template).status == "DISABLED"

    def test_a_template_we_do_not_have_is_only_written_down(self, apply):
        assert apply("template_paused").kind == "template"


class TestTemplateStop:
    def test_a_refused_send_stops_it_and_a_person_releases_it(self):
        template = TemplateBuilder()
        stopped = template_stop(
            account_id=template.account_id,
            name=template.name,
            language=template.language,
            status="DISABLED",
            reason="132000",
            now=NOW,
        )
        assert (stopped.status, stopped.stopped_at, stopped.status_reason) == ("DISABLED", NOW, "132000")
        released = template_release(template_id=template.pk, actor=None, now=NOW)
        assert (released.status, released.stopped_at) == ("APPROVED", None)
        with pytest.raises(NotPausedError):
            template_release(template_id=template.pk, actor=None, now=NOW)

    def test_a_template_that_we_do_not_know_stops_nothing(self):
        arguments = {"name": "x", "language": "vi", "status": "PAUSED", "reason": "x", "now": NOW}
        assert template_stop(account_id=AccountBuilder().id, **arguments) is None
