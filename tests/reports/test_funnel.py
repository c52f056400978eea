"""Every number counts what it says, and the people behind it are exactly those."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from callbacks.models import Callback
from campaigns.models import AdClick, AdSpend
from contacts.consent import consent_record
from conversations.models import Conversion, DropOut, Message
from delivery.models import Decision
from reports.funnel import funnel, funnel_contacts, funnel_series
from tests.builders.campaigns import AdBuilder, CampaignBuilder, LinkBuilder
from tests.builders.contacts import NOW
from tests.builders.conversations import ConversationBuilder, DropOutBuilder, OutboundBuilder

SINCE, UNTIL = NOW - timedelta(days=3), NOW + timedelta(days=3)
HOUR = timedelta(hours=1)


def numbers(campaign, *, since=SINCE, until=UNTIL):
    found = funnel(campaign_id=campaign.pk if campaign else None, since=since, until=until)
    return {count.key: count.value for count in found.counts}


def dropped(campaign, *, holdout=False, ended_by="", at=NOW):
    return DropOutBuilder(
        conversation=ConversationBuilder(campaign=campaign, holdout=holdout, opened_at=at - HOUR),
        detected_at=at,
        ended_by=ended_by,
        ended_at=at + 2 * HOUR if ended_by else None,
    )


def called(dropout, *, status="read", sent_at=NOW + HOUR, position=1, planned_at=NOW):
    reached = {"sent": 1, "delivered": 2, "read": 3}.get(status, 0)
    message = OutboundBuilder(
        conversation=dropout.conversation,
        status=status,
        sent_at=sent_at if reached else None,
        delivered_at=sent_at if reached >= 2 else None,
        read_at=sent_at if reached >= 3 else None,
    )
    return Callback.objects.create(
        dropout=dropout, position=position, policy_revision=1, message=message, planned_at=planned_at, ideal_at=NOW
    )


def converted(conversation, external_id, *, value=None, currency="", kind="purchase", at=NOW):
    return Conversion.objects.create(
        external_id=external_id,
        contact=conversation.contact,
        conversation=conversation,
        campaign=conversation.campaign,
        kind=kind,
        value=value,
        currency=currency,
        occurred_at=at,
        source="api",
    )


@pytest.fixture
def campaign(db):
    return CampaignBuilder()


def test_clicks_that_a_platform_reports_and_clicks_we_saw_are_said_apart(campaign):
    ad, link = AdBuilder(campaign=campaign), LinkBuilder(campaign=campaign)
    AdSpend.objects.create(entry_point=ad, day=date(2026, 11, 18), impressions=1000, clicks=7, currency="VND")
    AdClick.objects.create(entry_point=link, reference="AAAA", clicked_at=NOW)
    ConversationBuilder(campaign=campaign, entry_point=ad)
    ConversationBuilder(campaign=campaign, entry_point=link)
    ConversationBuilder(campaign=campaign, entry_point=None)
    found = numbers(campaign)
    assert (found["impressions"], found["ad_clicks"], found["tracked_clicks"]) == (1000, 7, 1)
    assert found["conversations_started"] == 3
    assert found["conversation_start_rate"] == Decimal("0.25")
    assert found["conversation_start_rate_impressions"] == Decimal("0.002")


def test_what_ads_cost_is_kept_apart_by_currency_and_names_nobody(campaign):
    ad = AdBuilder(campaign=campaign)
    for day, amount, currency in ((17, 100, "VND"), (18, 200, "VND"), (19, 3, "USD")):
        AdSpend.objects.create(entry_point=ad, day=date(2026, 11, day), amount=amount, currency=currency)
    found = funnel(campaign_id=campaign.pk, since=SINCE, until=UNTIL)
    spent = {count.key: (count.value, count.people) for count in found.counts if count.key.startswith("ad_spend")}
    assert spent == {"ad_spend:USD": (3, None), "ad_spend:VND": (300, None)}
    assert not funnel_contacts(key="ad_spend:VND", campaign_id=campaign.pk, since=SINCE, until=UNTIL).exists()


def test_a_reported_day_begins_in_the_campaigns_own_zone(campaign):
    ad = AdBuilder(campaign=campaign)
    AdSpend.objects.create(entry_point=ad, day=date(2026, 11, 18), clicks=7, currency="VND")
    # In Hà Nội the 18th begins at 17:00 UTC on the 17th.
    begins = NOW.replace(day=17, hour=17)
    assert numbers(campaign, since=begins)["ad_clicks"] == 7
    assert numbers(campaign, since=begins + timedelta(seconds=1))["ad_clicks"] == 0
    assert numbers(campaign, until=begins)["ad_clicks"] == 0


def test_answered_means_that_the_provider_took_a_message_of_ours(campaign):
    ConversationBuilder(campaign=campaign)
    ConversationBuilder(campaign=campaign, last_outbound_at=None)
    found = numbers(campaign)
    assert (found["conversations_started"], found["conversations_answered"]) == (2, 1)


def test_re_engaged_means_a_reply_after_a_callback_and_not_before_it(campaign):
    called(dropped(campaign, ended_by=DropOut.EndedBy.REPLY))
    called(dropped(campaign, ended_by=DropOut.EndedBy.REPLY), sent_at=NOW + 3 * HOUR)  # had replied before
    called(dropped(campaign, ended_by=DropOut.EndedBy.OPT_OUT))
    called(dropped(campaign), status="delivered")
    called(dropped(campaign, ended_by=DropOut.EndedBy.REPLY), status="scheduled")
    found = numbers(campaign)
    assert (found["dropouts"], found["called_back"], found["reengaged"]) == (5, 4, 1)
    assert found["reengagement_rate"] == Decimal("0.25")
    assert [found[f"callbacks_{step}"] for step in ("planned", "sent", "delivered", "read")] == [5, 4, 4, 3]


def test_two_episodes_of_one_conversation_are_one_dropped_out_conversation(campaign):
    first = dropped(campaign, ended_by=DropOut.EndedBy.REPLY)
    DropOutBuilder(conversation=first.conversation, episode=2)
    assert numbers(campaign)["dropouts"] == 1


def test_recovery_is_compared_by_assignment_whether_or_not_a_callback_went_out(campaign):
    called(dropped(campaign, ended_by=DropOut.EndedBy.REPLY))
    dropped(campaign, ended_by=DropOut.EndedBy.CONVERSION)  # treated, not called back, came back all the same
    dropped(campaign)
    dropped(campaign, ended_by=DropOut.EndedBy.CLOSED)
    dropped(campaign, holdout=True, ended_by=DropOut.EndedBy.REPLY)
    for _ in range(3):
        dropped(campaign, holdout=True)
    dropped(campaign, holdout=None, ended_by=DropOut.EndedBy.REPLY)  # in no experiment
    found = numbers(campaign)
    assert (found["dropouts_treated"], found["dropouts_holdout"]) == (4, 4)
    assert found["recovery_treated"] == Decimal("0.5")
    assert found["recovery_holdout"] == Decimal("0.25")
    assert found["recovery_lift"] == Decimal("0.25")


def test_there_is_no_lift_without_a_holdout(campaign):
    dropped(campaign)
    assert numbers(campaign)["recovery_lift"] is None


def test_money_is_kept_apart_by_currency_and_conversions_by_kind(campaign):
    conversation = ConversationBuilder(campaign=campaign)
    converted(conversation, "a", value=Decimal("500000"), currency="VND")
    converted(conversation, "b", value=Decimal("250000"), currency="VND")
    converted(ConversationBuilder(campaign=campaign), "c", value=Decimal("9.50"), currency="USD", kind="plan")
    converted(conversation, "d", kind="lead")
    found = numbers(campaign)
    assert found["conversions"] == 4
    assert found["conversions:purchase"] == 2
    assert found["conversions:plan"] == found["conversions:lead"] == 1
    assert (found["revenue:USD"], found["revenue:VND"]) == (Decimal("9.50"), Decimal("750000"))


def test_refusals_are_told_by_reason_and_each_counted_once(campaign):
    conversation = ConversationBuilder(campaign=campaign)
    suppressed = OutboundBuilder(conversation=conversation, status="suppressed", reason="opted_out")
    OutboundBuilder(conversation=conversation, status="cancelled", reason="replied_since")
    OutboundBuilder(conversation=conversation, status="expired", reason="")
    OutboundBuilder(conversation=conversation, status="suppressed", reason="no_consent", origin=Message.Origin.TEST)
    OutboundBuilder(conversation=conversation, status="sent")
    facts = {"contact": conversation.contact, "conversation": conversation, "decided_at": NOW, "verdict": "refuse"}
    Decision.objects.create(**facts, stage="plan", reason="holdout")
    Decision.objects.create(**facts, stage="send", reason="opted_out", message=suppressed)  # the same refusal
    found = funnel(campaign_id=campaign.pk, since=SINCE, until=UNTIL)
    reasons = {count.key: count.value for count in found.counts if count.key.startswith(("unsent:", "refused:"))}
    assert reasons == {"unsent:expired": 1, "refused:holdout": 1, "unsent:opted_out": 1, "unsent:replied_since": 1}
    assert (found.value("unsent"), found.value("refused")) == (3, 1)


def test_an_opt_out_counts_for_a_campaign_only_if_they_had_talked_in_it(campaign):
    def opt_out(contact, key, at=NOW):
        consent_record(
            contact_id=contact.pk,
            channel="whatsapp",
            purpose="marketing",
            action="withdrawn",
            source="keyword",
            occurred_at=at,
            dedupe_key=key,
        )

    ours = ConversationBuilder(campaign=campaign)
    opt_out(ours.contact, "a")
    opt_out(ours.contact, "b", NOW + HOUR)
    opt_out(ConversationBuilder().contact, "c")
    opt_out(ConversationBuilder(campaign=campaign).contact, "d", NOW - 2 * HOUR)  # before the conversation
    assert numbers(campaign)["optouts"] == 1
    assert numbers(None)["optouts"] == 3


def test_the_period_takes_its_beginning_and_leaves_its_end(campaign):
    ConversationBuilder(campaign=campaign, opened_at=SINCE)
    ConversationBuilder(campaign=campaign, opened_at=UNTIL)
    ConversationBuilder(opened_at=SINCE)  # another campaign
    assert numbers(campaign)["conversations_started"] == 1
    assert numbers(None)["conversations_started"] == 2


def test_every_number_has_a_name_and_a_definition(campaign):
    for count in funnel(campaign_id=campaign.pk, since=SINCE, until=UNTIL).counts:
        assert count.label
        assert count.definition.endswith(".")


def test_days_are_those_of_the_campaigns_zone_and_add_up(campaign):
    ad, link = AdBuilder(campaign=campaign), LinkBuilder(campaign=campaign)
    AdSpend.objects.create(entry_point=ad, day=date(2026, 11, 18), impressions=10, clicks=7, currency="VND")
    AdClick.objects.create(entry_point=link, reference="AAAA", clicked_at=NOW)
    late = NOW.replace(hour=16, minute=59)  # still the 18th in Hà Nội
    ConversationBuilder(campaign=campaign, opened_at=late)
    ConversationBuilder(campaign=campaign, opened_at=late + timedelta(minutes=1))
    days = funnel_series(campaign_id=campaign.pk, since=SINCE, until=UNTIL)
    by_day = {day.day: day.values for day in days}
    assert len(days) == 7
    assert by_day[date(2026, 11, 18)]["conversations_started"] == 1
    assert by_day[date(2026, 11, 19)]["conversations_started"] == 1
    assert by_day[date(2026, 11, 18)]["ad_clicks"] == 7
    assert by_day[date(2026, 11, 18)]["tracked_clicks"] == 1
    assert by_day[date(2026, 11, 20)]["conversations_started"] == 0


def test_the_whole_funnel_takes_a_fixed_number_of_queries(campaign, django_assert_num_queries):
    for number in range(3):
        called(dropped(campaign, ended_by=DropOut.EndedBy.REPLY))
        converted(ConversationBuilder(campaign=campaign), str(number), value=Decimal(1), currency="VND")
    with django_assert_num_queries(13):
        funnel(campaign_id=campaign.pk, since=SINCE, until=UNTIL)


def test_nobody_is_behind_a_click_or_a_share(campaign):
    for key in ("impressions", "ad_clicks", "recovery_lift", "dropouts:x", "no_such_number"):
        assert not funnel_contacts(key=key, campaign_id=campaign.pk, since=SINCE, until=UNTIL).exists()


STORY = st.fixed_dictionaries(
    {
        "holdout": st.sampled_from([True, False, None]),
        "ended_by": st.sampled_from(["", "reply", "conversion", "opt_out"]),
        "called": st.sampled_from(["", "scheduled", "sent", "read", "suppressed", "cancelled"]),
        "conversions": st.lists(st.sampled_from(["VND", "USD", ""]), max_size=2),
        "days_ago": st.integers(0, 5),
        "again": st.booleans(),
    }
)


class TestAgreement(TestCase):
    @hypothesis_settings(max_examples=20)
    @given(st.lists(STORY, max_size=4))
    def test_the_people_behind_a_number_are_as_many_as_it_says(self, stories):
        campaign = CampaignBuilder()
        for index, story in enumerate(stories):
            at = NOW - timedelta(days=story["days_ago"])
            dropout = dropped(campaign, holdout=story["holdout"], ended_by=story["ended_by"], at=at)
            if story["called"]:
                called(dropout, status=story["called"], sent_at=at + HOUR, planned_at=at)
            if story["again"] and story["ended_by"]:
                DropOutBuilder(conversation=dropout.conversation, episode=2, detected_at=at)
            for number, currency in enumerate(story["conversions"]):
                value = Decimal(5) if currency else None
                converted(dropout.conversation, f"{index}.{number}", value=value, currency=currency, at=at)
        period = {"campaign_id": campaign.pk, "since": SINCE, "until": UNTIL}
        for count in funnel(**period).counts:
            people = funnel_contacts(key=count.key, **period).count()
            assert people == (count.people or 0), count.key
            if count.unit == "count" and count.people is not None:
                assert people <= count.value, count.key
