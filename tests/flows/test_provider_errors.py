"""Each refusal closes what it names, no more, and for as long as it says."""

from datetime import timedelta

import pytest

from contacts.models import Address, ConsentEvent
from delivery.models import Attempt
from messaging.accounts import account_resume
from messaging.models import ChannelAccount
from tests.builders.contacts import NOW
from tests.flows.world import COME_BACK, HOUR, LAN, step
from tests.sandbox_process import NUMBER

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
MAI = "+84912345679"


def due(world, **policy):
    """A callback that is due in a minute."""
    campaign = world.campaign(step(**COME_BACK), **policy)
    world.click_ad()
    world.pass_time(hours=2, minutes=59)
    assert world.callback.status == "scheduled"
    return campaign


def to(world, phone):
    return [(send["answer"]["code"], send["accepted"]) for send in world.tried if send["to"] == phone]


def test_too_fast_for_the_number_is_tried_again_a_little_later(world):
    due(world)
    world.sandbox.fault("error", code=130429, next=1)
    world.pass_time(minutes=2)
    assert to(world, LAN) == [(None, True), (130429, False), (None, True)]
    assert world.callback.status == "delivered"


def test_too_many_to_one_person_slows_down_this_person_only(world):
    world.campaign(step())
    world.click_ad(phone=LAN)
    world.click_ad(phone=MAI)
    world.sandbox.fault("error", code=131056, where={"to": LAN}, next=1)
    world.pass_time(until=NOW + 3 * HOUR)
    assert to(world, MAI)[1:] == [(None, True)]
    assert to(world, LAN)[1:] == [(131056, False)]
    world.pass_time(minutes=1)
    assert to(world, LAN)[1:] == [(131056, False), (None, True)]
    assert ChannelAccount.objects.get().status == "active"


def test_who_gets_too_much_advertising_is_left_alone_for_a_day(world):
    """131049 as the provider tells it: taken, then reported as failed."""
    world.campaign(
        step(**COME_BACK), step(delay=2 * HOUR, useful_for=timedelta(days=5), **COME_BACK), patience=timedelta(hours=26)
    )
    world.click_ad()
    world.sandbox.fault("fail", code=131049, where={"type": "template"}, next=1)
    world.pass_time(hours=30)
    first = world.callbacks[0]
    assert (first.status, first.error_code) == ("failed", "131049")
    assert world.contact.deferred_until == NOW + timedelta(hours=27 + 24)
    world.pass_time(days=3)
    _greeting, _refused, second = world.sent
    assert second["at"] >= "2026-11-20T06:00:00"
    assert second["statuses"][-1]["status"] == "delivered"


def test_who_has_no_whatsapp_is_not_tried_again_until_they_write(world):
    due(world)
    world.sandbox.post("people", on_whatsapp=False, **{"from": LAN})
    world.pass_time(minutes=2)
    assert (world.callback.status, world.callback.error_code) == ("failed", "131026")
    assert Address.objects.get(kind="phone").unreachable_since is not None
    world.sandbox.post("people", on_whatsapp=True, **{"from": LAN})
    world.pass_time(minutes=10)
    world.write("Tôi có điện thoại mới")
    assert Address.objects.get(kind="phone").unreachable_since is None


def test_an_opt_out_that_only_the_provider_knows_of_becomes_ours(world):
    due(world)
    world.sandbox.fault("fail", code=131050, where={"type": "interactive"}, next=1)
    world.pass_time(minutes=2)
    assert (world.callback.status, world.callback.reason) == ("failed", "opted_out")
    assert ConsentEvent.objects.get(action="withdrawn").source == "provider_error"
    world.pass_time(days=4)
    assert len(world.tried) == 2


@pytest.mark.parametrize("code", [190, 131042, 131048])
def test_a_token_a_bill_or_a_spam_block_stops_the_account_until_a_person_resumes_it(world, code):
    due(world)
    if code == 190:
        world.sandbox.post("tokens", access_token=NUMBER["access_token"], state="revoked")
    else:
        world.sandbox.fault("error", code=code)
    world.pass_time(hours=1)
    account = ChannelAccount.objects.get()
    assert account.status == "paused"
    assert account.pause_reason.startswith(str(code))
    assert world.callback.status == "scheduled"
    assert len(world.tried) <= 2 + (code == 190)  # not hammered

    world.sandbox.clear_faults()
    world.sandbox.post("tokens", access_token=NUMBER["access_token"], state="valid")
    account_resume(account_id=account.pk, actor=world.manager, now=world.now)
    world.pass_time(minutes=10)
    assert world.callback.status == "delivered"
    assert len(world.sent) == 2


def test_a_template_the_provider_will_not_take_stops_itself_and_nothing_else(world):
    world.campaign(step(**COME_BACK), patience=timedelta(hours=26))
    world.click_ad()
    world.sandbox.fault("error", code=132015, where={"type": "template"})
    world.pass_time(hours=28)
    assert world.account.templates.get().status == "PAUSED"
    assert world.callback.status == "scheduled"
    assert ChannelAccount.objects.get().status == "active"
    world.click_ad(phone=MAI)
    assert to(world, MAI) == [(None, True)]


def test_a_message_that_is_wrong_fails_at_once(world):
    due(world)
    world.sandbox.fault("error", code=131009, where={"type": "interactive"})
    world.pass_time(hours=2)
    assert (world.callback.status, world.callback.error_code) == ("failed", "131009")
    assert len(world.tried) == 2


def test_a_message_held_for_quality_is_waited_for_and_never_repeated(world):
    due(world)
    world.sandbox.fault("held", release_after=0.3, next=1)
    world.hold_webhooks()
    world.pass_time(minutes=2)
    assert world.callback.status == "held"
    world.hold_webhooks(False)
    world.sandbox.until(lambda: world.sent[-1]["statuses"])
    world.pass_time(minutes=20)
    assert world.callback.status == "delivered"
    assert len(world.tried) == 2


def test_an_error_of_the_moment_is_tried_again_with_patience(world):
    due(world)
    world.sandbox.fault("error", code=131016, http=400, next=2)
    world.pass_time(minutes=5)
    assert [accepted for _code, accepted in to(world, LAN)] == [True, False, False, True]
    assert Attempt.objects.filter(message=world.callback).count() == 3
    assert world.callback.status == "delivered"
