"""The limits, on a real Redis and without one."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from messaging.governor import BURST_SECONDS, Ask, Governor
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db


@pytest.fixture
def governor() -> Governor:
    client = redis.Redis.from_url(settings.REDIS_URL)
    for key in client.scan_iter("gov:*"):
        client.delete(key)
    client.close()
    return Governor(settings.REDIS_URL)


def ask(governor, account, people, *, at=NOW, outside=False, recent=()):
    asks = [Ask(person, outside) for person in people]
    answers = governor.reserve(account, asks, now=at, recent=lambda: recent, last_sent=dict)
    return [answer and answer.limit for answer in answers]


@pytest.mark.parametrize("rate", [80, 1000])
def test_a_number_reaches_its_pace_within_two_percent_and_never_passes_it(governor, rate):
    account = AccountBuilder(throughput_per_second=rate)
    sent = sum(governor.pace_take(account, want=500, now=NOW + timedelta(seconds=t / 10))[0] for t in range(101))
    assert rate * 10 <= sent <= rate * (10 + BURST_SECONDS) * 1.001
    assert (sent - rate * BURST_SECONDS) / 10 == pytest.approx(rate, rel=0.02)


def test_what_was_not_used_can_be_taken_again(governor):
    account = AccountBuilder(throughput_per_second=80)
    assert governor.pace_take(account, want=20, now=NOW)[0] == 20
    assert governor.pace_take(account, want=20, now=NOW)[0] == 0
    governor.pace_return(account, count=20)
    assert governor.pace_take(account, want=50, now=NOW)[0] == 20


def test_a_provider_that_says_too_fast_closes_the_number_for_a_while(governor):
    account = AccountBuilder(throughput_per_second=80)
    governor.pace_close(account, seconds=5, now=NOW)
    granted, wait = governor.pace_take(account, want=10, now=NOW + timedelta(seconds=1))
    assert granted == 0
    assert 3.5 < wait <= 4.1
    assert governor.pace_take(account, want=10, now=NOW + timedelta(seconds=6))[0] == 10


def test_many_workers_together_keep_one_numbers_pace(governor):
    account = AccountBuilder(throughput_per_second=400)
    with ThreadPoolExecutor(8) as pool:
        took = list(pool.map(lambda _n: governor.pace_take(account, want=30, now=NOW)[0], range(40)))
    assert sum(took) == 400 * BURST_SECONDS


def test_one_message_in_six_seconds_per_person_and_number(governor):
    first, second = AccountBuilder(), AccountBuilder()
    person, other = uuid4(), uuid4()
    assert ask(governor, first, [person, other, person]) == [None, None, "pair_rate"]
    assert ask(governor, second, [person]) == [None]
    assert ask(governor, first, [person], at=NOW + timedelta(seconds=5)) == ["pair_rate"]
    assert ask(governor, first, [person], at=NOW + timedelta(seconds=6)) == [None]


def test_a_portfolio_reaches_no_more_new_people_a_day_than_it_may(governor):
    account = AccountBuilder(messaging_limit=2)
    sibling = AccountBuilder(messaging_limit=2, portfolio_id=account.portfolio_id)
    people = [uuid4() for _ in range(3)]
    assert ask(governor, account, people[:1], outside=True) == [None]
    assert ask(governor, sibling, people[1:], outside=True) == [None, "provider_limit"]
    # Somebody who was reached already costs nothing more, and neither does an open window.
    assert ask(governor, account, people[:1], at=NOW + timedelta(hours=1), outside=True) == [None]
    assert ask(governor, account, people[2:], at=NOW + timedelta(hours=1)) == [None]
    assert ask(governor, account, people[2:], at=NOW + timedelta(hours=25), outside=True) == [None]


def test_a_redis_that_forgot_is_told_whom_we_reached(governor):
    account = AccountBuilder(messaging_limit=2)
    recent = [(uuid4(), NOW - timedelta(hours=h)) for h in (1, 2)]
    assert ask(governor, account, [uuid4()], outside=True, recent=recent) == ["provider_limit"]
    assert ask(governor, account, [recent[0][0]], outside=True, recent=recent) == [None]


def test_its_keys_hold_nothing_of_the_person(governor):
    account, person = AccountBuilder(messaging_limit=5), uuid4()
    ask(governor, account, [person], outside=True)
    client = redis.Redis.from_url(settings.REDIS_URL)
    keys = [key.decode() for key in client.scan_iter("gov:*")]
    client.close()
    assert keys
    assert not any(person.hex in key or str(person) in key for key in keys)


def test_without_redis_every_limit_is_still_a_limit():
    governor = Governor("redis://127.0.0.1:1/0")
    account = AccountBuilder(throughput_per_second=80, messaging_limit=1)
    grants = Counter(governor.pace_take(account, want=10, now=NOW + timedelta(seconds=s / 10))[0] for s in range(11))
    assert 0 < sum(n * times for n, times in grants.items()) <= 80 * 0.25 * 1.25 + 1
    person, other = uuid4(), uuid4()
    asks = [Ask(person, True), Ask(other, True), Ask(person, False)]
    answers = governor.reserve(account, asks, now=NOW, recent=list, last_sent=dict)
    assert [answer and answer.limit for answer in answers] == [None, "provider_limit", "pair_rate"]
