"""What the terminal shows: the live funnel while the story runs, the whole one at its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone
from rich.table import Table

from campaigns.models import Campaign
from demo.shops import Shop
from reports.funnel import FunnelCount, funnel

MILESTONES = (
    "tracked_clicks", "conversations_started", "dropouts", "called_back", "reengaged", "conversions", "optouts",
)  # fmt: skip


def progress_table(shops: Sequence[tuple[Shop, Campaign]], *, seconds: float) -> Table:
    """One row a count, one column a shop."""
    table = Table(title=f"Rekindle · {seconds:.0f} s", title_justify="left")
    table.add_column("")
    rows: dict[str, list[str]] = {}
    totals: dict[str, tuple[str, int]] = {}
    for column, (_shop, campaign) in enumerate(shops):
        table.add_column(campaign.name, justify="right")
        for count in funnel(campaign_id=campaign.pk, since=campaign.created_at, until=timezone.now()).counts:
            rows.setdefault(str(count.label), ["–"] * len(shops))[column] = _number(count)
            if count.key in MILESTONES:
                before = totals.get(count.key, (str(count.label), 0))[1]
                totals[count.key] = (str(count.label), before + int(count.value or 0))
    for label, values in rows.items():
        table.add_row(label, *values)
    table.caption = " · ".join(f"{label} {total}" for label, total in totals.values())
    return table


def funnel_table(campaign: Campaign, *, since: datetime) -> Table:
    """The final funnel of one campaign, with each count's definition."""
    result = funnel(campaign_id=campaign.pk, since=since, until=timezone.now())
    table = Table(title=campaign.name, title_justify="left")
    table.add_column("Count")
    table.add_column("", justify="right")
    table.add_column("Means", style="dim")
    for count in result.counts:
        table.add_row(str(count.label), _number(count), str(count.definition))
    return table


def _number(count: FunnelCount) -> str:
    if count.value is None:
        return "–"
    return f"{count.value:.1%}" if count.unit == "share" else f"{count.value:,.0f}"
