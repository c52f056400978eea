from datetime import timedelta

import pytest

from conversations.models import Conversation, Message
from delivery.models import Decision
from tests.api.conftest import now
from tests.builders.contacts import NOW
from tests.builders.conversations import ConversationBuilder, DropOutBuilder, OutboundBuilder

CONVERSATIONS, MESSAGES, DECISIONS = "/api/v1/conversations", "/api/v1/messages", "/api/v1/decisions"


@pytest.fixture
def conversation(db):
    """Open, with a day of free text left on the real clock."""
    return ConversationBuilder(service_window_ends_at=now() + timedelta(hours=23), contact__display_name="Lan Anh")


def test_conversations_are_listed_filtered_and_shown_with_their_dropouts(api, conversation):
    other = ConversationBuilder(status="closed", converted_at=NOW)
    DropOutBuilder(conversation=conversation)
    for query, expected in {
        "": [other, conversation],
        "status=open": [conversation],
        "converted=true": [other],
        "converted=false": [conversation],
        f"campaign={other.campaign_id}": [other],
        f"contact={conversation.contact_id}": [conversation],
        "opened_since=2030-01-01T00:00:00Z": [],
    }.items():
        rows = api.get(f"{CONVERSATIONS}?{query}").json()["results"]
        assert [row["id"] for row in rows] == [str(row.pk) for row in expected], query
    detail = api.get(f"{CONVERSATIONS}/{conversation.pk}").json()
    assert [dropout["episode"] for dropout in detail["dropouts"]] == [1]


def test_taking_over_cancels_callbacks_and_handing_back_lets_automation_speak(api, conversation):
    callback = OutboundBuilder(conversation=conversation)
    taken = api.post(f"{CONVERSATIONS}/{conversation.pk}/take-over")
    assert taken.json()["handler"] == "person"
    callback.refresh_from_db()
    assert (callback.status, callback.reason) == ("cancelled", "conversation_with_agent")
    assert api.post(f"{CONVERSATIONS}/{conversation.pk}/hand-back").json()["handler"] == "automation"


def test_a_closed_conversation_stays_closed(api, conversation):
    path = f"{CONVERSATIONS}/{conversation.pk}"
    assert api.post(f"{path}/close", {"category": "bored"}).status_code == 400
    closed = api.post(f"{path}/close", {"category": "answered"}).json()
    assert (closed["status"], closed["close_category"]) == ("closed", "answered")
    again = api.post(f"{path}/close", {"category": "answered"})
    assert again.status_code == 409
    assert again.json()["type"] == "urn:rekindle:problem:conversation-closed"
    assert api.post(f"{path}/reply", {"text": "hi"}).status_code == 409


def test_a_reply_is_scheduled_once_per_idempotency_key_and_leaves_the_handler(api, conversation):
    path = f"{CONVERSATIONS}/{conversation.pk}/reply"
    body = {"text": "Dạ còn ạ", "buttons": [{"id": "y", "title": "Mua"}]}
    first = api.post(path, body, HTTP_IDEMPOTENCY_KEY="r1")
    assert first.status_code == 201, first.content
    assert api.post(path, body, HTTP_IDEMPOTENCY_KEY="r1").json() == first.json()
    message = Message.objects.get()
    assert message.content_free == {"text": "Dạ còn ạ", "buttons": [{"id": "y", "title": "Mua"}]}
    assert (message.origin, message.purpose) == ("reply", "service")
    conversation.refresh_from_db()
    assert conversation.handler == Conversation.Handler.AUTOMATION


def test_a_reply_after_the_window_is_refused(api, conversation):
    Conversation.objects.update(service_window_ends_at=now() - timedelta(seconds=1))
    answer = api.post(f"{CONVERSATIONS}/{conversation.pk}/reply", {"text": "hi"})
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:rekindle:problem:window-closed"


def test_an_unknown_conversation_is_404(db, api):
    path = f"{CONVERSATIONS}/0198c0de-0000-7000-8000-000000000000"
    for answer in (api.get(path), api.post(f"{path}/take-over"), api.post(f"{path}/reply", {"text": "x"})):
        assert answer.status_code == 404


def test_messages_are_filtered_and_shown_with_the_providers_reports(api, conversation):
    due = OutboundBuilder(conversation=conversation)
    read = OutboundBuilder(conversation=conversation, status="read", origin="greeting", provider_message_id="wamid.1")
    for step, status in enumerate(("sent", "read")):
        read.statuses.create(
            account=read.account,
            provider_message_id="wamid.1",
            status=status,
            occurred_at=NOW + timedelta(seconds=step),
            received_at=NOW,
            dedupe_key=status,
        )
    for query, expected in {
        "": [read, due],
        "status=read": [read],
        "status=read&status=scheduled": [read, due],
        "origin=callback": [due],
        f"conversation={conversation.pk}&direction=in": [],
    }.items():
        rows = api.get(f"{MESSAGES}?{query}").json()["results"]
        assert [row["id"] for row in rows] == [str(row.pk) for row in expected], query
    statuses = api.get(f"{MESSAGES}/{read.pk}").json()["statuses"]
    assert [status["status"] for status in statuses] == ["sent", "read"]


def test_names_and_texts_are_masked_without_the_scope_for_personal_data(api, client_of, conversation):
    OutboundBuilder(conversation=conversation, text="Chị Lan ơi", content={"body": "Chị Lan ơi"})
    masked = client_of("messages:read")
    for path in (CONVERSATIONS, f"{CONVERSATIONS}/{conversation.pk}", MESSAGES):
        assert "Lan" in api.get(path).content.decode()
        assert "Lan" not in masked.get(path).content.decode()


def test_decisions_say_why(api, conversation):
    message = OutboundBuilder(conversation=conversation)
    decision = Decision.objects.create(
        contact=message.contact,
        conversation=conversation,
        message=message,
        stage="send",
        verdict="refuse",
        reason="quiet_hours",
        rule="hours:US-TX",
        rule_version="2026-11",
        facts={"local_time": "22:10"},
        decided_at=NOW,
    )
    for query in (f"message={message.pk}", f"contact={message.contact_id}", f"conversation={conversation.pk}"):
        rows = api.get(f"{DECISIONS}?{query}").json()["results"]
        assert [row["id"] for row in rows] == [str(decision.pk)]
    assert api.get(f"{DECISIONS}?reason=holdout").json()["results"] == []
    shown = api.get(f"{DECISIONS}/{decision.pk}").json()
    assert (shown["rule"], shown["facts"]) == ("hours:US-TX", {"local_time": "22:10"})


@pytest.mark.parametrize("path", [CONVERSATIONS, MESSAGES])
def test_a_list_costs_the_same_queries_for_one_row_and_for_many(db, api, path, django_assert_num_queries):
    OutboundBuilder()
    api.get(path)
    OutboundBuilder.create_batch(5)
    with django_assert_num_queries(2):  # the key, the rows
        assert len(api.get(path).json()["results"]) == 6
