"""How long an answer asks us to wait."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from messaging.adapters.whatsapp.reading import json_read


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `Retry-After` (seconds or date) and `X-Business-Use-Case-Usage` (minutes), the longer one."""
    lower = {name.lower(): value for name, value in headers.items()}
    waits = [_retry_after_seconds(lower.get("retry-after", ""), lower.get("date", "")), _usage_seconds(lower)]
    return max((wait for wait in waits if wait is not None), default=None)


def _retry_after_seconds(value: str, date: str) -> float | None:
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 8:
        return float(value)
    until, sent = _http_date(value), _http_date(date)
    if until is None or sent is None:
        return None
    # Measured against the answer's own Date, so that our clock does not matter.
    return max(0.0, (until - sent).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # "-0000" is UTC too


def _usage_seconds(lower: Mapping[str, str]) -> float | None:
    usage = json_object(lower.get("x-business-use-case-usage", "").encode())
    minutes = [
        item["estimated_time_to_regain_access"]
        for items in usage.values()
        if isinstance(items, list)
        for item in items
        if isinstance(item, Mapping) and type(item.get("estimated_time_to_regain_access")) in (int, float)
    ]
    return max(minutes) * 60.0 if minutes and 0 < max(minutes) < 10**6 else None


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, or an empty one."""
    try:
        value = json_read(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
