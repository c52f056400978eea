"""Addresses that may not be contacted, whatever consent says. Only keyed hashes are kept, so they outlive erasure."""

import hashlib
import hmac
from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from contacts.conflicts import perhaps_same
from contacts.consent import contact_lock
from contacts.errors import NoAddressError
from contacts.models import Address, Contact, Suppression
from contacts.phones import phone_normalise


def suppression_hash(channel: str, kind: str, value: str) -> str:
    """HMAC-SHA256 of an address, hex. Without the key nobody can find out by trying numbers whose it is."""
    message = f"{channel}\x00{kind}\x00{value}".encode()
    return hmac.new(settings.SUPPRESSION_HASH_KEY.encode(), message, hashlib.sha256).hexdigest()


def _lock_owners(channel: str, kind: str, value: str) -> None:
    owners = Contact.objects.filter(addresses__channel=channel, addresses__kind=kind, addresses__value=value)
    ids = set(owners.values_list("pk", flat=True))
    for contact_id in sorted(ids.union(*perhaps_same(ids).values())):
        contact_lock(contact_id)


@transaction.atomic
def suppression_add(*, channel: str, kind: str, value: str, reason: str, actor: User | None) -> Suppression:
    """Suppress an address for good; the same one again keeps the first reason. Raises InvalidPhoneError.

    Locks the contact that owns it first: a message whose flip comes later sees it.
    """
    value = phone_normalise(value, region=settings.DEFAULT_PHONE_REGION) if kind == Address.Kind.PHONE else value
    _lock_owners(channel, kind, value)
    suppression, _made = Suppression.objects.get_or_create(
        channel=channel,
        kind=kind,
        value_hash=suppression_hash(channel, kind, value),
        defaults={"reason": reason, "hint": value[-2:], "created_by": actor},
    )
    return suppression


def suppression_lift(*, suppression_id: int) -> None:
    """Allow the address again. Consent is another matter: it is not given back by this."""
    Suppression.objects.filter(pk=suppression_id).delete()


def suppressed_contact_ids(contact_ids: Iterable[UUID], channel: str) -> set[UUID]:
    """Which of these contacts have (or had) a suppressed address on the channel; three queries, however many there are.

    An address a person gave up still counts: whoever asked for it asked not to be written to. So does an address of
    another contact who may be the same person.
    """
    ids = set(contact_ids)
    stands_for: dict[UUID, set[UUID]] = {contact_id: {contact_id} for contact_id in ids}
    for contact_id, others in perhaps_same(ids).items():
        for other in others:
            stands_for.setdefault(other, set()).add(contact_id)
    hashes: dict[str, set[UUID]] = {}
    rows = Address.objects.filter(contact_id__any_of=list(stands_for), channel=channel)
    for contact_id, kind, value in rows.values_list("contact_id", "kind", "value"):
        hashes.setdefault(suppression_hash(channel, kind, value), set()).update(stands_for[contact_id])
    found = Suppression.objects.filter(channel=channel, value_hash__any_of=list(hashes))
    return {contact_id for value in found.values_list("value_hash", flat=True) for contact_id in hashes[value]}


@transaction.atomic
def contact_suppress(*, contact_id: UUID, reason: str, actor: User | None) -> int:
    """Suppress every present address of a person; how many there were. Raises NoAddressError when there is none."""
    contact_lock(contact_id)
    rows = list(Address.objects.filter(contact_id=contact_id, superseded_at=None))
    if not rows:
        raise NoAddressError(_("This person has no address to suppress."))
    for row in rows:
        suppression_add(channel=row.channel, kind=row.kind, value=row.value, reason=reason, actor=actor)
    return len(rows)
