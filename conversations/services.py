"""What can be done to a conversation and its outbox.

Locks are always taken in this order: contact, conversation, messages. A message that was planned is cancelled by a
conditional UPDATE on `scheduled` and `claimed` rows: the send path's flip asks for `claimed`, so whichever of the two
commits first wins and the other finds nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, ParamSpec, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from contacts.models import Contact, Purpose
from conversations.errors import ConversationClosedError, InvalidContentError, WindowClosedError
from conversations.models import Conversation, DropOut, Message
from conversations.windows import FREE_ENTRY_ANSWER, FREE_ENTRY_WINDOW
from messaging.events import Button, FreeForm
from messaging.models import ChannelAccount, Template
from messaging.templates import content_problems

Fields = ParamSpec("Fields")
STOPPABLE = (Message.Status.SCHEDULED, Message.Status.CLAIMED)
PRIORITY_ANSWER = 50  # somebody is waiting in the chat
PRIORITY_OPTOUT = 100


def message_draft(
    *,
    contact: Contact,
    account: ChannelAccount,
    conversation: Conversation | None,
    origin: str,
    purpose: str,
    dedupe_key: str,
    due_at: datetime,
    expires_at: datetime | None,
    now: datetime,
    content_free: dict[str, Any] | None = None,
    content_template: dict[str, Any] | None = None,
    template: Template | None = None,
    text: str = "",
    campaign: Campaign | None = None,
    priority: int = 0,
    at_least_once: bool = False,
    author: User | None = None,
) -> Message:
    """One logical message for the outbox, unsaved: `message_schedule` and `messages_schedule` put it there.

    `content_free` is `{"text": str, "buttons": [{"id", "title"}]}`, `content_template` is `{"name", "language",
    "values", "parameter_format"}`; at least one is needed, and the gate chooses between them when it sends.
    `text` is what the screens show; without it, the free text. `expires_at` None: it never loses its sense.
    """
    if content_free is None and content_template is None:
        raise InvalidContentError(_("A message needs a text or a template."), field="text")
    return Message(
        contact=contact,
        account=account,
        conversation=conversation,
        campaign=campaign,
        direction=Message.Direction.OUT,
        origin=origin,
        purpose=purpose,
        kind="text" if content_free is not None else "template",
        status=Message.Status.SCHEDULED,
        occurred_at=now,
        text=text or (content_free or {}).get("text", ""),
        content_free=content_free,
        content_template=content_template,
        template=template,
        dedupe_key=dedupe_key,
        at_least_once=at_least_once,
        priority=priority,
        turn=conversation.turn if conversation else 0,
        due_at=due_at,
        expires_at=expires_at,
        author=author,
    )


def messages_schedule(messages: Sequence[Message]) -> list[Message]:
    """Put messages that `message_draft` made into the outbox in one go; the rows as they are there, in this order.

    A message whose `dedupe_key` is already there is not added again: the first one's row is returned for it.
    """
    Message.objects.bulk_create(messages, ignore_conflicts=True)
    stored = {
        message.dedupe_key: message
        for message in Message.objects.filter(dedupe_key__in=[message.dedupe_key for message in messages])
    }
    return [stored[message.dedupe_key] for message in messages]


def _scheduling(draft: Callable[Fields, Message]) -> Callable[Fields, Message]:
    def schedule(*args: Fields.args, **fields: Fields.kwargs) -> Message:
        return messages_schedule([draft(*args, **fields)])[0]

    return schedule


# Takes what `message_draft` takes, and returns the row in the outbox: the first one's, if the `dedupe_key` was there.
message_schedule = _scheduling(message_draft)


def messages_cancel(*, conversation_id: UUID, origins: Iterable[str], reason: str, now: datetime) -> int:
    """Cancel what was planned in one conversation and is not on its way yet; how many messages that was."""
    return _cancel([conversation_id], origins, reason)


def _cancel(conversation_ids: Sequence[UUID], origins: Iterable[str], reason: str) -> int:
    return Message.objects.filter(
        conversation_id__in=conversation_ids,
        direction=Message.Direction.OUT,
        origin__in=list(origins),
        status__in=STOPPABLE,
    ).update(status=Message.Status.CANCELLED, reason=reason, lease_until=None, waiting_for="")


def callbacks_stop(*, conversation_ids: Sequence[UUID], ended_by: str, reason: str, at: datetime) -> int:
    """Cancel the planned callbacks of these conversations and end their open drop-out episodes, as of `at`."""
    cancelled = _cancel(conversation_ids, [Message.Origin.CALLBACK], reason)
    DropOut.objects.filter(conversation_id__in=conversation_ids, ended_at=None).update(ended_at=at, ended_by=ended_by)
    return cancelled


def contact_callbacks_stop(*, contact_id: UUID, channel: str, at: datetime) -> int:
    """After an opt-out: cancel the contact's planned marketing on this channel, end every open drop-out."""
    conversations = list(
        Conversation.objects.filter(contact_id=contact_id, account__channel=channel).values_list("id", flat=True)
    )
    callbacks_stop(conversation_ids=conversations, ended_by=DropOut.EndedBy.OPT_OUT, reason="opted_out", at=at)
    return Message.objects.filter(
        contact_id=contact_id,
        account__channel=channel,
        direction=Message.Direction.OUT,
        purpose=Purpose.MARKETING,
        status__in=STOPPABLE,
    ).update(status=Message.Status.CANCELLED, reason="opted_out", lease_until=None, waiting_for="")


