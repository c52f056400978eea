import pytest
from django.urls import reverse

from access.roles import AGENT, ANALYST, MARKETER
from conversations.models import Conversation, Message

pytestmark = pytest.mark.django_db
YES = {"_form_submitted": "True"}


def test_a_marketer_sends_a_template_to_their_own_phone(member, shop):
    client = member(MARKETER)
    url = reverse("test-send-template", args=[shop.template.pk])
    bad = client.post(url, {"key": "k", "to": "12", "values": "body.1 = Lan"})
    assert bad.status_code == 200
    response = client.post(url, {"key": "k", "to": "+84909999999", "values": "body.1 = Lan"})
    message = Message.objects.get(origin="test")
    assert response.url == reverse("message-why", args=[message.pk])
    assert message.author == client.user
    client.post(url, {"key": "k", "to": "+84909999999", "values": "body.1 = Lan"})
    assert Message.objects.filter(origin="test").count() == 1  # a double click is one message


def test_a_template_without_its_values_is_refused_in_words(member, shop):
    url = reverse("test-send-template", args=[shop.template.pk])
    page = member(MARKETER).post(url, {"key": "k", "to": "+84909999999", "values": ""})
    assert "body.1" in page.content.decode()
    assert not Message.objects.filter(origin="test").exists()


def test_an_analyst_sends_nothing(member, shop):
    assert member(ANALYST).get(reverse("test-send-template", args=[shop.template.pk])).status_code == 403


@pytest.mark.parametrize(("action", "status"), [("was_sent", "accepted"), ("was_not_sent", "cancelled")])
def test_somebody_decides_about_an_unclear_message(member, shop, action, status):
    Message.objects.filter(pk=shop.outbound.pk).update(status="unconfirmed")
    url = reverse(f"admin:conversations_message_{action}", args=[shop.outbound.pk])
    assert member(MARKETER).post(url, YES).status_code == 403
    client = member(AGENT)
    assert client.post(url, YES).status_code == 302
    shop.outbound.refresh_from_db()
    assert shop.outbound.status == status
    assert "rk-error" in client.post(url, YES).content.decode()


def act(client, action, conversation, **data):
    return client.post(reverse(f"admin:conversations_conversation_{action}", args=[conversation.pk]), YES | data)


def test_an_agent_takes_over_hands_back_and_closes(member, shop):
    client = member(AGENT)
    assert act(client, "take_over", shop.conversation).status_code == 302
    shop.conversation.refresh_from_db()
    shop.outbound.refresh_from_db()
    assert (shop.conversation.handler, shop.conversation.assignee) == ("person", client.user)
    assert shop.outbound.status == "cancelled"
    act(client, "hand_back", shop.conversation)
    act(client, "close", shop.conversation, category="answered")
    shop.conversation.refresh_from_db()
    assert (shop.conversation.status, shop.conversation.close_category) == ("closed", "answered")
    assert "The conversation is closed." in act(client, "take_over", shop.conversation).content.decode()


def test_an_agent_cannot_write_when_the_window_is_over(member, shop):
    Conversation.objects.update(service_window_ends_at="2020-01-01T00:00:00Z")
    page = act(member(AGENT), "reply", shop.conversation, key="k", text="Xin chào")
    assert "24-hour window is over" in page.content.decode()


@pytest.mark.parametrize("action", ["reply", "take_over", "hand_back", "close"])
def test_a_marketer_leaves_conversations_to_agents(member, shop, action):
    assert act(member(MARKETER), action, shop.conversation).status_code == 403
