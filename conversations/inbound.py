"""What happens when a person writes: who they are, which conversation, where they came from, what they want.

Everything one message causes is done in one transaction (the caller's savepoint) under the contact's row lock, and the
message row is its proof: when the row exists, all of it has happened.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Q

from campaigns.attribution import Attributed, attribution_find
from campaigns.holdout import holdout_assigned
from campaigns.liquid import LiquidTextError, liquid_render, liquid_values
from campaigns.models import Campaign
from contacts.addresses import contact_identify
from contacts.consent import consent_record
from contacts.models import Address, ConsentEvent, Contact, Purpose
from contacts.optout import confirmation_text, optin_record, optout_record, review_raise
from contacts.words import WordVerdict, classify
from conversations.models import Conversation, DropOut, Message
from conversations.services import (
    PRIORITY_ANSWER,
    PRIORITY_OPTOUT,
    callbacks_stop,
    contact_callbacks_stop,
    handler_set,
    message_schedule,
)
from conversations.text import event_key, storable
from conversations.windows import service_window_end
from messaging.events import InboundMessage, Person
from messaging.models import ChannelAccount, WebhookReceipt

log = structlog.get_logger(__name__)

WORD_KINDS = frozenset({"text", "button", "interactive"})  # what a person typed or tapped
# Under a picture a stop word may be about the picture: somebody reads it. So it is with kinds we do not know yet.
CAPTION_KINDS = frozenset({"image", "video", "audio", "document", "unknown"})
ANSWER_PAUSE = timedelta(hours=1)
UNSAID = (Message.Status.FAILED, Message.Status.SUPPRESSED, Message.Status.EXPIRED, Message.Status.CANCELLED)
NO_WORD = WordVerdict(kind="none", word="", language="")


def inbound_apply(*, event: InboundMessage, account: ChannelAccount, receipt: WebhookReceipt, now: datetime) -> None:
    """Store one message of a person and do what follows from it; a message we have is passed over."""
    contact = person_identify(person=event.person, account=account, now=now)
    provider_id = storable(event.message_id or event_key("message", account.id, event.dedupe_key))
    if Message.objects.filter(account=account, provider_message_id=provider_id).exists():
        return
    verdict = word_verdict(event)
    if verdict.kind == "stop":
        inbound_optout(event=event, account=account, contact=contact, word=verdict.word)
    conversation, opened = _conversation(contact, account, event, now)
    message = Message.objects.create(
        contact=contact,
        account=account,
        conversation=conversation,
        campaign=conversation.campaign if conversation else None,
        direction=Message.Direction.IN,
        origin=Message.Origin.CONTACT,
        kind=event.kind[:30],
        status=Message.Status.RECEIVED,
        provider_message_id=provider_id,
        occurred_at=event.occurred_at,
        text=storable(event.text),
        content=_content(event),
        reply_to=storable(event.reply_to)[:200],
        receipt=receipt,
        standby=event.standby,
    )
    if event.historic or conversation is None:
        return
    Address.objects.filter(contact=contact, channel=account.channel).exclude(unreachable_since=None).update(
        unreachable_since=None
    )
    attributed = _attribute(conversation, contact, account, event, now)
    _move(conversation, event, now)
    if conversation.campaign_id != message.campaign_id:
        Message.objects.filter(pk=message.pk).update(campaign=conversation.campaign)
    if attributed and not attributed.forwarded and verdict.kind not in ("stop", "review"):
        _entry_consent(conversation, contact, account, event)
    _act_on_words(verdict, conversation, contact, account, event, now)
    if opened and verdict.kind in ("none", "start"):
        _greet(conversation, contact, account, event, now)


def person_identify(*, person: Person, account: ChannelAccount, now: datetime) -> Contact:
    """The contact a payload speaks of, found or made, its row locked. ValueError when the payload names nobody."""
    if not person.addresses:
        raise ValueError("the item names no address")
    contact = contact_identify(
        channel=account.channel,
        portfolio_id=account.portfolio_id,
        addresses=[(address.kind, address.value) for address in person.addresses],
        name=storable(person.name)[:200],
        now=now,
    )
    return Contact.objects.select_for_update(no_key=True).get(pk=contact.pk)


def word_verdict(event: InboundMessage) -> WordVerdict:
    """Whether the message is a word that acts. Nothing asks for an opt-in by yes yet, so a bare yes is just a word."""
    if event.kind not in WORD_KINDS | CAPTION_KINDS or not event.text:
        return NO_WORD
    verdict = classify(storable(event.text))
    if event.kind in WORD_KINDS:
        return verdict
    return replace(verdict, kind="review") if verdict.kind in ("stop", "review") else NO_WORD


def inbound_optout(*, event: InboundMessage, account: ChannelAccount, contact: Contact, word: str) -> None:
    """Withdraw marketing because of what the person wrote, and cancel what was planned for them. Idempotent."""
    optout_record(
        contact_id=contact.id,
        channel=account.channel,
        source=ConsentEvent.Source.KEYWORD,
        occurred_at=event.occurred_at,
        dedupe_key=event_key("stop", account.id, event.dedupe_key),
        wording=storable(event.text),
        evidence=_evidence(account, event) | {"word": word},
    )
    contact_callbacks_stop(contact_id=contact.id, channel=account.channel, at=event.occurred_at)


def inbound_review(
    *, event: InboundMessage, account: ChannelAccount, contact: Contact, verdict: WordVerdict, now: datetime
) -> None:
    """Ask a person whether what was written is an opt-out; until then nothing is sent. Idempotent."""
    review_raise(
        contact_id=contact.id,
        channel=account.channel,
        text=storable(event.text),
        matched=verdict.word,
        message_key=event_key("message", account.id, event.dedupe_key),
        now=min(event.occurred_at, now),
    )


def _conversation(
    contact: Contact, account: ChannelAccount, event: InboundMessage, now: datetime
) -> tuple[Conversation | None, bool]:
    """The conversation a message belongs to, locked, and whether this message opened it.

    A message that was written before a conversation was closed and comes after belongs into that one and opens none.
    Imported history opens none either.
    """
    theirs = Conversation.objects.select_for_update(no_key=True, of=("self",)).select_related("campaign", "entry_point")
    theirs = theirs.filter(contact=contact, account=account)
    conversation = theirs.filter(status=Conversation.Status.OPEN).first()
    if conversation is None:
        at = event.occurred_at
        conversation = (
            theirs.filter(Q(opened_at__lte=at) & Q(closed_at__gt=at), status=Conversation.Status.CLOSED)
            .order_by("-closed_at")
            .first()
        )
    if conversation is not None or event.historic:
        return conversation, False
    opened_at = min(event.occurred_at, now)
    return Conversation.objects.create(contact=contact, account=account, opened_at=opened_at), True


def _attribute(
    conversation: Conversation, contact: Contact, account: ChannelAccount, event: InboundMessage, now: datetime
) -> Attributed | None:
    """Say where the conversation came from, once, and draw the holdout. What this message told, or None."""
    referral = event.referral
    if referral:
        if referral.source_type == "ad":
            conversation.free_entry_eligible = True
        conversation.referral = (conversation.referral or _referral(event)) | {
            "occurred_at": event.occurred_at.isoformat()
        }
    if conversation.attribution != Conversation.Attribution.NONE:
        return None
    found = attribution_find(
        account=account, referral=referral, text=storable(event.text), contact_id=contact.id, now=now
    )
    if found.kind == Conversation.Attribution.NONE:
        return None
    conversation.attribution = found.kind
    conversation.campaign = found.campaign
    conversation.entry_point = found.entry_point
    conversation.ad_click = found.ad_click
    conversation.click_id = storable(found.click_id)[:512]
    if found.campaign is not None:
        conversation.holdout = holdout_assigned(
            salt=found.campaign.holdout_salt, percent=found.campaign.holdout_percent, contact_id=contact.id
        )
    return found


def _move(conversation: Conversation, event: InboundMessage, now: datetime) -> None:
    """The conversation goes one turn on: windows by the provider's time, planned callbacks cancelled."""
    wrote_at = min(event.occurred_at, now)
    conversation.turn += 1
    conversation.last_inbound_at = max(conversation.last_inbound_at or wrote_at, wrote_at)
    conversation.service_window_ends_at = service_window_end(
        conversation.service_window_ends_at, wrote_at=event.occurred_at, now=now
    )
    conversation.save()
    callbacks_stop(
        conversation_ids=[conversation.id], ended_by=DropOut.EndedBy.REPLY, reason="replied_since", at=wrote_at
    )
    # The provider tells us by the field it uses who owns the thread now; a person who took over stays.
    handlers = Conversation.Handler
    if event.standby and conversation.handler == handlers.AUTOMATION:
        handler_set(conversation=conversation, handler=handlers.OTHER_APP, assignee=None, at=wrote_at)
    elif not event.standby and conversation.handler == handlers.OTHER_APP:
        handler_set(conversation=conversation, handler=handlers.AUTOMATION, assignee=None, at=wrote_at)


