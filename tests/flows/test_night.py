"""Nobody is woken up: quiet hours are those of where the person is, and the strictest of what is possible."""

from datetime import UTC, datetime

import pytest

from tests.builders.contacts import NOW
from tests.flows.world import HOUR, MINUTE, step

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def evening(world, now, **who):
    """A click in the evening; the callback's own time falls into the night."""
    world.campaign(step())
    world.clock(now)
    world.click_ad(**who)
    assert len(world.sent) == 1  # who writes at night is answered at night
    world.pass_time(days=2)
    _greeting, callback = world.sent
    return datetime.fromisoformat(callback["at"])


def test_in_ha_noi_the_callback_waits_for_seven_in_the_morning(world):
    assert evening(world, NOW + 10 * HOUR) == datetime(2026, 11, 19, 0, 0, tzinfo=UTC)


def test_in_texas_it_waits_for_nine_in_texas(world):
    # 18:30 in Austin; three hours later it is past nine in the evening.
    now = datetime(2026, 11, 18, 0, 30, tzinfo=UTC)
    assert evening(world, now, phone="+15125551234") == datetime(2026, 11, 18, 15, 0, tzinfo=UTC)


def test_somewhere_in_the_united_states_it_must_be_day_in_all_of_them(world):
    # Known by a user id alone: ten in the morning of the strictest state on Hawaii's clock, before six on New York's.
    now = datetime(2026, 11, 18, 21, 0, tzinfo=UTC)
    sent_at = evening(world, now, phone="", user_id="US.1001", hidden=True)
    assert len(world.contact.time_zones) > 5
    assert sent_at == datetime(2026, 11, 19, 20, 0, tzinfo=UTC)


def test_where_the_day_does_not_come_before_the_window_closes_it_goes_out_the_evening_before(world):
    world.campaign(step(delay=20 * HOUR))
    world.clock(datetime(2026, 11, 17, 23, 30, tzinfo=UTC))  # 06:30 in Hà Nội: the window closes before seven
    world.click_ad()
    world.pass_time(days=2)
    _greeting, callback = world.sent
    sent_at = datetime.fromisoformat(callback["at"])
    assert datetime(2026, 11, 18, 14, 30, tzinfo=UTC) <= sent_at < datetime(2026, 11, 18, 14, 50, tzinfo=UTC)


def test_a_message_that_became_late_waits_for_the_morning_too(world):
    world.campaign(step())
    world.clock(NOW + 8 * HOUR)  # 18:00; the callback is due at 21:00, still permitted
    world.click_ad()
    world.pass_time(until=NOW + 10 * HOUR + 30 * MINUTE)
    assert world.callback.due_at == NOW + 11 * HOUR
    world.clock(NOW + 13 * HOUR)  # nobody was there to send it until 23:00
    world.beat()
    assert (world.callback.status, world.callback.waiting_for) == ("scheduled", "quiet_hours")
    world.pass_time(days=1)
    assert world.sent[1]["at"].startswith("2026-11-19T00:00:00")