def conversation_take_over(*, conversation_id: UUID, actor: User, now: datetime) -> Conversation:
    """A person handles the conversation from now on: planned callbacks are cancelled, no new ones are planned."""
    with transaction.atomic():
        conversation = _open_conversation(conversation_id)
        return handler_set(conversation=conversation, handler=Conversation.Handler.PERSON, assignee=actor, at=now)


def conversation_hand_back(*, conversation_id: UUID, actor: User, now: datetime) -> Conversation:
    """The person is done: automation may speak again. Silence counts from our last message, as ever."""
    with transaction.atomic():
        conversation = _open_conversation(conversation_id)
        return handler_set(conversation=conversation, handler=Conversation.Handler.AUTOMATION, assignee=None, at=now)


def conversation_close(*, conversation_id: UUID, category: str, actor: User | None, now: datetime) -> Conversation:
    """Close with a category; everything planned in it is cancelled. Closing a closed one is an error."""
    if category not in Conversation.CloseCategory.values:
        raise InvalidContentError(_("This is not a category a conversation can be closed with."), field="category")
    with transaction.atomic():
        conversation = _open_conversation(conversation_id)
        conversation.status = Conversation.Status.CLOSED
        conversation.closed_at = now
        conversation.close_category = category
        conversation.save(update_fields=["status", "closed_at", "close_category"])
        callbacks_stop(
            conversation_ids=[conversation.id],
            ended_by=DropOut.EndedBy.CLOSED,
            reason="conversation_closed",
            at=now,
        )
        messages_cancel(
            conversation_id=conversation.id,
            origins=[Message.Origin.GREETING, Message.Origin.REPLY],
            reason="conversation_closed",
            now=now,
        )
    return conversation


def conversation_reply(
    *,
    conversation_id: UUID,
    text: str,
    buttons: Sequence[Button] = (),
    actor: User | None,
    dedupe_key: str,
    now: datetime,
) -> Message:
    """Answer in an open conversation with free text, inside the service window. A person who answers takes over.

    `actor` None: a program answers (through the API), which leaves the handler as it is.
    """
    problems = content_problems(FreeForm(text=text, buttons=tuple(buttons)), None)
    if problems:
        raise InvalidContentError(" ".join(problems), field="text")
    with transaction.atomic():
        conversation = _open_conversation(conversation_id)
        existing = Message.objects.filter(dedupe_key=dedupe_key, conversation=conversation).first()
        if existing:
            return existing
        ends = conversation.service_window_ends_at
        if ends is None or ends <= now:
            raise WindowClosedError(_("The 24-hour window is over: only an approved template can be sent now."))
        if actor is not None:
            handler_set(conversation=conversation, handler=Conversation.Handler.PERSON, assignee=actor, at=now)
        return message_schedule(
            contact=conversation.contact,
            account=conversation.account,
            conversation=conversation,
            campaign=conversation.campaign,
            origin=Message.Origin.REPLY,
            purpose=Purpose.SERVICE,
            dedupe_key=dedupe_key,
            due_at=now,
            expires_at=ends,
            content_free={"text": text, "buttons": [{"id": b.id, "title": b.title} for b in buttons]},
            priority=PRIORITY_ANSWER,
            author=actor,
            now=now,
        )


