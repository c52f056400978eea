"""What people and numbers do: messages, statuses, echoes, preferences, identity changes, hand-overs."""

from collections.abc import Mapping
from typing import Any

from messaging.adapters.whatsapp.errors import classify
from messaging.adapters.whatsapp.reading import (
    Context,
    ItemError,
    addresses,
    dedupe_key,
    json_read,
    known,
    obj,
    objs,
    person,
    phone,
    text,
    time_of,
)
from messaging.events import (
    DeliveryStatus,
    Event,
    HandoverChanged,
    IdentityChanged,
    InboundMessage,
    MessageEcho,
    MessageRevoked,
    PreferenceChanged,
    Referral,
    StatusUpdate,
    UnknownEvent,
)

_STATUSES = {
    "sent": DeliveryStatus.SENT,
    "delivered": DeliveryStatus.DELIVERED,
    "read": DeliveryStatus.READ,
    "played": DeliveryStatus.READ,  # a voice message was listened to
    "failed": DeliveryStatus.FAILED,
    "held_for_quality_assessment": DeliveryStatus.HELD,
}
_MEDIA_KINDS = ("image", "video", "audio", "document", "sticker")
_MEDIA_KEYS = ("id", "mime_type", "sha256", "filename", "voice", "animated", "url")
# Where a message arrived decides its key: a copy in standby or in a history import is another event.
_PREFIXES = {"standby": "standby", "history": "history"}


def unknown(item: object, context: Context, kind: str) -> UnknownEvent:
    """Anything we do not understand, kept whole."""
    raw = item if isinstance(item, dict) else {"value": item}
    key = dedupe_key("unknown", "", [kind, context.business_account_id, context.entry_time, raw])
    moment = time_of(raw.get("timestamp") or context.entry_time, context)
    return UnknownEvent(context.sender_id, moment, key, raw, kind[:80], business_account_id=context.business_account_id)


def status(item: Mapping[str, Any], context: Context) -> Event:
    """One of `statuses[]`."""
    message_id, ref, name = text(item.get("id")), text(item.get("biz_opaque_callback_data")), text(item.get("status"))
    if not message_id and not ref:
        raise ItemError("status without a message id")
    progress = _STATUSES.get(name)
    if progress is None:
        return unknown(item, context, f"status.{name}")
    # One person per message, except in a group: there every participant reports on the same message.
    participant = text(item.get("recipient_participant_id") or item.get("recipient_participant_user_id"))
    parent = item.get("recipient_parent_user_id") or item.get("parent_recipient_user_id")
    found = addresses(item.get("recipient_id"), item.get("recipient_user_id"), parent)
    pricing = obj(item.get("pricing"))
    billable = pricing.get("billable")
    errors = item.get("errors")
    return StatusUpdate(
        sender_id=context.sender_id,
        occurred_at=time_of(item.get("timestamp"), context),
        dedupe_key=dedupe_key(
            "status", f"{message_id or ref}:{name}" + (f":{participant}" if participant else ""), item
        ),
        raw=dict(item),
        business_account_id=context.business_account_id,
        message_id=message_id,
        status=progress,
        ref=ref,
        person=person(context, found) if found else None,
        errors=tuple(classify(obj(error)) for error in objs(errors)) if errors else (),
        billable=billable if isinstance(billable, bool) else None,
        price_category=text(pricing.get("category"))[:30],
        price_type=text(pricing.get("type"))[:30],
    )


def message(item: Mapping[str, Any], context: Context) -> Event:
    """One of `messages[]`, of any type, in the field `messages`, `standby` or `history`."""
    kind = text(item.get("type"))
    if item.get("group_id"):
        return unknown(item, context, "message.group")  # not a conversation with one person: it opens no window
    if kind == "system":
        return _system(item, context)
    historic = context.field == "history"
    if historic and _from_business(item, context):
        return echo(item, context)
    # In a history import the thread names the person, and not every message does.
    sender = item.get("from") or (item.get("thread_id") if historic else None)
    found = addresses(sender, item.get("from_user_id"), item.get("from_parent_user_id"))
    if kind in ("revoke", "edit"):
        return _revoked(item, context, found)
    name, words, button_id, content = _body(kind, item)
    if errors := item.get("errors"):
        content["errors"] = [known(obj(error), "code", "title") for error in objs(errors)]
    quoted = obj(item.get("context"))
    content |= known(quoted, "forwarded", "frequently_forwarded", "referred_product")
    message_id = text(item.get("id"))
    reply_to = content.get("message_id") if name == "reaction" else quoted.get("id")
    return InboundMessage(
        sender_id=context.sender_id,
        occurred_at=time_of(item.get("timestamp"), context),
        dedupe_key=dedupe_key(_PREFIXES.get(context.field, "in"), message_id, item),
        raw=dict(item),
        business_account_id=context.business_account_id,
        person=person(context, found),
        message_id=message_id,
        kind=name,
        text=words,
        reply_to=text(reply_to),
        button_id=button_id,
        referral=_referral(item.get("referral")),
        content=content,
        standby=context.field == "standby",
        historic=historic,
    )


