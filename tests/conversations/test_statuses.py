"""What the provider says of our messages: any order, any number of times, before or after the answer to the send."""

import itertools
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import ConsentEvent
from conversations.models import Message, MessageStatus
from conversations.receipts import receipts_process
from conversations.refs import ref_make
from conversations.statuses import orphan_statuses_apply
from conversations.webhooks import receipt_store
from messaging.models import WebhookReceipt
from tests.builders import webhooks as wa
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import NOW, PhoneBuilder
from tests.builders.conversations import ConversationBuilder, OutboundBuilder
from tests.builders.messaging import AccountBuilder, TemplateBuilder

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def receive(account, *items, now=NOW):
    receipt_store(channel="whatsapp", raw=wa.statuses(account, *items), account_ids=[account.id])
    receipts_process(now=now)


@pytest.fixture
def conversation(account):
    campaign = CampaignBuilder(account=account)
    return ConversationBuilder(campaign=campaign, last_outbound_at=None, last_inbound_at=NOW - timedelta(hours=2))


@pytest.fixture
def message(conversation):
    """Accepted by the provider a minute ago."""
    return OutboundBuilder(
        conversation=conversation, status="accepted", provider_message_id="wamid.OUT1", sent_at=NOW - MINUTE, fence=1
    )


def steps(*names):
    return [wa.status("wamid.OUT1", name, at=NOW + number * MINUTE) for number, name in enumerate(names)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_whatever_order_they_come_a_message_only_moves_forward(account, message, order):
    items = steps("sent", "delivered", "read")
    for index in order:
        receive(account, items[index])
    message.refresh_from_db()
    assert message.status == "read"
    assert (message.sent_at, message.delivered_at, message.read_at) == (NOW - MINUTE, NOW + MINUTE, NOW + 2 * MINUTE)
    assert message.statuses.count() == 3


def test_the_same_status_in_two_bodies_is_stored_once(account, message):
    first, second = steps("sent", "delivered")
    receive(account, first)
    receive(account, first, second, second)
    assert MessageStatus.objects.count() == 2


def test_a_read_without_delivered_was_delivered(account, message):
    receive(account, *steps("read"))
    message.refresh_from_db()
    assert message.delivered_at == message.read_at == NOW


def test_a_failure_after_sent_counts_and_one_after_delivered_does_not(account, message):
    receive(account, *steps("sent"))
    receive(account, wa.failure("wamid.OUT1", 131026, at=NOW + MINUTE))
    message.refresh_from_db()
    assert (message.status, message.error_code, message.reason) == ("failed", "131026", "address")
    receive(account, *steps("delivered"))
    message.refresh_from_db()
    assert (message.status, message.failed_at, message.error_code) == ("delivered", None, "")
    receive(account, wa.failure("wamid.OUT1", 131000, at=NOW + 5 * MINUTE))
    message.refresh_from_db()
    assert message.status == "delivered"


@pytest.mark.parametrize("waiting", ["inflight", "unknown", "unconfirmed", "expired"])
def test_a_status_before_the_answer_finds_its_message_by_our_reference(account, conversation, waiting):
    message = OutboundBuilder(conversation=conversation, status=waiting, fence=1)
    receive(account, wa.status("wamid.NEW", "sent", ref=ref_make(message.id, 1)))
    message.refresh_from_db()
    assert (message.status, message.provider_message_id, message.sent_at) == ("sent", "wamid.NEW", NOW)
    conversation.refresh_from_db()
    assert conversation.last_outbound_at == NOW


def test_the_failure_of_an_earlier_try_does_not_fail_the_next(account, conversation):
    message = OutboundBuilder(conversation=conversation, status="inflight", fence=2)
    receive(account, wa.failure("wamid.OLD", 131000, ref=ref_make(message.id, 1)))
    message.refresh_from_db()
    assert message.status == "inflight"


def test_a_status_of_an_unknown_id_waits_and_is_matched_when_the_answer_is_recorded(account, conversation):
    receive(account, wa.status("wamid.SOON", "delivered"))
    assert MessageStatus.objects.get().message is None
    assert orphan_statuses_apply(now=NOW + MINUTE) == 0
    message = OutboundBuilder(conversation=conversation, status="accepted", provider_message_id="wamid.SOON")
    assert orphan_statuses_apply(now=NOW + MINUTE) == 1
    message.refresh_from_db()
    assert (message.status, message.delivered_at) == ("delivered", NOW)
    assert orphan_statuses_apply(now=NOW + MINUTE) == 0


def test_an_orphan_is_given_up_after_ten_minutes_and_kept(account, conversation):
    receive(account, wa.status("wamid.SOON", "delivered"))
    OutboundBuilder(conversation=conversation, status="accepted", provider_message_id="wamid.SOON")
    assert orphan_statuses_apply(now=NOW + 11 * MINUTE) == 0
    assert MessageStatus.objects.get().message is None


def test_a_status_never_touches_another_accounts_message(account, message):
    other = AccountBuilder()
    receipt_store(channel="whatsapp", raw=wa.statuses(other, *steps("read")), account_ids=[account.id, other.id])
    forged = wa.status("wamid.X", "read", ref=ref_make(message.id, 1))
    receipt_store(channel="whatsapp", raw=wa.statuses(other, forged), account_ids=[other.id])
    receipts_process(now=NOW)
    message.refresh_from_db()
    assert message.status == "accepted"


def test_the_price_is_kept(account, message):
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
    receive(account, wa.status("wamid.OUT1", "sent", pricing=pricing))
    receive(account, *steps("delivered"))
    message.refresh_from_db()
    assert (message.price_category, message.price_type) == ("marketing", "regular")


# -- what a failure means ----------------------------------------------------------------------------------------------


def test_a_person_who_stopped_marketing_at_the_provider_is_opted_out_here(account, message):
    planned = OutboundBuilder(conversation=message.conversation)
    receive(account, wa.failure("wamid.OUT1", 131050))
    message.refresh_from_db()
    assert (message.status, message.reason) == ("failed", "opted_out")
    message.contact.refresh_from_db()
    assert message.contact.consent_withdrawn == ["whatsapp:marketing"]
    assert ConsentEvent.objects.get().source == "provider_error"
    planned.refresh_from_db()
    assert (planned.status, planned.reason) == ("cancelled", "opted_out")


def test_an_optout_does_not_wait_for_its_message(account):
    phone = PhoneBuilder(value="+84901230001")
    receive(account, wa.failure("wamid.NOBODY", 131050))
    phone.contact.refresh_from_db()
    assert phone.contact.consent_withdrawn == ["whatsapp:marketing"]


def test_not_now_means_a_day_and_the_next_time_longer(account, message):
    receive(account, wa.failure("wamid.OUT1", 131049))
    message.contact.refresh_from_db()
    assert message.contact.deferred_until == NOW + DAY
    OutboundBuilder(conversation=message.conversation, status="accepted", provider_message_id="wamid.OUT2")
    receive(account, wa.failure("wamid.OUT2", 131049, at=NOW + 2 * DAY), now=NOW + 2 * DAY)
    message.contact.refresh_from_db()
    assert message.contact.deferred_until == NOW + 4 * DAY


def test_an_address_that_cannot_be_reached_is_marked_and_no_other(account, message):
    named = PhoneBuilder(contact=message.contact, value="+84901230001")
    other = PhoneBuilder(contact=message.contact)
    receive(account, wa.failure("wamid.OUT1", 131026))
    named.refresh_from_db()
    other.refresh_from_db()
    assert (named.unreachable_since, other.unreachable_since) == (NOW, None)


def test_a_stop_of_the_number_pauses_it_and_a_stop_of_the_template_stops_that(account, message):
    template = TemplateBuilder(account=account)
    content = {"name": template.name, "language": template.language, "values": {}, "parameter_format": "POSITIONAL"}
    Message.objects.filter(pk=message.pk).update(content_template=content, template=template)
    receive(account, wa.failure("wamid.OUT1", 132015))
    template.refresh_from_db()
    assert template.status == "PAUSED"
    account.refresh_from_db()
    assert account.status == "active"
    OutboundBuilder(conversation=message.conversation, status="accepted", provider_message_id="wamid.OUT2")
    receive(account, wa.failure("wamid.OUT2", 131048, "Spam rate limit hit"))
    account.refresh_from_db()
    assert account.status == "paused"
    assert "131048" in account.pause_reason


# -- a thousand at once ------------------------------------------------------------------------------------------------


def many(account, conversation, count):
    Message.objects.bulk_create(
        [
            OutboundBuilder.build(
                conversation=conversation,
                contact=conversation.contact,
                account=account,
                campaign=conversation.campaign,
                status="accepted",
                provider_message_id=f"wamid.B{number}",
            )
            for number in range(count)
        ]
    )


def test_one_poisoned_status_among_fifty_loses_no_other(account, conversation):
    many(account, conversation, 50)
    items = [wa.status(f"wamid.B{number}", "delivered") for number in range(50)]
    items[17] = {"id": ["no", "id"], "status": {"not": "a status"}, "timestamp": "yesterday"}
    items[31]["timestamp"] = "99999999999999999999"
    receive(account, *items)
    receipt = WebhookReceipt.objects.get()
    assert Message.objects.filter(status="delivered").count() >= 48
    assert receipt.item_count == 50


def test_a_body_of_a_thousand_takes_a_handful_of_queries(account, conversation):
    many(account, conversation, 1000)
    raw = wa.statuses(account, *[wa.status(f"wamid.B{number}", "delivered") for number in range(1000)])
    receipt_store(channel="whatsapp", raw=raw, account_ids=[account.id])
    with CaptureQueriesContext(connection) as queries:
        receipts_process(now=NOW)
    assert Message.objects.filter(status="delivered").count() == 1000
    assert len(queries) < 25


def many_receipts(account, count):
    """One status a webhook, as most of them come."""
    for number in range(count):
        raw = wa.statuses(account, wa.status(f"wamid.MANY{number}", "delivered"))
        receipt_store(channel="whatsapp", raw=raw, account_ids=[account.id])


def test_many_webhooks_with_one_status_each_cost_a_handful_of_queries(account, conversation):
    sent = [
        OutboundBuilder(conversation=conversation, status="accepted", provider_message_id=f"wamid.MANY{number}")
        for number in range(100)
    ]
    many_receipts(account, 100)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert receipts_process(now=NOW) == 100
    assert len(queries) < 25
    assert set(Message.objects.filter(pk__in=[m.pk for m in sent]).values_list("status", flat=True)) == {"delivered"}
    assert set(WebhookReceipt.objects.values_list("state", "item_count", "processed_at")) == {("processed", 1, NOW)}


def test_a_bad_status_among_many_webhooks_takes_no_other_with_it(account, conversation):
    OutboundBuilder(conversation=conversation, status="accepted", provider_message_id="wamid.MANY7")
    many_receipts(account, 10)
    poison = wa.statuses(account, wa.status("wamid." + "A" * 300, "delivered"))
    receipt_store(channel="whatsapp", raw=poison, account_ids=[account.id])
    assert receipts_process(now=NOW) == 11
    assert sorted(WebhookReceipt.objects.values_list("state", flat=True)) == ["partial"] + ["processed"] * 10
    assert MessageStatus.objects.count() == 10
    assert Message.objects.get(provider_message_id="wamid.MANY7").status == "delivered"


def test_an_opt_out_behind_a_pile_of_statuses_takes_effect_in_the_first_round(account, conversation):
    PhoneBuilder(contact=conversation.contact, value="+84901230001")
    many_receipts(account, 150)
    stop = wa.messages(account, wa.text("STOP"))
    receipt_store(channel="whatsapp", raw=stop, account_ids=[account.id])
    receipts_process(now=NOW)
    assert ConsentEvent.objects.get(contact=conversation.contact).action == "withdrawn"
