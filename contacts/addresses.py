"""Who a payload is about: from addresses to one contact, without ever merging two people silently.

WhatsApp names a person by phone, by business-scoped user id (BSUID), by both, or by the id alone once the person has a
username; a known phone can disappear for weeks and come back (developers.facebook.com, business-scoped user ids, 2026).
A BSUID is scoped to the business portfolio; a phone and a parent BSUID stand for themselves.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Q

from contacts.consent import withdrawals_share
from contacts.models import Address, AddressConflict, Contact
from contacts.phones import country_time_zones, phone_facts

log = structlog.get_logger(__name__)
Kind = Address.Kind
# A payload that names two people is routed by phone; then by the id that is ours, then by the one that is shared.
PRECEDENCE = (Kind.PHONE, Kind.BSUID, Kind.PARENT_BSUID)
NEWS_MAY_TAKE = timedelta(days=7)  # a provider repeats an undelivered webhook for a week
_LOCK_SPACE = 0x5243  # keeps our advisory locks apart from anybody else's


def address_scope(kind: str, portfolio_id: str) -> str:
    """A BSUID means something inside its portfolio only."""
    return portfolio_id if kind == Kind.BSUID else ""


def _match(channel: str, portfolio_id: str, addresses: Iterable[tuple[str, str]]) -> Q:
    given = [Q(kind=kind, value=value, scope=address_scope(kind, portfolio_id)) for kind, value in addresses]
    return Q(channel=channel, superseded_at=None) & reduce(or_, given)


def _known(channel: str, portfolio_id: str, addresses: Sequence[tuple[str, str]]) -> list[Address]:
    """Current rows of the given addresses, in order of precedence."""
    if not addresses:
        return []
    rows = Address.objects.filter(_match(channel, portfolio_id, addresses)).select_related("contact")
    return sorted(rows, key=lambda row: PRECEDENCE.index(Kind(row.kind)))


def contact_find(*, channel: str, portfolio_id: str, addresses: Sequence[tuple[str, str]]) -> Contact | None:
    """The contact these (kind, value) pairs lead to, or None. Changes nothing."""
    known = _known(channel, portfolio_id, addresses)
    return known[0].contact if known else None


def _lock(channel: str, portfolio_id: str, addresses: Sequence[tuple[str, str]]) -> None:
    """Serialise everybody who is about to identify one of these addresses, also before any row exists."""
    keys = sorted(f"{channel}:{address_scope(kind, portfolio_id)}:{kind}:{value}" for kind, value in addresses)
    with connection.cursor() as cursor:
        for key in keys:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_SPACE, key])


@transaction.atomic
def contact_identify(
    *, channel: str, portfolio_id: str, addresses: Sequence[tuple[str, str]], name: str, now: datetime
) -> Contact:
    """Find or create the person; attach what the payload adds; log a conflict when it names two people.

    `addresses` are (kind, value) pairs, values normalised (E.164 with + for a phone), at least one. A new value of a
    kind the person already has supersedes the old one. Raises ValueError without an address.
    """
    if not addresses:
        raise ValueError("a person without an address cannot be identified")
    known = _known(channel, portfolio_id, addresses)
    if len(known) < len(set(addresses)) or len({row.contact_id for row in known}) > 1:
        _lock(channel, portfolio_id, addresses)
        known = _known(channel, portfolio_id, addresses)
    contact = known[0].contact if known else _create(addresses, name)
    mine = [row for row in known if row.contact_id == contact.pk]
    strangers = [row for row in known if row.contact_id != contact.pk]
    _conflicts_log(contact, strangers, channel=channel, now=now)
    present = {(row.kind, row.value) for row in known}
    for kind, value in dict.fromkeys(addresses):
        if (kind, value) not in present:
            _attach(contact, channel, portfolio_id, kind, value, now=now)
    Address.objects.filter(pk__in=[row.pk for row in mine], last_seen_at__lt=now).update(
        last_seen_at=now, unreachable_since=None
    )
    if name and not contact.display_name:
        contact.display_name = name[:200]
        contact.save(update_fields=["display_name", "updated_at"])
    return contact


def _create(addresses: Sequence[tuple[str, str]], name: str) -> Contact:
    country, region, zones = place_guess(addresses)
    return Contact.objects.create(display_name=name[:200], country=country, region=region, time_zones=list(zones))


def place_guess(addresses: Sequence[tuple[str, str]]) -> tuple[str, str, tuple[str, ...]]:
    """Country, state and possible zones that the addresses give away: the phone's, else the BSUID's country prefix."""
    for kind in PRECEDENCE:
        for given, value in addresses:
            if given != kind:
                continue
            if kind == Kind.PHONE:
                facts = phone_facts(value)
                if facts.country:
                    return facts.country, facts.region, facts.time_zones
            else:
                country = value[:2].upper()
                return country, "", country_time_zones(country)
    return "", "", ()


def _attach(contact: Contact, channel: str, portfolio_id: str, kind: str, value: str, *, now: datetime) -> Address:
    scope = address_scope(kind, portfolio_id)
    address = Address.objects.create(
        contact=contact, channel=channel, scope=scope, kind=kind, value=value, first_seen_at=now, last_seen_at=now
    )
    older = Address.objects.filter(contact=contact, channel=channel, scope=scope, kind=kind, superseded_at=None)
    replaced = list(older.exclude(pk=address.pk))
    Address.objects.filter(pk__in=[row.pk for row in replaced]).update(superseded_at=now, superseded_by=address)
    if kind == Kind.PHONE:
        _place_learn(contact, value, [row.value for row in replaced])
    return address


def _place_learn(contact: Contact, phone: str, replaced: Sequence[str]) -> None:
    """A phone says more than a BSUID did, and a new number more than the old; what a person or a file set stays."""
    facts = phone_facts(phone)
    place = (contact.country, contact.region, tuple(contact.time_zones))
    guessed = any(place == place_guess([(Kind.PHONE, old)]) for old in replaced)
    vague = not contact.country or len(contact.time_zones) != 1
    if facts.country and (guessed or vague):
        contact.country, contact.region, contact.time_zones = facts.country, facts.region, list(facts.time_zones)
        contact.save(update_fields=["country", "region", "time_zones", "updated_at"])


def _conflicts_log(contact: Contact, strangers: Sequence[Address], *, channel: str, now: datetime) -> None:
    for other in {row.contact_id: row for row in strangers}.values():
        _conflict, made = AddressConflict.objects.get_or_create(
            routed_to=contact,
            also_named=other.contact,
            resolved_at=None,
            defaults={"channel": channel, "detail": {"kind": other.kind}, "seen_at": now},
        )
        if made:
            withdrawals_share(contact_ids=[contact.pk, other.contact_id], now=now)
            log.warning("contacts.address_conflict", routed_to=str(contact.pk), also_named=str(other.contact_id))


@transaction.atomic
def addresses_change(
    *,
    channel: str,
    portfolio_id: str,
    old: Sequence[tuple[str, str]],
    new: Sequence[tuple[str, str]],
    occurred_at: datetime,
    now: datetime,
) -> Contact | None:
    """The provider says a person's addresses changed: `old` stop being theirs, `new` are theirs from now on.

    Returns the person, or None when nobody is known by any of them. A new address that belongs to somebody else is
    not taken from them: the conflict is logged. An old address that somebody got long after it changed hands
    (`occurred_at`; the news was processed again, say) is theirs and stays so.
    """
    _lock(channel, portfolio_id, [*old, *new])
    known_old = [row for row in _known(channel, portfolio_id, old) if row.first_seen_at <= occurred_at + NEWS_MAY_TAKE]
    known_new = _known(channel, portfolio_id, new)
    if not known_old and not known_new:
        return None
    contact = (known_old or known_new)[0].contact
    # A new version of the contact's row: what is about to be sent to the old address is decided anew.
    Contact.objects.filter(pk=contact.pk).update(updated_at=now)
    taken = {(row.kind, row.value) for row in known_new}
    _conflicts_log(contact, [row for row in known_new if row.contact_id != contact.pk], channel=channel, now=now)
    for kind, value in dict.fromkeys(new):
        if (kind, value) not in taken:
            _attach(contact, channel, portfolio_id, kind, value, now=now)
    current = {
        row.kind: row
        for row in Address.objects.filter(contact=contact, channel=channel, superseded_at=None).order_by("pk")
    }
    for row in known_old:
        if row.contact_id == contact.pk and (row.kind, row.value) not in set(new):
            successor = current.get(row.kind)
            Address.objects.filter(pk=row.pk, superseded_at=None).update(
                superseded_at=now, superseded_by=successor if successor and successor.pk != row.pk else None
            )
    return contact


def address_for_sending(contact_ids: Sequence[UUID], channel: str, portfolio_id: str) -> dict[UUID, list[Address]]:
    """Current addresses of many contacts usable on an account of this portfolio, phone first; one query."""
    rows = Address.objects.filter(contact_id__any_of=contact_ids, channel=channel, superseded_at=None).filter(
        Q(scope="") | Q(scope=portfolio_id)
    )
    found: dict[UUID, list[Address]] = {}
    for row in rows:
        found.setdefault(row.contact_id, []).append(row)
    for addresses in found.values():
        addresses.sort(key=lambda row: PRECEDENCE.index(Kind(row.kind)))
    return found
