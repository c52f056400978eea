"""Real threads against real PostgreSQL. What is asserted never depends on a clock: under the contact's lock it is
decided which came first, the opt-out or the flip."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from contacts.addresses import addresses_change, contact_identify
from contacts.consent import contact_lock
from contacts.models import ConsentEvent
from contacts.optout import optout_record
from contacts.suppression import suppression_add
from conversations.models import Message
from delivery import dispatch as dispatch_module
from delivery.dispatch import dispatch_due
from delivery.models import Attempt
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import NOW, ContactBuilder, PhoneBuilder
from tests.builders.conversations import ConversationBuilder, OutboundBuilder
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
RACES = 300
GONE = {"inflight", "accepted", "unknown"}


@pytest.fixture
def campaign(provider):
    return CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url, throughput_per_second=100_000))


def outbox(campaign, count):
    messages = []
    for _ in range(count):
        conversation = ConversationBuilder(campaign=campaign)
        PhoneBuilder(contact=conversation.contact)
        messages.append(OutboundBuilder(conversation=conversation))
    return messages


def in_threads(*jobs):
    def closing(job):
        try:
            job()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        for future in [pool.submit(closing, job) for job in jobs]:
            future.result()


def opt_out(message) -> bool:
    """STOP; True when the message had not been handed over by then, so that it never may be."""
    with transaction.atomic():
        contact_lock(message.contact_id)
        before = Message.objects.values_list("status", flat=True).get(pk=message.pk)
        optout_record(
            contact_id=message.contact_id, channel="whatsapp", source=ConsentEvent.Source.KEYWORD, occurred_at=NOW,
            dedupe_key=f"stop:{message.pk}", wording="STOP", evidence={},
        )  # fmt: skip
        return before not in GONE


def test_no_message_passes_an_opt_out_in_hundreds_of_races(provider, campaign, monkeypatch):
    messages = outbox(campaign, RACES)
    chosen = random.Random(7)
    must_not_go: set[str] = set()
    order = chosen.sample(messages, len(messages))
    decided = dispatch_module._governed
    stopping = iter(order)
    lock = threading.Lock()

    def stop_some(count):
        for _ in range(count):
            with lock:
                message = next(stopping, None)
            if message is not None and opt_out(message):
                must_not_go.add("+" + message.contact.addresses.get().value.lstrip("+"))

    def between_gate_and_flip(account, ready, held, now):
        """The worst moment: decided and not yet flipped. Some opt out here, others while the flip runs."""
        in_threads(lambda: stop_some(3))
        return decided(account, ready, held, now)

    monkeypatch.setattr(dispatch_module, "_governed", between_gate_and_flip)

    def sender():
        for _ in range(2 * RACES):
            if not dispatch_due(clock=lambda: NOW, limit=7, seconds=0).claimed:
                return

    in_threads(sender, sender, lambda: stop_some(RACES // 2))
    sent = Counter(provider.recipients)
    assert not must_not_go & set(sent)
    assert max(sent.values()) == 1
    assert must_not_go, "the races were never close"
    assert len(sent) + Message.objects.filter(status="suppressed", reason="opted_out").count() == RACES


def test_many_dispatchers_never_send_one_message_twice(provider, campaign):
    outbox(campaign, 200)
    job = lambda: dispatch_due(clock=lambda: NOW, limit=11)  # noqa: E731 - it is the job
    in_threads(job, job, job, job)
    assert len(provider.received) == len(set(provider.recipients)) == 200
    assert Message.objects.filter(status="accepted").count() == 200
    assert Attempt.objects.filter(state="accepted").count() == 200


def test_two_accounts_do_not_fill_the_same_persons_cap_at_once(provider, monkeypatch):
    """Each would be the one allowed message of the day; both have decided, neither has flipped."""
    people = [ContactBuilder() for _ in range(40)]
    accounts = [AccountBuilder(token="t", base_url=provider.url, throughput_per_second=100_000) for _ in range(2)]
    for account in accounts:
        campaign = CampaignBuilder(account=account)
        for person in people:
            conversation = ConversationBuilder(campaign=campaign, contact=person)
            OutboundBuilder(conversation=conversation, expires_at=NOW + timedelta(days=5))
    for person in people:
        PhoneBuilder(contact=person)
    both_decided = threading.Barrier(2)
    governed = dispatch_module._governed

    def meet(account, ready, held, now):
        if len(ready) == len(people):
            both_decided.wait(20)
        return governed(account, ready, held, now)

    monkeypatch.setattr(dispatch_module, "_governed", meet)
    first, second = (account.pk for account in accounts)
    in_threads(
        lambda: dispatch_due(clock=lambda: NOW, account_id=first),
        lambda: dispatch_due(clock=lambda: NOW, account_id=second),
    )
    assert max(Counter(provider.recipients).values()) == 1
    assert Message.objects.filter(status="accepted").count() == 40
    assert Message.objects.filter(status="scheduled", waiting_for="frequency_cap").count() == 40


def test_a_cancelled_message_is_not_sent_even_when_it_was_claimed(provider, campaign, monkeypatch):
    [message] = outbox(campaign, 1)
    governed = dispatch_module._governed

    def cancel_first(account, ready, held, now):
        in_threads(lambda: Message.objects.filter(pk=message.pk, status="claimed").update(status="cancelled"))
        return governed(account, ready, held, now)

    monkeypatch.setattr(dispatch_module, "_governed", cancel_first)
    dispatch_due(clock=lambda: NOW, seconds=0)
    message.refresh_from_db()
    assert (message.status, provider.received) == ("cancelled", [])
    assert connection.in_atomic_block is False


def at_the_worst_moment(monkeypatch, change):
    """Do it once, committed, between the gate's decision and the flip."""
    governed = dispatch_module._governed
    waiting = [change]

    def first(account, ready, held, now):
        if waiting:
            in_threads(waiting.pop())
        return governed(account, ready, held, now)

    monkeypatch.setattr(dispatch_module, "_governed", first)


