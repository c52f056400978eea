"""The moment a step asks for, before any rule has its say. Pure: no Django, no clock, no database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

CRON_HORIZON = timedelta(days=366)


def cron_problem(expression: str, *, now: datetime) -> bool:
    """Whether this is not a cron expression of five fields that comes round within a year."""
    if len(expression.split()) != 5 or not croniter.is_valid(expression):
        return True
    try:
        following = croniter(expression, now).get_next(datetime)
    except CroniterError:
        return True
    return bool(following - now > CRON_HORIZON)


def cron_zone(zones: Sequence[str], fallback: str, *, at: datetime) -> str:
    """The zone whose clock a cron step follows.

    One zone is the contact's own. Of several possible ones the westernmost at that time counts: when the wanted clock
    time has come there, it has come everywhere else they may live. With none, the campaign's (`fallback`).
    """
    if not zones:
        return fallback
    return min(zones, key=lambda zone: (at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0), zone))


def ideal_time(
    *, delay: timedelta | None, cron: str, base: datetime, zones: Sequence[str], fallback_zone: str
) -> datetime:
    """The moment the step asks for, in UTC. `base` is the drop-out, or when the step before went out.

    A cron time that the spring's clock change skips is taken at the change; one that the autumn repeats counts once,
    the first time.
    """
    if delay is not None:
        return base + delay
    local = base.astimezone(ZoneInfo(cron_zone(zones, fallback_zone, at=base)))
    following: datetime = croniter(cron, local).get_next(datetime)
    return following.astimezone(UTC)
