"""The life of a campaign. Every step locks the campaign's row, and leaves a line in its trail (`CampaignEvent`).

The send path holds the same row FOR SHARE at the flip, so a pause or an edit that was committed before the flip stops
the message (docs/operations.md).
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from access.keys import is_api_key, same_hands
from campaigns.errors import ApprovalRefusedError, CampaignInvalidError, CampaignStateError
from campaigns.models import Campaign, CampaignEvent
from campaigns.validation import campaign_check, submission_check
from messaging.models import ChannelAccount

log = structlog.get_logger(__name__)
Status = Campaign.Status


class CampaignFields(TypedDict, total=False):
    """What a marketer may set. Everything else of a campaign is its life cycle's own."""

    name: str
    goal: str
    account: ChannelAccount
    starts_at: datetime | None
    ends_at: datetime | None
    time_zone: str
    language: str
    budget: Decimal | None
    currency: str
    holdout_percent: Decimal
    greeting: str
    attribution_window: timedelta


def _apply(campaign: Campaign, fields: CampaignFields) -> bool:
    """Set the given fields; say whether anything changed."""
    changed = False
    given: dict[str, Any] = dict(fields)
    if unknown := given.keys() - CampaignFields.__annotations__.keys():
        raise TypeError(f"not a campaign's field: {sorted(unknown)}")
    if "currency" in given:
        given["currency"] = given["currency"].strip().upper()
    for name, value in given.items():
        if getattr(campaign, name, None) != value:
            setattr(campaign, name, value)
            changed = True
    return changed


def _locked(campaign_id: UUID) -> Campaign:
    # NO KEY: rows that point to a campaign may be inserted meanwhile; only a send's FOR SHARE has to wait.
    try:
        return Campaign.objects.select_for_update(no_key=True).get(pk=campaign_id)
    except Campaign.DoesNotExist:
        raise CampaignInvalidError(_("There is no such campaign."), code="not_found") from None


def _record(campaign: Campaign, action: str, *, actor: User | None, now: datetime, note: str = "") -> None:
    CampaignEvent.objects.create(
        campaign=campaign, action=action, revision=campaign.revision, actor=actor, at=now, note=note[:300]
    )
    log.info(
        "campaign_event",
        action=action,
        campaign_id=str(campaign.pk),
        revision=campaign.revision,
        status=campaign.status,
    )


def _expect(campaign: Campaign, *statuses: str, to: str) -> None:
    if campaign.status not in statuses:
        raise CampaignStateError(
            _("This campaign is “%(status)s”, so it cannot be %(to)s.")
            % {"status": campaign.get_status_display(), "to": to}
        )


def _expect_approval(campaign: Campaign) -> None:
    if campaign.approved_revision != campaign.revision:
        raise CampaignStateError(
            _("This campaign was changed after its approval. Submit it for approval again."), code="not_approved"
        )


def _expect_time_left(campaign: Campaign, now: datetime) -> None:
    if campaign.ends_at and campaign.ends_at <= now:
        raise CampaignStateError(_("The campaign's end date has passed."), code="past_end")


@transaction.atomic
def campaign_create(*, actor: User | None, now: datetime, **fields: Unpack[CampaignFields]) -> Campaign:
    """A new draft. Raises CampaignInvalidError, naming the field."""
    campaign = Campaign(created_by=actor)
    _apply(campaign, fields)
    if campaign.account_id is None:
        raise CampaignInvalidError(_("A campaign needs a channel account."), field="account")
    campaign_check(campaign)
    campaign.save()
    if actor is not None:
        campaign.edited_by.add(actor)
    _record(campaign, "created", actor=actor, now=now)
    return campaign


@transaction.atomic
def campaign_update(
    *, campaign_id: UUID, actor: User | None, now: datetime, **fields: Unpack[CampaignFields]
) -> Campaign:
    """Change what is given. A real change voids an approval, and pauses a running campaign by the same stroke."""
    campaign = _locked(campaign_id)
    account_id = campaign.account_id
    if not _apply(campaign, fields):
        return campaign
    if campaign.account_id != account_id and campaign.conversations.exists():
        raise CampaignStateError(_("People already chat with this campaign's account; it cannot be changed any more."))
    campaign_check(campaign)
    _edited(campaign, actor=actor, now=now)
    return campaign


@transaction.atomic
def campaign_touch(*, campaign_id: UUID, actor: User | None, now: datetime) -> Campaign:
    """Something below the campaign is being edited (an entry point, a policy): the approval no longer covers it.

    Call it first in the editing transaction: it takes the campaign's lock and refuses edits of an ended campaign.
    """
    campaign = _locked(campaign_id)
    _edited(campaign, actor=actor, now=now)
    return campaign


def _edited(campaign: Campaign, *, actor: User | None, now: datetime) -> None:
    if campaign.status == Status.ENDED:
        raise CampaignStateError(_("An ended campaign cannot be changed."))
    note = ""
    if campaign.approved_revision == campaign.revision:
        note = _("Approval voided.")
    campaign.revision += 1
    if campaign.status == Status.RUNNING:
        campaign.status = Status.PAUSED
        campaign.pause_reason = _("Changed while running; it needs a new approval.")
        note = _("Approval voided and campaign paused.")
    elif campaign.status in (Status.SUBMITTED, Status.APPROVED):
        campaign.status = Status.DRAFT
    campaign.save()
    if actor is not None:
        campaign.edited_by.add(actor)
    _record(campaign, "edited", actor=actor, now=now, note=note)


