"""What was planned is cancelled, at once, by whatever makes it wrong."""

from decimal import Decimal
from uuid import UUID

import pytest

from callbacks.services import policy_save
from campaigns.holdout import holdout_assigned
from campaigns.models import Campaign
from campaigns.services import campaign_end, campaign_pause, campaign_update
from contacts.addresses import contact_identify
from conversations.conversions import conversion_record
from conversations.models import DropOut
from conversations.services import conversation_close, conversation_hand_back, conversation_reply
from delivery.models import Decision
from tests.flows.world import BUTTONS, COME_BACK, HOUR, LAN, step

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def planned(world):
    """Half an hour before the callback is due."""
    campaign = world.campaign(step(**COME_BACK))
    world.click_ad()
    world.pass_time(hours=2, minutes=30)
    assert world.callback.status == "scheduled"
    return campaign


def reply(world, campaign):
    world.write("Xin lỗi, mình bận quá")


def convert(world, campaign):
    conversion_record(
        external_id="o1", contact=world.contact, kind="purchase", occurred_at=world.now, source="csv", now=world.now,
        value=Decimal(5), currency="VND",
    )  # fmt: skip


def close(world, campaign):
    conversation_close(conversation_id=world.conversation.pk, category="answered", actor=world.agent, now=world.now)


def pause(world, campaign):
    campaign_pause(campaign_id=campaign.pk, actor=world.manager, now=world.now)


def end(world, campaign):
    campaign_end(campaign_id=campaign.pk, actor=world.manager, now=world.now)


def edit(world, campaign):
    campaign_update(campaign_id=campaign.pk, actor=world.marketer, now=world.now, greeting="Xin chào!")


def edit_the_policy(world, campaign):
    policy_save(campaign_id=campaign.pk, actor=world.marketer, now=world.now, patience=3 * HOUR)


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        (reply, "replied_since"),
        (convert, "converted"),
        (close, "conversation_closed"),
        (pause, "campaign_paused"),
        (end, "campaign_paused"),
        (edit, "campaign_paused"),
        (edit_the_policy, "campaign_paused"),
    ],
)
def test_it_is_cancelled_at_once(world, deed, reason):
    campaign = planned(world)
    deed(world, campaign)
    world.beat()
    assert (world.callback.status, world.callback.reason) == ("cancelled", reason)
    world.pass_time(days=4)
    assert len(world.tried) == 1  # the greeting


@pytest.mark.parametrize("deed", [pause, end, edit])
def test_even_before_the_sweep_has_come_by_the_send_path_sees_it(world, deed):
    campaign = planned(world)
    world.clock(world.now + HOUR)
    deed(world, campaign)
    world.dispatch()
    assert (world.callback.status, world.callback.reason) == ("suppressed", "campaign_paused")
    assert len(world.tried) == 1


def test_a_campaign_that_was_edited_runs_again_after_a_new_approval(world):
    campaign = planned(world)
    edit(world, campaign)
    assert Campaign.objects.get().status == "paused"
    world.approve(campaign)
    world.pass_time(hours=1)
    assert world.sent[-1]["type"] == "interactive"


def test_who_asks_for_a_person_gets_one_and_no_callback_meanwhile(world):
    planned(world)
    status, told = world.api("POST", f"conversations/{world.conversation.pk}/take-over/", {})
    assert status == 200, told
    assert (world.callback.status, world.callback.reason) == ("cancelled", "conversation_with_agent")
    assert DropOut.objects.get().ended_by == "hand_over"
    conversation_reply(
        conversation_id=world.conversation.pk, text="Chào bạn, mình là Hương.", buttons=(), actor=world.agent,
        dedupe_key="r1", now=world.now,
    )  # fmt: skip
    world.pass_time(hours=6)
    assert [send["text"] for send in world.sent] == ["Chào Lan!", "Chào bạn, mình là Hương."]

    world.write("Cảm ơn chị, để em nghĩ thêm")
    conversation_reply(
        conversation_id=world.conversation.pk, text="Dạ vâng ạ.", buttons=(), actor=world.agent, dedupe_key="r2",
        now=world.now,
    )  # fmt: skip
    world.pass_time(minutes=1)
    conversation_hand_back(conversation_id=world.conversation.pk, actor=world.agent, now=world.now)
    world.pass_time(hours=20)
    assert [send["type"] for send in world.sent] == ["text", "text", "text", "interactive"]
    assert DropOut.objects.filter(episode=2).exists()


def test_a_reply_ends_the_episode_and_a_new_silence_begins_another(world):
    world.campaign(step())
    world.click_ad()
    world.pass_time(hours=4)
    world.tap(BUTTONS[1], world.sent[-1]["message_id"])
    conversation_reply(
        conversation_id=world.conversation.pk, text="Dạ, khi nào tiện ạ?", buttons=(), actor=None, dedupe_key="bot1",
        now=world.now,
    )  # fmt: skip
    world.pass_time(days=2)
    assert [episode.ended_by for episode in DropOut.objects.order_by("episode")] == ["reply", ""]
    # The house allows one such message a day: the second episode's goes out when the first one's day is over.
    assert [send["type"] for send in world.sent] == ["text", "interactive", "text", "interactive"]


def test_members_of_the_holdout_are_not_called_back_and_are_reported_with_everybody(world):
    campaign = world.campaign(step(), holdout=50)
    people = {}
    for name, phone in (("held", LAN), ("treated", "+84912345679")):
        people[name] = contact_identify(
            channel="whatsapp", portfolio_id=world.account.portfolio_id, addresses=[("phone", phone)], name=name,
            now=world.now,
        )  # fmt: skip
    salt = next(
        UUID(int=n)
        for n in range(1000)
        if [
            holdout_assigned(salt=UUID(int=n), percent=Decimal(50), contact_id=people[name].pk)
            for name in ("held", "treated")
        ]
        == [True, False]
    )
    Campaign.objects.update(holdout_salt=salt)
    world.click_ad(phone=LAN)
    world.click_ad(phone="+84912345679")
    world.pass_time(hours=4)
    world.write("Mình quay lại đây", phone=LAN)
    world.pass_time(days=1)

    callbacks = [send for send in world.sent if send["type"] == "interactive"]
    assert [send["to"] for send in callbacks] == ["+84912345679"]
    refusal = Decision.objects.get(verdict="refuse")
    assert (refusal.contact, refusal.reason, refusal.stage) == (people["held"], "holdout", "plan")
    numbers = world.funnel(campaign)
    expected = {
        "dropouts": 2, "dropouts_holdout": 1, "dropouts_treated": 1, "called_back": 1, "recovered_holdout": 1,
        "recovered_treated": 0, "refused:holdout": 1, "recovery_lift": -1,
    }  # fmt: skip
    assert {key: numbers.value(key) for key in expected} == expected
