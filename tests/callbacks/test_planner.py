"""From silence to a planned callback, and everything that stops it."""

import threading
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection, transaction

from callbacks.models import Callback
from callbacks.planner import callbacks_cancel_stopped, callbacks_plan, dropouts_detect
from campaigns.models import Campaign
from campaigns.services import campaign_pause
from contacts.models import Contact
from conversations.apply import event_apply
from conversations.models import Conversation, DropOut, Message
from delivery.models import ComplianceRule
from messaging.events import AddressRef, InboundMessage, Person
from messaging.models import ChannelAccount, WebhookReceipt
from tests.builders.contacts import NOW
from tests.builders.messaging import TemplateBuilder
from tests.callbacks.conftest import later, policy_of, silent

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rules(db):
    """The rules that the migration brought: a test with real transactions before this one has emptied all tables."""
    if not ComplianceRule.objects.exists():
        import_module("delivery.migrations.0002_compliance_rules").seed(apps, None)


def sweep(now=NOW):
    dropouts_detect(now=now)
    return callbacks_plan(now=now)


def planned():
    return Message.objects.filter(origin="callback")


def reply(conversation, at):
    """The person writes; the inbound path does with it what it does."""
    phone = conversation.contact.addresses.get().value
    person = Person((AddressRef("phone", phone),))
    event = InboundMessage(
        conversation.account.sender_id, at, f"in:{at}", {}, person, f"wamid.{at}", "text", text="Còn hàng không?"
    )
    receipt = WebhookReceipt.objects.create(
        channel="whatsapp", digest=at.isoformat().encode(), body=b"{}", verified_account_ids=[], received_at=at
    )
    with transaction.atomic():
        event_apply(event=event, account=conversation.account, receipt=receipt, now=at)


def sent(message, at):
    """What the send path records when the provider accepted a message."""
    Message.objects.filter(pk=message.pk).update(status="accepted", sent_at=at)
    Conversation.objects.filter(pk=message.conversation_id).update(last_outbound_at=at)


def test_a_silent_person_is_called_back_once(conversation):
    assert sweep() == 1
    assert sweep() == 0
    assert sweep(later(minutes=5)) == 0

    message = planned().get()
    dropout = DropOut.objects.get()
    assert dropout.silent_since == conversation.last_outbound_at
    # Half an hour of patience after our answer, and three hours from there.
    assert message.due_at == conversation.last_outbound_at + timedelta(hours=3, minutes=30)
    assert message.text == f"Chào {conversation.contact.display_name.split()[0]}!"
    assert message.dedupe_key == f"callback:{dropout.pk}:1"
    assert (message.purpose, message.turn) == ("marketing", 1)
    assert Callback.objects.get().state == "scheduled"


def test_it_waits_as_long_as_the_policy_is_patient(conversation):
    assert dropouts_detect(now=conversation.last_outbound_at + timedelta(minutes=30)) == 0
    assert dropouts_detect(now=conversation.last_outbound_at + timedelta(minutes=31)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"status": "closed"},
        {"handler": "person"},
        {"converted_at": NOW},
        {"campaign": None},
        {"last_inbound_at": NOW - timedelta(minutes=50)},  # they wait for us, not we for them
    ],
)
def test_it_is_no_drop_out(conversation, change):
    Conversation.objects.update(**change)
    assert dropouts_detect(now=NOW) == 0


def test_who_told_us_to_stop_has_not_dropped_out(conversation):
    Contact.objects.update(consent_withdrawn=["whatsapp:marketing"], consent_granted=[])
    assert dropouts_detect(now=NOW) == 0


def test_a_holdout_member_gets_a_line_and_no_message(conversation):
    Conversation.objects.update(holdout=True)
    sweep()
    sweep(later(days=1))

    assert not planned().exists()
    callback = Callback.objects.get()
    assert (callback.state, callback.reason) == ("refused", "holdout")


@pytest.mark.parametrize(
    "change", [{"status": "paused"}, {"status": "ended"}, {"revision": 2}, {"approved_revision": None}]
)
def test_a_campaign_that_may_not_send_plans_nothing(conversation, change):
    Campaign.objects.update(**change)
    sweep()
    assert DropOut.objects.count() == 1  # it happened all the same
    assert not Callback.objects.exists()


