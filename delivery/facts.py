"""The queries that feed the gate: a handful for a whole batch, however many messages it has.

The same shapes serve a message in the outbox (`facts_load`) and one that does not exist yet (`facts_planned`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Coalesce

from campaigns.models import Campaign
from contacts.addresses import address_for_sending
from contacts.models import Address, ConsentEvent, Purpose, consent_key
from contacts.phones import country_time_zones, phone_facts
from contacts.suppression import suppressed_contact_ids
from conversations.models import Conversation, Message
from delivery.gate import Facts
from messaging.models import ChannelAccount, Template

PRESSURE_DAYS = 31  # the longest period a cap may have
Status = Message.Status
# A message without a clear answer may have reached the person: it counts as one that did.
PRESSING = (
    Status.INFLIGHT, Status.HELD, Status.UNKNOWN, Status.UNCONFIRMED,
    Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ,
)  # fmt: skip
_FIELDS = (
    "id", "purpose", "origin", "turn", "expires_at", "content_free", "content_template", "template_id", "campaign_id",
    "account__channel", "account__status", "account__portfolio_id",
    "contact_id", "contact__country", "contact__region", "contact__time_zones", "contact__consent_granted",
    "contact__consent_withdrawn", "contact__reviews_open", "contact__deferred_until",
    "conversation_id", "conversation__status", "conversation__handler", "conversation__converted_at",
    "conversation__turn", "conversation__holdout", "conversation__service_window_ends_at",
    "campaign__status", "campaign__revision", "campaign__approved_revision", "campaign__ends_at",
    "template__name", "template__status", "template__category",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class People:
    """What is known of many contacts on one channel, beyond their own rows."""

    addresses: Mapping[UUID, list[Address]]
    suppressed: frozenset[UUID]
    pressure: Mapping[UUID, tuple[datetime, ...]]
    disclosed: Mapping[UUID, int]

    def usable(self, contact_id: UUID) -> list[Address]:
        """The addresses that are not known to be unreachable, the best first."""
        return [address for address in self.addresses.get(contact_id, ()) if address.unreachable_since is None]


def people_load(contact_ids: Iterable[UUID], *, channel: str, portfolio_id: str, now: datetime) -> People:
    """Six queries: addresses, suppressions (three), recent marketing messages, disclosed frequencies."""
    ids = list(dict.fromkeys(contact_ids))
    return People(
        addresses=address_for_sending(ids, channel, portfolio_id),
        suppressed=frozenset(suppressed_contact_ids(ids, channel)),
        pressure=pressure(ids, now),
        disclosed=_disclosed(ids, channel),
    )


def pressure(contact_ids: Sequence[UUID], now: datetime) -> dict[UUID, tuple[datetime, ...]]:
    """When each person was last sent marketing, over all campaigns and accounts; one query."""
    since = now - timedelta(days=PRESSURE_DAYS)
    rows = (
        Message.objects.filter(
            contact_id__any_of=contact_ids, direction=Message.Direction.OUT, purpose=Purpose.MARKETING
        )
        .filter(Q(sent_at__gt=since) | Q(sent_at=None, occurred_at__gt=since), status__in=PRESSING)
        .values_list("contact_id", Coalesce("sent_at", "occurred_at"))
    )
    found: dict[UUID, list[datetime]] = defaultdict(list)
    for contact_id, at in rows:
        found[contact_id].append(at)
    return {contact_id: tuple(sorted(times)) for contact_id, times in found.items()}


def rivals(contact_ids: Sequence[UUID], *, account_id: UUID, now: datetime) -> dict[UUID, tuple[int, ...]]:
    """Priorities of the marketing that is due to these people right now from other accounts; one query."""
    rows = (
        Message.objects.filter(
            contact_id__any_of=contact_ids, direction=Message.Direction.OUT, purpose=Purpose.MARKETING
        )
        .filter(status__in=(Status.SCHEDULED, Status.CLAIMED), due_at__lte=now)
        .filter(account__status=ChannelAccount.Status.ACTIVE)
        .exclude(account_id=account_id)
        .values_list("contact_id", "priority")
    )
    found: dict[UUID, list[int]] = defaultdict(list)
    for contact_id, priority in rows:
        found[contact_id].append(priority)
    return {contact_id: tuple(priorities) for contact_id, priorities in found.items()}


def _disclosed(contact_ids: Sequence[UUID], channel: str) -> dict[UUID, int]:
    rows = (
        ConsentEvent.objects.filter(
            contact_id__any_of=contact_ids,
            channel=channel,
            purpose=Purpose.MARKETING,
            action=ConsentEvent.Action.GRANTED,
            disclosed_per_week__isnull=False,
        )
        .order_by("contact_id", "-occurred_at")
        .distinct("contact_id")
        .values_list("contact_id", "disclosed_per_week")
    )
    return {contact_id: count for contact_id, count in rows if count is not None}


def facts_load(
    message_ids: Sequence[UUID], *, channel: str, portfolio_id: str, now: datetime
) -> tuple[dict[UUID, Facts], People]:
    """Facts of one account's messages: one joined query, and six for the people behind them."""
    rows = list(Message.objects.filter(pk__any_of=message_ids).values(*_FIELDS))
    people = people_load((row["contact_id"] for row in rows), channel=channel, portfolio_id=portfolio_id, now=now)
    return {row["id"]: _from_row(row, people, now) for row in rows}, people


