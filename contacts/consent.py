"""The consent ledger and the current state it gives."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, IntegerField, Value, When
from django.db.models.functions import Least
from django.utils.translation import gettext as _

from contacts.conflicts import perhaps_same
from contacts.errors import AlreadyRecordedError
from contacts.models import ConsentEvent, Contact, consent_key


def contact_lock(contact_id: UUID) -> Contact:
    """The contact row, locked against every other writer of consent and against a send's flip (`FOR SHARE`)."""
    return Contact.objects.select_for_update(no_key=True).get(pk=contact_id)


@transaction.atomic
def consent_record(
    *,
    contact_id: UUID,
    channel: str,
    purpose: str,
    action: str,
    source: str,
    occurred_at: datetime,
    dedupe_key: str,
    wording: str = "",
    wording_language: str = "",
    wording_version: str = "",
    disclosed_per_week: int | None = None,
    evidence: dict[str, Any] | None = None,
    actor: User | None = None,
) -> ConsentEvent:
    """Add one line to the ledger, once per `dedupe_key`, and derive the current state from all of it.

    The state follows the events' own times, not their arrival: a withdrawal that reaches us late does not undo a
    newer grant, nor the other way round; at the very same time the withdrawal wins. A time in the future counts from
    when we heard of it, so that a wrong clock cannot outrank a later withdrawal. Raises AlreadyRecordedError when the
    key was used for another person or statement: an opt-out must not get lost in somebody else's line.
    """
    contact = contact_lock(contact_id)
    event = ConsentEvent(
        contact=contact,
        channel=channel,
        purpose=purpose,
        action=action,
        source=source,
        wording=wording,
        wording_language=wording_language,
        wording_version=wording_version,
        disclosed_per_week=disclosed_per_week,
        evidence=evidence or {},
        occurred_at=occurred_at,
        actor=actor,
        dedupe_key=dedupe_key,
    )
    ConsentEvent.objects.bulk_create([event], ignore_conflicts=True)
    state_derive(contact, channel, purpose)
    stored = ConsentEvent.objects.get(dedupe_key=dedupe_key)
    if (stored.contact_id, stored.channel, stored.purpose, stored.action) != (contact_id, channel, purpose, action):
        raise AlreadyRecordedError(_("This key was used for another consent event."), field="dedupe_key")
    if action == ConsentEvent.Action.WITHDRAWN:
        for other in sorted(perhaps_same([contact_id]).get(contact_id, ())):
            _withdrawal_share(stored, other, occurred_at)
    return stored


def withdrawals_share(*, contact_ids: Sequence[UUID], now: datetime) -> None:
    """These contacts may be one person: whatever one of them has withdrawn, all have withdrawn as of `now`."""
    contacts = [contact_lock(contact_id) for contact_id in sorted(contact_ids)]
    for contact in contacts:
        for key in contact.consent_withdrawn:
            channel, _colon, purpose = key.partition(":")
            event = (
                ConsentEvent.objects.filter(contact=contact, channel=channel, purpose=purpose)
                .filter(action=ConsentEvent.Action.WITHDRAWN)
                .order_by("occurred_at", "recorded_at")
                .last()
            )
            for other in contacts:
                if event and key not in other.consent_withdrawn:
                    _withdrawal_share(event, other.pk, now)


def _withdrawal_share(event: ConsentEvent, other_id: UUID, occurred_at: datetime) -> None:
    """The same withdrawal in another contact's ledger, once; what came from there does not go back."""
    if event.evidence.get("perhaps_same") == str(other_id):
        return
    other = contact_lock(other_id)
    shared = ConsentEvent(
        contact=other,
        channel=event.channel,
        purpose=event.purpose,
        action=event.action,
        source=event.source,
        wording=event.wording,
        evidence={"perhaps_same": str(event.contact_id), "event": str(event.pk)},
        occurred_at=occurred_at,
        actor=event.actor,
        dedupe_key=f"perhaps-same:{other_id}:{event.pk}",
    )
    ConsentEvent.objects.bulk_create([shared], ignore_conflicts=True)
    state_derive(other, event.channel, event.purpose)


def state_derive(contact: Contact, channel: str, purpose: str) -> None:
    """Write the current state of one (channel, purpose) beside the contact. The caller holds the contact's lock."""
    rank = Case(
        When(action=ConsentEvent.Action.WITHDRAWN, then=Value(2)),
        When(action=ConsentEvent.Action.EXPIRED, then=Value(1)),
        default=Value(0),
        output_field=IntegerField(),
    )
    latest = (
        ConsentEvent.objects.filter(contact=contact, channel=channel, purpose=purpose)
        .order_by(Least("occurred_at", "recorded_at").desc(), rank.desc())
        .values_list("action", flat=True)
        .first()
    )
    key = consent_key(channel, purpose)
    granted = sorted({*contact.consent_granted} - {key} | ({key} if latest == ConsentEvent.Action.GRANTED else set()))
    withdrawn = sorted(
        {*contact.consent_withdrawn} - {key} | ({key} if latest == ConsentEvent.Action.WITHDRAWN else set())
    )
    if (granted, withdrawn) != (contact.consent_granted, contact.consent_withdrawn):
        contact.consent_granted, contact.consent_withdrawn = granted, withdrawn
        contact.save(update_fields=["consent_granted", "consent_withdrawn", "updated_at"])


def consent_state(contact: Contact, channel: str, purpose: str) -> str:
    """`granted`, `withdrawn`, or "" when the person was never asked or the consent expired."""
    key = consent_key(channel, purpose)
    return "granted" if key in contact.consent_granted else "withdrawn" if key in contact.consent_withdrawn else ""