def handler_set(*, conversation: Conversation, handler: str, assignee: User | None, at: datetime) -> Conversation:
    """Who handles a (locked) conversation from `at` on. Leaving automation stops its callbacks."""
    if conversation.handler != handler or conversation.assignee != assignee:
        conversation.handler = handler
        conversation.assignee = assignee
        conversation.handler_since = at
        conversation.save(update_fields=["handler", "assignee", "handler_since"])
    if handler != Conversation.Handler.AUTOMATION:
        callbacks_stop(
            conversation_ids=[conversation.id],
            ended_by=DropOut.EndedBy.HAND_OVER,
            reason="conversation_with_agent",
            at=at,
        )
    return conversation


def conversations_note_sent(*, sent: Sequence[tuple[UUID, datetime]]) -> int:
    """Tell the conversations of these messages (message id, when the provider accepted it) that we have spoken.

    Moves `last_outbound_at` forward and opens the free entry window (`windows.free_entry_end`, in SQL: this is on the
    path of every send). Call it inside the transaction that records the messages; how many conversations it touched.
    """
    if not sent:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            NOTE_SENT,
            [
                [message_id for message_id, _at in sent],
                [at for _message_id, at in sent],
                FREE_ENTRY_ANSWER.total_seconds(),
                FREE_ENTRY_WINDOW.total_seconds(),
            ],
        )
        return cast("int", cursor.rowcount)


# One row per conversation: its earliest answer decides the free entry window, its latest is when we last spoke.
# Rows are locked in the order of their ids, so that two batches cannot wait for each other.
NOTE_SENT = """
WITH sent AS (
    SELECT m.conversation_id AS id, min(s.at) AS first_at, max(s.at) AS last_at
    FROM unnest(%s::uuid[], %s::timestamptz[]) AS s(message_id, at)
    JOIN conversations_message m ON m.id = s.message_id
    WHERE m.conversation_id IS NOT NULL
    GROUP BY m.conversation_id
), locked AS (
    SELECT c.id, sent.first_at, sent.last_at,
           CASE WHEN c.free_entry_eligible THEN (c.referral ->> 'occurred_at')::timestamptz END AS clicked_at
    FROM conversations_conversation c JOIN sent ON sent.id = c.id
    ORDER BY c.id FOR NO KEY UPDATE OF c
), windows AS (
    SELECT make_interval(secs => %s) AS answer, make_interval(secs => %s) AS length
)
UPDATE conversations_conversation c
SET last_outbound_at = greatest(c.last_outbound_at, locked.last_at),
    free_entry_ends_at = CASE
        WHEN locked.first_at BETWEEN locked.clicked_at AND locked.clicked_at + windows.answer
             AND (c.free_entry_ends_at IS NULL OR c.free_entry_ends_at - windows.length < locked.clicked_at)
        THEN locked.first_at + windows.length
        ELSE c.free_entry_ends_at END
FROM locked, windows
WHERE c.id = locked.id
"""


def _open_conversation(conversation_id: UUID) -> Conversation:
    conversation = (
        Conversation.objects.select_for_update(no_key=True, of=("self",))
        .select_related("contact", "account", "campaign", "assignee")
        .get(pk=conversation_id)
    )
    if conversation.status != Conversation.Status.OPEN:
        raise ConversationClosedError(_("The conversation is closed."))
    return conversation
