from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from access.roles import ANALYST, MARKETER
from campaigns.models import AdClick, AdSpend
from conversations.models import Conversion, DropOut
from delivery.models import Decision
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import ContactBuilder
from tests.builders.conversations import ConversationBuilder, DropOutBuilder, OutboundBuilder

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(shop):
    """Today: one silent, back after a callback and bought; one silent; one held out; one of another campaign."""
    now = timezone.now() - timedelta(minutes=1)
    mine = {"campaign": shop.campaign, "opened_at": now}
    AdClick.objects.create(entry_point=shop.link, reference="r1", clicked_at=now)
    AdSpend.objects.create(entry_point=shop.ad, day=now.date(), clicks=7, currency="VND")
    back = ConversationBuilder(**mine, converted_at=now, contact=ContactBuilder(display_name="Back"))
    OutboundBuilder(conversation=back, status="read", sent_at=now - timedelta(hours=1))
    DropOutBuilder(
        conversation=back, silent_since=now - timedelta(hours=3), detected_at=now - timedelta(hours=2), ended_at=now,
        ended_by=DropOut.EndedBy.REPLY,
    )  # fmt: skip
    DropOutBuilder(conversation=ConversationBuilder(**mine))
    DropOutBuilder(conversation=ConversationBuilder(**mine, holdout=True))
    ConversationBuilder(opened_at=now, campaign=CampaignBuilder(account=shop.account))
    for number, currency in enumerate(("VND", "VND", "USD")):
        Conversion.objects.create(
            external_id=f"A{number}", contact=back.contact, kind="purchase", value=100, currency=currency,
            occurred_at=now, source="api", campaign=shop.campaign,
        )  # fmt: skip
    Decision.objects.create(
        contact=back.contact, conversation=back, stage="plan", verdict="refuse", reason="holdout", decided_at=now
    )
    return shop


def look(client, **query):
    return client.get(reverse("admin:index"), query).context


def bars(context):
    return {bar.name: bar.count for bar in context["funnel"]}


def test_the_funnel_counts_the_conversations_of_the_period(member, story):
    counts = bars(look(member(MARKETER), campaign=story.campaign.pk, days=1))
    assert counts["Conversations started"] == 3
    assert counts["Conversions"] == 3
    assert bars(look(member(MARKETER), days=1))["Conversations started"] == 4


def test_every_number_leads_to_the_people_behind_it(member, story):
    client = member(ANALYST)
    context = look(client, campaign=story.campaign.pk, days=7)
    arms = [number for row in context["holdout"] for number in (row["dropped"], row["back"])]
    urls = [item.url for item in (*context["headline"], *context["funnel"], *context["refusals"], *arms) if item.url]
    assert len(urls) > 10
    for url in urls:
        page = client.get(url)
        assert page.status_code == 200, url
        assert len(page.context["people"]) == page.context["count"].people, url
        assert "Back" not in [person["name"] for person in page.context["people"]]  # masked


def test_a_number_that_names_nobody_has_no_page(member, story):
    url = reverse("dashboard-people")
    assert member(MARKETER).get(url, {"key": "impressions"}).status_code == 404
    assert member(MARKETER).get(url, {"key": "nonsense"}).status_code == 404


def test_money_is_kept_apart_by_currency(member, story):
    values = {number.value for number in look(member(MARKETER), days=1)["headline"]}
    assert {"200 VND", "100 USD"} <= values


def test_the_budget_stands_beside_what_the_ads_cost(member, story):
    AdSpend.objects.update(amount=250_000)
    story.campaign.budget = 1_000_000
    story.campaign.save()
    (spend,) = [
        number
        for number in look(member(MARKETER), campaign=story.campaign.pk, days=7)["headline"]
        if number.name == "Ad spend in VND"
    ]
    assert spend.value.endswith("VND")
    assert "budget is" in spend.hint
    assert not spend.url  # nobody is behind it


def test_the_start_rate_counts_links_and_what_ad_platforms_report(member, story):
    context = look(member(MARKETER), campaign=story.campaign.pk, days=7)
    values = {number.name: number.value for number in context["headline"]}
    assert values["Ad clicks"] == "8"


def test_refusals_are_counted_by_reason_in_words(member, story):
    (bar,) = look(member(MARKETER), days=7)["refusals"]
    assert bar.count == 1
    assert "holdout group" in bar.name


@pytest.mark.parametrize("query", [{"campaign": "x"}, {"days": "-1"}, {"days": "abc"}, {"campaign": "0" * 40}])
def test_an_address_that_makes_no_sense_shows_the_default(member, story, query):
    assert look(member(MARKETER), **query)["scope"].days == 30


def test_what_needs_a_person_is_shown_to_those_who_may_see_it(member, story):
    CampaignBuilder(status="submitted", account=story.account)
    (number,) = look(member(MARKETER))["attention"]
    assert (number.name, number.value) == ("Campaigns waiting for approval", "1")
    assert member(MARKETER).get(number.url).context["cl"].result_count == 1


def test_the_dashboard_stays_cheap(member, story, django_assert_max_num_queries):
    client = member(MARKETER)
    with django_assert_max_num_queries(40):
        client.get(reverse("admin:index"))