@transaction.atomic
def campaign_submit(*, campaign_id: UUID, actor: User | None, now: datetime) -> Campaign:
    """Ask for approval: from a draft, or from a campaign that an edit has paused."""
    campaign = _locked(campaign_id)
    _expect(campaign, Status.DRAFT, Status.PAUSED, to=_("submitted"))
    if campaign.approved_revision == campaign.revision:
        raise CampaignStateError(_("This campaign is approved as it is. Resume it instead."))
    submission_check(campaign, now=now)
    campaign.status = Status.SUBMITTED
    campaign.submitted_by = actor
    campaign.save()
    _record(campaign, "submitted", actor=actor, now=now)
    return campaign


@transaction.atomic
def campaign_approve(
    *, campaign_id: UUID, actor: User | None, now: datetime, revision: int | None = None, note: str = ""
) -> Campaign:
    """Approve what was submitted. `revision`: what the approver read; a later edit then refuses the approval.

    Raises ApprovalRefusedError when the approver is among those who edited since the last approval, also by way of an
    API key of theirs, unless the business approves its own (setting ALLOW_SELF_APPROVAL; never for an API key), and
    when no person is named: an approval has a name.
    """
    campaign = _locked(campaign_id)
    _expect(campaign, Status.SUBMITTED, to=_("approved"))
    if actor is None:
        raise ApprovalRefusedError(_("A campaign is approved by a person."))
    if revision is not None and revision != campaign.revision:
        raise ApprovalRefusedError(_("The campaign was changed since you opened it. Read it again."), code="revision")
    self_approval = settings.ALLOW_SELF_APPROVAL and not is_api_key(actor)
    if not self_approval and campaign.edited_by.filter(pk__in=same_hands(actor)).exists():
        raise ApprovalRefusedError(_("You changed this campaign yourself; another person has to approve it."))
    submission_check(campaign, now=now)
    campaign.status = Status.APPROVED
    campaign.approved_by = actor
    campaign.approved_at = now
    campaign.approved_revision = campaign.revision
    campaign.pause_reason = ""
    campaign.save()
    campaign.edited_by.clear()
    _record(campaign, "approved", actor=actor, now=now, note=note)
    return campaign


@transaction.atomic
def campaign_reject(*, campaign_id: UUID, actor: User | None, now: datetime, note: str) -> Campaign:
    """Send a submitted campaign back to its editors; the note tells them why."""
    campaign = _locked(campaign_id)
    _expect(campaign, Status.SUBMITTED, to=_("rejected"))
    if not note.strip():
        raise CampaignInvalidError(_("Say what has to change."), field="note")
    campaign.status = Status.DRAFT
    campaign.save()
    _record(campaign, "rejected", actor=actor, now=now, note=note)
    return campaign


@transaction.atomic
def campaign_start(*, campaign_id: UUID, actor: User | None, now: datetime) -> Campaign:
    """Let an approved campaign run."""
    campaign = _locked(campaign_id)
    _expect(campaign, Status.APPROVED, to=_("started"))
    _expect_approval(campaign)
    _expect_time_left(campaign, now)
    campaign.status = Status.RUNNING
    campaign.save()
    _record(campaign, "started", actor=actor, now=now)
    return campaign


@transaction.atomic
def campaign_pause(*, campaign_id: UUID, actor: User | None, now: datetime, reason: str = "") -> Campaign:
    """Stop sending at once; what was planned is cancelled (callbacks.planner)."""
    campaign = _locked(campaign_id)
    _expect(campaign, Status.RUNNING, to=_("paused"))
    campaign.status = Status.PAUSED
    campaign.pause_reason = reason[:300]
    campaign.save()
    _record(campaign, "paused", actor=actor, now=now, note=reason)
    return campaign


@transaction.atomic
def campaign_resume(*, campaign_id: UUID, actor: User | None, now: datetime) -> Campaign:
    """Let a paused campaign run again; refused while its last edit is unapproved."""
    campaign = _locked(campaign_id)
    _expect(campaign, Status.PAUSED, to=_("resumed"))
    _expect_approval(campaign)
    _expect_time_left(campaign, now)
    campaign.status = Status.RUNNING
    campaign.pause_reason = ""
    campaign.save()
    _record(campaign, "resumed", actor=actor, now=now)
    return campaign


@transaction.atomic
def campaign_end(*, campaign_id: UUID, actor: User | None, now: datetime, note: str = "") -> Campaign:
    """End it for good. Its links and codes still open the chat; nothing more is sent."""
    campaign = _locked(campaign_id)
    _expect(campaign, Status.RUNNING, Status.PAUSED, to=_("ended"))
    campaign.status = Status.ENDED
    campaign.save()
    _record(campaign, "ended", actor=actor, now=now, note=note)
    return campaign


def campaigns_by_date(*, now: datetime) -> int:
    """Start approved campaigns whose start has come and end those whose end has passed; returns how many."""
    due = Campaign.objects.filter(status=Status.APPROVED, starts_at__lte=now).values_list("pk", flat=True)
    over = Campaign.objects.filter(status__in=[Status.RUNNING, Status.PAUSED], ends_at__lte=now).values_list(
        "pk", flat=True
    )
    done = 0
    for campaign_ids, service in ((list(over), campaign_end), (list(due), campaign_start)):
        for campaign_id in campaign_ids:
            try:
                service(campaign_id=campaign_id, actor=None, now=now)
                done += 1
            except CampaignStateError:
                continue  # somebody was faster, or its end has passed as well
    return done
