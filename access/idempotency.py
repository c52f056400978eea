"""Idempotency-Key: a POST that is repeated is done once.

The record is inserted first, in a transaction of its own, so a twin that arrives meanwhile sees it and is told to come
back. The work and its stored answer are then one transaction: a process that dies in between has done nothing, and
leaves a record without an answer, which the next try takes over once the lease is past.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from access.errors import DomainError
from access.models import ApiKey, IdempotencyRecord
from access.problems import IdempotencyConflict, IdempotencyMismatch

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=60)  # far longer than a request works; one that takes longer is undone (see Claim)
KEY_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first request was told."""

    status_code: int
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do the work of one key. It is lost when another request took the record over meanwhile."""

    record_id: int
    started_at: datetime


def fingerprint(*, method: str, path: str, body: bytes) -> str:
    """What makes two requests the same one; `path` includes the query string."""
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), body])).hexdigest()


def idempotency_begin(*, api_key: ApiKey, key: str, print_: str, now: datetime) -> Claim | Answer:
    """Claim the key for this request, or hear what the first one was told.

    Raises IdempotencyConflict while a twin works, IdempotencyMismatch when the key belongs to another request.
    """
    if len(key) > KEY_LIMIT or not key.isprintable():
        raise DomainError(_("An Idempotency-Key has at most 255 printable characters."), code="idempotency_key")
    try:
        with transaction.atomic():
            record = IdempotencyRecord.objects.create(
                api_key=api_key, key=key, fingerprint=print_, started_at=now, created_at=now
            )
    except IntegrityError:
        return _again(api_key, key, print_, now)
    return Claim(record.pk, now)


def _again(api_key: ApiKey, key: str, print_: str, now: datetime) -> Claim | Answer:
    records = IdempotencyRecord.objects.filter(api_key=api_key, key=key)
    # One that has outlived its day, or whose request died, is taken over; only one of two can.
    taken = (
        records.filter(created_at__lte=now - KEPT)
        | records.filter(status_code=None, fingerprint=print_, started_at__lte=now - LEASE)
    ).update(fingerprint=print_, status_code=None, body=None, content_type="", started_at=now, created_at=now)
    record = records.first()
    if record is None or (not taken and record.fingerprint == print_ and record.status_code is None):
        raise IdempotencyConflict(_("A request with this Idempotency-Key is being worked on. Try again in a moment."))
    if taken:
        return Claim(record.pk, now)
    if record.fingerprint != print_:
        raise IdempotencyMismatch(_("This Idempotency-Key was used for another request."))
    return Answer(record.status_code or 200, bytes(record.body or b""), record.content_type)


def idempotency_store(*, claim: Claim, answer: Answer) -> None:
    """Keep what is being answered; call it inside the transaction that does the work.

    Raises IdempotencyConflict, which undoes the work, when the claim was lost: the work went on beyond its lease.
    """
    stored = _claimed(claim).update(status_code=answer.status_code, body=answer.body, content_type=answer.content_type)
    if not stored:
        raise IdempotencyConflict(_("This took too long, and another request took over. Try again in a moment."))


def idempotency_release(*, claim: Claim) -> None:
    """The work failed on our side and was undone: the same key may try again."""
    _claimed(claim).delete()


def _claimed(claim: Claim) -> QuerySet[IdempotencyRecord]:
    return IdempotencyRecord.objects.filter(pk=claim.record_id, started_at=claim.started_at, status_code=None)


def idempotency_clean(*, now: datetime) -> int:
    """Delete what is older than 24 hours; how many."""
    return IdempotencyRecord.objects.filter(created_at__lte=now - KEPT).delete()[0]
