"""Outcomes: once per external id, credited by the last touch, late and out of order."""

from datetime import timedelta
from decimal import Decimal

import pytest

from conversations.conversions import conversion_record
from conversations.errors import ConversionConflictError, InvalidConversionError
from conversations.models import Conversation, Conversion, DropOut
from tests.builders.campaigns import CampaignBuilder, LinkBuilder
from tests.builders.contacts import NOW, ContactBuilder
from tests.builders.conversations import ConversationBuilder, DropOutBuilder, OutboundBuilder

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def record(contact, *, external_id="order-1", occurred_at=NOW, now=None, value=Decimal("990000"), currency="VND"):
    return conversion_record(
        external_id=external_id,
        contact=contact,
        kind="purchase",
        occurred_at=occurred_at,
        source="api",
        now=now or NOW,
        value=value,
        currency=currency,
    )


def sent(conversation, at, **more):
    return OutboundBuilder(conversation=conversation, status="delivered", sent_at=at, occurred_at=at, **more)


def test_the_last_touched_conversation_its_door_and_its_last_callback_get_the_credit():
    campaign = CampaignBuilder()
    conversation = ConversationBuilder(campaign=campaign, entry_point=LinkBuilder(campaign=campaign))
    sent(conversation, NOW - 5 * HOUR)
    last = sent(conversation, NOW - HOUR)
    sent(conversation, NOW + HOUR)
    conversion, created = record(conversation.contact)
    assert created
    assert (conversion.campaign, conversion.entry_point) == (campaign, conversation.entry_point)
    assert (conversion.conversation, conversion.message) == (conversation, last)
    assert conversion.credit_rule == "last_touch within 168 h"


def test_an_external_id_counts_once_and_for_one_person():
    conversation = ConversationBuilder()
    first, _created = record(conversation.contact)
    again, created = record(conversation.contact, value=Decimal(1))
    assert (again.pk, created, again.value) == (first.pk, False, Decimal("990000"))
    with pytest.raises(ConversionConflictError):
        record(ContactBuilder())
    assert Conversion.objects.count() == 1


def test_it_stops_the_callbacks_and_ends_the_silence_at_once():
    callback = OutboundBuilder()
    DropOutBuilder(conversation=callback.conversation)
    other = OutboundBuilder(conversation__contact=callback.contact)
    record(callback.contact)
    for message in (callback, other):
        message.refresh_from_db()
        assert (message.status, message.reason) == ("cancelled", "converted")
        assert message.conversation.converted_at == NOW
    assert DropOut.objects.get().ended_by == "conversion"


def test_of_two_campaigns_the_later_touch_wins_whichever_opened_first():
    contact = ContactBuilder()
    older = ConversationBuilder(contact=contact, opened_at=NOW - 3 * DAY)
    ConversationBuilder(contact=contact, opened_at=NOW - DAY)
    sent(older, NOW - HOUR)
    assert record(contact)[0].conversation == older


def test_a_touch_outside_the_window_gives_no_credit():
    conversation = ConversationBuilder(
        opened_at=NOW - 9 * DAY, campaign__attribution_window=timedelta(days=7), status="closed"
    )
    callback = sent(conversation, NOW - 8 * DAY)
    conversion, _created = record(conversation.contact)
    assert (conversion.campaign, conversion.message, conversion.credit_rule) == (None, None, "none")
    late, _created = record(conversation.contact, external_id="order-0", occurred_at=NOW - 7 * DAY)
    assert (late.campaign, late.message) == (conversation.campaign, callback)


def test_a_late_conversion_is_judged_by_when_it_happened():
    contact = ContactBuilder()
    before = ConversationBuilder(contact=contact, opened_at=NOW - 5 * DAY, status="closed", closed_at=NOW - 2 * DAY)
    after = ConversationBuilder(contact=contact, opened_at=NOW - DAY)
    conversion, _created = record(contact, occurred_at=NOW - 3 * DAY)
    assert conversion.conversation == before
    after.refresh_from_db()
    assert after.converted_at is None  # it began after the purchase: something new


def test_conversions_that_come_in_the_wrong_order_leave_the_earlier_time():
    conversation = ConversationBuilder(opened_at=NOW - DAY)
    record(conversation.contact, external_id="second", occurred_at=NOW)
    record(conversation.contact, external_id="first", occurred_at=NOW - HOUR)
    assert Conversation.objects.get().converted_at == NOW - HOUR


@pytest.mark.parametrize("status", ["failed", "cancelled", "unknown", "scheduled"])
def test_a_callback_that_did_not_go_out_is_not_credited(status):
    conversation = ConversationBuilder()
    OutboundBuilder(conversation=conversation, status=status, sent_at=NOW - HOUR)
    assert record(conversation.contact)[0].message is None


def test_currencies_are_kept_apart():
    contact = ConversationBuilder().contact
    record(contact, external_id="a", value=Decimal("10.5"), currency="USD")
    record(contact, external_id="b", value=Decimal(200000), currency="VND")
    assert set(Conversion.objects.values_list("value", "currency")) == {
        (Decimal("10.50"), "USD"),
        (Decimal(200000), "VND"),
    }


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"currency": ""}, "currency"),
        ({"currency": "vnd"}, "currency"),
        ({"currency": "DONG"}, "currency"),
        ({"value": Decimal(-1)}, "value"),
        ({"value": Decimal("NaN")}, "value"),
        ({"value": Decimal(10) ** 14}, "value"),
        ({"occurred_at": NOW + HOUR}, "occurred_at"),
        ({"external_id": "  "}, "external_id"),
    ],
)
def test_values_that_make_no_sense_are_refused(wrong, field):
    with pytest.raises(InvalidConversionError) as refused:
        record(ContactBuilder(), **wrong)
    assert refused.value.field == field
    assert not Conversion.objects.exists()


def test_a_lead_needs_no_value():
    assert record(ContactBuilder(), value=None, currency="")[1]
