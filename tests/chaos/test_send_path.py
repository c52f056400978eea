"""Real processes killed, Redis wiped and gone: nothing twice, nothing lost."""

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
import redis
from django.conf import settings as configured
from django.db import connection
from psycopg.conninfo import make_conninfo

from config.embedded import die_with_parent
from conversations.models import Conversation, Message
from conversations.statuses import statuses_apply
from delivery.dispatch import dispatch_due
from delivery.models import Attempt
from delivery.settle import PATIENCE, attempts_reap, attempts_reconcile
from messaging.events import DeliveryStatus, StatusUpdate
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import NOW, PhoneBuilder
from tests.builders.conversations import ConversationBuilder, OutboundBuilder
from tests.builders.messaging import AccountBuilder

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.chaos]


def outbox(provider, count, **given):
    campaign = CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url, **given.pop("account", {})))
    messages = []
    for _ in range(count):
        conversation = ConversationBuilder(campaign=campaign)
        PhoneBuilder(contact=conversation.contact)
        messages.append(OutboundBuilder(conversation=conversation, **given))
    return messages


def own_process() -> subprocess.Popen[bytes]:
    info = connection.settings_dict
    options = {key: value for key, value in info["OPTIONS"].items() if isinstance(value, str)}
    named = {"dbname": info["NAME"], "user": info["USER"], "host": info["HOST"], "port": info["PORT"] or None}
    url = make_conninfo(**{key: value for key, value in named.items() if value}, **options)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.dispatcher"],
        env={**os.environ, "DATABASE_URL": url},
        preexec_fn=die_with_parent,
    )


def leases_end():
    Message.objects.filter(lease_until__isnull=False).update(lease_until="2000-01-01T00:00Z")


def killed_mid_send(provider, **given) -> Message:
    """A message whose sender was killed between the socket write and the answer."""
    [message] = outbox(provider, 1, **given)
    arrived, go_on = threading.Event(), threading.Event()

    def stall():
        arrived.set()
        go_on.wait(20)

    provider.before = stall
    process = own_process()
    assert arrived.wait(30), "the dispatcher never spoke to the provider"
    process.send_signal(signal.SIGKILL)
    process.wait()
    go_on.set()
    provider.before = lambda: None
    assert Message.objects.get(pk=message.pk).status == "inflight"
    leases_end()
    attempts_reap()
    assert Message.objects.get(pk=message.pk).status == "unknown"
    return message


def test_a_message_whose_sender_was_killed_is_reconciled_by_its_status(provider):
    message = killed_mid_send(provider)
    dispatch_due(clock=lambda: NOW + timedelta(minutes=1), seconds=0)
    ref = provider.received[0]["biz_opaque_callback_data"]
    update = StatusUpdate(
        sender_id=message.account.sender_id, occurred_at=NOW + timedelta(seconds=2), dedupe_key="s1", raw={},
        message_id="wamid.X", status=DeliveryStatus.DELIVERED, ref=ref,
    )  # fmt: skip
    statuses_apply(account=message.account, updates=[update], now=NOW + timedelta(seconds=3))
    attempts_reconcile(now=NOW + timedelta(minutes=1))
    message.refresh_from_db()
    assert (message.status, message.provider_message_id) == ("delivered", "wamid.X")
    assert Attempt.objects.get(message=message).state == "accepted"
    attempts_reconcile(now=NOW + timedelta(hours=1))
    assert len(provider.received) == 1


def test_marketing_without_any_answer_waits_for_a_person(provider):
    message = killed_mid_send(provider)
    attempts_reconcile(now=NOW + PATIENCE - timedelta(seconds=1))
    message.refresh_from_db()
    assert message.status == "unknown"
    attempts_reconcile(now=NOW + PATIENCE + timedelta(seconds=1))
    message.refresh_from_db()
    assert message.status == "unconfirmed"
    dispatch_due(clock=lambda: NOW + timedelta(hours=1), seconds=0)
    assert len(provider.received) == 1


def test_an_opt_out_confirmation_without_an_answer_is_tried_once_more_and_then_left(provider):
    message = killed_mid_send(provider, origin="optout_confirmation", purpose="service", at_least_once=True)
    later = NOW + PATIENCE + timedelta(seconds=1)
    attempts_reconcile(now=later)
    provider.answer = lambda _body: (0, {})
    dispatch_due(clock=lambda: later, seconds=0)
    assert len(provider.received) == 2
    attempts_reconcile(now=later + PATIENCE + timedelta(seconds=1))
    message.refresh_from_db()
    assert message.status == "unconfirmed"
    assert sorted(Attempt.objects.values_list("state", flat=True)) == ["abandoned", "unknown"]


def test_a_claim_whose_dispatcher_died_is_scheduled_again(provider):
    [message] = outbox(provider, 1)
    Message.objects.filter(pk=message.pk).update(status="claimed", fence=1, lease_until="2000-01-01T00:00Z")
    attempts_reap()
    dispatch_due(clock=lambda: NOW, seconds=0)
    assert Message.objects.get(pk=message.pk).status == "accepted"
    assert len(provider.received) == 1


def test_wiping_redis_in_the_middle_loses_nothing_and_repeats_nothing(provider):
    outbox(provider, 60, account={"throughput_per_second": 40})
    client = redis.Redis.from_url(configured.REDIS_URL)
    for second in range(12):
        dispatch_due(clock=lambda second=second: NOW + timedelta(seconds=second), seconds=0)
        client.flushall()
    client.close()
    assert len(provider.received) == len(set(provider.recipients)) == 60


def test_an_emptied_redis_still_knows_whom_the_portfolio_reached_today(provider):
    outbox(provider, 3, account={"messaging_limit": 2, "throughput_per_second": 1000})
    template_only(Message.objects.all()[:3])
    dispatch_due(clock=lambda: NOW, seconds=0)
    client = redis.Redis.from_url(configured.REDIS_URL)
    client.flushall()
    client.close()
    dispatch_due(clock=lambda: NOW + timedelta(hours=2), seconds=0)
    assert len(provider.received) == 2
    assert Message.objects.get(status="scheduled").waiting_for == "provider_limit"


def template_only(messages):
    from tests.builders.messaging import TemplateBuilder

    for message in messages:
        template = TemplateBuilder(account=message.account)
        Message.objects.filter(pk=message.pk).update(
            template=template, content_free=None,
            content_template={"name": template.name, "language": "vi", "values": {"body.1": "Lan"}},
        )  # fmt: skip
        Conversation.objects.filter(pk=message.conversation_id).update(service_window_ends_at=NOW - timedelta(hours=1))


def test_without_redis_the_pace_is_slower_and_never_unlimited(provider, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    outbox(provider, 30, account={"throughput_per_second": 40})
    sent = []
    for quarter in range(16):
        dispatch_due(clock=lambda quarter=quarter: NOW + timedelta(seconds=quarter / 4), seconds=0)
        sent.append(len(provider.received))
    assert sent[0] < 30, "without Redis there was no limit"
    assert sent[-1] == len(set(provider.recipients)) == 30
    assert sent[4] <= 40 * 0.25 * 1.25 + 5  # a quarter of the pace in the first second