def _from_row(row: Mapping[str, Any], people: People, now: datetime) -> Facts:
    contact_id, channel = row["contact_id"], row["account__channel"]
    return Facts(
        message_id=row["id"],
        contact_id=contact_id,
        purpose=row["purpose"],
        origin=row["origin"],
        channel=channel,
        country=row["contact__country"],
        region=row["contact__region"],
        time_zones=_zones(tuple(row["contact__time_zones"]), row["contact__country"]),
        consent=_consent(
            row["contact__consent_granted"],
            row["contact__consent_withdrawn"],
            channel,
            _consent_purpose(row["purpose"], row["content_free"] is not None, row["template__category"]),
        ),
        suppressed=contact_id in people.suppressed,
        reviews_open=row["contact__reviews_open"],
        deferred_until=row["contact__deferred_until"],
        has_address=bool(people.usable(contact_id)),
        address_countries=_address_countries(people.usable(contact_id)),
        pressure=people.pressure.get(contact_id, ()),
        disclosed_per_week=people.disclosed.get(contact_id),
        has_conversation=row["conversation_id"] is not None,
        conversation_open=row["conversation__status"] == Conversation.Status.OPEN,
        automated=row["conversation__handler"] in (None, Conversation.Handler.AUTOMATION),
        converted=row["conversation__converted_at"] is not None,
        replied_since=row["conversation__turn"] is not None and row["conversation__turn"] != row["turn"],
        holdout=bool(row["conversation__holdout"]),
        window_ends_at=row["conversation__service_window_ends_at"],
        campaign_running=row["campaign_id"] is None or _running(row["campaign__status"], row["campaign__ends_at"], now),
        campaign_approved=row["campaign_id"] is None or row["campaign__approved_revision"] == row["campaign__revision"],
        account_active=row["account__status"] == ChannelAccount.Status.ACTIVE,
        has_free=row["content_free"] is not None,
        template_name=(row["content_template"] or {}).get("name", ""),
        template_status=row["template__status"] or "",
        template_category=row["template__category"] or "",
        expires_at=row["expires_at"],
    )


def _address_countries(addresses: Sequence[Address]) -> tuple[str, ...]:
    """Countries that the addresses name: a user id's prefix, and the area code of a number under +1."""
    found = set()
    for address in addresses:
        if address.kind != Address.Kind.PHONE:
            found.add(address.value[:2])
        elif address.value.startswith("+1"):
            found.add(_area_country(address.value[:5]))
    return tuple(sorted(found))


