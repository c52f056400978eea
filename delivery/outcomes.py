"""What an answer (or its absence) means for its message: the state it goes to, and when it may be tried again."""

from __future__ import annotations

from datetime import datetime, timedelta

from conversations.models import Message
from delivery.models import Attempt
from delivery.outbox import Claimed, Record
from messaging.events import ErrorClass, Outcome, ProviderError, SendAnswer

Status, State = Message.Status, Attempt.State

BACKOFF_FIRST, BACKOFF_LONGEST = timedelta(seconds=2), timedelta(minutes=10)
STOP_LOOK_AGAIN = timedelta(minutes=2)
DEFER_LOOK_AGAIN = timedelta(hours=24)
# Provably not sent, and it will not be different next time.
_FINAL = (ErrorClass.FIX_MESSAGE, ErrorClass.SUPPRESS)
_STOPS = (ErrorClass.STOP_TEMPLATE, ErrorClass.STOP_NUMBER, ErrorClass.STOP_ACCOUNT, ErrorClass.AUTH)


def outcome(message: Claimed, answer: SendAnswer, *, tries: int, other_address: bool, now: datetime) -> Record:
    """`tries` counts the attempts so far with this one; `other_address`: the person can be reached another way."""
    http = answer.http_status or 0
    if answer.outcome in (Outcome.ACCEPTED, Outcome.HELD):
        status = Status.HELD if answer.outcome == Outcome.HELD else Status.ACCEPTED
        return Record(message, status, State.ACCEPTED, now, provider_id=answer.message_id, http_status=http)
    error = answer.error
    code, detail = (error.code, error.detail or error.title) if error else ("", "")
    kind = error.error_class.value if error else ""
    if answer.outcome == Outcome.UNKNOWN or error is None:
        return Record(
            message, Status.UNKNOWN, State.UNKNOWN, now,
            http_status=http, error_code=code, error_class=kind, error_detail=detail,
        )  # fmt: skip
    due, reason = _again(message, error, tries=tries, other_address=other_address, now=now)
    return Record(
        message,
        Status.SCHEDULED if due else Status.FAILED,
        State.REFUSED,
        now,
        due_at=due,
        http_status=http,
        reason=reason if due is None else "",
        error_code=code,
        error_class=kind,
        error_detail=detail,
        error=error,
    )


def _again(
    message: Claimed, error: ProviderError, *, tries: int, other_address: bool, now: datetime
) -> tuple[datetime | None, str]:
    """When to try again, or None and why never."""
    kind = error.error_class
    if kind in _FINAL:
        return None, "opted_out" if kind == ErrorClass.SUPPRESS else kind.value
    if kind == ErrorClass.ADDRESS:
        return (now, "") if other_address else (None, kind.value)
    if kind == ErrorClass.USE_TEMPLATE:
        # The provider says the window is closed: the same words would be refused again.
        return (now, "") if message.content_free and message.content_template else (None, "window_closed")
    if kind == ErrorClass.DEFER:
        return (now + DEFER_LOOK_AGAIN, "") if tries < 3 else (None, kind.value)
    if kind in _STOPS:
        return now + STOP_LOOK_AGAIN, ""  # what is stopped keeps it waiting from here on
    if kind == ErrorClass.RETRY and error.max_retries and tries > error.max_retries:
        return None, kind.value
    return now + backoff(tries, error.retry_after), ""


def backoff(tries: int, asked: float | None) -> timedelta:
    """2, 4, 8 ... seconds up to ten minutes, or what the provider asks for if that is longer."""
    ours = min(BACKOFF_FIRST * float(2 ** min(tries - 1, 12)), BACKOFF_LONGEST)
    return max(ours, timedelta(seconds=asked)) if asked else ours
