"""Where a callback is placed, by example and by property; the gate here is a small one: a window and a night."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from callbacks.placement import Placed, place
from delivery.gate import Reason, Refuse, Send, Wait

DAY = datetime(2026, 11, 18, tzinfo=UTC)
MARGIN = timedelta(minutes=30)


def at(hour, minute=0, day=0):
    return DAY + timedelta(days=day, hours=hour, minutes=minute)


def night(moment, from_hour, to_hour):
    """The end of the quiet hours that this moment lies in (in UTC), or None."""
    quiet = from_hour != to_hour and (
        from_hour <= moment.hour < to_hour if from_hour < to_hour else moment.hour >= from_hour or moment.hour < to_hour
    )
    if not quiet:
        return None
    end = moment.replace(hour=to_hour, minute=0, second=0, microsecond=0)
    return end if end > moment else end + timedelta(days=1)


def gate(window_ends_at, *, quiet=(21, 8), has_free=True, has_template=True):
    def decide_at(moment):
        if until := night(moment, *quiet):
            return Wait(until=until, reason=Reason.QUIET_HOURS, rule="hours", rule_version="1")
        if has_free and window_ends_at and moment < window_ends_at:
            return Send(content="free", basis="window")
        if has_template:
            return Send(content="template", basis="consent")
        return Refuse(reason=Reason.WINDOW_CLOSED, rule="service_window", rule_version="1")

    return decide_at


def placing(ideal_at, *, now, window_ends_at, latest_at=None, has_free=True, has_template=True, quiet=(21, 8)):
    return place(
        ideal_at=ideal_at,
        now=now,
        latest_at=latest_at or now + timedelta(days=3),
        window_ends_at=window_ends_at,
        margin=MARGIN,
        has_free=has_free,
        has_template=has_template,
        decide_at=gate(window_ends_at, quiet=quiet, has_free=has_free, has_template=has_template),
    )


def test_inside_the_window_it_goes_at_the_ideal_time():
    assert placing(at(12), now=at(10), window_ends_at=at(9, day=1)) == Placed(at(12), "free")


def test_an_ideal_time_that_has_passed_means_now():
    assert placing(at(8), now=at(10), window_ends_at=at(9, day=1)) == Placed(at(10), "free")


def test_an_ideal_time_after_the_window_is_drawn_into_it():
    assert placing(at(15, day=1), now=at(10), window_ends_at=at(12, day=1)) == Placed(at(11, 30, day=1), "free")


def test_a_quiet_hour_moves_it_to_the_morning_inside_the_window():
    assert placing(at(22), now=at(19), window_ends_at=at(18, day=1)) == Placed(at(8, day=1), "free")


def test_when_the_window_closes_in_the_night_it_goes_a_little_earlier():
    # They wrote at half past seven; the window closes before the quiet hours end.
    assert placing(at(3, day=1), now=at(9), window_ends_at=at(7, 30, day=1)) == Placed(at(20, 45), "free")


def test_a_window_that_lies_in_the_night_leaves_the_template_in_the_morning():
    placed = placing(at(23), now=at(22), window_ends_at=at(2, day=1))
    assert placed == Placed(at(8, day=1), "template")


def test_without_a_template_it_is_refused_with_what_stood_in_the_way():
    refused = placing(at(23), now=at(22), window_ends_at=at(2, day=1), has_template=False)
    assert isinstance(refused, Refuse)
    assert refused.reason == Reason.QUIET_HOURS
    closed = placing(at(12), now=at(11), window_ends_at=at(9), has_template=False)
    assert closed.reason == Reason.WINDOW_CLOSED


def test_inside_the_margin_the_free_text_is_not_used_any_more():
    assert placing(at(12), now=at(12), window_ends_at=at(12, 20)) == Placed(at(12, 20), "template")


def test_a_step_with_only_a_template_goes_at_its_ideal_time():
    assert placing(at(12), now=at(10), window_ends_at=at(9, day=1), has_free=False) == Placed(at(12), "template")


def test_after_the_latest_useful_moment_it_is_refused():
    refused = placing(at(12, day=4), now=at(10), window_ends_at=None, latest_at=at(10, day=3))
    assert refused.reason == Reason.EXPIRED


def test_a_wait_that_outlasts_its_sense_is_named_as_the_reason():
    refused = placing(at(22), now=at(21, 30), window_ends_at=None, latest_at=at(6, day=1))
    assert refused.reason == Reason.QUIET_HOURS


def test_what_ends_at_no_known_time_is_waited_for_and_refuses_nothing():
    paused = Wait(until=at(10, 2), reason=Reason.ACCOUNT_PAUSED, rule="account", rule_version="1")
    found = place(
        ideal_at=at(12),
        now=at(10),
        latest_at=at(12, day=3),
        window_ends_at=at(9, day=1),
        margin=MARGIN,
        has_free=True,
        has_template=True,
        decide_at=lambda _moment: paused,
    )
    assert found == paused


minutes = st.integers(-2 * 24 * 60, 4 * 24 * 60).map(lambda value: DAY + timedelta(minutes=value))
hours = st.integers(0, 23)


@given(
    ideal_at=minutes,
    now=minutes,
    window_ends_at=st.none() | minutes,
    latest_at=minutes,
    has_free=st.booleans(),
    has_template=st.booleans(),
    quiet=st.tuples(hours, hours),
)
def test_it_always_keeps_the_rules(ideal_at, now, window_ends_at, latest_at, has_free, has_template, quiet):
    placed = placing(
        ideal_at,
        now=now,
        window_ends_at=window_ends_at,
        latest_at=latest_at,
        has_free=has_free,
        has_template=has_template,
        quiet=quiet,
    )
    if isinstance(placed, Refuse):
        return
    assert now <= placed.due_at <= latest_at
    assert night(placed.due_at, *quiet) is None
    if placed.content == "free":
        assert has_free
        assert placed.due_at <= window_ends_at - MARGIN
    else:
        assert has_template
        assert placed.due_at >= ideal_at


@given(ideal_at=minutes, now=minutes, window_ends_at=minutes)
def test_without_quiet_hours_it_is_the_ideal_time_or_the_margin(ideal_at, now, window_ends_at):
    placed = placing(
        ideal_at,
        now=now,
        window_ends_at=window_ends_at,
        latest_at=DAY + timedelta(days=30),
        has_template=False,
        quiet=(0, 0),
    )
    limit = window_ends_at - MARGIN
    if limit < now:
        assert isinstance(placed, Refuse)
    else:
        assert placed == Placed(min(max(ideal_at, now), limit), "free")