@lru_cache(maxsize=1024)
def _area_country(prefix: str) -> str:
    """+1 is shared by the US, Canada and the Caribbean; an area code nobody knows counts as the US, the strictest."""
    return phone_facts(f"{prefix}2345678").country or "US"


@lru_cache(maxsize=512)
def _zones(known: tuple[str, ...], country: str) -> tuple[str, ...]:
    return known or (country_time_zones(country) if country else ())


def _consent_purpose(purpose: str, has_free: bool, category: str | None) -> str:
    """Which consent a message needs: a marketing template is marketing, whatever it is sent for (a test, say)."""
    only_marketing = not has_free and category == Template.Category.MARKETING
    return Purpose.MARKETING if only_marketing else purpose


def _consent(granted: Sequence[str], withdrawn: Sequence[str], channel: str, purpose: str) -> str:
    key = consent_key(channel, purpose)
    return "granted" if key in granted else "withdrawn" if key in withdrawn else ""


def _running(status: str, ends_at: datetime | None, now: datetime) -> bool:
    return status == Campaign.Status.RUNNING and (ends_at is None or now < ends_at)


@dataclass(frozen=True, slots=True)
class Planned:
    """A message that does not exist yet: the conversation it would go into and the words it would have.

    `conversation` must come with its contact, account and campaign (select_related)."""

    conversation: Conversation
    has_free: bool
    template: Template | None = None
    purpose: str = Purpose.MARKETING
    origin: str = Message.Origin.CALLBACK
    expires_at: datetime | None = None


def facts_planned(planned: Sequence[Planned], *, now: datetime) -> list[Facts]:
    """Facts of messages that are only being considered, in the given order; six queries per account and channel."""
    by_account: dict[UUID, list[Planned]] = defaultdict(list)
    for item in planned:
        by_account[item.conversation.account_id].append(item)
    people: dict[UUID, People] = {}
    for account_id, items in by_account.items():
        account = items[0].conversation.account
        people[account_id] = people_load(
            (item.conversation.contact_id for item in items),
            channel=account.channel,
            portfolio_id=account.portfolio_id,
            now=now,
        )
    return [_from_plan(item, people[item.conversation.account_id], now) for item in planned]


def _from_plan(item: Planned, people: People, now: datetime) -> Facts:
    conversation, contact = item.conversation, item.conversation.contact
    channel, campaign = conversation.account.channel, conversation.campaign
    return Facts(
        contact_id=contact.pk,
        purpose=item.purpose,
        origin=item.origin,
        channel=channel,
        country=contact.country,
        region=contact.region,
        time_zones=_zones(tuple(contact.time_zones), contact.country),
        consent=_consent(
            contact.consent_granted,
            contact.consent_withdrawn,
            channel,
            _consent_purpose(item.purpose, item.has_free, item.template.category if item.template else None),
        ),
        suppressed=contact.pk in people.suppressed,
        reviews_open=contact.reviews_open,
        deferred_until=contact.deferred_until,
        has_address=bool(people.usable(contact.pk)),
        address_countries=_address_countries(people.usable(contact.pk)),
        pressure=people.pressure.get(contact.pk, ()),
        disclosed_per_week=people.disclosed.get(contact.pk),
        conversation_open=conversation.status == Conversation.Status.OPEN,
        automated=conversation.handler == Conversation.Handler.AUTOMATION,
        converted=conversation.converted_at is not None,
        holdout=bool(conversation.holdout),
        window_ends_at=conversation.service_window_ends_at,
        campaign_running=campaign is None or _running(campaign.status, campaign.ends_at, now),
        campaign_approved=campaign is None or campaign.approved_revision == campaign.revision,
        account_active=conversation.account.status == ChannelAccount.Status.ACTIVE,
        has_free=item.has_free,
        template_name=item.template.name if item.template else "",
        template_status=item.template.status if item.template else "",
        template_category=item.template.category if item.template else "",
        expires_at=item.expires_at,
    )
