"""How fast we may speak: per number, per (number, person), and to how many people per portfolio in 24 hours.

The counters live in Redis as atomic scripts, one round trip for a whole batch; keys hold hashes of our own ids and no
personal data. When Redis is gone, the pace comes from a row in PostgreSQL at a quarter of the limit and the other two
limits from the caller's own records: slower, never without a limit.

Sources: WhatsApp Cloud API throughput, pair rate and portfolio messaging limit (docs/adding-a-channel.md).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import redis
import structlog
from django.conf import settings
from django.db import transaction

from messaging.models import ChannelAccount, SendPace

log = structlog.get_logger(__name__)

PAIR_SECONDS = 6.0  # one message per 6 s to the same person from the same number
PEOPLE_PERIOD = timedelta(hours=24)
BURST_SECONDS = 0.25  # how much of a second's allowance may go out at one instant
FALLBACK_SHARE = 0.25  # of the number's throughput, while Redis is gone
REDIS_REST = 3.0  # seconds until a Redis that failed is asked again

# KEYS: pace key. ARGV: now (s), seconds per message, burst (s), wanted. Returns {granted, wait in ms}.
_TAKE = """
local now, each, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local room = math.floor((now + burst - tat) / each + 1e-6)
local granted = math.max(0, math.min(tonumber(ARGV[4]), room))
if granted > 0 then
  tat = tat + granted * each
  redis.call('SET', KEYS[1], string.format('%.6f', tat), 'PX', math.ceil((tat - now + 5) * 1000))
