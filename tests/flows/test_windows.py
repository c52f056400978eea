"""Free text inside the window, the approved template outside it, and nothing where neither is allowed."""

from datetime import timedelta

import pytest

from conversations.models import DropOut
from delivery.models import Decision
from messaging.models import Template
from tests.builders.contacts import NOW
from tests.flows.world import COME_BACK, HOUR, LAN, MINUTE, step

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
LONG = timedelta(hours=26)  # a patience that outlasts the window
TEXAS = "+15125551234"


def refusals():
    return list(Decision.objects.filter(verdict="refuse").values_list("reason", flat=True))


def test_a_callback_whose_time_would_come_after_the_window_goes_out_before_it_closes(world):
    world.campaign(step(delay=30 * HOUR))
    world.click_ad()
    world.pass_time(days=2)
    _greeting, callback = world.sent
    assert callback["at"].startswith("2026-11-19T02:30:00")  # half an hour before the window closes at 10:00
    assert callback["window_open"]


def test_after_the_window_the_approved_template_goes_with_its_values_filled_in(world):
    world.campaign(step(**COME_BACK), patience=LONG)
    world.click_ad()
    world.pass_time(days=3)
    _greeting, callback = world.sent
    assert callback["at"].startswith("2026-11-19T06:00")
    assert (callback["type"], callback["template"], callback["window_open"]) == ("template", "come_back", False)
    assert callback["text"] == "Chào Lan, mẫu nhẫn còn chờ bạn nhé!"
    assert (world.callback.kind, world.callback.text) == ("template", callback["text"])
    assert Decision.objects.get(message=world.callback, verdict="send").basis == "consent"


def test_without_consent_no_template_goes_and_the_reason_is_kept(world):
    campaign = world.campaign(step(**COME_BACK), patience=LONG, consent=False)
    world.click_ad()
    world.pass_time(days=3)
    assert [send["type"] for send in world.tried] == ["text"]
    assert refusals() == ["no_consent"]
    assert world.funnel(campaign).value("refused:no_consent") == 1


def test_without_consent_the_callback_inside_the_window_still_goes(world):
    world.campaign(step(**COME_BACK), consent=False)
    world.click_ad()
    world.pass_time(days=3)
    assert [send["type"] for send in world.tried] == ["text", "interactive"]
    assert Decision.objects.get(message=world.callback, verdict="send").basis == "window"


def test_a_marketing_template_to_the_united_states_is_never_even_tried(world):
    world.campaign(step(**COME_BACK), patience=LONG)
    world.click_ad(phone=TEXAS)
    assert (world.contact.country, world.contact.region) == ("US", "TX")
    world.pass_time(days=3)
    assert [send["type"] for send in world.tried] == ["text"]  # the greeting
    assert refusals() == ["country_blocked"]


def test_without_a_template_there_is_nothing_to_say_after_the_window(world):
    world.campaign(step(), patience=LONG)
    world.click_ad()
    world.pass_time(days=3)
    assert [send["type"] for send in world.tried] == ["text"]
    assert refusals() == ["window_closed"]


def test_a_paused_template_waits_until_the_provider_releases_it(world):
    world.campaign(step(**COME_BACK), patience=LONG)
    world.click_ad()
    world.pass_time(until=NOW + LONG + 30 * MINUTE)
    world.sandbox.post("template-status", name="come_back", language="vi", event="PAUSED")
    world.pass_time(hours=2)
    assert Template.objects.get().status == "PAUSED"
    assert (world.callback.status, world.callback.waiting_for) == ("scheduled", "template_paused")
    assert [send["type"] for send in world.tried] == ["text"]

    world.sandbox.post("template-status", name="come_back", language="vi", event="APPROVED")
    world.pass_time(hours=1)
    assert [send["type"] for send in world.tried] == ["text", "template"]
    assert world.callback.status == "delivered"


def test_nothing_is_planned_for_a_template_that_is_paused_and_all_of_it_once_it_is_not(world):
    world.campaign(step(delay=timedelta(0), **COME_BACK), patience=LONG)
    world.click_ad()
    world.sandbox.post("template-status", name="come_back", language="vi", event="PAUSED")
    world.clock(NOW + LONG + MINUTE)
    world.beat()
    assert DropOut.objects.exists()
    assert not world.callbacks
    world.sandbox.post("template-status", name="come_back", language="vi", event="APPROVED")
    world.clock(world.now + MINUTE)
    world.beat()
    assert [send["type"] for send in world.tried] == ["text", "template"]


def test_when_the_provider_says_the_window_is_closed_the_template_goes_instead(world):
    world.campaign(step(**COME_BACK))
    world.click_ad()
    world.sandbox.fault("error", code=131047, where={"type": "interactive"})
    world.pass_time(hours=5)
    assert [(send["type"], send["accepted"]) for send in world.tried] == [
        ("text", True), ("interactive", False), ("template", True),
    ]  # fmt: skip
    assert world.callback.status == "delivered"
    assert world.conversation.service_window_ends_at < NOW + 24 * HOUR  # we have learnt from it


def test_when_the_provider_says_so_and_there_is_no_template_it_is_not_tried_again(world):
    world.campaign(step())
    world.click_ad()
    world.sandbox.fault("error", code=131047, where={"type": "interactive"})
    world.pass_time(days=2)
    assert [send["type"] for send in world.tried] == ["text", "interactive"]
    assert (world.callback.status, world.callback.reason) == ("failed", "window_closed")


def test_a_message_that_arrives_a_day_late_opens_no_window(world):
    world.campaign(step(**COME_BACK))
    world.sandbox.inbound("Chào shop", phone=LAN, at=(NOW - 25 * HOUR).isoformat(), wait=10)
    world.beat()
    assert world.conversation.service_window_ends_at == NOW - HOUR
    assert not world.tried
