"""The moment a step asks for."""

from datetime import UTC, datetime, timedelta

import pytest

from callbacks.timing import cron_problem, ideal_time

HANOI = ["Asia/Ho_Chi_Minh"]


def cron(expression, base, zones, fallback="Asia/Ho_Chi_Minh"):
    return ideal_time(delay=None, cron=expression, base=base, zones=zones, fallback_zone=fallback)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_a_delay_counts_from_the_base():
    base = utc(2026, 11, 18, 3)
    ideal = ideal_time(delay=timedelta(hours=2), cron="", base=base, zones=HANOI, fallback_zone="UTC")
    assert ideal == utc(2026, 11, 18, 5)


def test_a_cron_time_is_the_contacts_own():
    assert cron("0 9 * * *", utc(2026, 11, 18, 3), HANOI) == utc(2026, 11, 19, 2)  # 10:00 there: tomorrow at nine
    assert cron("0 9 * * 1-5", utc(2026, 11, 20, 3), HANOI) == utc(2026, 11, 23, 2)  # after Friday comes Monday


def test_nine_oclock_stays_nine_oclock_when_the_clocks_change():
    new_york = ["America/New_York"]
    assert cron("0 9 * * *", utc(2026, 3, 7, 15), new_york) == utc(2026, 3, 8, 13)  # summer time from this night
    assert cron("0 9 * * *", utc(2026, 3, 6, 15), new_york) == utc(2026, 3, 7, 14)
    assert cron("0 9 * * *", utc(2026, 10, 31, 15), new_york) == utc(2026, 11, 1, 14)


def test_a_time_that_the_spring_skips_is_taken_at_the_change():
    assert cron("30 2 * * *", utc(2026, 3, 7, 15), ["America/New_York"]) == utc(2026, 3, 8, 7)  # 03:00 summer time


def test_a_time_that_the_autumn_repeats_counts_the_first_time():
    assert cron("30 1 * * *", utc(2026, 10, 31, 15), ["America/New_York"]) == utc(2026, 11, 1, 5, 30)


def test_of_several_zones_the_westernmost_counts():
    zones = ["America/New_York", "America/Los_Angeles", "America/Chicago"]
    assert cron("0 9 * * *", utc(2026, 11, 18, 3), zones) == utc(2026, 11, 18, 17)  # nine in Los Angeles


def test_without_a_zone_the_campaigns_counts():
    assert cron("0 9 * * *", utc(2026, 11, 18, 3), [], "Europe/Paris") == utc(2026, 11, 18, 8)


@pytest.mark.parametrize("expression", ["", "hello", "0 9 * *", "0 9 * * * *", "61 9 * * *", "0 9 31 2 *", "@daily"])
def test_it_knows_what_is_no_cron_expression(expression):
    assert cron_problem(expression, now=utc(2026, 11, 18))


@pytest.mark.parametrize("expression", ["0 9 * * *", "*/30 9-17 * * 1-5", "0 10 1 * *", "15 8 * * sat,sun"])
def test_it_knows_a_cron_expression(expression):
    assert not cron_problem(expression, now=utc(2026, 11, 18))