def echo(item: Mapping[str, Any], context: Context) -> Event:
    """A message that the owner or another app sent to the person."""
    sent = obj(item.get("message")) or item  # standby wraps the other app's send request
    kind = text(sent.get("type"))
    found = addresses(
        sent.get("to") or item.get("thread_id"),
        sent.get("to_user_id") or sent.get("recipient"),
        sent.get("to_parent_user_id"),
    )
    if kind in ("revoke", "edit"):
        return _revoked(item, context, found)
    name, words, _button_id, content = _body(kind, sent)
    message_id = text(item.get("id"))
    return MessageEcho(
        sender_id=context.sender_id,
        occurred_at=time_of(item.get("timestamp"), context),
        dedupe_key=dedupe_key("echo", message_id, item),
        raw=dict(item),
        business_account_id=context.business_account_id,
        person=person(context, found),
        message_id=message_id,
        kind=name,
        text=words,
        content=content,
        standby=context.field == "standby",
        historic=context.field == "history",
    )


def preference(item: Mapping[str, Any], context: Context) -> Event:
    """One of `user_preferences[]`: WhatsApp's own control for promotions. Its timestamp is a number."""
    value, category = text(item.get("value")), text(item.get("category"))
    if category != "marketing_messages" or value not in ("stop", "resume", "signup"):
        return unknown(item, context, f"user_preferences.{category}.{value}")
    found = addresses(item.get("wa_id"), item.get("user_id"), item.get("parent_user_id"))
    return PreferenceChanged(
        sender_id=context.sender_id,
        occurred_at=time_of(item.get("timestamp"), context),
        dedupe_key=dedupe_key("preference", "", item),
        raw=dict(item),
        business_account_id=context.business_account_id,
        person=person(context, found),
        wants_marketing=value != "stop",
    )


def user_id_update(item: Mapping[str, Any], context: Context) -> Event:
    """One of `user_id_update[]`: announced and withdrawn by Meta, accepted if it comes."""
    ids = obj(item.get("user_id"))
    return _identity(
        item,
        context,
        old=addresses(None, ids.get("previous")),
        new=addresses(item.get("wa_id"), ids.get("current")),
        reason="user_id_update",
    )


def handover(item: Mapping[str, Any], context: Context) -> Event:
    """The value of `messaging_handovers`. It has no metadata; `sender` is the customer, every key is optional."""
    sender, recipient = obj(item.get("sender")), obj(item.get("recipient"))
    change = obj(item.get(text(item.get("type"))))
    role = text(change.get("new_owner_role") or change.get("new_owner_app_role"))
    number_id = text(recipient.get("phone_number_id")) or context.sender_id
    return HandoverChanged(
        sender_id=number_id,
        occurred_at=time_of(item.get("timestamp") or context.entry_time, context),
        dedupe_key=dedupe_key("handover", "", item),
        raw=dict(item),
        business_account_id="" if number_id else context.business_account_id,
        person=person(
            context,
            addresses(
                sender.get("phone_number") or sender.get("wa_id"), sender.get("user_id"), sender.get("parent_user_id")
            ),
        ),
        # The payload names owners by app id, and an account does not know its own; only Meta's agent is surely not us.
        we_are_owner=False if role in ("meta_business_agent", "ai_agent") else None,
        new_owner_role=role,
    )


def _from_business(item: Mapping[str, Any], context: Context) -> bool:
    ours = phone(context.display_number)
    return bool(item.get("to") or item.get("to_user_id")) or bool(ours and phone(item.get("from")) == ours)


def _system(item: Mapping[str, Any], context: Context) -> Event:
    system = obj(item.get("system"))
    reason = text(system.get("type") or item.get("type"))
    phone_now = item.get("from")
    new_phone = system.get("wa_id") or system.get("new_wa_id")
    new_id = system.get("user_id")
    old_id = system.get("previous_user_id")
    if not old_id and new_id and item.get("from_user_id") not in (None, new_id):
        old_id = item.get("from_user_id")
    old_parent, new_parent = system.get("previous_parent_user_id"), system.get("parent_user_id")
    if reason in ("user_changed_number", "customer_changed_number"):
        old = addresses(phone_now or system.get("customer"), old_id, old_parent)
        new = addresses(new_phone, new_id, new_parent)
        return _identity(item, context, old=_less(old, new), new=new, reason="user_changed_number")
    if reason == "user_changed_user_id":
        # Published samples lack previous_user_id; then an unchanged phone is all that links old and new.
        new = addresses(new_phone or phone_now, new_id, new_parent)
        return _identity(item, context, old=_less(addresses(None, old_id, old_parent), new), new=new, reason=reason)
    if reason == "customer_identity_changed":
        same = addresses(phone_now, item.get("from_user_id"), item.get("from_parent_user_id"))
        return _identity(item, context, old=(), new=same, reason=reason)
    return unknown(item, context, f"system.{reason}")