def _entry_consent(
    conversation: Conversation, contact: Contact, account: ChannelAccount, event: InboundMessage
) -> None:
    """The door told people that writing means agreeing, in words that are kept as the proof."""
    entry_point, campaign = conversation.entry_point, conversation.campaign
    if entry_point is None or campaign is None or not entry_point.consent_wording:
        return
    consent_record(
        contact_id=contact.id,
        channel=account.channel,
        purpose=Purpose.MARKETING,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.ENTRY_POINT,
        occurred_at=event.occurred_at,
        dedupe_key=event_key("entry", account.id, event.dedupe_key),
        wording=entry_point.consent_wording,
        wording_language=campaign.language,
        wording_version=entry_point.consent_version,
        disclosed_per_week=entry_point.consent_per_week,
        evidence=_evidence(account, event)
        | {"entry_point": str(entry_point.id), "click": conversation.ad_click_id or conversation.click_id},
    )


def _act_on_words(
    verdict: WordVerdict,
    conversation: Conversation,
    contact: Contact,
    account: ChannelAccount,
    event: InboundMessage,
    now: datetime,
) -> None:
    if verdict.kind == "review":
        inbound_review(event=event, account=account, contact=contact, verdict=verdict, now=now)
    elif verdict.kind == "start":
        optin_record(
            contact_id=contact.id,
            channel=account.channel,
            source=ConsentEvent.Source.KEYWORD,
            occurred_at=event.occurred_at,
            dedupe_key=event_key("start", account.id, event.dedupe_key),
            wording=storable(event.text),
            evidence=_evidence(account, event) | {"word": verdict.word},
        )
    if verdict.kind in ("stop", "start", "help") and not _answered_lately(verdict.kind, contact, account, now):
        campaign_language = conversation.campaign.language if conversation.campaign else ""
        language = verdict.language or contact.language or campaign_language
        text = confirmation_text(language, kind=verdict.kind, business_name=account.name)
        stop = verdict.kind == "stop"
        _answer(
            conversation,
            contact,
            account,
            event,
            now,
            origin=Message.Origin.OPTOUT_CONFIRMATION if stop else Message.Origin.REPLY,
            key=verdict.kind,
            text=text,
            priority=PRIORITY_OPTOUT if stop else PRIORITY_ANSWER,
            # Twice is better than never for the one message that says: we have heard you.
            at_least_once=stop,
        )


