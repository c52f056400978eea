"""What the send path left unclear: expired leases, attempts without an answer, messages nobody reports about any more.

An expired `claimed` was never handed over and is scheduled again; an expired `inflight` may have been, so it becomes
`unknown` and waits for a status. After ten minutes a person decides, except where twice is better than never.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils.translation import gettext as _

from conversations.models import Message
from conversations.services import conversations_note_sent
from delivery.errors import NotUnclearError
from delivery.models import Attempt

log = structlog.get_logger(__name__)
Status, State = Message.Status, Attempt.State

PATIENCE = timedelta(minutes=10)  # for a status to arrive after an unclear answer
TIME_TO_LIVE = timedelta(days=31)  # the provider tries for 30 days and says nothing when it gives up
AT_LEAST_ONCE_TRIES = 2
BATCH = 1000

_REAP = """
WITH late AS (
    SELECT id FROM conversations_message
    WHERE status IN ('claimed', 'inflight') AND lease_until < clock_timestamp()
    ORDER BY lease_until LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE conversations_message m
SET status = CASE WHEN m.status = 'claimed' THEN 'scheduled' ELSE 'unknown' END, lease_until = NULL
FROM late WHERE m.id = late.id
RETURNING m.id, m.fence, m.status
"""
# A status that moved the message forward proves that its newest attempt reached the provider.
_PROVEN = """
UPDATE delivery_attempt a SET state = 'accepted', answered_at = coalesce(a.answered_at, %s)
FROM conversations_message m
WHERE a.message_id = m.id AND a.fence = m.fence AND a.state IN ('open', 'unknown')
  AND m.status IN ('held', 'accepted', 'sent', 'delivered', 'read', 'failed') AND a.started_at < %s
"""
_UNCLEAR = """
SELECT m.id, a.id, m.at_least_once AND (m.expires_at IS NULL OR m.expires_at > %(now)s)
       AND (SELECT count(*) FROM delivery_attempt b WHERE b.message_id = m.id) < %(tries)s
FROM conversations_message m JOIN delivery_attempt a ON a.message_id = m.id AND a.fence = m.fence
WHERE m.status = 'unknown' AND a.state IN ('open', 'unknown') AND a.started_at < %(before)s
ORDER BY m.id LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED
"""


@transaction.atomic
def attempts_reap(*, limit: int = BATCH) -> int:
    """Expired leases, on the database's clock: claimed -> scheduled, inflight -> unknown (never scheduled)."""
    with connection.cursor() as cursor:
        cursor.execute(_REAP, [limit])
        rows = cursor.fetchall()
    unknown = [row[0] for row in rows if row[2] == Status.UNKNOWN]
    Attempt.objects.filter(message_id__in=unknown, state=State.OPEN).update(state=State.UNKNOWN)
    if rows:
        log.warning("leases_expired", messages=len(rows), unknown=len(unknown))
    return len(rows)


def attempts_reconcile(*, now: datetime) -> int:
    """Settle attempts by what the statuses proved; after ten minutes give up waiting. How many messages moved."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PROVEN, [now, now - timedelta(seconds=30)])
    return _give_up_waiting(now) + _expire_stopped(now)


@transaction.atomic
def _give_up_waiting(now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_UNCLEAR, {"now": now, "tries": AT_LEAST_ONCE_TRIES, "before": now - PATIENCE, "limit": BATCH})
        rows = cursor.fetchall()
    again, unsure = [row for row in rows if row[2]], [row for row in rows if not row[2]]
    Attempt.objects.filter(pk__in=[row[1] for row in again]).update(state=State.ABANDONED)
    Message.objects.filter(pk__in=[row[0] for row in again]).update(status=Status.SCHEDULED, due_at=now)
    Attempt.objects.filter(pk__in=[row[1] for row in unsure], state=State.OPEN).update(state=State.UNKNOWN)
    Message.objects.filter(pk__in=[row[0] for row in unsure]).update(status=Status.UNCONFIRMED)
    if rows:
        log.warning("answers_missing", again=len(again), unconfirmed=len(unsure))
    return len(rows)


def _expire_stopped(now: datetime) -> int:
    """What waits on a paused account is not looked at by the dispatcher: let it expire all the same."""
    return Message.objects.filter(account__status="paused", status=Status.SCHEDULED, expires_at__lte=now).update(
        status=Status.EXPIRED, reason="expired", waiting_for=""
    )


def messages_expire(*, now: datetime) -> int:
    """Messages the provider never reported about again within its time to live. A sweep for once an hour."""
    return Message.objects.filter(
        direction=Message.Direction.OUT,
        status__in=[Status.HELD, Status.ACCEPTED, Status.SENT],
        sent_at__lt=now - TIME_TO_LIVE,
    ).update(status=Status.EXPIRED, reason="expired")


@transaction.atomic
def message_resolve(*, message_id: UUID, verdict: str, actor: User | None, now: datetime) -> Message:
    """A person's word on a message without a clear answer: it was "sent" or "not_sent".

    "not_sent" ends it (cancelled); nothing is sent again by itself. NotUnclearError when it is not unclear (any more).
    """
    message = Message.objects.select_for_update(of=("self",)).get(pk=message_id)
    if message.status not in (Status.UNKNOWN, Status.UNCONFIRMED):
        raise NotUnclearError(_("This message has a clear state by now."))
    if verdict not in ("sent", "not_sent"):
        raise NotUnclearError(_("The verdict is either “sent” or “not sent”."), code="invalid", field="verdict")
    attempts = Attempt.objects.filter(message=message, state__in=[State.OPEN, State.UNKNOWN])
    if verdict == "sent":
        latest = attempts.order_by("-fence").first()
        sent_at = latest.started_at if latest else now
        if latest:
            attempts.exclude(pk=latest.pk).update(state=State.ABANDONED)
            Attempt.objects.filter(pk=latest.pk).update(state=State.ACCEPTED, answered_at=now)
        message.status, message.sent_at, message.reason = Status.ACCEPTED, message.sent_at or sent_at, ""
        message.save(update_fields=["status", "sent_at", "reason"])
        conversations_note_sent(sent=[(message.pk, sent_at)])
    else:
        attempts.update(state=State.ABANDONED)
        message.status, message.reason = Status.CANCELLED, "resolved_not_sent"
        message.save(update_fields=["status", "reason"])
    log.info("message_resolved", message_id=str(message_id), verdict=verdict, actor_id=actor.pk if actor else None)
    return message
