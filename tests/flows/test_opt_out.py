"""Who says stop is heard at once, told so once, and left in peace."""

import pytest

from contacts.models import ConsentEvent, OptOutReview
from contacts.optout import review_decide
from conversations.models import DropOut, Message
from delivery.models import Attempt
from tests.flows.world import HOUR, LAN, MINUTE, step

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def planned(world):
    """Half an hour before the callback is due."""
    campaign = world.campaign(step(), step(delay=24 * HOUR))
    world.click_ad()
    world.pass_time(hours=2, minutes=30)
    assert world.callback.status == "scheduled"
    return campaign


@pytest.mark.parametrize(
    ("words", "answer"), [("HỦY", "DK"), ("BAJA", "ALTA"), ("stop please", "START"), ("🛑 Xin hủy giúp em ạ!", "DK")]
)
def test_a_stop_word_between_plan_and_send_stops_everything_and_is_confirmed_once(world, words, answer):
    campaign = planned(world)
    world.write(words, opt_out=True)
    assert (world.callback.status, world.callback.reason) == ("cancelled", "opted_out")
    assert DropOut.objects.get().ended_by == "opt_out"
    world.pass_time(days=4)
    _greeting, confirmation = world.sent
    assert confirmation["text"].startswith("Kim Hoàn")
    assert answer in confirmation["text"]
    assert world.contact.consent_withdrawn == ["whatsapp:marketing"]
    assert ConsentEvent.objects.get(action="withdrawn").wording == words
    assert world.funnel(campaign).value("optouts") == 1


def test_the_providers_own_stop_stops_everything_without_a_word(world):
    planned(world)
    world.sandbox.post("preferences", value="stop", wait=10, **{"from": LAN})
    world.beat()
    world.pass_time(days=4)
    assert len(world.tried) == 1
    assert world.callback.reason == "opted_out"
    assert ConsentEvent.objects.get(action="withdrawn").source == "preference"


def test_words_that_may_mean_stop_hold_everything_until_somebody_has_read_them(world):
    planned(world)
    world.write("Không muốn nhận nữa đâu nhé shop ơi")
    world.pass_time(hours=1)
    review = OptOutReview.objects.get()
    assert world.contact.reviews_open == 1
    review_decide(review_id=review.pk, verdict="opt_out", actor=world.agent, now=world.now)
    world.pass_time(days=4)
    assert len(world.tried) == 1
    assert world.contact.consent_withdrawn == ["whatsapp:marketing"]


def test_a_confirmation_whose_answer_is_lost_is_not_repeated_when_a_status_proves_it(world):
    planned(world)
    world.sandbox.fault("reset", accept=True, next=1)
    world.write("stop")
    world.pass_time(hours=1)
    confirmations = [send for send in world.sent if "START" in send["text"]]
    assert len(confirmations) == 1
    assert Message.objects.get(origin="optout_confirmation").status == "delivered"


def test_a_confirmation_that_never_arrived_is_sent_again_until_it_has(world):
    planned(world)
    world.sandbox.fault("reset", accept=False, next=1)
    world.write("stop")
    assert Message.objects.get(origin="optout_confirmation").status == "unknown"
    world.pass_time(hours=1)
    assert [send["accepted"] for send in world.tried] == [True, False, True]  # the greeting, the lost one, the next
    assert sum("START" in send["text"] for send in world.sent) == 1
    assert Message.objects.get(origin="optout_confirmation").status == "delivered"
    assert sorted(Attempt.objects.filter(message__origin="optout_confirmation").values_list("state", flat=True)) == [
        "abandoned", "accepted",
    ]  # fmt: skip


def test_who_opts_in_again_is_called_back_again(world):
    planned(world)
    world.write("stop")
    world.pass_time(minutes=1)
    world.write("start")
    assert (world.contact.consent_granted, world.contact.consent_withdrawn) == (["whatsapp:marketing"], [])
    assert "again" in world.sent[-1]["text"]
    world.pass_time(hours=4)
    assert world.sent[-1]["type"] == "interactive"
    assert [message.status for message in world.callbacks] == ["cancelled", "delivered"]


def test_an_old_stop_that_arrives_late_does_not_undo_a_newer_start(world):
    planned(world)
    stopped_at = world.now
    world.pass_time(minutes=1)
    world.write("start")
    world.sandbox.inbound("stop", phone=LAN, at=(stopped_at - MINUTE).isoformat(), wait=10)
    world.beat()
    assert world.contact.consent_withdrawn == []
