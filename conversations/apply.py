"""One function per kind of event: what it does to conversations, people and accounts.

All are idempotent, so that a receipt may be processed again after a crash in the middle or by hand.
"""

from collections.abc import Iterable
from datetime import datetime

import structlog

from contacts.addresses import addresses_change, contact_find
from contacts.models import ConsentEvent, Contact
from contacts.optout import optin_record, optout_record
from conversations.inbound import inbound_apply, inbound_optout, inbound_review, person_identify, word_verdict
from conversations.models import Conversation, Message
from conversations.services import contact_callbacks_stop, handler_set
from conversations.text import event_key, storable
from messaging.accounts import provider_event_apply
from messaging.events import (
    AccountChanged,
    AddressRef,
    Event,
    HandoverChanged,
    IdentityChanged,
    InboundMessage,
    MessageEcho,
    MessageRevoked,
    PreferenceChanged,
    TemplateChanged,
    UnknownEvent,
)
from messaging.models import ChannelAccount, ProviderEvent, WebhookReceipt

log = structlog.get_logger(__name__)


class MessageUnknownError(ValueError):
    """A change to a message we do not have (yet); the receipt can be processed again when we do."""


def optouts(events: Iterable[Event]) -> list[Event]:
    """The events that say, without any doubt, that a person wants no more: they are applied before all others."""
    return [
        event
        for event in events
        if (isinstance(event, PreferenceChanged) and not event.wants_marketing)
        or (isinstance(event, InboundMessage) and word_verdict(event).kind == "stop")
        or (isinstance(event, MessageRevoked) and word_verdict(_as_written(event)).kind == "stop")
    ]


def optout_apply(*, event: Event, account: ChannelAccount, now: datetime) -> None:
    """Only the withdrawal of such an event; the rest of it follows in its turn."""
    if isinstance(event, PreferenceChanged):
        preference_apply(event=event, account=account, now=now)
    elif isinstance(event, InboundMessage):
        contact = person_identify(person=event.person, account=account, now=now)
        inbound_optout(event=event, account=account, contact=contact, word=word_verdict(event).word)
    elif isinstance(event, MessageRevoked):
        # The edit may overtake the message it edits. Only of one that we know for our own it means nothing.
        edited = Message.objects.filter(account=account, provider_message_id=storable(event.target_message_id))
        if not edited.filter(direction=Message.Direction.OUT).exists():
            as_written = _as_written(event)
            contact = person_identify(person=event.person, account=account, now=now)
            inbound_optout(event=as_written, account=account, contact=contact, word=word_verdict(as_written).word)


def _as_written(event: MessageRevoked) -> InboundMessage:
    """An edited message as if its new words had been written now; without words for a deleted one."""
    return InboundMessage(
        sender_id=event.sender_id,
        occurred_at=event.occurred_at,
        dedupe_key=event.dedupe_key,
        raw={},
        person=event.person,
        message_id=event.target_message_id,
        kind="text",
        text=storable(event.new_text or ""),
    )


def event_apply(*, event: Event, account: ChannelAccount, receipt: WebhookReceipt, now: datetime) -> None:
    """Let one event of an account take effect. Statuses are not among these: `statuses_apply` takes them in sets."""
    match event:
        case InboundMessage():
            inbound_apply(event=event, account=account, receipt=receipt, now=now)
        case MessageEcho():
            echo_apply(event=event, account=account, receipt=receipt, now=now)
        case MessageRevoked():
            revoke_apply(event=event, account=account, now=now)
        case PreferenceChanged():
            preference_apply(event=event, account=account, now=now)
        case IdentityChanged():
            identity_apply(event=event, account=account, now=now)
        case HandoverChanged():
            handover_apply(event=event, account=account, now=now)
        case AccountChanged() | TemplateChanged() | UnknownEvent():
            provider_event_apply(event=event, account=account, receipt=receipt, now=now)
        case _:
            raise TypeError(f"no room takes {type(event).__name__}")


def echo_apply(*, event: MessageEcho, account: ChannelAccount, receipt: WebhookReceipt, now: datetime) -> None:
    """Somebody wrote to the person outside Rekindle: the thread shows it, and a person is speaking now.

    It opens no conversation and no window (only the contact's messages do). An echo of our own message is no news.
    """
    contact = person_identify(person=event.person, account=account, now=now)
    provider_id = storable(event.message_id or event_key("message", account.id, event.dedupe_key))
    if Message.objects.filter(account=account, provider_message_id=provider_id).exists():
        return
    conversation = _open_of(contact, account)
    Message.objects.create(
        contact=contact,
        account=account,
        conversation=conversation,
        campaign=conversation.campaign if conversation else None,
        direction=Message.Direction.OUT,
        origin=Message.Origin.ELSEWHERE,
        kind=event.kind[:30],
        status=Message.Status.SENT,
        provider_message_id=provider_id,
        occurred_at=event.occurred_at,
        sent_at=event.occurred_at,
        text=storable(event.text),
        content=storable(dict(event.content)),
        receipt=receipt,
    )
    if conversation is None or event.occurred_at < conversation.opened_at:
        return
    wrote_at = min(event.occurred_at, now)
    conversation.last_outbound_at = max(conversation.last_outbound_at or wrote_at, wrote_at)
    conversation.save(update_fields=["last_outbound_at"])
    if conversation.handler != Conversation.Handler.OTHER_APP:
        handler_set(
            conversation=conversation,
            handler=Conversation.Handler.PERSON,
            assignee=conversation.assignee,
            at=wrote_at,
        )


