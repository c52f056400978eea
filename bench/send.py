"""Sending, three ways against the same sink in one run: the usual design, the bare batch, and Rekindle's whole path."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from campaigns.models import Campaign
from config.embedded import die_with_parent
from contacts.models import Address, Contact, consent_key
from conversations.models import Conversation, Message
from delivery.facts import facts_load
from delivery.gate import decide
from delivery.rules import rules_load
from delivery.transport import Answer, transport
from messaging.credentials import Credentials, credentials_write
from messaging.events import OutboundRequest
from messaging.models import ChannelAccount

BATCH = 500
ROUNDS = 3
_CLAIM = """
UPDATE conversations_message m SET status = 'inflight', fence = fence + 1
FROM (SELECT id FROM conversations_message WHERE account_id = %s AND status = 'scheduled' AND due_at <= now()
      ORDER BY priority DESC, due_at LIMIT %s FOR UPDATE SKIP LOCKED) due, contacts_address a
WHERE m.id = due.id AND a.contact_id = m.contact_id RETURNING m.id, m.text, a.value
"""
_RECORD = """
UPDATE conversations_message m SET status = 'accepted', provider_message_id = v.pid, sent_at = now()
FROM unnest(%s::uuid[], %s::text[]) AS v(id, pid) WHERE m.id = v.id
"""


def fill(url: str, count: int) -> ChannelAccount:
    """`count` due callbacks to as many people on an account of their own, whose pace is no limit here."""
    now = timezone.now()
    key = uuid7().hex[:12]
    account = ChannelAccount.objects.create(
        name="bench", base_url=url, sender_id=key, business_account_id=key, portfolio_id=key,
        throughput_per_second=1_000_000,
    )  # fmt: skip
    credentials_write(account, Credentials(access_token="bench"))
    campaign = Campaign.objects.create(
        name="bench", account=account, status=Campaign.Status.RUNNING, revision=1, approved_revision=1
    )
    contacts = Contact.objects.bulk_create(
        [
            Contact(country="VN", time_zones=[_daytime()], consent_granted=[consent_key("whatsapp", "marketing")])
            for _ in range(count)
        ],
        batch_size=2000,
    )
    serial = ChannelAccount.objects.count() * 10_000_000
    Address.objects.bulk_create(
        [
            Address(
                contact=c, channel="whatsapp", kind="phone", value=f"+84{serial + n}", first_seen_at=now,
                last_seen_at=now,
            )
            for n, c in enumerate(contacts)
        ],
        batch_size=2000,
    )  # fmt: skip
    conversations = Conversation.objects.bulk_create(
        [
            Conversation(
                contact=c, account=account, campaign=campaign, opened_at=now, turn=1, last_inbound_at=now,
                service_window_ends_at=now + timedelta(hours=20), holdout=False,
            )
            for c in contacts
        ],
        batch_size=2000,
    )  # fmt: skip
    Message.objects.bulk_create(
        [
            Message(
                contact=c.contact, account=account, conversation=c, campaign=campaign, direction="out",
                origin="callback", status="scheduled", purpose="marketing", occurred_at=now, text="Chào bạn!",
                content_free={"text": "Chào bạn!", "buttons": []}, dedupe_key=f"bench:{c.pk}", turn=1,
                due_at=now - timedelta(seconds=1), expires_at=now + timedelta(days=1),
            )
            for c in conversations
        ],
        batch_size=2000,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return account


def _daytime() -> str:
    """A zone in which it is noon, so that quiet hours do not end the bench."""
    offset = 12 - timezone.now().hour
    return f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT"


@contextlib.contextmanager
def sink() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "bench.sink"], stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)


def usual(url: str, count: int) -> float:
    """Messages per second through one Celery task each, two worker processes."""
    account = fill(url, count)
    from bench.usual import app, send_one

    ids = list(Message.objects.filter(account=account).values_list("pk", flat=True))
    for key in ids:
        send_one.delay(str(key), url)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "bench.usual", "worker", "-c", "2", "-Q", "bench-usual", "-l", "ERROR"],
        preexec_fn=die_with_parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        done = Message.objects.filter(account=account, status="accepted")
        while (warm := done.count()) < count * 0.2:
            time.sleep(0.05)
        began = time.perf_counter()
        while (now := done.count()) < count:
            time.sleep(0.05)
        took = time.perf_counter() - began
    finally:
        worker.terminate()
        worker.wait(30)
        app.close()
    return (now - warm) / took


def bound(url: str, count: int) -> float:
    """Claim, POST, record, nothing else, in one process: what this machine can do with the same client."""
    account = fill(url, count)
    target = f"{url}/v26.0/{account.sender_id}/messages"
    headers = (("Authorization", "Bearer bench"), ("Content-Type", "application/json"))
    began, sent = time.perf_counter(), 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [account.pk, BATCH])
            rows = cursor.fetchall()
        if not rows:
            return sent / (time.perf_counter() - began)
        answers: list[tuple[UUID, str]] = []

        def done(key: UUID, answer: Answer, answers: list[tuple[UUID, str]] = answers) -> None:
            answers.append((key, json.loads(answer.body)["messages"][0]["id"]))

        requests = [
            (key, OutboundRequest(target, headers, json.dumps({"to": to, "text": {"body": text}}).encode()))
            for key, text, to in rows
        ]
        transport().post_all(requests, done, fresh_until=time.monotonic() + 60)
        with connection.cursor() as cursor:
            cursor.execute(_RECORD, [[key for key, _pid in answers], [pid for _key, pid in answers]])
        sent += len(answers)


def whole(url: str, count: int, processes: int = 2) -> float:
    """Rekindle's own path in worker processes: facts, gate, governor, flip under lock, attempts, decisions, record."""
    account = fill(url, count)
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.dispatcher", str(account.pk)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
        )
        for _ in range(processes)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    began = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    took = time.perf_counter() - began
    for worker in workers:
        worker.wait(30)
    accepted = Message.objects.filter(account=account, status="accepted").count()
    assert accepted == count, f"{accepted} of {count} accepted"
    return count / took


def gate(url: str, count: int) -> float:
    """Decisions per second on loaded facts."""
    account = fill(url, count)
    now = timezone.now()
    ids = list(Message.objects.filter(account=account).values_list("pk", flat=True))
    facts, _people = facts_load(ids, channel=account.channel, portfolio_id=account.portfolio_id, now=now)
    rules, known = rules_load(now=now), list(facts.values())
    began, decided = time.perf_counter(), 0
    while time.perf_counter() - began < 1:
        for item in known:
            decide(item, now, rules)
        decided += len(known)
    return decided / (time.perf_counter() - began)


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def run(*, short: bool) -> list[tuple[str, float, str, float | None]]:
    """(name, value, unit, limit). The limit stands beside the figure: the ratio is what can be compared."""
    count = 3_000 if short else 15_000
    with sink() as url:
        peer = usual(url, 400 if short else 1_500)
        bounds, wholes, alone = [], [], []
        for _ in range(1 if short else ROUNDS):  # in turns, so that a busy moment hits both
            bounds.append(bound(url, count))
            wholes.append(whole(url, count))
            alone.append(whole(url, count // 2, processes=1))
        decisions = gate(url, 500)
    top, ours = median(bounds), median(wholes)
    return [
        ("send.usual", peer, "messages/s", None),
        ("send.batch_bound", top, "messages/s", None),
        ("send.whole_path", ours, "messages/s", top),
        ("send.whole_path_one_worker", median(alone), "messages/s", top),
        ("send.whole_path_vs_usual", ours, "messages/s", peer),
        ("gate.decisions", decisions, "decisions/s", 100_000.0),
    ]