end
return {granted, math.max(0, math.ceil((tat + each - burst - now) * 1000))}
"""

# KEYS: people key, seeded key, then one pair key per message.
# ARGV: now (ms), period (ms), limit (-1: none), pair (ms), then per message: hash, 1 when outside the window.
# Returns one number per message: 0 go, -1 "seed me first", else ms to wait, negative for the portfolio's limit.
_RESERVE = """
local now, period, limit, pair = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local counted = false
local answers = {}
for i = 3, #KEYS do
  local person, outside = ARGV[5 + (i - 3) * 2], ARGV[6 + (i - 3) * 2] == '1'
  local answer = 0
  local busy = redis.call('GET', KEYS[i])
  if busy and tonumber(busy) > now then
    answer = tonumber(busy) - now
  elseif outside and limit >= 0 then
    if not counted then
      if redis.call('EXISTS', KEYS[2]) == 0 then return {-1} end
      redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - period)
      counted = true
    end
    if not redis.call('ZSCORE', KEYS[1], person) and redis.call('ZCARD', KEYS[1]) >= limit then
      local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
      local wait = first[2] and (tonumber(first[2]) + period - now) or period
      answer = -math.max(wait, 1000)
    else
      redis.call('ZADD', KEYS[1], now, person)
      redis.call('PEXPIRE', KEYS[1], period)
    end
  end
  if answer == 0 then redis.call('SET', KEYS[i], now + pair, 'PX', pair) end
  answers[#answers + 1] = answer
end
return answers
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """One message that wants to go out; `outside_window` ones count for the portfolio's limit."""

    person: UUID
    outside_window: bool


@dataclass(frozen=True, slots=True)
class Denied:
    """Not now: `limit` is "pair_rate" or "provider_limit"."""

    limit: str
    until: datetime


# Everybody reached outside a window by the portfolio in the last 24 hours, from the caller's own records.
Recent = Callable[[], Iterable[tuple[UUID, datetime]]]
# When each person was last written to by this account, for the time without Redis.
LastSent = Callable[[], dict[UUID, datetime]]


class Governor:
    """One per process. Every method is safe to call while Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=0.5)
        self._take = self._redis.register_script(_TAKE)
        self._reserve = self._redis.register_script(_RESERVE)
        self._away_until = 0.0

    def pace_take(self, account: ChannelAccount, *, want: int, now: datetime) -> tuple[int, float]:
        """How many of `want` messages this number may send right now, and in how many seconds to ask again."""
        rate = max(account.throughput_per_second, 1)
        arguments = [now.timestamp(), 1 / rate, max(BURST_SECONDS, 1 / rate), want]
        answer = self._ask(lambda: self._take(keys=[f"gov:pace:{account.pk}"], args=arguments))
        if answer is None:
            return _pace_from_database(account, want=want, now=now)
        return int(answer[0]), int(answer[1]) / 1000

    def pace_return(self, account: ChannelAccount, *, count: int) -> None:
        """Give back what was taken and not used."""
        if count > 0:
            key, back = f"gov:pace:{account.pk}", count / max(account.throughput_per_second, 1)
            self._ask(lambda: self._redis.incrbyfloat(key, -back) if self._redis.exists(key) else 0)

    def pace_close(self, account: ChannelAccount, *, seconds: float, now: datetime) -> None:
        """The provider said "too fast" (130429): nothing more from this number for so long."""
        until = now.timestamp() + seconds
        self._ask(lambda: self._redis.set(f"gov:pace:{account.pk}", until, px=int(seconds * 1000) + 5000))

    def pair_close(self, account: ChannelAccount, *, person: UUID, seconds: float, now: datetime) -> None:
        """The provider said "too many to the same person" (131056): this pair only."""
        until = int(now.timestamp() * 1000 + seconds * 1000)
        self._ask(lambda: self._redis.set(_pair_key(account.pk, person), until, px=int(seconds * 1000)))

    def reserve(
        self, account: ChannelAccount, asks: Sequence[Ask], *, now: datetime, recent: Recent, last_sent: LastSent
    ) -> list[Denied | None]:
        """For each ask None (go, and it is counted) or why not; one round trip, two after Redis was emptied."""
        if not asks:
            return []
        answers = self._ask(lambda: self._reserve_in_redis(account, asks, now, recent))
        if answers is None:
            return _reserve_from_records(account, asks, now=now, recent=recent, last_sent=last_sent)
        return [_denied(int(answer), now) for answer in answers]

    def _reserve_in_redis(
        self, account: ChannelAccount, asks: Sequence[Ask], now: datetime, recent: Recent
    ) -> list[int]:
        people = f"gov:people:{account.channel}:{account.portfolio_id}"
        limit = -1 if account.messaging_limit is None else account.messaging_limit
        now_ms, period_ms = int(now.timestamp() * 1000), int(PEOPLE_PERIOD.total_seconds() * 1000)
        keys = [people, people + ":seeded", *(_pair_key(account.pk, ask.person) for ask in asks)]
        arguments: list[Any] = [now_ms, period_ms, limit, int(PAIR_SECONDS * 1000)]
        for ask in asks:
            arguments += [_hash(ask.person), int(ask.outside_window)]
        answers = cast("list[int]", self._reserve(keys=keys, args=arguments))
        if answers == [-1] and limit >= 0 and not self._redis.exists(people + ":seeded"):
            members = {_hash(person): at.timestamp() * 1000 for person, at in recent()}
            if members:
                self._redis.zadd(people, cast("Any", members))
                self._redis.pexpire(people, period_ms)
            self._redis.set(people + ":seeded", 1)
            answers = cast("list[int]", self._reserve(keys=keys, args=arguments))
        return answers

    def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer, or None while Redis is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return question()
        except (redis.RedisError, OSError) as error:
            self._away_until = time.monotonic() + REDIS_REST
            log.warning("governor_without_redis", error=type(error).__name__)
            return None


@lru_cache(maxsize=4)
def governor_at(url: str) -> Governor:
    """The process's governor for this Redis."""
    return Governor(url)


def governor() -> Governor:
    return governor_at(settings.REDIS_URL)


def _hash(person: UUID) -> str:
    return hashlib.blake2b(person.bytes, digest_size=12).hexdigest()


def _pair_key(account_id: UUID, person: UUID) -> str:
    return "gov:pair:" + hashlib.blake2b(account_id.bytes + person.bytes, digest_size=12).hexdigest()


def _denied(answer: int, now: datetime) -> Denied | None:
    if answer == 0:
        return None
    limit = "pair_rate" if answer > 0 else "provider_limit"
    return Denied(limit, now + timedelta(milliseconds=abs(answer)))


@transaction.atomic
def _pace_from_database(account: ChannelAccount, *, want: int, now: datetime) -> tuple[int, float]:
    """A quarter of the number's pace, from one locked row that every worker shares."""
    each = timedelta(seconds=1 / max(account.throughput_per_second * FALLBACK_SHARE, 0.5))
    SendPace.objects.bulk_create([SendPace(account=account, next_at=now)], ignore_conflicts=True)
    row = SendPace.objects.select_for_update().get(account=account)
    next_at = max(row.next_at, now)
    room = 1 if next_at == now else 0
    room = max(room, int((now + timedelta(seconds=BURST_SECONDS) - next_at) / each))
    granted = max(0, min(want, room))
    if granted:
        row.next_at = next_at + granted * each
        row.save(update_fields=["next_at"])
    return granted, max((row.next_at - now).total_seconds(), 0.05)


def _reserve_from_records(
    account: ChannelAccount, asks: Sequence[Ask], *, now: datetime, recent: Recent, last_sent: LastSent
) -> list[Denied | None]:
    answers: list[Denied | None] = []
    written = last_sent()
    limit = account.messaging_limit
    reached = {person for person, _at in recent()} if limit is not None else set()
    for ask in asks:
        free_at = written.get(ask.person, datetime.min.replace(tzinfo=UTC)) + timedelta(seconds=PAIR_SECONDS)
        if now < free_at:
            answers.append(Denied("pair_rate", free_at))
        elif ask.outside_window and limit is not None and ask.person not in reached and len(reached) >= limit:
            answers.append(Denied("provider_limit", now + timedelta(hours=1)))
        else:
            written[ask.person] = now
            if ask.outside_window:
                reached.add(ask.person)
            answers.append(None)
    return answers
