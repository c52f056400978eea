"""Doors into a chat: create and edit them, and record what they cost."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

from babel.numbers import is_currency
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import CampaignInvalidError
from campaigns.models import AdSpend, EntryPoint
from campaigns.references import ALPHABET
from campaigns.services import campaign_touch

TOKEN_LENGTH = 10  # 28^10: nobody finds a link by trying
PREFILLED_LIMIT = 140  # WhatsApp's own limit for the text of a message link


class EntryPointFields(TypedDict, total=False):
    """What a marketer may set on a door."""

    name: str
    ad_id: str
    prefilled_text: str
    consent_wording: str
    consent_version: str
    consent_per_week: int | None


def _check(entry_point: EntryPoint) -> None:
    if entry_point.kind not in EntryPoint.Kind.values:
        raise CampaignInvalidError(_("An entry point is an ad, a tracked link or a QR code."), field="kind")
    if not entry_point.name.strip():
        raise CampaignInvalidError(_("An entry point needs a name."), field="name")
    if entry_point.kind == EntryPoint.Kind.AD:
        if not entry_point.ad_id:
            raise CampaignInvalidError(_("An ad needs the ad platform's ad ID."), field="ad_id")
        taken = EntryPoint.objects.filter(ad_id=entry_point.ad_id).exclude(pk=entry_point.pk)
        if taken.exists():
            raise CampaignInvalidError(
                _("Another entry point already has this ad ID."), field="ad_id", code="ad_id_taken"
            )
    elif entry_point.ad_id:
        raise CampaignInvalidError(_("Only an ad has an ad ID."), field="ad_id")
    if len(entry_point.prefilled_text) > PREFILLED_LIMIT:
        raise CampaignInvalidError(
            _("The prefilled text may have %(limit)d characters.") % {"limit": PREFILLED_LIMIT}, field="prefilled_text"
        )
    if not entry_point.consent_wording and (entry_point.consent_version or entry_point.consent_per_week is not None):
        raise CampaignInvalidError(
            _("A version or frequency belongs to a consent wording; give the exact words too."), field="consent_wording"
        )
    if entry_point.consent_per_week is not None and entry_point.consent_per_week < 1:
        raise CampaignInvalidError(_("Messages per week must be at least 1."), field="consent_per_week")


def _apply(entry_point: EntryPoint, fields: EntryPointFields) -> bool:
    changed = False
    given: dict[str, Any] = dict(fields)
    if unknown := given.keys() - EntryPointFields.__annotations__.keys():
        raise TypeError(f"not an entry point's field: {sorted(unknown)}")
    for name, value in given.items():
        clean = value.strip() if isinstance(value, str) else value
        if getattr(entry_point, name) != clean:
            setattr(entry_point, name, clean)
            changed = True
    return changed


@transaction.atomic
def entry_point_create(
    *, campaign_id: UUID, actor: User | None, now: datetime, kind: str, **fields: Unpack[EntryPointFields]
) -> EntryPoint:
    """A new door of a campaign; a link or QR code gets its unguessable token. Voids the campaign's approval."""
    campaign = campaign_touch(campaign_id=campaign_id, actor=actor, now=now)
    entry_point = EntryPoint(campaign=campaign, kind=kind)
    _apply(entry_point, fields)
    _check(entry_point)
    if kind != EntryPoint.Kind.AD:
        entry_point.token = "".join(secrets.choice(ALPHABET) for _i in range(TOKEN_LENGTH)).lower()
    entry_point.save()
    return entry_point


@transaction.atomic
def entry_point_update(
    *, entry_point_id: UUID, actor: User | None, now: datetime, **fields: Unpack[EntryPointFields]
) -> EntryPoint:
    """Change a door; its kind and token stay. A real change voids the campaign's approval."""
    try:
        entry_point = EntryPoint.objects.select_for_update().get(pk=entry_point_id)
    except EntryPoint.DoesNotExist:
        raise CampaignInvalidError(_("There is no such entry point."), code="not_found") from None
    if _apply(entry_point, fields):
        campaign_touch(campaign_id=entry_point.campaign_id, actor=actor, now=now)
        _check(entry_point)
        entry_point.save()
    return entry_point


@dataclass(frozen=True, slots=True)
class SpendRow:
    """One ad and day as the ad platform reports it. `day` is in the campaign's time zone."""

    entry_point_id: UUID
    day: date
    impressions: int
    clicks: int
    amount: Decimal
    currency: str


def ad_spend_record(*, rows: Sequence[SpendRow]) -> int:
    """Store what the ad platform reports; a later report for the same ad and day replaces the earlier one.

    One statement for all rows. Raises CampaignInvalidError for a negative figure, an unknown currency or entry point.
    """
    latest = {(row.entry_point_id, row.day): row for row in rows}
    for row in latest.values():
        if row.impressions < 0 or row.clicks < 0 or row.amount < 0:
            raise CampaignInvalidError(_("Impressions, clicks and amount cannot be negative."), field="amount")
        if not is_currency(row.currency):
            raise CampaignInvalidError(
                _("“%(value)s” is not a currency code.") % {"value": row.currency}, field="currency"
            )
    wanted = {entry_point_id for entry_point_id, _day in latest}
    if EntryPoint.objects.filter(pk__in=wanted).count() != len(wanted):
        raise CampaignInvalidError(_("There is no such entry point."), field="entry_point")
    AdSpend.objects.bulk_create(
        [
            AdSpend(
                entry_point_id=row.entry_point_id,
                day=row.day,
                impressions=row.impressions,
                clicks=row.clicks,
                amount=row.amount,
                currency=row.currency,
            )
            for row in latest.values()
        ],
        update_conflicts=True,
        unique_fields=["entry_point", "day"],
        update_fields=["impressions", "clicks", "amount", "currency"],
    )
    return len(latest)
