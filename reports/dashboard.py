"""The dashboard's numbers, ready to show: the funnel (reports.funnel), each number with the people behind it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import formats, numberformat, timezone
from django.utils.translation import gettext as _

from access.masking import mask_address, mask_name
from access.roles import may_see_personal_data
from campaigns.models import Campaign
from contacts.models import Address
from conversations.reasons import reason_text
from reports import attention
from reports.funnel import Funnel, FunnelCount, funnel, funnel_contacts, funnel_series

PERIODS = (1, 7, 30, 90)  # days, up to and including today
DEFAULT_PERIOD = 30
REASONS_SHOWN = 10
PEOPLE_PER_PAGE = 50
# The stages of the big picture, in the order in which a person passes them.
STAGES = (
    "conversations_started",
    "conversations_answered",
    "dropouts",
    "callbacks_sent",
    "called_back",
    "reengaged",
    "conversions",
)
RATES = ("conversation_start_rate", "reengagement_rate", "recovery_lift")
ARMS = (
    ("dropouts_treated", "recovered_treated", "recovery_treated"),
    ("dropouts_holdout", "recovered_holdout", "recovery_holdout"),
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the dashboard looks at: a campaign or all of them, and whole days in `zone`."""

    campaign: Campaign | None
    days: int
    start: datetime
    end: datetime
    zone: ZoneInfo

    def people(self, key: str) -> str:
        """The page of the people behind the number `key`."""
        query = {"key": key, "days": str(self.days)} | ({"campaign": str(self.campaign.pk)} if self.campaign else {})
        return f"{reverse('dashboard-people')}?{urlencode(query)}"

    @property
    def limits(self) -> dict[str, Any]:
        """As reports.funnel wants it."""
        return {"campaign_id": self.campaign.pk if self.campaign else None, "since": self.start, "until": self.end}


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


def _list(name: str, query: dict[str, str]) -> str:
    return f"{reverse(f'admin:{name}_changelist')}?{urlencode(query)}"


def funnel_bars(scope: Scope, numbers: Funnel) -> list[Bar]:
    """The stages, each beside the longest."""
    counts = [numbers[key] for key in STAGES]
    longest = max((int(count.value or 0) for count in counts), default=0) or 1
    return [
        Bar(count.label, int(count.value or 0), 100 * int(count.value or 0) / longest, count.definition,
            scope.people(count.key))
        for count in counts
    ]  # fmt: skip


def percent(share: Any) -> str:
    """A share as people write it; a dash when there is nothing to take a share of."""
    return f"{formats.number_format(Decimal(100) * share, decimal_pos=1)} %" if share is not None else "–"


def headline(scope: Scope, numbers: Funnel) -> list[Number]:
    """What a marketer asks for first: clicks, the rates, and money per currency."""
    clicks = int(numbers.value("ad_clicks") or 0) + int(numbers.value("tracked_clicks") or 0)
    found = [Number(_("Ad clicks"), str(clicks), _("tracked links, plus what ad platforms report"))]
    found += [Number(numbers[key].label, percent(numbers[key].value), numbers[key].definition) for key in RATES]
    found.append(_count(scope, numbers["optouts"]))
    found += [_sum(scope, count) for count in numbers.counts if count.unit == "money"]
    return found


def _count(scope: Scope, count: FunnelCount) -> Number:
    return Number(count.label, str(count.value), count.definition, scope.people(count.key))


def _sum(scope: Scope, count: FunnelCount) -> Number:
    """Money; the campaign's budget stands beside what its ads cost."""
    campaign, hint = scope.campaign, count.definition
    if campaign and campaign.budget is not None and count.key == f"ad_spend:{campaign.currency}":
        budget = money(campaign.budget, campaign.currency)
        hint = _("in this period; the campaign's budget is %(budget)s") % {"budget": budget}
    url = scope.people(count.key) if count.people is not None else ""
    return Number(count.label, money(Decimal(count.value or 0), count.currency), hint, url)


def money(value: Decimal, currency: str) -> str:
    """2 500 000 VND: no cents where there are none, thousands grouped as the reader's language does."""
    places = 0 if value == value.to_integral_value() else 2
    # Django's Vietnamese format names no grouping, and eight digits in a row cannot be read.
    decimal, thousand = formats.get_format("DECIMAL_SEPARATOR"), formats.get_format("THOUSAND_SEPARATOR")
    number = numberformat.format(value, decimal, places, grouping=3, thousand_sep=thousand, force_grouping=True)
    return f"{number} {currency}"


