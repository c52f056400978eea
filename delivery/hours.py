"""Permitted hours over all the zones a person may live in. Pure.

A moment is permitted when it is inside the permitted local hours of *every* rule in *every* zone. Days differ in length
(summer time), so local hours become UTC intervals day by day, and the intervals are intersected.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from delivery.rulebook import Hours

# Stop submitting before the hour strikes: the provider may hold a message for a while.
END_MARGIN = timedelta(minutes=10)
DAYS_AHEAD = 9
Interval = tuple[datetime, datetime]


def next_permitted(zones: tuple[str, ...], hours: tuple[Hours, ...], now: datetime) -> datetime | None:
    """`now` when it is permitted, else the next permitted moment; None when there is none within nine days.

    Without a zone nothing is known of where the person lives, and no hour is permitted all over the world: None.
    """
    intervals = _intervals(zones, hours, now.astimezone(UTC).date())
    index = bisect_right(intervals, (now, datetime.max.replace(tzinfo=UTC))) - 1
    if index >= 0 and now < intervals[index][1]:
        return now
    return intervals[index + 1][0] if index + 1 < len(intervals) else None


@lru_cache(maxsize=8192)
def _intervals(zones: tuple[str, ...], hours: tuple[Hours, ...], today: date) -> list[Interval]:
    """Permitted UTC intervals from yesterday on, in order, intersected over all zones."""
    days = [today + timedelta(days=offset) for offset in range(-1, DAYS_AHEAD + 1)]
    common: list[Interval] | None = None
    for zone in dict.fromkeys(zones):
        mine = _zone_intervals(ZoneInfo(zone), hours, days)
        common = mine if common is None else _intersect(common, mine)
        if not common:
            break
    return common or []


def _zone_intervals(zone: ZoneInfo, hours: tuple[Hours, ...], days: list[date]) -> list[Interval]:
    found = []
    for day in days:
        rules = [rule for rule in hours if not rule.weekdays or day.isoweekday() in rule.weekdays]
        if not rules:
            continue  # nothing says that this day is permitted
        first, last = max(rule.start for rule in rules), min(rule.end for rule in rules)
        # Where the clocks change, an hour may come twice or not at all: the later start and the earlier end are safe.
        start_utc = max(datetime.combine(day, first, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        end_utc = min(datetime.combine(day, last, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        end_utc -= END_MARGIN
        if start_utc < end_utc:
            found.append((start_utc, end_utc))
    return found


def _intersect(left: list[Interval], right: list[Interval]) -> list[Interval]:
    result, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            result.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return result
