"""From a signed webhook over real HTTP to what it means, with everything in between."""

from datetime import timedelta

import pytest

from callbacks.detection import dropouts_detect
from campaigns.models import AdClick
from contacts.models import Contact
from conversations.conversions import conversion_record
from conversations.models import Conversation, DropOut, Message
from conversations.receipts import receipts_process
from conversations.refs import ref_make
from conversations.tasks import receipts_process_task
from messaging.models import WebhookReceipt
from tests.builders import webhooks as wa
from tests.builders.campaigns import AdBuilder, CampaignBuilder, LinkBuilder
from tests.builders.contacts import NOW

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def shop(live_server, account):
    """Post a body, let it be processed, at a moment."""

    def say(*bodies, now=NOW):
        for raw in bodies:
            assert wa.post(live_server, raw) == 200
        receipts_process(now=now)

    return say


def test_a_click_that_is_never_followed_by_a_message_opens_nothing(account):
    link = LinkBuilder(campaign=CampaignBuilder(account=account))
    AdClick.objects.create(entry_point=link, reference="K7M2Q9TX", clicked_at=NOW)
    assert not Conversation.objects.exists()


def test_from_the_ad_to_the_answer_to_the_silence_to_the_reply_to_the_sale(shop, account):
    ad = AdBuilder(campaign=CampaignBuilder(account=account, greeting="Chào {{ contact.name }}!"))
    referral = {"source_type": "ad", "source_id": ad.ad_id, "ctwa_clid": "ARx"}
    shop(wa.messages(account, wa.text("Tôi muốn biết thêm", referral=referral)))
    conversation = Conversation.objects.get()
    greeting = Message.objects.get(origin="greeting")
    Message.objects.filter(pk=greeting.pk).update(status="inflight", fence=1)

    # The status is here before the answer to the send.
    sent = wa.status("wamid.G1", "sent", ref=ref_make(greeting.id, 1), at=NOW + timedelta(seconds=2))
    shop(wa.statuses(account, sent), wa.statuses(account, wa.status("wamid.G1", "delivered", at=NOW + HOUR)))
    greeting.refresh_from_db()
    conversation.refresh_from_db()
    assert (greeting.status, greeting.provider_message_id) == ("delivered", "wamid.G1")
    assert conversation.last_outbound_at == NOW + timedelta(seconds=2)
    assert conversation.free_entry_ends_at == NOW + timedelta(seconds=2, hours=72)

    shop(wa.messages(account, wa.text("đẹp quá", at=NOW + 5 * HOUR)), now=NOW + 5 * HOUR)
    conversation.refresh_from_db()
    assert conversation.service_window_ends_at == NOW + 29 * HOUR
    conversion, _created = conversion_record(
        external_id="order-1",
        contact=conversation.contact,
        kind="purchase",
        occurred_at=NOW + 6 * HOUR,
        source="api",
        now=NOW + 6 * HOUR,
    )
    assert (conversion.campaign, conversion.entry_point) == (ad.campaign, ad)


def test_a_detected_silence_ends_with_the_reply(shop, account):
    from callbacks.models import CallbackPolicy

    ad = AdBuilder(campaign=CampaignBuilder(account=account))
    CallbackPolicy.objects.create(campaign=ad.campaign, patience=HOUR)
    shop(wa.messages(account, wa.text("hi", referral={"source_type": "ad", "source_id": ad.ad_id})))
    Conversation.objects.update(last_outbound_at=NOW + timedelta(minutes=1))
    assert dropouts_detect(now=NOW + timedelta(minutes=30)) == 0
    assert dropouts_detect(now=NOW + 2 * HOUR) == 1
    shop(wa.messages(account, wa.text("sorry, I was away", at=NOW + 3 * HOUR)), now=NOW + 3 * HOUR)
    episode = DropOut.objects.get()
    assert (episode.ended_by, episode.ended_at) == ("reply", NOW + 3 * HOUR)


def test_fifty_items_with_one_poisoned_over_http(shop, account):
    items = [wa.text(f"hello {number}", phone=f"8490500{number:04d}") for number in range(50)]
    items[7] = wa.text("poison", phone="", bsuid="VN." + "A" * 300)
    shop(wa.messages(account, *items))
    assert Message.objects.count() == 49
    assert WebhookReceipt.objects.get().state == "partial"


@pytest.mark.parametrize("word", ["HỦY", "BAJA", "stop"])
def test_a_stop_word_in_every_language_is_obeyed_over_http(shop, account, word):
    shop(wa.messages(account, wa.text("hi")), wa.messages(account, wa.text(word, at=NOW + HOUR)), now=NOW + HOUR)
    assert Contact.objects.get().consent_withdrawn == ["whatsapp:marketing"]
    assert Message.objects.get(origin="optout_confirmation").status == "scheduled"


def test_a_username_person_whose_phone_appears_disappears_and_changes_stays_one(shop, account):
    shop(wa.messages(account, wa.text("1", phone="", bsuid="VN.1001")))
    shop(wa.messages(account, wa.text("2", phone="84901230001", bsuid="VN.1001")))
    shop(wa.messages(account, wa.text("3", phone="", bsuid="VN.1001")))
    system = {
        "type": "user_changed_number",
        "wa_id": "84901230002",
        "user_id": "VN.2002",
        "previous_user_id": "VN.1001",
    }
    item = {"from": "84901230001", "id": "wamid.S1", "timestamp": wa.seconds(NOW), "type": "system", "system": system}
    shop(wa.body(account, wa.change(account, messages=[item])))
    shop(wa.messages(account, wa.text("4", phone="", bsuid="VN.2002")))
    assert Contact.objects.count() == 1
    assert Conversation.objects.get().turn == 4


def test_the_task_empties_what_is_pending(live_server, account):
    for number in range(120):
        raw = wa.messages(account, wa.text("hi", phone=f"8490600{number:04d}"))
        assert wa.post(live_server, raw) == 200
    receipts_process_task()
    assert not WebhookReceipt.objects.filter(state="pending").exists()
    assert Message.objects.filter(direction="in").count() == 120
