"""The funnel of a campaign and period: every number with its definition, and the people behind it.

Times are the provider's or the outcome's own, never arrival. The period is `since` <= time < `until`. What each count
takes is defined once, in `reports.metrics`, and serves the count as well as the drill-down, so that they cannot differ:
`funnel_contacts(key=c.key, ...)` has exactly `c.people` rows.

Rates are shares between 0 and 1 (start rates may exceed 1), None where there is nothing to divide by:
  conversation_start_rate            conversations through an entry point / (reported ad clicks + tracked clicks)
  conversation_start_rate_impressions   the same / reported impressions
  reengagement_rate                  reengaged / called_back
  recovery_treated, recovery_holdout came back / dropped out, per arm as assigned (intention to treat)
  recovery_lift                      recovery_treated - recovery_holdout, in shares
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from contacts.models import Contact
from reports.metrics import BASES, GROUPS, METRICS, Metric, Period, click_rows, spend_rows

Number = int | Decimal


@dataclass(frozen=True, slots=True)
class FunnelCount:
    """One number. `unit`: count | share | money. `people`: distinct contacts behind it; None: nobody is known by it."""

    key: str
    label: str
    definition: str
    value: Number | None
    unit: str = "count"
    people: int | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Funnel:
    """A campaign's numbers for a period, in the order in which a person passes them."""

    campaign_id: UUID | None
    since: datetime
    until: datetime
    counts: tuple[FunnelCount, ...]

    def __getitem__(self, key: str) -> FunnelCount:
        return next(count for count in self.counts if count.key == key)

    def value(self, key: str) -> Number | None:
        """The number of `key`; 0 for a conversion kind, currency or reason that did not occur."""
        return next((count.value for count in self.counts if count.key == key), 0)


@dataclass(frozen=True, slots=True)
class FunnelDay:
    """One day's counts, by key. A conversation that drops out on two days is in both."""

    day: date
    values: dict[str, int]


def funnel(*, campaign_id: UUID | None, since: datetime, until: datetime) -> Funnel:
    """The whole funnel in thirteen queries, however large the campaign. Aware datetimes; None: all campaigns."""
    period = Period(campaign_id, since, until)
    counted = {name: _base_counts(period, name) for name in BASES}
    counts = {key: _count(key, metric, counted[metric.base]) for key, metric in METRICS.items()}
    spent = list(
        spend_rows(period)
        .values("currency")
        .annotate(seen=Sum("impressions"), clicked=Sum("clicks"), sum=Sum("amount"))
        .order_by("currency")
    )
    ads = {"impressions": sum(row["seen"] for row in spent), "clicks": sum(row["clicked"] for row in spent)}
    clicks = click_rows(period).count()
    ordered = [*_reach(ads, clicks), *_ad_spend(spent)]
    for key, count in counts.items():
        ordered.append(count)
        if key in GROUPS:
            ordered += _group_counts(period, key)
        if key == "conversions":
            ordered += _revenue(period)
    rates = _rates({key: int(count.value or 0) for key, count in counts.items()}, ads, clicks)
    return Funnel(campaign_id, since, until, (*ordered, *rates))


def _base_counts(period: Period, base_name: str) -> dict[str, int]:
    base = BASES[base_name]
    aggregates: dict[str, Count] = {}
    for key, metric in METRICS.items():
        if metric.base == base_name:
            aggregates[key] = Count(base.counted, filter=metric.where or None, distinct=True)
            aggregates[f"{key}__people"] = Count(base.contact, filter=metric.where or None, distinct=True)
    # "dropouts" the count and "dropouts" the base's own fields may share a name with a column: prefix them all.
    found: dict[str, int] = base.rows(period).aggregate(**{f"n_{name}": value for name, value in aggregates.items()})
    return found


def _count(key: str, metric: Metric, found: dict[str, int]) -> FunnelCount:
    return FunnelCount(
        key, str(metric.label), str(metric.definition), found[f"n_{key}"], people=found[f"n_{key}__people"]
    )


def _group_counts(period: Period, key: str) -> list[FunnelCount]:
    field, label = GROUPS[key]
    metric, base = METRICS[key], BASES[METRICS[key].base]
    rows = (
        base.rows(period)
        .filter(metric.where)
        .values(part=F(field))
        .annotate(value=Count(base.counted, distinct=True), people=Count(base.contact, distinct=True))
        .order_by("-value", "part")
    )
    return [
        FunnelCount(
            f"{key}:{row['part']}",
            str(label).replace("{group}", row["part"]),
            str(metric.definition),
            row["value"],
            people=row["people"],
        )
        for row in rows
    ]


def _revenue(period: Period) -> list[FunnelCount]:
    """Money per currency, never added across currencies."""
    rows = BASES["conversions"].rows(period).filter(value__isnull=False).values("currency")
    sums = rows.annotate(sum=Sum("value"), people=Count("contact", distinct=True)).order_by("currency")
    return [
        FunnelCount(
            f"revenue:{row['currency']}",
            _("Revenue in {currency}").replace("{currency}", row["currency"]),
            _("The values of the conversions counted above that came in this currency. Nothing is converted."),
            row["sum"],
            unit="money",
            people=row["people"],
            currency=row["currency"],
        )
        for row in sums
    ]


def _ad_spend(spent: list[dict[str, Any]]) -> list[FunnelCount]:
    """What the ads cost, per currency; nothing where no amount was reported."""
    return [
        FunnelCount(
            f"ad_spend:{row['currency']}",
            _("Ad spend in {currency}").replace("{currency}", row["currency"]),
            _("What the ads cost, as the ad platform reports it, per day in the campaign's time zone."),
            row["sum"],
            unit="money",
            currency=row["currency"],
        )
        for row in spent
        if row["sum"]
    ]