def test_a_reply_between_plan_and_send_cancels_and_a_new_silence_starts_anew(conversation):
    sweep()
    planned().update(status="claimed")  # a worker is about to send it
    reply(conversation, later(hours=1))
    assert (planned().get().status, planned().get().reason) == ("cancelled", "replied_since")

    assert sweep(later(hours=2)) == 0  # it is our turn to answer
    Conversation.objects.update(last_outbound_at=later(hours=2))
    sweep(later(hours=3))

    assert list(DropOut.objects.order_by("episode").values_list("episode", "ended_by")) == [(1, "reply"), (2, "")]
    assert planned().filter(status="scheduled").get().turn == 2


def test_a_pause_cancels_what_was_planned(conversation):
    sweep()
    campaign_pause(campaign_id=conversation.campaign_id, actor=None, now=NOW)
    assert callbacks_cancel_stopped(now=NOW) == 1
    assert callbacks_cancel_stopped(now=NOW) == 0
    callback = Callback.objects.get()
    assert (callback.state, callback.reason) == ("cancelled", "campaign_paused")


def test_what_is_on_its_way_is_not_cancelled(conversation):
    sweep()
    planned().update(status="inflight")
    Campaign.objects.update(status="paused")
    assert callbacks_cancel_stopped(now=NOW) == 0


def test_steps_follow_each_other_and_stop_at_the_attempts(db):
    conversation = silent()
    hour = timedelta(hours=1)
    policy_of(conversation.campaign, {"delay": hour}, {"delay": hour}, {"delay": hour}, max_attempts=2)
    ComplianceRule.objects.filter(kind="cap").update(enabled=False)
    sweep()
    first = planned().get()

    assert sweep(later(hours=2)) == 0  # the first has not come to anything yet
    sent(first, later(hours=2))
    sweep(later(hours=2, minutes=1))
    second = planned().exclude(pk=first.pk).get()
    assert second.due_at == later(hours=3)

    sent(second, later(hours=3))
    sweep(later(hours=4))
    assert planned().count() == 2  # attempts are used up


def test_a_second_step_waits_for_the_frequency_cap_or_is_refused_by_it(db):
    conversation = silent()
    hour = timedelta(hours=1)
    template = TemplateBuilder(account=conversation.account)
    outside = {
        "template_name": template.name,
        "template_language": template.language,
        "template_values": {"body.1": "bạn"},
    }
    policy_of(conversation.campaign, {"delay": hour}, {"delay": hour}, {"delay": hour, **outside})
    sweep()
    first = planned().get()
    sent(first, later(hours=2))
    sweep(later(hours=3))

    second, third = Callback.objects.order_by("position")[1:]
    assert (second.state, second.reason) == ("refused", "frequency_cap")  # one a day, and the window ends before
    assert third.message.due_at == later(hours=26)  # the template, a day after the first


def test_it_waits_while_the_account_is_paused_and_refuses_nothing(conversation):
    ChannelAccount.objects.update(status="paused")
    assert sweep() == 0
    assert not Callback.objects.exists()
    ChannelAccount.objects.update(status="active")
    assert sweep(later(minutes=2)) == 1
    assert planned().exists()


def test_a_us_number_gets_no_marketing_template(db):
    conversation = silent(
        contact__country="US", contact__time_zones=["America/Chicago"], service_window_ends_at=NOW - timedelta(hours=1)
    )
    template = TemplateBuilder(account=conversation.account)
    policy_of(
        conversation.campaign,
        {
            "delay": timedelta(0),
            "template_name": template.name,
            "template_language": template.language,
            "template_values": {"body.1": "you"},
        },
    )
    sweep(later(hours=12))
    assert Callback.objects.get().reason == "country_blocked"


def test_a_failed_step_is_no_attempt_and_the_next_one_gets_its_chance(db):
    conversation = silent()
    hour = timedelta(hours=1)
    policy_of(conversation.campaign, {"delay": hour}, {"delay": hour}, max_attempts=1)
    sweep()
    planned().update(status="failed", reason="provider")
    sweep(later(hours=1))
    assert planned().count() == 2