def test_no_planned_message_passes_a_suppression(provider, campaign, monkeypatch):
    [message] = outbox(campaign, 1)
    phone = message.contact.addresses.get().value
    at_the_worst_moment(
        monkeypatch,
        lambda: suppression_add(channel="whatsapp", kind="phone", value=phone, reason="asked", actor=None),
    )
    dispatch_due(clock=lambda: NOW)
    message.refresh_from_db()
    assert (message.status, message.reason, provider.received) == ("suppressed", "suppressed", [])


def test_no_planned_message_goes_to_a_number_that_was_just_given_up(provider, campaign, monkeypatch):
    [message] = outbox(campaign, 1)
    old = [("phone", message.contact.addresses.get().value)]
    new = [("phone", "+84988000111")]
    portfolio = campaign.account.portfolio_id
    at_the_worst_moment(
        monkeypatch,
        lambda: addresses_change(
            channel="whatsapp", portfolio_id=portfolio, old=old, new=new, occurred_at=NOW, now=NOW
        ),
    )
    dispatch_due(clock=lambda: NOW)
    dispatch_due(clock=lambda: NOW + timedelta(seconds=10))  # its place in the pair's pace was taken already
    assert provider.recipients == ["+84988000111"]


def test_no_planned_message_passes_an_opt_out_by_another_address_of_perhaps_the_same_person(
    provider, campaign, monkeypatch
):
    [message] = outbox(campaign, 1)
    phone = message.contact.addresses.get().value
    portfolio = campaign.account.portfolio_id
    whom = {"channel": "whatsapp", "portfolio_id": portfolio, "name": "", "now": NOW}
    by_id = contact_identify(addresses=[("bsuid", "VN.77")], **whom)
    stop(by_id)

    at_the_worst_moment(monkeypatch, lambda: contact_identify(addresses=[("phone", phone), ("bsuid", "VN.77")], **whom))
    dispatch_due(clock=lambda: NOW)
    message.refresh_from_db()
    assert (message.status, message.reason, provider.received) == ("suppressed", "opted_out", [])


def stop(contact):
    optout_record(
        contact_id=contact.pk, channel="whatsapp", source=ConsentEvent.Source.KEYWORD, occurred_at=NOW,
        dedupe_key=f"stop:{contact.pk}", wording="STOP", evidence={},
    )  # fmt: skip
