"""Where a conversation came from: said by the platform, read from the text, or honestly unknown.

The order is that of trust: an ad the platform names and a campaign knows; a reference in the text; an ad that no
campaign knows (said so, with its click id kept); nothing.

A reference belongs to the click it was made for, and so to the person who first writes it. Whoever writes it later
has a forwarded or copied text: they did come through that campaign's door, so campaign and entry point count, but the
click (with its fbclid and the like) is not theirs and is not given to them. `Attributed.forwarded` says so.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from campaigns.models import AdClick, Campaign, EntryPoint
from campaigns.references import references_find
from messaging.events import Referral
from messaging.models import ChannelAccount


@dataclass(frozen=True, slots=True)
class Attributed:
    """`kind` is one of Conversation.Attribution: ad | reference | unknown_ad | none."""

    kind: str
    campaign: Campaign | None = None
    entry_point: EntryPoint | None = None
    ad_click: AdClick | None = None
    click_id: str = ""  # the platform's own id of the click (WhatsApp: ctwa_clid), kept even for an unknown ad
    forwarded: bool = False  # the reference was first written by somebody else


def attribution_find(
    *,
    account: ChannelAccount,
    referral: Referral | None,
    text: str,
    contact_id: UUID | None = None,
    now: datetime | None = None,
) -> Attributed:
    """Attribute a first message. With `contact_id` and `now`, a reference is marked as used by that person.

    Call it in the transaction that opens the conversation: of two people who write the same reference at the same
    moment, the row lock lets one be the first. Without a contact nothing is marked and no click is handed out.
    """
    click_id = referral.click_id if referral else ""
    if referral and referral.source_id:
        entry_point = (
            EntryPoint.objects.select_related("campaign")
            .filter(ad_id=referral.source_id, campaign__account=account)
            .first()
        )
        if entry_point:
            return Attributed("ad", entry_point.campaign, entry_point, click_id=click_id)
    click = _click_in(text, account)
    if click:
        ours = contact_id is not None and now is not None and _claim(click, contact_id, now)
        return Attributed(
            "reference",
            click.entry_point.campaign,
            click.entry_point,
            ad_click=click if ours else None,
            click_id=click_id,
            forwarded=contact_id is not None and not ours,
        )
    if referral and (referral.source_type == "ad" or click_id):
        return Attributed("unknown_ad", click_id=click_id)
    return Attributed("none")


def _click_in(text: str, account: ChannelAccount) -> AdClick | None:
    candidates = references_find(text)
    if not candidates:
        return None
    clicks = {
        click.reference: click
        for click in AdClick.objects.select_related("entry_point__campaign").filter(
            reference__in=candidates, entry_point__campaign__account=account
        )
    }
    return next((clicks[candidate] for candidate in candidates if candidate in clicks), None)


def _claim(click: AdClick, contact_id: UUID, now: datetime) -> bool:
    """Whether the click is this person's: theirs already, or nobody's until now."""
    return bool(
        AdClick.objects.filter(Q(used_by__isnull=True) | Q(used_by=contact_id), pk=click.pk).update(
            used_by=contact_id, used_at=click.used_at or now
        )
    )
