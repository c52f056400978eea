"""The story the product is for, from the click to the sale, judged by the provider's own record."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from campaigns.entry_points import SpendRow, ad_spend_record
from campaigns.links import qr_image
from campaigns.models import AdClick
from contacts.models import ConsentEvent
from conversations.models import Conversation, Conversion, DropOut
from tests.builders.contacts import NOW
from tests.flows.world import BUTTONS, COME_BACK, HOUR, PATIENCE, SECOND, step

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_from_the_ad_to_the_silence_to_the_callback_to_the_sale(world):
    campaign = world.campaign(step())
    ad = campaign.entry_points.get()
    ad_spend_record(rows=[SpendRow(ad.pk, date(2026, 11, 18), 200, 4, Decimal("300000"), "VND")])

    world.click_ad(click_id="ARx9")
    conversation = world.conversation
    assert (conversation.attribution, conversation.entry_point, conversation.click_id) == ("ad", ad, "ARx9")
    assert [send["text"] for send in world.sent] == ["Chào Lan!"]
    assert conversation.free_entry_ends_at == NOW + timedelta(hours=72)
    assert ConsentEvent.objects.get().wording == ad.consent_wording

    world.pass_time(until=NOW + PATIENCE - SECOND)
    assert not DropOut.objects.exists()
    world.pass_time(minutes=10)
    assert DropOut.objects.get().silent_since == NOW
    assert len(world.sent) == 1  # planned, not yet said

    world.pass_time(hours=2)
    _greeting, callback = world.sent
    assert callback["at"].startswith("2026-11-18T06:00:00")  # the ideal time: an hour after patience ran out, 13:00
    assert (callback["type"], callback["window_open"]) == ("interactive", True)
    assert callback["text"] == "Lan ơi, bạn còn quan tâm không?"
    titles = [b["reply"]["title"] for b in callback["body"]["interactive"]["action"]["buttons"]]
    assert titles == [button["title"] for button in BUTTONS]
    assert world.callback.status == "delivered"

    world.tap(BUTTONS[0], callback["message_id"])
    assert (DropOut.objects.get().ended_by, world.conversation.turn) == ("reply", 2)

    world.pass_time(hours=1)
    status, told = world.api(
        "POST", "conversions/",
        {"external_id": "order-1", "kind": "purchase", "value": "12500000", "currency": "VND",
         "phone": "+84 912 345 678", "occurred_at": world.now.isoformat()},
    )  # fmt: skip
    assert status == 201, told
    conversion = Conversion.objects.get()
    assert (conversion.campaign, conversion.entry_point, conversion.message) == (campaign, ad, world.callback)

    world.pass_time(days=2)
    assert len(world.sent) == 2  # who bought is left in peace
    numbers = world.funnel(campaign)
    expected = {
        "impressions": 200, "ad_clicks": 4, "conversations_started": 1, "conversations_answered": 1, "dropouts": 1,
        "callbacks_planned": 1, "callbacks_sent": 1, "callbacks_delivered": 1, "called_back": 1, "reengaged": 1,
        "conversions": 1, "revenue:VND": Decimal(12500000), "conversation_start_rate": Decimal("0.25"),
        "reengagement_rate": 1,
    }  # fmt: skip
    assert {key: numbers.value(key) for key in expected} == expected


@pytest.mark.parametrize("kind", ["link", "qr"])
def test_a_tracked_link_leads_into_the_chat_and_is_found_again_in_the_first_message(world, kind):
    campaign = world.campaign()
    door = world.door(campaign, kind=kind, prefilled_text="Chào shop")
    if kind == "qr":
        assert b"<svg" in qr_image(door)
    status, text = world.open_link(door, query="?fbclid=IwAR1&utm_source=fb&name=Lan")
    click = AdClick.objects.get()
    assert (status, click.parameters) == (302, {"fbclid": "IwAR1", "utm_source": "fb"})
    assert text.startswith("Chào shop [")

    world.write(text.lower().replace("[", "").replace("-", " ") + " ạ", name="Lan")
    conversation = world.conversation
    assert (conversation.attribution, conversation.ad_click, conversation.entry_point) == ("reference", click, door)
    assert conversation.campaign == campaign
    assert [send["text"] for send in world.sent] == ["Chào Lan!"]


def test_a_click_that_is_never_followed_by_a_message_is_counted_and_opens_nothing(world):
    campaign = world.campaign()
    link = world.door(campaign, kind="link", prefilled_text="Chào shop")
    world.open_link(link)
    world.pass_time(days=2)
    assert not Conversation.objects.exists()
    assert not world.tried
    assert world.funnel(campaign).value("tracked_clicks") == 1
    assert world.funnel(campaign).value("conversation_start_rate") == 0


def test_a_preview_of_a_link_gets_its_redirect_and_is_not_counted(world):
    link = world.door(world.campaign(), kind="link", prefilled_text="Chào shop")
    preview = {"User-Agent": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"}
    assert world.open_link(link, headers=preview) == (302, "Chào shop")
    assert world.open_link(link, method="HEAD") == (302, "Chào shop")
    assert not AdClick.objects.exists()


def test_a_message_from_an_ad_that_nobody_knows_is_kept_and_said_to_be_so(world):
    campaign = world.campaign()
    world.click_ad(ad="999", click_id="ARunknown")
    conversation = world.conversation
    assert (conversation.attribution, conversation.campaign, conversation.click_id) == (
        "unknown_ad", None, "ARunknown",
    )  # fmt: skip
    world.pass_time(days=1)
    assert not world.tried  # no campaign, so no greeting and no callback
    assert world.funnel(campaign).value("conversations_started") == 0


def test_a_second_step_follows_a_day_later_by_template_and_then_there_is_peace(world):
    later = step(delay=5 * HOUR, **COME_BACK)
    world.campaign(step(), later, later, max_attempts=2)
    world.click_ad()
    world.pass_time(days=4)
    _greeting, first, second = world.sent
    assert (first["type"], second["type"]) == ("interactive", "template")
    # Its own time would be five hours later; the house's cap of one a day makes it wait, and by then only the
    # template will do.
    assert second["at"].startswith("2026-11-19T06:00")
    assert second["text"] == "Chào Lan, mẫu nhẫn còn chờ bạn nhé!"
    assert [message.status for message in world.callbacks] == ["delivered", "delivered"]
