"""What can be done to a conversation by hand, and what that cancels."""

from datetime import timedelta

import pytest

from conversations.errors import ConversationClosedError, InvalidContentError, WindowClosedError
from conversations.models import DropOut, Message
from conversations.services import (
    conversation_close,
    conversation_hand_back,
    conversation_reply,
    conversation_take_over,
    message_schedule,
    messages_cancel,
)
from messaging.events import Button
from tests.builders.contacts import NOW
from tests.builders.conversations import ConversationBuilder, DropOutBuilder, OutboundBuilder

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def callback():
    callback = OutboundBuilder()
    DropOutBuilder(conversation=callback.conversation)
    return callback


def state(message):
    message.refresh_from_db()
    return message.status, message.reason


def test_taking_over_cancels_the_callbacks_and_handing_back_lets_automation_speak_again(callback, admin_user):
    conversation = conversation_take_over(conversation_id=callback.conversation_id, actor=admin_user, now=NOW)
    assert (conversation.handler, conversation.assignee, conversation.handler_since) == ("person", admin_user, NOW)
    assert state(callback) == ("cancelled", "conversation_with_agent")
    assert DropOut.objects.get().ended_by == "hand_over"
    conversation = conversation_hand_back(conversation_id=callback.conversation_id, actor=admin_user, now=NOW + HOUR)
    assert (conversation.handler, conversation.assignee) == ("automation", None)


def test_closing_cancels_everything_planned_and_happens_once(callback, admin_user):
    greeting = OutboundBuilder(conversation=callback.conversation, origin="greeting")
    confirmation = OutboundBuilder(conversation=callback.conversation, origin="optout_confirmation")
    closed = conversation_close(
        conversation_id=callback.conversation_id, category="not_interested", actor=admin_user, now=NOW
    )
    assert (closed.status, closed.closed_at, closed.close_category) == ("closed", NOW, "not_interested")
    assert state(callback) == state(greeting) == ("cancelled", "conversation_closed")
    assert state(confirmation)[0] == "scheduled"  # whoever said stop is still told that we heard
    assert DropOut.objects.get().ended_by == "closed"
    for again in (
        lambda: conversation_close(conversation_id=closed.id, category="spam", actor=None, now=NOW),
        lambda: conversation_take_over(conversation_id=closed.id, actor=admin_user, now=NOW),
        lambda: reply(closed),
    ):
        with pytest.raises(ConversationClosedError):
            again()


def test_a_category_must_be_one_of_ours(callback):
    with pytest.raises(InvalidContentError):
        conversation_close(conversation_id=callback.conversation_id, category="whatever", actor=None, now=NOW)


def reply(conversation, text="Yes, we have it.", **more):
    values = {"buttons": (), "actor": None, "dedupe_key": "reply-1", "now": NOW} | more
    return conversation_reply(conversation_id=conversation.id, text=text, **values)


def test_a_person_who_answers_takes_over_and_a_program_does_not(callback, admin_user):
    conversation = callback.conversation
    first = reply(conversation, buttons=[Button("yes", "Yes")])
    assert first.content_free == {"text": "Yes, we have it.", "buttons": [{"id": "yes", "title": "Yes"}]}
    assert (first.purpose, first.expires_at) == ("service", conversation.service_window_ends_at)
    assert state(callback)[0] == "scheduled"
    second = reply(conversation, actor=admin_user, dedupe_key="reply-2")
    assert second.author == admin_user
    assert state(callback) == ("cancelled", "conversation_with_agent")
    assert reply(conversation, dedupe_key="reply-2") == second


@pytest.mark.parametrize("text", ["", "x" * 5000])
def test_a_reply_that_the_channel_would_refuse_is_refused_here(callback, text):
    with pytest.raises(InvalidContentError):
        reply(callback.conversation, text)
    assert Message.objects.count() == 1


@pytest.mark.parametrize("ends", [None, NOW])
def test_free_text_needs_an_open_window(ends):
    with pytest.raises(WindowClosedError):
        reply(ConversationBuilder(service_window_ends_at=ends))


def test_what_is_on_its_way_is_not_cancelled():
    messages = {status: OutboundBuilder(status=status) for status in ("scheduled", "claimed", "inflight", "sent")}
    for status, message in messages.items():
        done = messages_cancel(
            conversation_id=message.conversation_id, origins=["callback"], reason="converted", now=NOW
        )
        assert done == (status in ("scheduled", "claimed"))
        assert state(message)[0] == ("cancelled" if done else status)


def test_a_logical_message_is_scheduled_once_however_often_it_is_planned():
    conversation = ConversationBuilder()
    values = {
        "contact": conversation.contact,
        "account": conversation.account,
        "conversation": conversation,
        "origin": "callback",
        "purpose": "marketing",
        "dedupe_key": "once",
        "due_at": NOW,
        "expires_at": None,
        "now": NOW,
    }
    first = message_schedule(**values, content_free={"text": "one", "buttons": []})
    second = message_schedule(**values, content_free={"text": "two", "buttons": []})
    assert first == second
    assert (second.text, second.turn, second.status) == ("one", conversation.turn, "scheduled")
    with pytest.raises(InvalidContentError):
        message_schedule(**values)
