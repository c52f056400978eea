"""A ceiling per API key and minute.

When Redis is gone, each web process counts for itself at the same rate: the ceiling is then (rate x processes), never
absent, and no opt-out or conversion is refused because a cache is down.
"""

import math
import threading
import time
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from access.models import ApiKey

log = structlog.get_logger(__name__)
WINDOW = 60  # seconds


class _OwnCount:
    """What this process has counted in the present minute; an older minute is forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = 0
        self._counts: dict[str, int] = {}

    def add(self, ident: str, window: int) -> int:
        with self._lock:
            if window != self._window:
                self._window, self._counts = window, {}
            self._counts[ident] = self._counts.get(ident, 0) + 1
            return self._counts[ident]


_own = _OwnCount()


class KeyThrottle(BaseThrottle):
    """`settings.API_REQUESTS_PER_MINUTE` per key, in fixed minutes, counted atomically in Redis."""

    timer = staticmethod(time.time)

    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True  # refused already, or a public page
        self.now = self.timer()
        window = int(self.now // WINDOW)
        ident = request.auth.prefix
        name = f"api-rate:{ident}:{window}"
        try:
            cache.add(name, 0, timeout=2 * WINDOW)
            count = cache.incr(name)
        except (RedisError, OSError, ValueError):
            log.warning("api_rate_counted_locally", key_prefix=ident)
            count = _own.add(ident, window)
        return bool(count <= settings.API_REQUESTS_PER_MINUTE)

    def wait(self) -> float:
        """Seconds until the next minute begins; DRF answers it as Retry-After."""
        return math.ceil(WINDOW - self.now % WINDOW)
