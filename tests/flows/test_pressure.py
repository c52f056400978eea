"""A person has one attention, however many campaigns want it."""

from datetime import timedelta
from itertools import pairwise

import pytest

from conversations.models import Message
from tests.builders.contacts import NOW
from tests.flows.world import HOUR, LAN, step

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
OTHER_AD = "120210000000002"
SECOND_NUMBER = {
    "phone_number_id": "800000000000002", "display_phone_number": "+842473000002",
}  # fmt: skip


@pytest.mark.parametrize("first_is_higher", [True, False])
def test_of_two_campaigns_that_want_the_same_moment_the_higher_priority_goes_and_the_other_waits(
    world, first_is_higher
):
    """Two numbers of one business, the same person silent on both. The house allows one such message a day."""
    other = world.number("Kim Hoàn 2", **SECOND_NUMBER)
    priorities = (9, 1) if first_is_higher else (1, 9)
    world.campaign(step(text="Một"), priority=priorities[0])
    world.campaign(step(text="Hai"), ad=OTHER_AD, account=other, priority=priorities[1])
    world.click_ad(number="800000000000001")
    world.click_ad(number="800000000000002", ad=OTHER_AD)
    world.pass_time(hours=5)
    callbacks = [send["text"] for send in world.sent if send["type"] == "interactive"]
    assert callbacks == ["Một" if first_is_higher else "Hai"]
    waiting = Message.objects.get(origin="callback", status="scheduled")
    assert waiting.waiting_for == "frequency_cap"

    world.pass_time(days=2)
    # When the day is over, the other's window is about to close, in time for it or not; never both in one day.
    sent_at = [send["at"] for send in world.sent if send["type"] == "interactive"]
    assert len(sent_at) == 1 or sent_at[1] >= "2026-11-19T06:00"


def test_no_more_than_the_house_allows_however_many_steps_there_are(world):
    steps = [step(delay=timedelta(hours=1), text=f"Lần {n}", template_name="come_back", template_language="vi",
                  template_values={"body.1": "Lan", "body.2": "nhẫn"}, useful_for=timedelta(days=20))
             for n in range(8)]  # fmt: skip
    world.campaign(*steps, max_attempts=10)
    world.click_ad()
    world.pass_time(days=8)
    times = [m.sent_at for m in world.callbacks if m.sent_at]
    assert len(times) == 4  # one a day, three in any seven days: in eight days four
    assert all(later - earlier >= timedelta(days=1) for earlier, later in pairwise(times))
    assert times[3] - times[0] >= timedelta(days=7)


def test_as_often_as_was_promised_when_they_agreed(world):
    """The door said once a week; the house would allow three."""
    campaign = world.campaign(
        step(template_name="come_back", template_language="vi", template_values={"body.1": "Lan", "body.2": "nhẫn"}),
        step(delay=24 * HOUR, template_name="come_back", template_language="vi",
             template_values={"body.1": "Lan", "body.2": "nhẫn"}, useful_for=timedelta(days=20)),
    )  # fmt: skip
    door = campaign.entry_points.get()
    door.consent_per_week = 1
    door.save()
    world.click_ad(phone=LAN)
    world.pass_time(days=9)
    first, second = (m.sent_at for m in world.callbacks)
    assert first == NOW + 3 * HOUR
    assert second - first >= timedelta(days=7)
