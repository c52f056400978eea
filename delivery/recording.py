"""After the wire: every answer is written down, and a refusal closes the scope it names.

Recording is one transaction for the batch; only if the database refuses that, each message gets its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from django.db import DatabaseError, DataError, IntegrityError, transaction

from conversations.failures import Failure, failures_apply
from conversations.models import Conversation, Message
from conversations.services import conversations_note_sent
from delivery import outbox
from delivery.models import Attempt
from delivery.outbox import Record
from messaging.events import ErrorClass, Scope
from messaging.governor import governor
from messaging.models import ChannelAccount

log = structlog.get_logger(__name__)

OURS = ("late", "connection", "content")  # refusals that say nothing about the account or the person


def answers_record(account: ChannelAccount, records: Sequence[Record], *, now: datetime) -> None:
    """Write down what became of messages in flight, and what a refusal means for the account and the people."""
    try:
        _together(account, records, now)
    except DatabaseError:
        # One bad row (an id the provider gave twice, or a page long) must not cost the others their answers.
        for one in records:
            try:
                _together(account, [one], now)
            except (IntegrityError, DataError):
                _together(account, [replace(one, provider_id="")], now)


def _together(account: ChannelAccount, records: Sequence[Record], now: datetime) -> None:
    with transaction.atomic():
        ours = outbox.record(records)
        conversations_note_sent(
            sent=[(r.message.id, r.at) for r in records if r.state == Attempt.State.ACCEPTED and r.message.id in ours]
        )
        refused = [r for r in records if r.error is not None and r.error_code not in OURS]
        if refused:
            # In the same transaction: a refusal that says "opted out" is not written down without the opt-out.
            _apply_refusals(account, refused, now)
    log.info(
        "dispatched",
        account_id=str(account.pk),
        accepted=sum(r.state == Attempt.State.ACCEPTED for r in records),
        refused=len(refused),
        unknown=sum(r.state == Attempt.State.UNKNOWN for r in records),
    )


def _apply_refusals(account: ChannelAccount, refused: Sequence[Record], now: datetime) -> None:
    """Close the scope an error names: in the governor, on the account, the template, the address or the person."""
    messages = Message.objects.in_bulk([r.message.id for r in refused])
    closed = [
        r.message.conversation_id
        for r in refused
        if r.error_class == ErrorClass.USE_TEMPLATE and r.message.conversation_id
    ]
    if closed:
        # The provider closed the window before we thought it would: from now on only the template will do.
        Conversation.objects.filter(pk__in=closed, service_window_ends_at__gt=now).update(service_window_ends_at=now)
    failures = []
    for r in refused:
        if r.error is None or r.message.id not in messages:
            continue
        if r.error.error_class == ErrorClass.SLOW:
            seconds = r.error.retry_after or 2.0
            if r.error.scope == Scope.PAIR:
                governor().pair_close(account, person=r.message.contact_id, seconds=seconds, now=now)
            else:
                governor().pace_close(account, seconds=min(seconds, 60.0), now=now)
        else:
            to = (r.to,) if r.to else ()
            failures.append(Failure(messages[r.message.id], r.error, r.at, r.message.ref, to))
    if failures:
        failures_apply(account=account, failures=failures, now=now)
