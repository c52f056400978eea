"""The dashboard's numbers, ready to show. Every number carries a link to the people behind it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from campaigns.models import AdClick, AdSpend, Campaign
from conversations.models import Conversation, Conversion
from conversations.reasons import reason_text
from conversations.stages import STAGES, silent_then_back, stage_filter
from delivery.models import Decision
from reports import attention

PERIODS = (1, 7, 30, 90)  # days, up to and including today
DEFAULT_PERIOD = 30
REASONS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Scope:
    """What the dashboard looks at: a campaign or all of them, and whole days in `zone`."""

    campaign: Campaign | None
    days: int
    start: datetime
    end: datetime
    zone: ZoneInfo

    def links(self, prefix: str, campaign: str = "campaign") -> dict[str, str]:
        """The same scope as a list's query: `prefix` is the time field."""
        query = {f"{prefix}__gte": self.start.isoformat(), f"{prefix}__lt": self.end.isoformat()}
        return query | ({f"{campaign}__id__exact": str(self.campaign.pk)} if self.campaign else {})


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its name, what it means, and where the people behind it are."""

    name: str
    value: str
    hint: str = ""
    url: str = ""
    alert: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `percent` is of the longest, `share` is what to write beside the number."""

    name: str
    count: int
    percent: float
    share: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Two series per day, drawn as SVG."""

    days: list[dict[str, Any]] = field(default_factory=list)
    width: int = 0
    top: int = 0


def scope_read(request: HttpRequest, *, now: datetime) -> Scope:
    """From the address; whatever makes no sense there becomes the default."""
    campaign = None
    wanted = request.GET.get("campaign", "")
    if wanted:
        try:
            campaign = Campaign.objects.filter(pk=wanted).first()
        except (ValidationError, ValueError):
            campaign = None
    days = int(request.GET["days"]) if request.GET.get("days", "").isdigit() else DEFAULT_PERIOD
    days = days if days in PERIODS else DEFAULT_PERIOD
    zone = ZoneInfo(campaign.time_zone) if campaign else ZoneInfo("UTC")
    last: date = now.astimezone(zone).date()
    start = datetime.combine(last - timedelta(days=days - 1), time.min, tzinfo=zone)
    end = datetime.combine(last + timedelta(days=1), time.min, tzinfo=zone)
    return Scope(campaign, days, start.astimezone(UTC), end.astimezone(UTC), zone)


def _conversations(scope: Scope) -> QuerySet[Conversation]:
    rows = Conversation.objects.filter(opened_at__gte=scope.start, opened_at__lt=scope.end)
    return rows.filter(campaign=scope.campaign) if scope.campaign else rows


def _list(name: str, query: dict[str, str]) -> str:
    return f"{reverse(f'admin:{name}_changelist')}?{urlencode(query)}"


def funnel_bars(scope: Scope, counts: dict[str, int]) -> list[Bar]:
    """The stages, each with its share of the conversations started."""
    longest = max(counts.values(), default=0) or 1
    bars = []
    for stage, words in STAGES.items():
        query = scope.links("opened_at") | ({} if stage == "started" else {"stage": stage})
        share = "" if stage == "started" else percent(counts[stage], counts["started"])
        url = _list("conversations_conversation", query)
        bars.append(Bar(str(words), counts[stage], 100 * counts[stage] / longest, share, url))
    return bars


def percent(part: int, whole: int) -> str:
    """A share as people write it; a dash when there is nothing to take a share of."""
    return f"{formats.number_format(Decimal(100) * part / whole, decimal_pos=1)} %" if whole else "–"


def _clicks(scope: Scope) -> int:
    clicks = AdClick.objects.filter(clicked_at__gte=scope.start, clicked_at__lt=scope.end)
    days = (scope.start.astimezone(scope.zone).date(), scope.end.astimezone(scope.zone).date())
    spend = AdSpend.objects.filter(day__gte=days[0], day__lt=days[1])
    if scope.campaign:
        clicks = clicks.filter(entry_point__campaign=scope.campaign)
        spend = spend.filter(entry_point__campaign=scope.campaign)
    return clicks.count() + int(spend.aggregate(total=Sum("clicks"))["total"] or 0)


def headline(scope: Scope, counts: dict[str, int]) -> list[Number]:
    """The rates a marketer asks for first."""
    clicks = _clicks(scope)
    spend_url = _list(
        "campaigns_adspend", {"entry_point__campaign__id__exact": str(scope.campaign.pk)} if scope.campaign else {}
    )
    reengaged = _list("conversations_conversation", scope.links("opened_at") | {"stage": "reengaged"})
    return [
        Number(_("Ad clicks"), str(clicks), _("tracked links, plus what ad platforms report"), spend_url),
        Number(
            _("Conversation start rate"), percent(counts["started"], clicks), _("conversations started ÷ ad clicks"),
            _list("conversations_conversation", scope.links("opened_at")),
        ),
        Number(
            _("Re-engagement rate"), percent(counts["reengaged"], counts["called_back"]),
            _("answered after a callback ÷ called back"), reengaged,
        ),
        *revenue(scope),
    ]  # fmt: skip


def revenue(scope: Scope) -> list[Number]:
    """Conversions and their value, one number per currency: money is never added across currencies."""
    rows = Conversion.objects.filter(occurred_at__gte=scope.start, occurred_at__lt=scope.end)
    rows = rows.filter(campaign=scope.campaign) if scope.campaign else rows
    query = scope.links("occurred_at")
    found = []
    for row in rows.values("currency").annotate(count=Count("pk"), total=Sum("value")).order_by("-count"):
        value = money(row["total"], row["currency"]) if row["total"] else "–"
        url = _list("conversations_conversion", query | {"currency": row["currency"]})
        found.append(Number(_("Conversions: %(count)d") % {"count": row["count"]}, value, _("value, as reported"), url))
    return found


def money(value: Decimal, currency: str) -> str:
    """2 500 000 VND: no cents where there are none, thousands grouped as the reader's language does."""
    places = 0 if value == value.to_integral_value() else 2
    return f"{formats.number_format(value, decimal_pos=places, force_grouping=True)} {currency}"