def _less(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(address for address in old if address not in new)


def _identity(
    item: Mapping[str, Any], context: Context, *, old: tuple[Any, ...], new: tuple[Any, ...], reason: str
) -> IdentityChanged:
    if not old and not new:
        raise ItemError("names no person")
    return IdentityChanged(
        sender_id=context.sender_id,
        occurred_at=time_of(item.get("timestamp"), context),
        dedupe_key=dedupe_key("system", text(item.get("id")), item),
        raw=dict(item),
        business_account_id=context.business_account_id,
        old=old,
        new=new,
        reason=reason,
    )


def _revoked(item: Mapping[str, Any], context: Context, found: tuple[Any, ...]) -> MessageRevoked:
    kind = text(item.get("type")) or text(obj(item.get("message")).get("type"))
    change = obj(item.get(kind)) or obj(obj(item.get("message")).get(kind))
    target = text(change.get("original_message_id"))
    if not target:
        raise ItemError(f"{kind} without the original message's id")
    new_text = None
    if kind == "edit":
        edited = obj(change.get("message"))
        new_text = _body(text(edited.get("type")), edited)[1]
    return MessageRevoked(
        sender_id=context.sender_id,
        occurred_at=time_of(item.get("timestamp"), context),
        dedupe_key=dedupe_key(kind, text(item.get("id")), item),
        raw=dict(item),
        business_account_id=context.business_account_id,
        person=person(context, found),
        target_message_id=target,
        new_text=new_text,
    )


def _referral(value: object) -> Referral | None:
    referral = obj(value)
    if not referral:
        return None
    return Referral(
        source_type=text(referral.get("source_type")),
        source_id=text(referral.get("source_id")),
        source_url=text(referral.get("source_url")),
        headline=text(referral.get("headline")),
        body=text(referral.get("body")),
        click_id=text(referral.get("ctwa_clid")),
    )


def _body(kind: str, item: Mapping[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    """(our kind, what a reader would read, tapped button's id, normalised detail) of one message body."""
    if kind == "voice":
        kind = "audio"  # old samples
        item = {"audio": item.get("audio") or item.get("voice")}
    body = obj(item.get(kind))
    if kind == "text":
        return kind, text(body.get("body")), "", {}
    if kind in _MEDIA_KINDS:
        return kind, text(body.get("caption")), "", known(body, *_MEDIA_KEYS)
    if kind == "button":
        # The payload falls back to the label, as the provider has it.
        label = text(body.get("text"))
        return kind, label, text(body.get("payload")) or label, {}
    if kind == "interactive":
        return _interactive(body)
    if kind == "reaction":
        return kind, text(body.get("emoji")), "", known(body, "message_id", "emoji")
    if kind == "location":
        words = ", ".join(part for part in (text(body.get("name")), text(body.get("address"))) if part)
        return kind, words, "", known(body, "latitude", "longitude", "name", "address", "url")
    if kind == "contacts":
        names = [text(obj(obj(card).get("name")).get("formatted_name")) for card in objs(item.get("contacts"))]
        cards = {"contacts": objs(item.get("contacts"))} | known(item, "origin")
        return kind, ", ".join(name for name in names if name), "", cards
    if kind == "order":
        return kind, text(body.get("text")), "", known(body, "catalog_id", "product_items")
    if kind == "template":
        return kind, "", "", known(body, "name", "language")
    if kind == "unsupported":
        return kind, "", "", {"unsupported_type": text(body.get("type"))} if body.get("type") else {}
    # A type from the future: opaque, but somebody wrote. The receipt keeps the bytes, `raw` the item.
    return "unknown", text(body.get("body")), "", {"type": kind[:80]}


def _interactive(body: Mapping[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    kind = text(body.get("type"))
    answer = obj(body.get(kind))
    content: dict[str, Any] = {"type": kind[:80]}
    if kind in ("button_reply", "list_reply"):
        content |= known(answer, "description")
        return "interactive", text(answer.get("title")), text(answer.get("id")), content
    if kind == "nfm_reply":
        content |= known(answer, "name")
        response = answer.get("response_json")
        try:
            content["response"] = json_read(response) if isinstance(response, str) else response
        except (ValueError, RecursionError):
            content["response_text"] = response  # seen invalid in the wild
        return "interactive", text(answer.get("body")), "", content
    if kind == "call_permission_reply":
        content |= known(answer, "response", "is_permanent", "expiration_timestamp", "response_source")
        return "interactive", "", "", content
    words = obj(body.get("body")).get("text")  # an echo of what we or another app sent
    return "interactive", text(words), "", content
