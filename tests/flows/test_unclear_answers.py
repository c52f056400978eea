"""Between the send and its answer anything may happen: nothing is said twice, and what is unclear is said to be so."""

import threading

import pytest
from django.db import connection

from conversations.models import Message
from conversations.receipts import receipts_process
from delivery.models import Attempt
from delivery.settle import message_resolve
from messaging.credentials import credentials_read, credentials_write
from messaging.models import WebhookReceipt
from tests.flows.world import COME_BACK, MINUTE, step

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def due(world):
    """A callback that is due in a minute."""
    campaign = world.campaign(step(**COME_BACK))
    world.click_ad()
    world.pass_time(hours=2, minutes=59)
    assert world.callback.status == "scheduled"
    return campaign


def callbacks(world):
    return [send for send in world.sent if send["type"] == "interactive"]


def test_a_status_that_comes_before_the_answer_stands(world):
    due(world)
    world.clock(world.now + MINUTE)
    world.sandbox.fault("slow", seconds=0.7, next=1)
    seen = []

    def worker():
        try:
            while not WebhookReceipt.objects.filter(state="pending").count() >= 2:
                pass
            receipts_process(now=world.now)
            seen.append(Message.objects.get(origin="callback").status)
        finally:
            connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    world.dispatch()
    thread.join()
    assert seen == ["delivered"]  # while the answer was still on its way
    message = world.callback
    assert (message.status, message.provider_message_id) == ("delivered", callbacks(world)[0]["message_id"])
    world.pass_time(days=1)
    assert len(callbacks(world)) == 1


@pytest.mark.parametrize("fault", ["reset", "unreadable", "http"])
def test_a_lost_answer_is_unknown_until_a_status_settles_it(world, fault):
    due(world)
    world.hold_webhooks()
    world.sandbox.fault(fault, accept=True, next=1)
    world.pass_time(minutes=2)
    assert world.callback.status == "unknown"
    world.hold_webhooks(False)
    world.pass_time(minutes=2)
    message = world.callback
    assert (message.status, message.provider_message_id) == ("delivered", callbacks(world)[0]["message_id"])
    assert Attempt.objects.get(message=message).state == "accepted"
    world.pass_time(days=1)
    assert len(callbacks(world)) == 1


@pytest.mark.chaos
def test_an_answer_that_never_comes_leaves_the_message_unknown(world):
    """Slow: it waits for our own patience with an answer, fifteen seconds of real time."""
    due(world)
    world.hold_webhooks()
    world.sandbox.fault("timeout", next=1)
    world.pass_time(minutes=2)
    assert (world.callback.status, Attempt.objects.get(message=world.callback).state) == ("unknown", "unknown")
    assert len(callbacks(world)) == 1


@pytest.mark.parametrize(
    ("verdict", "accept", "state", "counted"), [("sent", True, "accepted", 1), ("not_sent", False, "cancelled", 0)]
)
def test_without_any_status_a_person_decides_and_nothing_goes_twice(world, verdict, accept, state, counted):
    campaign = due(world)
    world.sandbox.number(sent_after=None, delivered_after=None)
    world.sandbox.fault("reset", accept=accept, next=1)
    world.pass_time(minutes=20)
    message = world.callback
    assert message.status == "unconfirmed"
    world.pass_time(hours=20)
    assert len(world.tried) == 2  # the greeting, and this one once

    message_resolve(message_id=message.pk, verdict=verdict, actor=world.agent, now=world.now)
    message.refresh_from_db()
    assert message.status == state
    assert world.funnel(campaign).value("callbacks_sent") == counted
    world.pass_time(days=2)
    assert len(world.tried) == 2


def test_an_opt_out_binds_although_the_message_before_it_is_unclear(world):
    due(world)
    world.hold_webhooks()
    world.sandbox.fault("reset", accept=True, next=1)
    world.pass_time(minutes=2)
    world.hold_webhooks(False)
    world.write("stop")
    world.pass_time(days=3)
    assert len(callbacks(world)) == 1
    assert world.contact.consent_withdrawn == ["whatsapp:marketing"]


def move(account, url):
    """The operator enters another API address, and the token for it."""
    credentials = credentials_read(account)
    account.base_url = url
    account.save(update_fields=["base_url"])
    credentials_write(account, credentials)


def test_a_greeting_that_certainly_never_left_is_sent_again(world):
    """A connection that was refused proves it: the provider's machine is down for a minute."""
    world.campaign(step())
    good = world.account.base_url
    move(world.account, "http://127.0.0.1:9")
    world.click_ad()
    assert Message.objects.get(origin="greeting").status == "scheduled"
    assert not world.tried
    move(world.account, good)
    world.pass_time(minutes=5)
    assert [send["text"] for send in world.sent] == ["Chào Lan!"]
