"""What a person's message does. Bodies as the provider sends them, through the stored receipt."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from campaigns.models import AdClick, Campaign
from campaigns.references import reference_show
from contacts.models import Address, ConsentEvent, Contact, OptOutReview
from conversations.models import Conversation, DropOut, Message
from conversations.receipts import receipts_process
from conversations.services import conversation_close, conversation_take_over
from conversations.webhooks import receipt_store
from tests.builders import webhooks as wa
from tests.builders.campaigns import AdBuilder, CampaignBuilder, LinkBuilder
from tests.builders.contacts import NOW
from tests.builders.conversations import DropOutBuilder, OutboundBuilder
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def receive(account, *bodies, now=NOW):
    for raw in bodies:
        receipt_store(channel="whatsapp", raw=raw, account_ids=[account.id])
    receipts_process(now=now)


def say(account, words, *, now=None, at=NOW, **more):
    receive(account, wa.messages(account, wa.text(words, at=at, **more)), now=now or at)
    return Message.objects.filter(direction="in").latest("created_at", "id")


def silence(conversation, *, since=NOW):
    """The person fell silent, and a callback is planned."""
    DropOutBuilder(conversation=conversation, silent_since=since, turn=conversation.turn)
    return OutboundBuilder(conversation=conversation, turn=conversation.turn, due_at=since + HOUR)


def consent(contact):
    contact.refresh_from_db()
    if "whatsapp:marketing" in contact.consent_withdrawn:
        return "withdrawn"
    return "granted" if "whatsapp:marketing" in contact.consent_granted else ""


def test_a_first_message_makes_a_contact_and_opens_a_conversation(account):
    message = say(account, "Chào shop")
    conversation = Conversation.objects.get()
    assert (message.text, message.conversation, message.status) == ("Chào shop", conversation, "received")
    assert conversation.contact == Contact.objects.get()
    assert conversation.contact.display_name == "Lan"
    assert (conversation.status, conversation.turn, conversation.handler) == ("open", 1, "automation")
    assert (conversation.opened_at, conversation.last_inbound_at) == (NOW, NOW)
    assert conversation.attribution == "none"
    assert conversation.holdout is None


def test_the_window_counts_from_the_providers_time_and_never_moves_back(account):
    say(account, "one", at=NOW - 3 * HOUR, now=NOW)
    assert Conversation.objects.get().service_window_ends_at == NOW + 21 * HOUR
    say(account, "two", at=NOW - HOUR, now=NOW)
    say(account, "older, late", at=NOW - 5 * HOUR, now=NOW)
    conversation = Conversation.objects.get()
    assert conversation.service_window_ends_at == NOW + 23 * HOUR
    assert conversation.last_inbound_at == NOW - HOUR
    assert conversation.turn == 3


def test_a_reply_cancels_the_planned_callback_and_ends_the_silence_at_once(account):
    say(account, "hi", at=NOW - 2 * HOUR)
    callback = silence(Conversation.objects.get(), since=NOW - HOUR)
    say(account, "still there?", at=NOW)
    callback.refresh_from_db()
    assert (callback.status, callback.reason) == ("cancelled", "replied_since")
    ended = DropOut.objects.get()
    assert (ended.ended_by, ended.ended_at) == ("reply", NOW)


def test_a_closed_conversation_stays_closed_and_the_next_message_opens_another(account):
    say(account, "hi", at=NOW - DAY)
    first = Conversation.objects.get()
    conversation_close(conversation_id=first.id, category="answered", actor=None, now=NOW - HOUR)
    late = say(account, "written before it was closed", at=NOW - 2 * HOUR, now=NOW)
    assert late.conversation == first
    assert say(account, "me again", at=NOW).conversation != first
    assert Conversation.objects.filter(status="open").count() == 1


def test_an_inbound_message_makes_an_unreachable_address_reachable_again(account):
    say(account, "hi")
    Address.objects.update(unreachable_since=NOW)
    say(account, "I am back", at=NOW + HOUR)
    assert Address.objects.get().unreachable_since is None


def test_nul_characters_and_broken_emoji_do_not_lose_a_message(account):
    assert say(account, "a\x00b \ud83d c").text == "a\N{REPLACEMENT CHARACTER}b \N{REPLACEMENT CHARACTER} c"


# -- where it came from ------------------------------------------------------------------------------------------------


def ad(ad_id, clid="ARclick"):
    return {"source_type": "ad", "source_id": ad_id, "source_url": "https://fb.me/x", "ctwa_clid": clid}


def test_an_ad_the_campaign_knows_is_credited_and_may_open_the_free_window(account):
    entry = AdBuilder(campaign=CampaignBuilder(account=account, greeting="Chào {{ contact.name }}!"))
    say(account, "Tôi muốn biết thêm", referral=ad(entry.ad_id))
    conversation = Conversation.objects.get()
    assert (conversation.attribution, conversation.entry_point, conversation.campaign) == ("ad", entry, entry.campaign)
    assert (conversation.click_id, conversation.free_entry_eligible) == ("ARclick", True)
    assert conversation.holdout is False
    greeting = Message.objects.get(origin="greeting")
    assert (greeting.text, greeting.purpose, greeting.due_at) == ("Chào Lan!", "service", NOW)
    assert greeting.expires_at == NOW + DAY


def test_a_click_of_no_known_ad_is_kept_and_said_to_be_so(account):
    CampaignBuilder(account=account, greeting="Hello!")
    say(account, "hi", referral=ad("999"))
    conversation = Conversation.objects.get()
    assert (conversation.attribution, conversation.campaign, conversation.click_id) == ("unknown_ad", None, "ARclick")
    assert conversation.referral["source_id"] == "999"
    assert conversation.holdout is None
    assert not Message.objects.filter(direction="out").exists()


def test_the_visible_reference_of_a_tracked_link_is_credited(account):
    link = LinkBuilder(campaign=CampaignBuilder(account=account))
    click = AdClick.objects.create(entry_point=link, reference="K7M2Q9TX", clicked_at=NOW - MINUTE)
    say(account, f"Xin chào {reference_show(click.reference)}")
    conversation = Conversation.objects.get()
    assert (conversation.attribution, conversation.ad_click, conversation.entry_point) == ("reference", click, link)
    assert not conversation.free_entry_eligible


def test_everybody_of_a_full_holdout_share_is_assigned_when_the_conversation_opens(account):
    entry = AdBuilder(campaign=CampaignBuilder(account=account, holdout_percent=Decimal(50)))
    for number in range(60):
        say(account, "hi", phone=f"8490200{number:04d}", referral=ad(entry.ad_id))
    drawn = Conversation.objects.filter(holdout=True).count()
    assert 15 <= drawn <= 45
    assert not Conversation.objects.filter(holdout=None).exists()


def test_writing_through_a_door_with_wording_is_consent_with_its_proof(account):
    entry = AdBuilder(
        campaign=CampaignBuilder(account=account, language="vi"),
        consent_wording="Nhắn tin là đồng ý nhận tin khuyến mãi.",
        consent_version="2026-11",
        consent_per_week=2,
    )
    message = say(account, "hi", referral=ad(entry.ad_id))
    event = ConsentEvent.objects.get()
    assert (event.action, event.source, event.wording) == ("granted", "entry_point", entry.consent_wording)
    assert (event.wording_language, event.wording_version, event.disclosed_per_week) == ("vi", "2026-11", 2)
    assert event.evidence["message"] == message.provider_message_id
    assert consent(message.contact) == "granted"


def test_writing_through_a_door_without_wording_agrees_to_nothing(account):
    message = say(account, "hi", referral=ad(AdBuilder(campaign=CampaignBuilder(account=account)).ad_id))
    assert consent(message.contact) == ""


@pytest.mark.parametrize("status", [Campaign.Status.PAUSED, Campaign.Status.ENDED, Campaign.Status.DRAFT])
def test_only_a_running_campaign_greets(account, status):
    entry = AdBuilder(campaign=CampaignBuilder(account=account, greeting="Hello!", status=status))
    say(account, "hi", referral=ad(entry.ad_id))
    assert Conversation.objects.get().campaign == entry.campaign
    assert not Message.objects.filter(direction="out").exists()


def test_the_greeting_goes_out_once_and_only_while_it_answers_something(account):
    entry = AdBuilder(campaign=CampaignBuilder(account=account, greeting="Hello!"))
    say(account, "hi", referral=ad(entry.ad_id))
    say(account, "hello?", at=NOW + MINUTE)
    assert Message.objects.filter(origin="greeting").count() == 1
    say(account, "late", phone="84901239999", at=NOW - 25 * HOUR, now=NOW, referral=ad(entry.ad_id))
    assert Message.objects.filter(origin="greeting").count() == 1


# -- what they want ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["HỦY", "huy", "TC", "BAJA", "stop", "Unsubscribe!", "NO MÁS"])
def test_a_stop_word_withdraws_cancels_and_is_confirmed_once(account, word):
    say(account, "hi", at=NOW - 2 * HOUR)
    callback = silence(Conversation.objects.get(), since=NOW - HOUR)
    message = say(account, word)
    assert consent(message.contact) == "withdrawn"
    callback.refresh_from_db()
    assert (callback.status, callback.reason) == ("cancelled", "opted_out")
    assert DropOut.objects.get().ended_by == "opt_out"
    confirmation = Message.objects.get(origin="optout_confirmation")
    assert confirmation.at_least_once
    assert (confirmation.purpose, confirmation.status) == ("service", "scheduled")
    assert confirmation.priority > 0
    assert account.name in confirmation.text


def test_a_stop_reaches_the_persons_other_conversations_on_the_channel(account):
    message = say(account, "hi", at=NOW - HOUR)
    elsewhere = OutboundBuilder(conversation__contact=message.contact)
    say(account, "STOP")
    elsewhere.refresh_from_db()
    assert elsewhere.status == "cancelled"


def test_a_first_message_that_says_stop_is_not_greeted_and_agrees_to_nothing(account):
    entry = AdBuilder(campaign=CampaignBuilder(account=account, greeting="Hello!"), consent_wording="You agree.")
    message = say(account, "STOP", referral=ad(entry.ad_id))
    assert consent(message.contact) == "withdrawn"
    assert list(Message.objects.filter(direction="out").values_list("origin", flat=True)) == ["optout_confirmation"]


def test_a_reply_after_an_optout_opens_no_marketing(account):
    entry = AdBuilder(campaign=CampaignBuilder(account=account), consent_wording="You agree.")
    say(account, "hi", referral=ad(entry.ad_id))
    say(account, "STOP", at=NOW + MINUTE)
    message = say(account, "thank you", at=NOW + 2 * MINUTE)
    assert consent(message.contact) == "withdrawn"


def test_words_that_only_contain_a_stop_word_go_to_review_and_not_to_the_ledger(account):
    message = say(account, "please stop sending me the blue ones, I like the red")
    review = OptOutReview.objects.get()
    assert (review.contact, review.verdict) == (message.contact, "")
    message.contact.refresh_from_db()
    assert message.contact.reviews_open == 1
    assert not ConsentEvent.objects.exists()


def test_start_brings_them_back(account):
    say(account, "STOP")
    message = say(account, "START", at=NOW + MINUTE)
    assert consent(message.contact) == "granted"


def test_help_is_answered(account):
    say(account, "AYUDA")
    assert account.name in Message.objects.get(direction="out").text


def test_everybodys_optouts_are_committed_before_anything_else_is_done(account):
    greeting = AdBuilder(campaign=CampaignBuilder(account=account, greeting="Hello!"))
    say(account, "hi", phone="84901230009", at=NOW - HOUR)
    first = wa.messages(account, wa.text("hi", phone="84901230010", referral=ad(greeting.ad_id)))
    second = wa.messages(account, wa.text("STOP", phone="84901230009"))
    receive(account, first, second)
    withdrawn = ConsentEvent.objects.get(action="withdrawn")
    greeted = Message.objects.get(origin="greeting")
    assert withdrawn.recorded_at < greeted.created_at


# -- who else speaks ---------------------------------------------------------------------------------------------------


def standby(account, *items):
    change = wa.change(account, "standby", standby={"contacts": wa.people(*items), "messages": list(items)})
    return wa.body(account, change)


def test_while_another_app_owns_the_thread_we_listen_and_stay_silent(account):
    entry = AdBuilder(campaign=CampaignBuilder(account=account, greeting="Hello!"))
    receive(account, standby(account, wa.text("hi", referral=ad(entry.ad_id))))
    conversation = Conversation.objects.get()
    assert conversation.handler == "other_app"
    assert conversation.service_window_ends_at == NOW + DAY
    assert Message.objects.get().standby
    assert not Message.objects.filter(direction="out").exists()
    say(account, "hello", at=NOW + MINUTE)
    conversation.refresh_from_db()
    assert conversation.handler == "automation"


def test_stop_counts_in_another_apps_thread_and_is_not_answered_there(account):
    receive(account, standby(account, wa.text("STOP")))
    assert consent(Contact.objects.get()) == "withdrawn"
    assert not Message.objects.filter(direction="out").exists()


def test_what_the_owner_types_on_the_phone_shows_in_the_thread_and_stops_callbacks(account):
    say(account, "hi", at=NOW - 2 * HOUR)
    conversation = Conversation.objects.get()
    callback = silence(conversation, since=NOW - HOUR)
    echo = {"from": account.display_number[1:], "to": "84901230001", "id": "wamid.E1", "timestamp": wa.seconds(NOW)}
    echo |= {"type": "text", "text": {"body": "I can help"}}
    receive(account, wa.body(account, wa.change(account, "smb_message_echoes", message_echoes=[echo])))
    shown = Message.objects.get(origin="elsewhere")
    assert (shown.text, shown.direction, shown.status, shown.conversation) == (
        "I can help",
        "out",
        "sent",
        conversation,
    )
    conversation.refresh_from_db()
    assert (conversation.handler, conversation.last_outbound_at) == ("person", NOW)
    callback.refresh_from_db()
    assert (callback.status, callback.reason) == ("cancelled", "conversation_with_agent")
    assert DropOut.objects.get().ended_by == "hand_over"


def test_a_person_who_took_over_keeps_the_conversation_when_the_contact_writes(account, admin_user):
    say(account, "hi", at=NOW - HOUR)
    conversation_take_over(conversation_id=Conversation.objects.get().id, actor=admin_user, now=NOW - MINUTE)
    say(account, "hello")
    assert Conversation.objects.get().handler == "person"


def test_imported_history_moves_nothing_and_starts_nothing(account):
    entry = {"metadata": {"phase": 0, "chunk_order": 1, "progress": 100}}
    old = wa.text("from long ago", at=NOW - 90 * DAY) | {"history_context": {"status": "READ"}}
    entry |= {"threads": [{"id": "84901230001", "messages": [old]}]}
    receive(account, wa.body(account, wa.change(account, "history", history=[entry])))
    assert Message.objects.get().text == "from long ago"
    assert not Conversation.objects.exists()


# -- changes to people and messages ------------------------------------------------------------------------------------


def test_a_username_person_whose_phone_appears_and_disappears_stays_one_person(account):
    say(account, "no phone", phone="", bsuid="VN.1001")
    say(account, "phone shown", phone="84901230001", bsuid="VN.1001", at=NOW + MINUTE)
    say(account, "hidden again", phone="", bsuid="VN.1001", at=NOW + 2 * MINUTE)
    say(account, "old client", phone="84901230001", at=NOW + 3 * MINUTE)
    assert Contact.objects.count() == 1
    assert Conversation.objects.get().turn == 4


def test_a_changed_number_keeps_the_person_their_conversation_and_their_optout(account):
    say(account, "STOP", phone="84901230001", bsuid="VN.1001")
    system = {"type": "user_changed_number", "body": "changed", "wa_id": "84901230002"}
    system |= {"user_id": "VN.2002", "previous_user_id": "VN.1001"}
    item = {"from": "84901230001", "id": "wamid.S1", "timestamp": wa.seconds(NOW + HOUR), "type": "system"}
    receive(account, wa.body(account, wa.change(account, messages=[item | {"system": system}])))
    message = say(account, "my new number", phone="84901230002", bsuid="VN.2002", at=NOW + 2 * HOUR)
    assert message.contact == Contact.objects.get()
    assert consent(message.contact) == "withdrawn"
    assert Conversation.objects.get().turn == 2


def preference(account, value, at=NOW):
    item = {"wa_id": "84901230001", "detail": "x", "category": "marketing_messages", "value": value}
    item |= {"timestamp": int(at.timestamp())}
    contacts = [{"wa_id": "84901230001"}]
    return wa.body(account, wa.change(account, "user_preferences", contacts=contacts, user_preferences=[item]))


def test_the_providers_own_stop_and_resume_are_an_optout_and_an_optin(account):
    say(account, "hi", at=NOW - HOUR)
    callback = silence(Conversation.objects.get(), since=NOW - MINUTE)
    receive(account, preference(account, "stop"))
    contact = Contact.objects.get()
    assert consent(contact) == "withdrawn"
    assert ConsentEvent.objects.get().source == "preference"
    callback.refresh_from_db()
    assert callback.status == "cancelled"
    receive(account, preference(account, "resume", at=NOW + HOUR))
    assert consent(contact) == "granted"


def test_a_stop_of_somebody_we_never_met_is_kept_too(account):
    receive(account, preference(account, "stop"))
    assert consent(Contact.objects.get()) == "withdrawn"


def changed(account, item, at=NOW):
    item = {"from": "84901230001", "id": "wamid.R1", "timestamp": wa.seconds(at)} | item
    return wa.messages(account, item)


def test_a_deleted_message_is_marked_and_an_edited_one_shows_its_new_text(account):
    message = say(account, "my card is 1234", wamid="wamid.M1")
    new = {"original_message_id": "wamid.M1", "message": {"type": "text", "text": {"body": "never mind"}}}
    receive(account, changed(account, {"type": "edit", "edit": new}))
    message.refresh_from_db()
    assert message.text == "never mind"
    assert message.content["edits"][0]["before"] == "my card is 1234"
    revoke = {"type": "revoke", "revoke": {"original_message_id": "wamid.M1"}, "id": "wamid.R2"}
    receive(account, changed(account, revoke))
    message.refresh_from_db()
    assert message.revoked_at == NOW
    assert Message.objects.count() == 1


def edited(account, words, at=NOW):
    new = {"original_message_id": "wamid.M1", "message": {"type": "text", "text": {"body": words}}}
    return changed(account, {"type": "edit", "edit": new}, at=at)


def test_an_edit_into_a_stop_counts_although_it_overtakes_its_message(account):
    receive(account, edited(account, "STOP", at=NOW + MINUTE), now=NOW + MINUTE)
    assert consent(Contact.objects.get()) == "withdrawn"
    say(account, "hi", wamid="wamid.M1")
    assert consent(Contact.objects.get()) == "withdrawn"


def test_an_edit_that_may_be_an_opt_out_is_for_somebody_to_read(account):
    say(account, "hi", wamid="wamid.M1")
    receive(account, edited(account, "please stop sending me the blue ones"))
    assert OptOutReview.objects.get().verdict == ""


def test_a_stop_word_under_a_picture_is_for_somebody_to_read(account):
    picture = {"type": "image", "image": {"id": "1", "caption": "STOP"}, "text": None}
    message = say(account, "", **picture)
    assert message.kind == "image"
    assert OptOutReview.objects.get().contact == message.contact
    assert not Message.objects.filter(direction="out").exists()


def test_an_opt_out_that_names_no_number_counts_for_the_business_with_many(account):
    AccountBuilder(business_account_id=account.business_account_id, portfolio_id=account.portfolio_id)
    stop = json.loads(preference(account, "stop"))
    del stop["entry"][0]["changes"][0]["value"]["metadata"]
    receive(account, json.dumps(stop).encode())
    assert consent(Contact.objects.get()) == "withdrawn"


def test_an_opt_out_of_a_business_whose_secret_did_not_sign_is_not_believed(account):
    stop = json.loads(preference(AccountBuilder(), "stop"))
    del stop["entry"][0]["changes"][0]["value"]["metadata"]
    receive(account, json.dumps(stop).encode())
    assert not Contact.objects.exists()


def test_a_machine_that_answers_every_answer_with_stop_gets_one_confirmation_an_hour(account):
    for minutes in range(5):
        say(account, "STOP", at=NOW + minutes * MINUTE)
    confirmations = Message.objects.filter(direction="out", origin="optout_confirmation")
    assert confirmations.count() == 1
    assert ConsentEvent.objects.filter(action="withdrawn").count() == 5
    say(account, "START", at=NOW + 10 * MINUTE)
    say(account, "STOP", at=NOW + 11 * MINUTE)
    assert confirmations.count() == 2
    say(account, "STOP", at=NOW + 3 * HOUR)
    assert confirmations.count() == 3