def _answered_lately(kind: str, contact: Contact, account: ChannelAccount, now: datetime) -> bool:
    """Whether our last answer to a word said just that: a machine that answers our answers would go on for ever."""
    words = Q()
    for word in ("stop", "start", "help"):
        words |= Q(dedupe_key__startswith=f"{word}:{account.id}:")
    last = (
        Message.objects.filter(words, contact=contact, account=account, direction=Message.Direction.OUT)
        .exclude(status__in=UNSAID)
        .filter(occurred_at__gt=now - ANSWER_PAUSE)
        .order_by("occurred_at", "id")
        .last()
    )
    return last is not None and str(last.dedupe_key).startswith(f"{kind}:")


def _greet(
    conversation: Conversation, contact: Contact, account: ChannelAccount, event: InboundMessage, now: datetime
) -> None:
    """The campaign's first answer, at once. It answers a message, so it is service and needs no marketing consent."""
    campaign = conversation.campaign
    if campaign is None or not campaign.greeting or campaign.status != Campaign.Status.RUNNING:
        return
    entry_point = conversation.entry_point
    values = liquid_values(
        name=contact.display_name,
        language=contact.language or campaign.language,
        attributes=contact.attributes,
        campaign_name=campaign.name,
        reference=conversation.ad_click.reference if conversation.ad_click else "",
        entry_point=entry_point.name if entry_point else "",
        opened_at=conversation.opened_at,
    )
    try:
        text = liquid_render(campaign.greeting, values).strip()
    except LiquidTextError:
        log.warning("greeting_not_rendered", campaign=str(campaign.id), conversation=str(conversation.id))
        return
    if text:
        _answer(conversation, contact, account, event, now, origin=Message.Origin.GREETING, key="greeting", text=text)


def _answer(
    conversation: Conversation,
    contact: Contact,
    account: ChannelAccount,
    event: InboundMessage,
    now: datetime,
    *,
    origin: str,
    key: str,
    text: str,
    priority: int = PRIORITY_ANSWER,
    at_least_once: bool = False,
) -> None:
    """Answer this very message, once, while its window is open; never in a thread that another app owns."""
    ends = conversation.service_window_ends_at
    if event.standby or conversation.status != Conversation.Status.OPEN or ends is None or ends <= now:
        return
    message_schedule(
        contact=contact,
        account=account,
        conversation=conversation,
        campaign=conversation.campaign,
        origin=origin,
        purpose=Purpose.SERVICE,
        dedupe_key=event_key(key, account.id, event.dedupe_key),
        due_at=now,
        expires_at=ends,
        content_free={"text": text, "buttons": []},
        priority=priority,
        at_least_once=at_least_once,
        now=now,
    )


def _evidence(account: ChannelAccount, event: InboundMessage) -> dict[str, Any]:
    return {"account": str(account.id), "message": storable(event.message_id), "at": event.occurred_at.isoformat()}


def _referral(event: InboundMessage) -> dict[str, Any]:
    referral = event.referral
    if referral is None:
        return {}
    fields = ("source_type", "source_id", "source_url", "headline", "body")
    return {name: storable(getattr(referral, name)) for name in fields}


def _content(event: InboundMessage) -> dict[str, Any]:
    content: dict[str, Any] = storable(dict(event.content))
    if event.button_id:
        content["button_id"] = storable(event.button_id)
    if event.referral:
        content["referral"] = _referral(event) | {"click_id": storable(event.referral.click_id)}
    return content
