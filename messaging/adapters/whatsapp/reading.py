"""Reading Meta's JSON defensively: every key may be missing, every value may have another type."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from messaging.events import AddressRef, Person

# A clock of the provider's that is further ahead of ours than this is not believed.
SKEW = timedelta(minutes=5)

_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_NOT_DIGITS = re.compile(r"[\s().+-]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class ItemError(Exception):
    """An item that cannot be understood. The message holds no content of the item."""


@dataclasses.dataclass(slots=True)
class Context:
    """What the items of one webhook change share."""

    field: str
    business_account_id: str
    received_at: datetime | None
    entry_time: object = None
    sender_id: str = ""
    display_number: str = ""
    contacts: dict[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)


def _finite(text: str) -> float | None:
    number = float(text)
    return number if abs(number) < float("inf") else None


# PostgreSQL's jsonb knows neither NaN nor infinity.
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _name: None)


def json_read(raw: bytes | str) -> Any:
    """Decode JSON into values that PostgreSQL can store. ValueError or RecursionError when it is not JSON.

    Escapes may spell what PostgreSQL's text cannot hold (a NUL, half a surrogate pair); those become U+FFFD.
    """
    text = raw.decode("utf-8-sig", errors="replace") if isinstance(raw, bytes) else raw
    value = _DECODER.decode(text.strip())
    return _storable(value) if "\\u0000" in text or "\\ud" in text or "\\uD" in text else value


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value.replace("\x00", "\ufffd"))
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def text(value: object) -> str:
    """A string as it is, a number as its digits, anything else as nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
        return str(value)
    return ""


def obj(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def objs(value: object) -> list[Any]:
    """A list as it is; samples exist with the one object where a list belongs."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def known(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The named keys that have a value."""
    return {key: values[key] for key in keys if values.get(key) not in (None, "")}


def time_of(value: object, context: Context) -> datetime:
    """Seconds (string or number; milliseconds are recognised) as UTC; without a usable one, the receipt's time.

    ItemError when there is neither.
    """
    try:
        seconds = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else 0.0
        if seconds > 1e11:
            seconds /= 1000
        if seconds > 0:
            moment = datetime.fromtimestamp(seconds, UTC)
            arrival = context.received_at
            return moment if arrival is None or moment <= arrival + SKEW else arrival
    except (ValueError, OverflowError, OSError):
        pass
    if context.received_at is None:
        raise ItemError("has no time")
    return context.received_at


def dedupe_key(prefix: str, identity: str, item: object) -> str:
    """`prefix:identity`, or a digest of the item where the provider gives no identity (or one too long to store)."""
    if not identity:
        identity = hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()
    elif len(identity) > 150:
        identity = hashlib.sha256(identity.encode()).hexdigest()
    return f"{prefix}:{identity}"


def phone(value: object) -> str:
    """E.164 with +, or empty. WhatsApp writes the digits without +."""
    digits = _NOT_DIGITS.sub("", text(value))
    return f"+{digits}" if digits.isascii() and digits.isdecimal() and 5 <= len(digits) <= 15 else ""


def addresses(phone_like: object = None, user_id: object = None, parent_id: object = None) -> tuple[AddressRef, ...]:
    """The addresses that these values name, phone first. Some senders put a user id where a phone belongs, so the
    pattern decides and not the key."""
    found: dict[str, AddressRef] = {}
    for value in (phone_like, user_id, parent_id):
        if number := phone(value):
            found.setdefault("phone", AddressRef("phone", number))
        elif match := _BSUID.fullmatch(text(value)):
            kind = "parent_bsuid" if match[1] or value is parent_id else "bsuid"
            found.setdefault(kind, AddressRef(kind, match[0]))
    return tuple(found[kind] for kind in ("phone", "bsuid", "parent_bsuid") if kind in found)


def contacts_index(value: object) -> dict[str, Mapping[str, Any]]:
    """`contacts[]` by each id it names; never by position."""
    index: dict[str, Mapping[str, Any]] = {}
    for contact in objs(value):
        for address in addresses_of_contact(contact):
            index.setdefault(address.value, contact)
    return index


def addresses_of_contact(contact: object) -> tuple[AddressRef, ...]:
    entry = obj(contact)
    return addresses(entry.get("wa_id"), entry.get("user_id"), entry.get("parent_user_id"))


def person(context: Context, found: tuple[AddressRef, ...]) -> Person:
    """A person by the ids on the item, completed by the matching entry of `contacts[]`, user id before phone."""
    if not found:
        raise ItemError("names no person")
    contact: Mapping[str, Any] | None = None
    if context.contacts:
        for address in sorted(found, key=lambda address: address.kind == "phone"):
            contact = context.contacts.get(address.value)
            if contact is not None:
                break
    if contact is None:
        return Person(found)
    kinds = {address.kind for address in found}
    more = tuple(address for address in addresses_of_contact(contact) if address.kind not in kinds)
    profile = obj(contact.get("profile"))
    return Person(
        addresses=tuple(sorted(found + more, key=_order)) if more else found,
        name=text(profile.get("name"))[:200],
        username=text(profile.get("username")).removeprefix("@"),
    )


def _order(address: AddressRef) -> int:
    return ("phone", "bsuid", "parent_bsuid").index(address.kind)