def holdout_rows(scope: Scope) -> list[dict[str, Any]]:
    """People who fell silent, called back or held out: how many wrote again, how many converted."""
    dropped = stage_filter(_conversations(scope), "dropped")
    rows = []
    for name, held in ((_("May be called back"), False), (_("Holdout: never called back"), True)):
        arm = dropped.filter(holdout=held)
        total, back = arm.count(), silent_then_back(arm).count()
        converted = arm.filter(converted_at__isnull=False).count()
        query = scope.links("opened_at") | {"stage": "dropped", "holdout__exact": str(int(held))}
        rows.append(
            {
                "name": name,
                "total": total,
                "back": percent(back, total),
                "converted": percent(converted, total),
                "url": _list("conversations_conversation", query),
            }
        )
    return rows


def refusals(scope: Scope) -> list[Bar]:
    """Why messages were refused; the most frequent reasons."""
    rows = Decision.objects.filter(
        verdict=Decision.Verdict.REFUSE, decided_at__gte=scope.start, decided_at__lt=scope.end
    )
    rows = rows.filter(conversation__campaign=scope.campaign) if scope.campaign else rows
    counted = list(rows.values("reason").annotate(count=Count("pk")).order_by("-count", "reason")[:REASONS_SHOWN])
    longest = max((row["count"] for row in counted), default=1)
    query = scope.links("decided_at", "conversation__campaign") | {"verdict__exact": "refuse"}
    return [
        Bar(
            reason_text(row["reason"]) or _("no reason given"), row["count"], 100 * row["count"] / longest,
            url=_list("delivery_decision", query | {"reason": row["reason"]}),
        )
        for row in counted
    ]  # fmt: skip


def chart(scope: Scope) -> Chart:
    """Conversations started and converted, per day of the campaign's zone."""
    rows = (
        _conversations(scope)
        .annotate(day=TruncDate("opened_at", tzinfo=scope.zone))
        .values("day")
        .annotate(started=Count("pk"), converted=Count("pk", filter=Q(converted_at__isnull=False)))
    )
    found = {row["day"]: row for row in rows}
    first = scope.start.astimezone(scope.zone).date()
    top = max((row["started"] for row in found.values()), default=0) or 1
    step = 720 / scope.days
    days = []
    for number in range(scope.days):
        day = first + timedelta(days=number)
        row = found.get(day, {"started": 0, "converted": 0})
        days.append(
            {
                "day": day,
                "started": row["started"],
                "converted": row["converted"],
                "x": round(number * step, 1),
                "width": round(max(step - 3, 1), 1),
                "started_height": round(150 * row["started"] / top, 1),
                "started_y": round(160 - 150 * row["started"] / top, 1),
                "converted_height": round(150 * row["converted"] / top, 1),
                "converted_y": round(160 - 150 * row["converted"] / top, 1),
                "label": scope.days <= 7 or number % (scope.days // 6) == 0,
            }
        )
    return Chart(days=days, width=720, top=top)


ATTENTION = (
    ("campaigns.view_campaign", "campaigns_campaign", {"status__exact": "submitted"}, attention.approvals_badge),
    ("contacts.view_optoutreview", "contacts_optoutreview", {"state": "open"}, attention.reviews_badge),
    ("conversations.view_message", "conversations_message", {"needs": "unconfirmed"}, attention.unconfirmed_badge),
    (
        "messaging.view_channelaccount",
        "messaging_channelaccount",
        {"status__exact": "paused"},
        attention.accounts_badge,
    ),
    ("contacts.view_addressconflict", "contacts_addressconflict", {"state": "open"}, attention.conflicts_badge),
)


def needs_a_person(request: HttpRequest) -> list[Number]:
    """What waits for somebody, for those who may see it; nothing that is zero."""
    names = (
        _("Campaigns waiting for approval"),
        _("Possible opt-outs to review"),
        _("Messages without a clear answer"),
        _("Paused channel accounts"),
        _("Address conflicts"),
    )
    found = []
    for name, (permission, screen, query, count) in zip(names, ATTENTION, strict=True):
        if request.user.has_perm(permission) and (waiting := count(request)):
            found.append(Number(name, waiting, _("Open the list"), _list(screen, query), alert=True))
    return found


def dashboard_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK."""
    context["attention"] = needs_a_person(request)
    if not request.user.has_perm("conversations.view_conversation"):
        return context
    scope = scope_read(request, now=timezone.now())
    rows = _conversations(scope)
    counts = {stage: stage_filter(rows, stage).count() for stage in STAGES}
    return context | {
        "scope": scope,
        "periods": PERIODS,
        "campaigns": Campaign.objects.order_by(F("created_at").desc())[:200],
        "funnel": funnel_bars(scope, counts),
        "headline": headline(scope, counts),
        "holdout": holdout_rows(scope),
        "refusals": refusals(scope),
        "chart": chart(scope),
        "last_day": scope.end - timedelta(seconds=1),
    }