def revoke_apply(*, event: MessageRevoked, account: ChannelAccount, now: datetime) -> None:
    """The person deleted or edited a message. A stop word edited in counts like one written."""
    message = (
        Message.objects.select_for_update(no_key=True)
        .filter(account=account, provider_message_id=storable(event.target_message_id))
        .exclude(provider_message_id="")
        .first()
    )
    if message is None:
        raise MessageUnknownError("the message that was changed is not known")
    if event.new_text is None:
        message.revoked_at = message.revoked_at or event.occurred_at
        message.save(update_fields=["revoked_at"])
        return
    new_text = storable(event.new_text)
    edits = message.content.get("edits", [])
    if any(edit["key"] == event.dedupe_key for edit in edits):
        return
    edits.append({"key": storable(event.dedupe_key), "at": event.occurred_at.isoformat(), "before": message.text})
    message.content["edits"] = edits
    message.text = new_text
    message.save(update_fields=["text", "content"])
    as_written = _as_written(event)
    verdict = word_verdict(as_written)
    if message.direction != Message.Direction.IN:
        return
    if verdict.kind == "stop":
        inbound_optout(event=as_written, account=account, contact=message.contact, word=verdict.word)
    elif verdict.kind == "review":
        inbound_review(event=as_written, account=account, contact=message.contact, verdict=verdict, now=now)


def preference_apply(*, event: PreferenceChanged, account: ChannelAccount, now: datetime) -> None:
    """The provider's own stop and resume controls are an opt-out and an opt-in."""
    contact = person_identify(person=event.person, account=account, now=now)
    record = optin_record if event.wants_marketing else optout_record
    record(
        contact_id=contact.id,
        channel=account.channel,
        source=ConsentEvent.Source.PREFERENCE,
        occurred_at=event.occurred_at,
        dedupe_key=event_key("preference", account.id, event.dedupe_key),
        wording="",
        evidence={"account": str(account.id), "at": event.occurred_at.isoformat()},
    )
    if not event.wants_marketing:
        contact_callbacks_stop(contact_id=contact.id, channel=account.channel, at=event.occurred_at)


def identity_apply(*, event: IdentityChanged, account: ChannelAccount, now: datetime) -> None:
    """Old addresses give way to new ones; the person, their consent and their conversations stay."""
    addresses_change(
        channel=account.channel,
        portfolio_id=account.portfolio_id,
        old=_pairs(event.old),
        new=_pairs(event.new),
        occurred_at=event.occurred_at,
        now=now,
    )


def handover_apply(*, event: HandoverChanged, account: ChannelAccount, now: datetime) -> None:
    """Control of the thread moved. When it cannot be told to whom, we keep silent until the person writes to us."""
    contact = contact_find(
        channel=account.channel, portfolio_id=account.portfolio_id, addresses=_pairs(event.person.addresses)
    )
    conversation = _open_of(contact, account) if contact else None
    if conversation is None:
        return
    handlers = Conversation.Handler
    at = min(event.occurred_at, now)
    if conversation.handler_since and at < conversation.handler_since:
        return  # old news: somebody has taken over since
    if event.we_are_owner:
        if conversation.handler == handlers.OTHER_APP:
            handler_set(conversation=conversation, handler=handlers.AUTOMATION, assignee=None, at=at)
    elif conversation.handler == handlers.AUTOMATION:
        handler_set(conversation=conversation, handler=handlers.OTHER_APP, assignee=None, at=at)


def disbelieved_keep(*, event: Event, why: str, receipt: WebhookReceipt) -> None:
    """Keep, without acting on it, an item whose signature does not vouch for the account it speaks of."""
    log.warning("webhook_item_not_believed", receipt=receipt.id, why=why, kind=type(event).__name__)
    kept = ProviderEvent(
        account=None,
        receipt=receipt,
        kind=f"{why}.{type(event).__name__}"[:80],
        known=False,
        payload=storable(event.raw),
        occurred_at=event.occurred_at,
        dedupe_key=event_key(f"{why}:{receipt.id}", receipt.verified_account_ids[0], event.dedupe_key),
    )
    ProviderEvent.objects.bulk_create([kept], ignore_conflicts=True)


def _open_of(contact: Contact, account: ChannelAccount) -> Conversation | None:
    return (
        Conversation.objects.select_for_update(no_key=True, of=("self",))
        .select_related("campaign", "assignee")
        .filter(contact=contact, account=account, status=Conversation.Status.OPEN)
        .first()
    )


def _pairs(addresses: Iterable[AddressRef]) -> list[tuple[str, str]]:
    return [(address.kind, address.value) for address in addresses]
