"""What arrives twice counts once, what is forged counts for nothing, and what Redis forgets was never only there."""

import json
import threading

import pytest
from django.db import connection

from callbacks.planner import callbacks_plan, dropouts_detect
from conversations.models import Conversation, DropOut, Message
from delivery.dispatch import dispatch_due
from messaging.models import WebhookReceipt
from tests.builders import webhooks as wa
from tests.flows.world import AD, BUTTONS, HOUR, LAN, MINUTE, step
from tests.sandbox_process import NUMBER

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_the_same_webhook_a_hundred_times_is_one_message_and_one_greeting(world):
    world.campaign()
    world.click_ad()
    delivery = world.sandbox.deliveries()[0]
    world.sandbox.post(f"deliveries/{delivery['id']}/again", times=99)
    world.beat()
    first = WebhookReceipt.objects.earliest("id")
    assert (first.deliveries, first.state) == (100, "processed")
    assert Message.objects.filter(direction="in").count() == 1
    assert [send["text"] for send in world.sent] == ["Chào Lan!"]


def test_the_same_message_in_different_bodies_is_one_message_too(world):
    world.campaign()
    written = world.click_ad()
    world.sandbox.webhooks(batch=3, linger=0.05)
    for _copy in range(3):
        world.sandbox.inbound("Tôi muốn biết thêm", phone=LAN, id=written["message_id"], wait=0)
    world.beat()
    assert (world.conversation.turn, len(world.sent)) == (1, 1)


def test_fifty_messages_of_which_one_is_poison_are_forty_nine_conversations(world):
    world.campaign()
    referral = {"source_type": "ad", "source_id": AD, "ctwa_clid": "ARx"}
    items = [wa.text(f"chào {n}", phone=f"8490500{n:04d}", at=world.now, referral=referral) for n in range(50)]
    items[7] = wa.text("poison", phone="", bsuid="VN." + "A" * 300, at=world.now)
    answer = world.sandbox.post("raw", body=json.loads(wa.messages(world.account, *items)))
    assert answer["state"] == "delivered"
    for phone in (item["from"] for item in items if "from" in item):
        world.sandbox.post("people", **{"from": "+" + phone})
    world.hear()
    assert (Conversation.objects.count(), Message.objects.filter(origin="greeting").count()) == (49, 49)
    receipt = WebhookReceipt.objects.get()
    assert (receipt.state, len(receipt.faults)) == ("partial", 1)


@pytest.mark.parametrize("signature", ["invalid", "missing"])
def test_a_forged_webhook_is_turned_away_and_leaves_nothing(world, signature):
    world.campaign()
    body = json.loads(wa.messages(world.account, wa.text("stop")))
    answer = world.sandbox.post("raw", body=body, signature=signature)
    assert answer["state"] != "delivered"
    assert answer["attempts"][0]["status"] in (401, 403)
    world.holding = True  # the sandbox goes on waiting for a 200
    world.beat()
    assert not WebhookReceipt.objects.exists()
    assert not Message.objects.exists()


def test_another_shops_secret_vouches_for_nobody_else(world):
    """Correctly signed by one account, it speaks of another's customers."""
    world.campaign()
    rival = {"phone_number_id": "800000000000002", "waba_id": "900000000000002", "app_secret": "rival-secret"}
    world.number("Rival", display_phone_number="+842473000002", access_token="rival-token", **rival)
    body = json.loads(wa.messages(world.account, wa.text("stop", phone=LAN.lstrip("+"))))
    world.sandbox.post("raw", number="800000000000002", body=body)
    world.hear()
    assert not Message.objects.exists()


def test_the_handshake_is_answered_to_who_knows_the_word(world):
    good = world.sandbox.post("handshake", challenge="77")
    bad = world.sandbox.post("handshake", verify_token="guess", challenge="77")
    assert (good["status"], good["body"]) == (200, "77")
    assert bad["status"] == 403
    assert NUMBER["verify_token"] not in json.dumps(bad)


def test_redis_may_forget_everything_between_any_two_steps(world, redis_client):
    world.forget = redis_client.flushall
    world.campaign(step())
    world.click_ad()
    world.pass_time(hours=4)
    world.tap(BUTTONS[0], world.sent[-1]["message_id"])
    world.write("stop")
    world.pass_time(days=2)
    assert [send["type"] for send in world.sent] == ["text", "interactive", "text"]
    assert DropOut.objects.get().ended_by == "reply"
    assert not Message.objects.filter(status__in=["scheduled", "claimed", "inflight", "unknown"]).exists()


def test_a_webhook_is_kept_although_nobody_can_be_woken(world, redis_client):
    """Redis refuses every write; the provider still gets its 200 and the sweep finds the receipt."""
    world.campaign()
    redis_client.config_set("maxmemory", "1")
    try:
        world.click_ad()
    finally:
        redis_client.config_set("maxmemory", "0")
    assert [send["text"] for send in world.sent] == ["Chào Lan!"]


def test_two_of_every_worker_at_once_do_everything_once(world):
    world.campaign(step())
    for n in range(5):
        world.click_ad(phone=f"+8491234570{n}")
    world.clock(world.now + 3 * HOUR + MINUTE)

    def work():
        try:
            dropouts_detect(now=world.now)
            callbacks_plan(now=world.now)
            dispatch_due(clock=lambda: world.now, seconds=2)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    world.pass_time(minutes=5)
    callbacks = [send["to"] for send in world.sent if send["type"] == "interactive"]
    assert sorted(callbacks) == [f"+8491234570{n}" for n in range(5)]
