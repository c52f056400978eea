"""The sandbox's time. Real by default; a test may stop it at a moment, or set it going from one."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """`now()` is what windows, expiry and every timestamp in a webhook go by. Delays (status after 50 ms, retry after
    1 s, an answer 2 s late) always pass in real time, so a stopped clock stops no delivery."""

    def __init__(self) -> None:
        self._base: datetime | None = None
        self._started: float | None = None  # monotonic; None while the overridden clock stands still

    def set(self, now: datetime | None, *, ticking: bool = False) -> None:
        """Stand still at `now`, or go on from it (`ticking`); None means real time again."""
        self._base = now.astimezone(UTC) if now else None
        self._started = time.monotonic() if now and ticking else None

    def now(self) -> datetime:
        if self._base is None:
            return datetime.now(UTC)
        if self._started is None:
            return self._base
        return datetime.fromtimestamp(self._base.timestamp() + time.monotonic() - self._started, UTC)

    def timestamp(self) -> float:
        """Unix seconds. Cheaper than `now()` on the send path."""
        return time.time() if self._base is None else self.now().timestamp()


def iso(at: float | datetime | None) -> str | None:
    """ISO 8601 in UTC with microseconds, as the control API writes every time."""
    if at is None:
        return None
    moment = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """An ISO 8601 moment with a zone; raises ValueError without one."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone, e.g. 2026-11-20T08:00:00+07:00")
    return moment