def _reach(ads: dict[str, int], clicks: int) -> list[FunnelCount]:
    return [
        FunnelCount(
            "impressions",
            _("Impressions"),
            _("How often the ads were shown, as the ad platform reports it, per day in the campaign's time zone."),
            ads["impressions"],
        ),
        FunnelCount(
            "ad_clicks",
            _("Ad clicks (reported)"),
            _("Clicks on click-to-chat ads as the ad platform reports them; such a click leaves no other trace."),
            ads["clicks"],
        ),
        FunnelCount(
            "tracked_clicks",
            _("Link clicks and QR scans"),
            _("Clicks on our tracked links and scans of our QR codes. Bots and link previews are not counted."),
            clicks,
        ),
    ]


def _share(part: int, whole: int) -> Decimal | None:
    return (Decimal(part) / Decimal(whole)).quantize(Decimal("0.0001")) if whole else None


def _rates(values: dict[str, int], ads: dict[str, int], clicks: int) -> list[FunnelCount]:
    treated = _share(values["recovered_treated"], values["dropouts_treated"])
    holdout = _share(values["recovered_holdout"], values["dropouts_holdout"])
    lift = treated - holdout if treated is not None and holdout is not None else None
    entered = values["conversations_entered"]
    shares = [
        (
            "conversation_start_rate",
            _("Conversation start rate"),
            _("Conversations through an entry point, divided by reported ad clicks and tracked clicks together."),
            _share(entered, ads["clicks"] + clicks),
        ),
        (
            "conversation_start_rate_impressions",
            _("Conversation start rate (per impression)"),
            _("Conversations through an entry point, divided by reported impressions."),
            _share(entered, ads["impressions"]),
        ),
        (
            "reengagement_rate",
            _("Re-engagement rate"),
            _("Re-engaged conversations, divided by called-back conversations."),
            _share(values["reengaged"], values["called_back"]),
        ),
        (
            "recovery_treated",
            _("Recovery: callback group"),
            _("Share of the callback group's drop-outs that came back, called back or not (intention to treat)."),
            treated,
        ),
        (
            "recovery_holdout",
            _("Recovery: holdout"),
            _("Share of the holdout's drop-outs that came back by themselves."),
            holdout,
        ),
        (
            "recovery_lift",
            _("Recovery caused by callbacks"),
            _("Recovery of the callback group minus recovery of the holdout. With few people it is mostly chance."),
            lift,
        ),
    ]
    return [FunnelCount(key, label, definition, value, unit="share") for key, label, definition, value in shares]


def funnel_contacts(*, key: str, campaign_id: UUID | None, since: datetime, until: datetime) -> QuerySet[Contact]:
    """The people behind one number, each once. Clicks, impressions and shares name nobody: an empty queryset."""
    period = Period(campaign_id, since, until)
    name, _colon, part = key.partition(":")
    metric = METRICS.get("conversions" if name == "revenue" else name)
    if metric is None:
        return Contact.objects.none()
    base = BASES[metric.base]
    rows: QuerySet[Any] = base.rows(period).filter(metric.where)
    if name == "revenue":
        rows = rows.filter(currency=part, value__isnull=False)
    elif part:
        if name not in GROUPS:
            return Contact.objects.none()
        rows = rows.filter(**{GROUPS[name][0]: part})
    return Contact.objects.filter(pk__in=rows.values(base.contact))


def funnel_series(*, campaign_id: UUID | None, since: datetime, until: datetime) -> list[FunnelDay]:
    """Every day of the period with its counts, for charts, empty days included; one query per table.

    Days are those of the campaign's time zone (UTC for all campaigns together).
    """
    period = Period(campaign_id, since, until)
    campaigns = Campaign.objects.filter(pk=campaign_id) if campaign_id else Campaign.objects.none()
    zone = ZoneInfo(campaigns.values_list("time_zone", flat=True).first() or "UTC")
    days: dict[date, dict[str, int]] = {}
    day, last = since.astimezone(zone).date(), (until - timedelta(microseconds=1)).astimezone(zone).date()
    keys = ["impressions", "ad_clicks", "tracked_clicks", *METRICS]
    while day <= last:
        days[day] = dict.fromkeys(keys, 0)
        day += timedelta(days=1)
    for name, base in BASES.items():
        aggregates = {
            f"n_{key}": Count(base.counted, filter=metric.where or None, distinct=True)
            for key, metric in METRICS.items()
            if metric.base == name
        }
        rows = base.rows(period).annotate(on_day=TruncDate(base.time, tzinfo=zone)).values("on_day")
        for row in rows.annotate(**aggregates).order_by("on_day"):
            days[row["on_day"]].update({alias[2:]: row[alias] for alias in aggregates})
    clicks = click_rows(period).annotate(on_day=TruncDate("clicked_at", tzinfo=zone)).values("on_day")
    for row in clicks.annotate(n=Count("pk")).order_by("on_day"):
        days[row["on_day"]]["tracked_clicks"] = row["n"]
    spent = spend_rows(period).values("begins_at").annotate(seen=Sum("impressions"), clicked=Sum("clicks"))
    for row in spent.order_by("begins_at"):
        # All campaigns together: a day of another zone belongs to the day it began in.
        found = days[row["begins_at"].astimezone(zone).date()]
        found["impressions"] += row["seen"]
        found["ad_clicks"] += row["clicked"]
    return [FunnelDay(day, values) for day, values in sorted(days.items())]
