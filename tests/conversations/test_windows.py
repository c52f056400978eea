"""The windows, by example and by property, and their SQL twin on the path of every send."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.services import conversations_note_sent
from conversations.windows import free_entry_end, service_window_end
from tests.builders.conversations import ConversationBuilder, OutboundBuilder

NOON = datetime(2026, 11, 18, 5, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_the_service_window_counts_from_the_message_and_not_from_its_arrival():
    assert service_window_end(None, wrote_at=NOON - 5 * HOUR, now=NOON) == NOON + 19 * HOUR


def test_a_provider_clock_ahead_of_ours_does_not_stretch_the_window():
    assert service_window_end(None, wrote_at=NOON + HOUR, now=NOON) == NOON + DAY


@given(st.none() | moments, moments, moments)
def test_the_service_window_never_moves_backwards(current, wrote_at, now):
    end = service_window_end(current, wrote_at=wrote_at, now=now)
    assert current is None or end >= current
    assert service_window_end(end, wrote_at=wrote_at, now=now) == end


@given(moments, st.timedeltas(timedelta(0), 5 * DAY), st.lists(st.timedeltas(timedelta(0), 5 * DAY)))
def test_the_free_entry_window_opens_once_per_click_and_only_by_an_answer_within_a_day(clicked_at, first, later):
    end = free_entry_end(None, clicked_at=clicked_at, answered_at=clicked_at + first)
    assert end == (clicked_at + first + 3 * DAY if first <= DAY else None)
    if end is not None:
        for more in later:
            assert free_entry_end(end, clicked_at=clicked_at, answered_at=clicked_at + first + more) == end


def test_no_click_no_free_entry():
    assert free_entry_end(None, clicked_at=None, answered_at=NOON) is None


CASES = [
    # current end, clicked, answered
    (None, NOON, NOON + HOUR),
    (None, NOON, NOON + DAY),
    (None, NOON, NOON + DAY + HOUR),
    (NOON + 73 * HOUR, NOON, NOON + 2 * HOUR),  # already answered
    (NOON + 2 * HOUR, NOON, NOON + HOUR),  # an earlier click's window is still open; this click opens a new one
    (NOON - DAY, NOON, NOON + HOUR),
    (None, None, NOON),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("current", "clicked_at", "answered_at"), CASES)
def test_the_sql_twin_agrees(current, clicked_at, answered_at):
    conversation = ConversationBuilder(
        free_entry_eligible=clicked_at is not None,
        referral={"occurred_at": clicked_at.isoformat()} if clicked_at else {},
        free_entry_ends_at=current,
        last_outbound_at=None,
    )
    message = OutboundBuilder(conversation=conversation)
    assert conversations_note_sent(sent=[(message.id, answered_at)]) == 1
    conversation.refresh_from_db()
    assert conversation.free_entry_ends_at == free_entry_end(current, clicked_at=clicked_at, answered_at=answered_at)
    assert conversation.last_outbound_at == answered_at


@pytest.mark.django_db
def test_our_last_message_never_moves_backwards():
    message = OutboundBuilder(conversation=ConversationBuilder(last_outbound_at=NOON))
    conversations_note_sent(sent=[(message.id, NOON - HOUR)])
    message.conversation.refresh_from_db()
    assert message.conversation.last_outbound_at == NOON