def test_a_text_that_cannot_be_filled_in_is_refused_with_its_reason_and_the_next_step_goes(db):
    conversation = silent()
    hour = timedelta(hours=1)
    policy_of(conversation.campaign, {"delay": hour, "text": "Size {{ contact.attributes.size }}?"}, {"delay": hour})
    sweep()

    refused, next_one = Callback.objects.order_by("position")
    assert (refused.state, refused.reason) == ("refused", "content_invalid")
    assert "contact.attributes.size" in refused.decision.facts["problem"]
    assert next_one.state == "scheduled"


def test_outside_the_window_it_is_the_template(db):
    conversation = silent(service_window_ends_at=NOW - timedelta(hours=1))
    template = TemplateBuilder(account=conversation.account)
    policy_of(
        conversation.campaign,
        {
            "delay": timedelta(0),
            "template_name": template.name,
            "template_language": template.language,
            "template_values": {"body.1": "{{ contact.first_name }}"},
        },
    )
    sweep()

    message = planned().get()
    assert message.template == template
    assert message.content_template["values"] == {"body.1": conversation.contact.display_name.split()[0]}
    assert message.content_free["text"].startswith("Chào")


def test_a_closed_window_without_a_template_is_refused(db):
    conversation = silent(service_window_ends_at=NOW - timedelta(hours=1))
    policy_of(conversation.campaign)
    sweep()
    assert Callback.objects.get().reason == "window_closed"


def test_a_late_plan_that_makes_no_sense_any_more_is_refused(conversation):
    dropouts_detect(now=NOW)
    callbacks_plan(now=later(days=4))
    assert Callback.objects.get().reason == "expired"


def test_a_cron_step_is_due_in_the_contacts_own_morning(db):
    conversation = silent(
        contact__time_zones=["America/New_York"],
        contact__country="US",
        contact__region="NY",
        last_inbound_at=datetime(2027, 3, 13, 20, tzinfo=UTC),
        last_outbound_at=datetime(2027, 3, 13, 20, 1, tzinfo=UTC),
        service_window_ends_at=datetime(2027, 3, 14, 20, tzinfo=UTC),
    )
    policy_of(conversation.campaign, {"delay": None, "cron": "0 10 * * *"})
    sweep(datetime(2027, 3, 13, 21, tzinfo=UTC))
    assert planned().get().due_at == datetime(2027, 3, 14, 14, tzinfo=UTC)  # ten o'clock, an hour earlier in UTC


def test_a_batch_costs_a_few_queries_not_a_few_per_row(db, django_assert_max_num_queries):
    campaign = silent().campaign
    policy_of(campaign)
    for _i in range(20):
        silent(campaign=campaign)
    with django_assert_max_num_queries(8):
        assert dropouts_detect(now=NOW) == 21
    with django_assert_max_num_queries(40):
        assert callbacks_plan(now=NOW) == 21


@pytest.mark.django_db(transaction=True)
def test_four_planners_at_once_plan_everything_once():
    campaign = silent().campaign
    policy_of(campaign)
    for _i in range(39):
        silent(campaign=campaign)
    barrier = threading.Barrier(4)
    problems = []

    def work():
        try:
            barrier.wait()
            for _i in range(3):
                dropouts_detect(now=NOW, limit=15)
                callbacks_plan(now=NOW, limit=15)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must see it
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    sweep()

    assert problems == []
    assert DropOut.objects.count() == Callback.objects.count() == planned().count() == 40


@pytest.mark.django_db(transaction=True)
def test_a_conversation_somebody_holds_is_left_for_the_next_sweep(conversation):
    dropouts_detect(now=NOW)
    counts = []

    def work():
        counts.append(callbacks_plan(now=NOW))
        connection.close()

    with transaction.atomic():
        Conversation.objects.select_for_update().get()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)
        assert counts == [0]
        reply(conversation, NOW)
    assert callbacks_plan(now=NOW) == 0
    assert not planned().exists()
