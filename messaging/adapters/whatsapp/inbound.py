"""WhatsApp, receiving: signature, handshake, and a webhook's body taken apart item by item.

A body may hold up to 1,000 items for several accounts. Each is read by itself: one that breaks becomes a Fault, one
of an unknown kind an UnknownEvent, and the others are not affected.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from messaging.adapters.whatsapp import messages
from messaging.adapters.whatsapp.account_events import account_event, history_declined
from messaging.adapters.whatsapp.reading import (
    Context,
    ItemError,
    contacts_index,
    json_read,
    obj,
    objs,
    text,
)
from messaging.events import Event, Fault, Parsed, UnknownEvent

_Reader = Callable[[Any, Context], Event]
_SIGNATURE = "x-hub-signature-256"

# Arrays of a change's value whose every element is one event.
_LISTS: dict[str, _Reader] = {
    "messages": messages.message,
    "statuses": messages.status,
    "message_echoes": messages.echo,
    "user_preferences": messages.preference,
    "user_id_update": messages.user_id_update,
}
# Keys that accompany events and say nothing by themselves.
_FRAME = {"messaging_product", "metadata", "contacts"}
# What `errors[]` beside messages tells is on the messages as well; alone it is news.
_MESSAGE_FIELDS = {"", "messages", "standby", "history", "smb_message_echoes", "user_preferences", "user_id_update"}
_ERRORS = (ItemError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


class WhatsAppInbound:
    """The receiving side of `messaging.adapters.base`."""

    def signature_valid(self, secret: str, headers: Mapping[str, str], raw: bytes) -> bool:
        """HMAC-SHA256 of the raw bytes under the app secret, in `X-Hub-Signature-256: sha256=<hex>`."""
        if not secret:
            return False
        given = next((value for name, value in headers.items() if name.lower() == _SIGNATURE), "")
        expected = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        return hmac.compare_digest(given.strip().encode(errors="replace"), expected.encode())

    def handshake(self, query: Mapping[str, str], verify_tokens: Iterable[str]) -> str | None:
        """The challenge, when `hub.verify_token` is one of ours. Answer it as plain text."""
        if query.get("hub.mode") != "subscribe":
            return None
        given = query.get("hub.verify_token", "").encode(errors="replace")
        # Every token is compared, so that the time taken does not tell which one was near.
        matches = [hmac.compare_digest(given, token.encode()) for token in verify_tokens if token]
        return query.get("hub.challenge", "") if any(matches) else None

    def parse(self, raw: bytes, *, received_at: datetime | None = None) -> Parsed:
        events: list[Event] = []
        faults: list[Fault] = []
        count = 0
        try:
            body = json_read(raw)
        except (ValueError, RecursionError) as error:
            return Parsed((), (Fault(0, f"{type(error).__name__}: the body is not JSON"),), 1)
        for reader, item, context in _items(body, received_at):
            try:
                events.append(reader(item, context))
            except _ERRORS as error:
                faults.append(Fault(count, _safe(error)))
            count += 1
        return Parsed(tuple(events), tuple(faults), count)


def _safe(error: Exception) -> str:
    """Our own words, or the class alone: a foreign exception's message may quote the item."""
    return f"ItemError: {error}" if isinstance(error, ItemError) else type(error).__name__


def _items(body: object, received_at: datetime | None) -> Iterator[tuple[_Reader, Any, Context]]:
    """Every item with its reader. Samples exist with `entry` as an object or as a string of JSON."""
    envelope = obj(body)
    if "entry" not in envelope:
        yield _fault("a body without entry"), body, Context("", "", received_at)
        return
    for entry in objs(_unpacked(envelope["entry"])):
        context = Context("", text(obj(entry).get("id")), received_at, entry_time=_scalar(obj(entry).get("time")))
        changes = obj(entry).get("changes")
        if changes is None:
            yield _opaque("entry"), entry, context
            continue
        for change in objs(changes):
            yield from _change(change, context)


def _unpacked(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json_read(value)
    except (ValueError, RecursionError):
        return value


def _scalar(value: object) -> object:
    return value if isinstance(value, (str, int, float)) else None


def _change(change: object, shared: Context) -> Iterator[tuple[_Reader, Any, Context]]:
    field, value = text(obj(change).get("field")), obj(change).get("value")
    metadata = obj(obj(value).get("metadata"))
    sender_id = text(metadata.get("phone_number_id"))
    context = Context(
        field,
        "" if sender_id else shared.business_account_id,
        shared.received_at,
        entry_time=shared.entry_time,
        sender_id=sender_id,
        display_number=text(metadata.get("display_phone_number")),
    )
    if not isinstance(value, dict):
        yield _opaque(field or "change"), change, context
    elif field == "standby":
        inner = obj(value.get("standby"))
        yield from _value(inner or value, context)
    elif field == "messaging_handovers" or "control_passed" in value or "control_taken" in value:
        yield messages.handover, value, context
    elif field == "history" and "history" in value:
        for chunk in objs(value["history"]):
            yield from _history(chunk, context)
        yield from _value({key: item for key, item in value.items() if key != "history"}, context, silent=True)
    elif field in _MESSAGE_FIELDS or any(key in value for key in _LISTS):
        yield from _value(value, context)
    else:
        yield _object(account_event), value, context


def _value(
    value: Mapping[str, Any], context: Context, *, silent: bool = False
) -> Iterator[tuple[_Reader, Any, Context]]:
    """The items of a value: known arrays element by element, unknown keys whole."""
    context.contacts = contacts_index(value.get("contacts"))
    found = silent
    for key, items in value.items():
        if key in _FRAME:
            continue
        found = True
        if reader := _LISTS.get(key):
            for item in objs(items):
                yield _object(reader) if not isinstance(item, dict) else reader, item, context
        else:
            for item in objs(items):
                yield _opaque(_detail(key, item)), item, context
    if not found:
        if context.field:
            yield _opaque(context.field), dict(value), context
        else:
            yield _object(account_event), dict(value), context


def _detail(key: str, item: object) -> str:
    """user_actions.marketing_messages_link_click, errors.131051, conversation_context."""
    more = text(obj(item).get("action_type")) or text(obj(item).get("code"))
    return f"{key}.{more}" if more else key


def _history(chunk: object, context: Context) -> Iterator[tuple[_Reader, Any, Context]]:
    if obj(chunk).get("errors"):
        yield history_declined, chunk, context
    threads = obj(chunk).get("threads")
    if threads is None and not obj(chunk).get("errors"):
        yield _opaque("history"), chunk, context
    for thread in objs(threads):
        for item in objs(obj(thread).get("messages")):
            # Only the thread names the person to whom the business wrote.
            named = {"thread_id": obj(thread).get("id"), **item} if isinstance(item, dict) else item
            yield _object(messages.message), named, context


def _object(reader: _Reader) -> _Reader:
    def read(item: Any, context: Context) -> Event:
        if not isinstance(item, dict):
            raise ItemError("is not an object")
        return reader(item, context)

    return read


def _opaque(kind: str) -> _Reader:
    def read(item: Any, context: Context) -> UnknownEvent:
        return messages.unknown(item, context, kind)

    return read


def _fault(words: str) -> _Reader:
    def read(item: Any, context: Context) -> Event:
        raise ItemError(words)

    return read
