"""The drop-out rule, by example and by property: no clock, no database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.dropout import Timeline, silent_since

NOON = datetime(2026, 11, 18, 5, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SILENT = Timeline(
    open=True, automated=True, converted=False, last_inbound_at=NOON - 4 * HOUR, last_outbound_at=NOON - 3 * HOUR
)


def test_it_is_a_dropout_when_our_answer_stays_unanswered_longer_than_the_patience():
    assert silent_since(SILENT, patience=2 * HOUR, now=NOON) == NOON - 3 * HOUR
    assert silent_since(SILENT, patience=3 * HOUR, now=NOON) is None  # exactly as long is not longer
    assert silent_since(SILENT, patience=4 * HOUR, now=NOON) is None


def test_an_answer_in_the_same_second_counts_as_ours():
    same = replace(SILENT, last_inbound_at=SILENT.last_outbound_at)
    assert silent_since(same, patience=HOUR, now=NOON) == SILENT.last_outbound_at


@pytest.mark.parametrize(
    "not_silent",
    [
        replace(SILENT, open=False),
        replace(SILENT, automated=False),
        replace(SILENT, converted=True),
        replace(SILENT, last_outbound_at=None),  # we never answered: they wait for us
        replace(SILENT, last_inbound_at=None),
        replace(SILENT, last_inbound_at=NOON - 2 * HOUR),  # they wrote after us
    ],
)
def test_it_is_no_dropout(not_silent):
    assert silent_since(not_silent, patience=HOUR, now=NOON) is None


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
timelines = st.builds(
    Timeline,
    open=st.booleans(),
    automated=st.booleans(),
    converted=st.booleans(),
    last_inbound_at=st.none() | moments,
    last_outbound_at=st.none() | moments,
)
patiences = st.timedeltas(timedelta(0), timedelta(days=30))


@given(timelines, patiences, moments)
def test_silence_always_means_that_we_spoke_last_and_waited_longer_than_the_patience(timeline, patience, now):
    since = silent_since(timeline, patience=patience, now=now)
    if since is not None:
        assert timeline.open
        assert timeline.automated
        assert not timeline.converted
        assert since == timeline.last_outbound_at >= timeline.last_inbound_at
        assert now > since + patience


@given(timelines, patiences, moments, st.timedeltas(timedelta(0), timedelta(days=90)))
def test_silence_that_has_begun_stays_until_something_happens(timeline, patience, now, later):
    since = silent_since(timeline, patience=patience, now=now)
    if since is not None:
        assert silent_since(timeline, patience=patience, now=now + later) == since


@given(timelines, patiences, moments, moments)
def test_a_reply_ends_the_silence(timeline, patience, now, wrote_at):
    if timeline.last_outbound_at is not None and wrote_at > timeline.last_outbound_at:
        answered = replace(timeline, last_inbound_at=wrote_at)
        assert silent_since(answered, patience=patience, now=now) is None
