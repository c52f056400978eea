"""What a campaign's values must be, and what must be there before it may be submitted."""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from babel.numbers import is_currency
from django.utils.translation import gettext as _

from campaigns.errors import CampaignInvalidError
from campaigns.liquid import liquid_problem
from campaigns.models import Campaign

HOLDOUT_MAXIMUM = Decimal(50)
ATTRIBUTION_MAXIMUM = timedelta(days=90)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def language_valid(tag: str) -> bool:
    """Whether this is a BCP 47 tag of a language people write in: vi, es-US, zh-Hant."""
    try:
        Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        return False
    return True


def campaign_check(campaign: Campaign) -> None:
    """Raise CampaignInvalidError, naming the field, for a value that no campaign can have."""
    if not campaign.name.strip():
        raise CampaignInvalidError(_("A campaign needs a name."), field="name")
    if not is_currency(campaign.currency):
        raise CampaignInvalidError(
            _("“%(value)s” is not a currency code (ISO 4217), e.g. VND or USD.") % {"value": campaign.currency},
            field="currency",
        )
    if campaign.time_zone not in _zones():
        raise CampaignInvalidError(
            _("“%(value)s” is not a time zone (IANA), e.g. Asia/Ho_Chi_Minh.") % {"value": campaign.time_zone},
            field="time_zone",
        )
    if not language_valid(campaign.language):
        raise CampaignInvalidError(
            _("“%(value)s” is not a language tag (BCP 47), e.g. vi or es-US.") % {"value": campaign.language},
            field="language",
        )
    if campaign.starts_at and campaign.ends_at and campaign.ends_at <= campaign.starts_at:
        raise CampaignInvalidError(_("A campaign must end after it starts."), field="ends_at")
    if campaign.budget is not None and campaign.budget < 0:
        raise CampaignInvalidError(_("A budget cannot be negative."), field="budget")
    if not 0 <= campaign.holdout_percent <= HOLDOUT_MAXIMUM:
        raise CampaignInvalidError(_("The holdout share may be 0 to 50 percent."), field="holdout_percent")
    if not timedelta(0) < campaign.attribution_window <= ATTRIBUTION_MAXIMUM:
        raise CampaignInvalidError(_("The conversion window may be up to 90 days."), field="attribution_window")
    if problem := liquid_problem(campaign.greeting):
        raise CampaignInvalidError(problem, field="greeting")


def submission_check(campaign: Campaign, *, now: datetime) -> None:
    """Raise CampaignInvalidError for what is missing before another person can judge the campaign."""
    campaign_check(campaign)
    if campaign.ends_at and campaign.ends_at <= now:
        raise CampaignInvalidError(_("The end date has passed."), field="ends_at")
    if not campaign.entry_points.exists():
        raise CampaignInvalidError(
            _("Nobody can enter yet: add an ad, a tracked link or a QR code."), field="entry_points"
        )
    # The policy lives in a room above; Django's reverse accessor reads its rows without importing that room. What
    # each step says was checked when it was saved (callbacks.services).
    policy = getattr(campaign, "policy", None)
    if policy is None:
        raise CampaignInvalidError(
            _("The campaign has no callback policy yet. Save one, switched off if nobody is to be called back."),
            field="policy",
        )
    if policy.enabled and not policy.steps.exists():
        raise CampaignInvalidError(
            _("The callback policy has no step yet. Add one, or switch the policy off."), field="policy"
        )
