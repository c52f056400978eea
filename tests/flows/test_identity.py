"""One person stays one person, however WhatsApp names them."""

import pytest

from contacts.models import Address, Contact
from conversations.models import DropOut
from conversations.services import conversation_reply
from tests.flows.world import HOUR, step

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
LAN_ID = "VN.1001"
PHONE, NEW_PHONE = "+84912345601", "+84912345602"


def answer(world, key):
    conversation_reply(
        conversation_id=world.conversation.pk, text="Dạ vâng ạ.", buttons=(), actor=None, dedupe_key=key, now=world.now
    )
    world.beat()


def test_somebody_with_a_username_is_called_back_by_user_id_and_later_by_phone(world):
    world.campaign(step(), max_attempts=10)
    world.click_ad(phone="", user_id=LAN_ID, username="lan.rings", hidden=True)
    world.pass_time(hours=4)
    greeting, first = world.sent
    assert [(send["recipient"], send["to"]) for send in (greeting, first)] == [(LAN_ID, "")] * 2

    # The phone appears, disappears again, and changes: still one contact in one conversation.
    world.write("Số của em đây", phone=PHONE, user_id=LAN_ID, hidden=False)
    world.write("Em ẩn số nhé", phone="", user_id=LAN_ID, hidden=True)
    assert Contact.objects.count() == 1
    answer(world, "b1")
    world.pass_time(days=1)
    assert world.sent[-1]["type"] == "interactive"
    assert world.sent[-1]["to"] == PHONE

    world.sandbox.post("identity-change", user_id=LAN_ID, kind="user_changed_number", new_phone=NEW_PHONE,
                       new_user_id="VN.2002")  # fmt: skip
    world.write("Em đổi số rồi", phone="", user_id="VN.2002", hidden=True)
    answer(world, "b2")
    world.pass_time(days=1)
    assert world.sent[-1]["type"] == "interactive"
    assert world.sent[-1]["to"] in ("", NEW_PHONE)
    assert world.sent[-1]["person"] == world.sent[0]["person"]
    assert (Contact.objects.count(), world.conversation.turn) == (1, 4)
    assert DropOut.objects.count() == 3


def test_a_new_number_announced_by_the_provider_takes_the_place_of_the_old(world):
    world.campaign(step())
    world.click_ad(phone=PHONE)
    world.pass_time(hours=1)
    world.sandbox.post("identity-change", kind="user_changed_number", new_phone=NEW_PHONE, **{"from": PHONE})
    world.pass_time(hours=3)
    assert [send["to"] for send in world.sent] == [PHONE, NEW_PHONE]
    old = Address.objects.get(kind="phone", value=PHONE)
    assert old.superseded_by.value == NEW_PHONE


def test_an_opt_out_by_user_id_binds_the_phone_too(world):
    world.campaign(step())
    world.click_ad(phone=PHONE, user_id=LAN_ID)
    world.pass_time(hours=2, minutes=30)
    world.write("stop", phone="", user_id=LAN_ID, hidden=True)
    world.pass_time(days=2)
    assert [send["type"] for send in world.sent] == ["text", "text"]
    assert world.callback.reason == "opted_out"


def test_who_writes_from_the_old_number_afterwards_is_somebody_else(world):
    world.campaign(step())
    world.click_ad(phone=PHONE)
    world.sandbox.post("identity-change", kind="user_changed_number", new_phone=NEW_PHONE, **{"from": PHONE})
    world.pass_time(seconds=10)
    world.click_ad(phone=PHONE, text="Xin chào")
    assert Contact.objects.count() == 2
    world.pass_time(hours=4)
    callbacks = [send for send in world.sent if send["type"] == "interactive"]
    assert sorted(send["to"] for send in callbacks) == [PHONE, NEW_PHONE]
    assert len({send["person"] for send in callbacks}) == 2


def test_a_hidden_persons_callback_goes_into_their_own_window(world):
    world.campaign(step(delay=30 * HOUR))
    world.click_ad(phone="", user_id=LAN_ID, hidden=True)
    world.pass_time(days=2)
    assert [send["window_open"] for send in world.sent] == [True, True]