def holdout_rows(scope: Scope, numbers: Funnel) -> list[dict[str, Any]]:
    """People who fell silent, called back or held out: how many came back, and what share that is."""
    names = (_("May be called back"), _("Holdout: never called back"))
    return [
        {
            "name": name,
            "dropped": _count(scope, numbers[dropped]),
            "back": _count(scope, numbers[back]),
            "share": percent(numbers[share].value),
        }
        for name, (dropped, back, share) in zip(names, ARMS, strict=True)
    ]


def refusals(scope: Scope, numbers: Funnel) -> list[Bar]:
    """Why messages were not sent or callbacks not planned; the most frequent reasons."""
    counted = [
        (int(count.value or 0), count)
        for count in numbers.counts
        if count.key.partition(":")[0] in ("unsent", "refused") and ":" in count.key
    ]
    counted = sorted(counted, key=lambda item: -item[0])[:REASONS_SHOWN]
    longest = max((value for value, _count in counted), default=1) or 1
    return [
        Bar(
            reason_text(count.key.partition(":")[2]),
            value,
            100 * value / longest,
            _where(count.key),
            scope.people(count.key),
        )
        for value, count in counted
    ]


def _where(key: str) -> str:
    return _("at planning") if key.startswith("refused:") else _("at sending")


def chart(scope: Scope) -> Chart:
    """Conversations started and conversions, per day of the campaign's zone."""
    series = funnel_series(**scope.limits)
    shown = ("conversations_started", "conversions")
    top = max((row.values[key] for row in series for key in shown), default=0) or 1
    step = 720 / scope.days
    days = []
    for number, row in enumerate(series):
        started, converted = row.values["conversations_started"], row.values["conversions"]
        days.append(
            {
                "day": row.day,
                "started": started,
                "converted": converted,
                "x": round(number * step, 1),
                "width": round(max(step - 3, 1), 1),
                "started_height": round(150 * started / top, 1),
                "started_y": round(160 - 150 * started / top, 1),
                "converted_height": round(150 * converted / top, 1),
                "converted_y": round(160 - 150 * converted / top, 1),
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
    numbers = funnel(**scope.limits)
    return context | {
        "scope": scope,
        "periods": PERIODS,
        "campaigns": Campaign.objects.order_by("-created_at")[:200],
        "funnel": funnel_bars(scope, numbers),
        "headline": headline(scope, numbers),
        "holdout": holdout_rows(scope, numbers),
        "refusals": refusals(scope, numbers),
        "chart": chart(scope),
    }


@permission_required("contacts.view_contact", raise_exception=True)
def people_view(request: HttpRequest) -> HttpResponse:
    """The people behind one number of the dashboard, each once."""
    scope = scope_read(request, now=timezone.now())
    key = request.GET.get("key", "")
    count = next((count for count in funnel(**scope.limits).counts if count.key == key), None)
    if count is None or count.people is None:
        raise Http404
    current = Address.objects.filter(superseded_at=None).order_by("kind")
    rows = funnel_contacts(key=key, **scope.limits).prefetch_related(
        Prefetch("addresses", current, "current_addresses")
    )
    page = Paginator(rows.order_by("-created_at", "pk"), PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    masked = not may_see_personal_data(request.user)
    people = [
        {
            "url": reverse("contact-timeline", args=[row.pk]),
            "name": (mask_name(row.display_name) if masked else row.display_name) or _("no name given"),
            "addresses": [mask_address(a.value) if masked else a.value for a in getattr(row, "current_addresses", [])],
            "country": row.country,
        }
        for row in page
    ]
    query = request.GET.copy()
    query.pop("page", None)
    return render(
        request,
        "rekindle/people.html",
        {
            **admin.site.each_context(request),
            "title": reason_text(key.partition(":")[2]) if key.startswith(("unsent:", "refused:")) else count.label,
            "count": count,
            "people": people,
            "page": page,
            "query": query.urlencode(),
            "scope": scope,
            "last_day": scope.end - timedelta(seconds=1),
        },
    )
