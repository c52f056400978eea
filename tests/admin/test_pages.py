import html
import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from access.roles import ADMINISTRATOR, ANALYST
from contacts.models import ConsentEvent
from conversations.models import Conversion, Message
from delivery.models import ComplianceRule, Decision
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import NOW, ContactBuilder, PhoneBuilder
from tests.builders.conversations import ConversationBuilder, OutboundBuilder

pytestmark = pytest.mark.django_db
OURS = sorted(
    (model for model in admin.site._registry if model._meta.app_label not in ("contenttypes",)),
    key=lambda m: m.__name__,
)


@pytest.fixture
def busy(shop):
    """A row of nearly everything."""
    Message.objects.create(
        contact=shop.contact, account=shop.account, conversation=shop.conversation, direction="in", origin="contact",
        status="received", occurred_at=NOW, text="Nhẫn này bao nhiêu?",
    )  # fmt: skip
    Decision.objects.create(
        contact=shop.contact, conversation=shop.conversation, message=shop.outbound, stage="send", verdict="wait",
        reason="quiet_hours", rule="hours:VN", rule_version="2026-11", until=NOW, decided_at=NOW,
        facts={"country": "VN", "time_zones": ["Asia/Ho_Chi_Minh"], "suppressed": False},
    )  # fmt: skip
    Conversion.objects.create(
        external_id="A-1", contact=shop.contact, kind="purchase", value="2500000", currency="VND", occurred_at=NOW,
        source="api", campaign=shop.campaign,
    )  # fmt: skip
    ConsentEvent.objects.create(
        contact=shop.contact, channel="whatsapp", purpose="marketing", action="granted", source="entry_point",
        wording="Nhắn tin là đồng ý", occurred_at=NOW, dedupe_key="c1",
    )  # fmt: skip
    ComplianceRule.objects.create(
        kind="hours", jurisdiction="XX", value={"from": "08:00", "to": "21:00"}, source="test", version="1",
        valid_from=NOW.date(),
    )  # fmt: skip
    return shop


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_list_and_record_opens_for_those_who_may_and_for_nobody_else(anybody, busy, model):
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    allowed = anybody.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")
    page = anybody.get(reverse(f"admin:{name}_changelist"))
    assert page.status_code == (200 if allowed else 403)
    row = model.objects.first()
    if row is None:
        return
    page = anybody.get(reverse(f"admin:{name}_change", args=[row.pk]))
    assert page.status_code == (200 if allowed else 403)
    if allowed:
        assert not re.search(r"[{\[]['\"]", readable(page)), "raw data where a person reads"


def readable(page):
    """What stands between the tags."""
    text = re.sub(r"(?s)<(script|style|template).*?</\1>", "", page.content.decode())
    return html.unescape(re.sub(r"(?s)<[^>]*>", " ", text))


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_empty_list_says_what_to_do_next(member, model):
    if model is User or model.__name__ in ("Group", "ComplianceRule"):
        return  # never empty
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    page = member(ADMINISTRATOR).get(reverse(f"admin:{name}_changelist"))
    hint = str(admin.site._registry[model].empty_hint)
    assert hint
    assert page.context["empty_hint"] == admin.site._registry[model].empty_hint
    assert "rk-empty" in page.content.decode()


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("conversation-thread", "conversation"), ("contact-timeline", "contact"), ("message-why", "outbound")],
)
def test_our_own_pages_open_for_every_role_and_for_no_stranger(anybody, busy, name, attribute):
    url = reverse(name, args=[getattr(busy, attribute).pk])
    assert anybody.get(url).status_code == 200
    assert Client().get(url).status_code == 302
    stranger = Client()
    stranger.force_login(User.objects.create(username="stranger", is_staff=True))
    assert stranger.get(url).status_code == 403


def test_a_record_that_does_not_exist_is_not_found(member):
    client = member(ADMINISTRATOR)
    missing = "00000000-0000-7000-8000-000000000000"
    for name in ("conversation-thread", "contact-timeline", "message-why"):
        assert client.get(reverse(name, args=[missing])).status_code == 404


def test_the_why_page_speaks_plainly(member, busy):
    Message.objects.filter(pk=busy.outbound.pk).update(waiting_for="quiet_hours")
    text = member(ANALYST).get(reverse("message-why", args=[busy.outbound.pk])).content.decode()
    assert "It is quiet time where the person lives" in text
    assert "hours:VN" in text
    assert "2026-11" in text
    assert "Asia/Ho_Chi_Minh" in text


def test_the_chat_shows_both_sides_states_and_why_not(member, busy):
    OutboundBuilder(conversation=busy.conversation, status="suppressed", reason="holdout", text="Không gửi")
    text = member(ADMINISTRATOR).get(reverse("conversation-thread", args=[busy.conversation.pk])).content.decode()
    for words in ("Nhẫn này bao nhiêu?", "Không gửi", "Scheduled", "holdout group", "Service window"):
        assert words in text, words


def test_the_timeline_puts_everything_into_one_list(member, busy):
    text = member(ADMINISTRATOR).get(reverse("contact-timeline", args=[busy.contact.pk])).content.decode()
    for words in (
        "Nhẫn này bao nhiêu?",
        "Consent: Marketing Granted",
        "Sending: Wait",
        "Conversion: purchase",
        "silent",
    ):
        assert words in text, words


def test_no_list_asks_the_database_once_per_row(member, django_assert_max_num_queries):
    for number in range(30):
        contact = ContactBuilder(display_name=f"Khách {number}")
        PhoneBuilder(contact=contact)
        conversation = ConversationBuilder(contact=contact, campaign=CampaignBuilder())
        OutboundBuilder(conversation=conversation)
    client = member(ADMINISTRATOR)
    for name in (
        "contacts_contact", "conversations_conversation", "conversations_message", "campaigns_campaign",
        "delivery_decision", "callbacks_callbackpolicy", "messaging_channelaccount",
    ):  # fmt: skip
        with django_assert_max_num_queries(22):
            assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200


def test_a_signed_in_person_without_a_role_sees_an_empty_sidebar(db):
    client = Client()
    client.force_login(User.objects.create(username="new", is_staff=True))
    page = client.get(reverse("admin:index"))
    assert page.status_code == 200
    assert [group.get("title") for group in page.context["sidebar_navigation"]] == [None]


def test_the_language_can_be_switched(member):
    client = member(ADMINISTRATOR)
    client.post(reverse("set_language"), {"language": "vi", "next": "/admin/"})
    assert '<html lang="vi"' in client.get(reverse("admin:index")).content.decode()
