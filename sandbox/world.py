"""Everything the sandbox knows, in memory: numbers, templates, people, what was sent and what was written."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import random
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import phonenumbers

from sandbox.clock import Clock, iso
from sandbox.faults import Faults

DAY = 86_400.0
BSUID = re.compile(r"^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$")


@dataclass(slots=True)
class Number:
    """A business phone number and the app that listens for it."""

    phone_number_id: str
    waba_id: str
    portfolio_id: str
    display_phone_number: str
    access_token: str
    app_secret: str
    verify_token: str = ""
    webhook_url: str = ""
    throughput: int = 80  # messages per second, both directions; 0 = no limit
    verified_name: str = "Sandbox"
    quality_rating: str = "GREEN"
    status: str = "CONNECTED"  # anything else: sends answer 133010
    messaging_limit: str = "TIER_UNLIMITED"
    subscribed: bool = True  # the WABA is attached to the app; without it webhooks are silent
    window_error: str = "sync"  # free-form after 24 h: "sync" = HTTP 400, "status" = accepted, then failed
    pair_burst: int = 45
    pair_seconds: float = 6.0
    # Seconds after acceptance; None = that status never comes.
    sent_after: float | None = 0.0
    delivered_after: float | None = 0.05
    read_after: float | None = None

    @property
    def digits(self) -> str:
        return re.sub(r"\D", "", self.display_phone_number)


@dataclass(slots=True)
class Template:
    """A template in one language."""

    id: str
    waba_id: str
    name: str
    language: str
    category: str
    components: list[dict[str, Any]]
    status: str = "APPROVED"
    parameter_format: str = "POSITIONAL"
    quality: str = "UNKNOWN"
    rejected_reason: str = "NONE"

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "language": self.language,
            "status": self.status,
            "category": self.category,
            "parameter_format": self.parameter_format,
            "components": self.components,
            "quality_score": {"score": self.quality},
            "rejected_reason": self.rejected_reason,
        }


@dataclass(slots=True)
class Chat:
    """What one number and one person have between them. Unix seconds; 0 = never."""

    last_inbound: float = 0.0
    ad_click: float = 0.0  # an unanswered click on an ad, whose answer opens the free entry point
    free_until: float = 0.0
    tokens: float = -1.0  # of the pair limit; -1 = untouched
    tokens_at: float = 0.0


@dataclass(slots=True)
class Person:
    """Somebody with WhatsApp. `hidden` people have a username, and webhooks leave their phone number out."""

    key: int
    phone: str = ""  # digits
    name: str = ""
    username: str = ""
    hidden: bool = False
    on_whatsapp: bool = True
    experiment: bool = False  # 130472
    bsuids: dict[str, str] = field(default_factory=dict)  # by portfolio
    stopped: set[str] = field(default_factory=set)  # portfolios whose marketing the person stopped
    chats: dict[str, Chat] = field(default_factory=dict)  # by phone number id
    persona: Any = None


@dataclass(slots=True)
class Send:
    """One request to a number's /messages, accepted or not."""

    seq: int
    at: float
    phone_number_id: str
    body: dict[str, Any]
    ref: str = ""
    to: str = ""
    recipient: str = ""
    kind: str = ""
    text: str = ""  # what the person reads
    template: str = ""
    language: str = ""
    category: str = ""
    person: int | None = None
    window_open: bool = False
    free_entry: bool = False
    accepted: bool = False
    message_id: str = ""
    http: int | None = None  # None = never answered
    code: int | None = None
    details: str = ""
    fault: str = ""
    statuses: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        answer = {"http": self.http, "code": self.code, "details": self.details, "message_id": self.message_id}
        return {
            "seq": self.seq,
            "at": iso(self.at),
            "phone_number_id": self.phone_number_id,
            "ref": self.ref,
            "to": self.to,
            "recipient": self.recipient,
            "person": self.person,
            "type": self.kind,
            "text": self.text,
            "template": self.template,
            "language": self.language,
            "category": self.category,
            "window_open": self.window_open,
            "accepted": self.accepted,
            "message_id": self.message_id,
            "answer": answer,
            "fault": self.fault,
            "statuses": self.statuses,
            "body": self.body,
        }


@dataclass(slots=True)
class Inbound:
    """One thing a person wrote, tapped or stopped. `opt_out` is what the writer meant, as ground truth."""

    seq: int
    at: float
    phone_number_id: str
    person: int
    message_id: str
    message: dict[str, Any]
    opt_out: bool = False
    acknowledged_at: float | None = None  # when the product first answered 200 to it

    def to_json(self, person: Person, portfolio: str) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "at": iso(self.at),
            "acknowledged_at": iso(self.acknowledged_at),
            "phone_number_id": self.phone_number_id,
            "person": self.person,
            "phone": f"+{person.phone}" if person.phone else "",
            "user_id": person.bsuids.get(portfolio, ""),
            "message_id": self.message_id,
            "opt_out": self.opt_out,
            "message": self.message,
        }


class Timers:
    """Things that will happen in real time; `waiting` counts them, and a reset calls them off."""

    def __init__(self) -> None:
        self.waiting = 0
        self._cancelled = False

    def later(self, seconds: float, deed: Callable[..., None], *arguments: Any) -> None:
        """Call `deed(*arguments)` after so many seconds, unless the world is reset first."""
        self.waiting += 1
        asyncio.get_running_loop().call_later(seconds, self._do, deed, arguments)

    def _do(self, deed: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self.waiting -= 1
        if not self._cancelled:
            deed(*arguments)

    def cancel(self) -> None:
        self._cancelled = True


def country_of(digits: str) -> str:
    """The ISO country of a phone number in digits; VN for nobody's number."""
    if not digits:
        return "VN"
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(f"+{digits}")) or "VN"
    except phonenumbers.NumberParseException:
        return "VN"


class World:
    """All state, and the few questions everybody asks of it."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.clock = Clock()
        self.listeners: list[Callable[[Send, Person], None]] = []
        self.timers = Timers()
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Forget everything except listeners. The clock is real time again."""
        self.timers.cancel()
        self.seed = self.seed if seed is None else seed
        self.rng = random.Random(self.seed)
        self.clock.set(None)
        self.faults = Faults()
        self.numbers: dict[str, Number] = {}
        self.tokens: dict[str, str] = {}  # access token: valid | expired | revoked
        self.templates: dict[tuple[str, str, str], Template] = {}
        self.people: dict[int, Person] = {}
        self.by_phone: dict[str, Person] = {}
        self.by_bsuid: dict[tuple[str, str], Person] = {}
        self.sends: list[Send] = []
        self.by_message_id: dict[str, Send] = {}
        self.inbound: list[Inbound] = []
        self.inbound_ids: set[str] = set()
        self.purchases: list[dict[str, Any]] = []
        self.throughput: dict[str, deque[float]] = {}
        self.timers = Timers()
        self._seq = itertools.count(1)
        self._person_key = itertools.count(1)
        self._template_id = itertools.count(700_000_001)

    def next_seq(self) -> int:
        """One order over sends, inbound and purchases, so that `since` means the same for all."""
        return next(self._seq)

    def message_id(self, phone_number_id: str) -> str:
        """Opaque, unique, and the same for the same seed and order of calls."""
        text = f"{phone_number_id[-6:]}{self.rng.getrandbits(96):024X}"
        return "wamid." + base64.b64encode(text.encode()).decode()

    def template_id(self) -> str:
        return str(next(self._template_id))

    # -- people ---------------------------------------------------------------------------------------------------

    def person_by_phone(self, digits: str) -> Person:
        """Anybody may have WhatsApp: a number never seen before is a new person."""
        person = self.by_phone.get(digits)
        if person is None:
            person = Person(next(self._person_key), phone=digits)
            self.people[person.key] = self.by_phone[digits] = person
        return person

    def person_new(self) -> Person:
        person = Person(next(self._person_key))
        self.people[person.key] = person
        return person

    def bsuid(self, person: Person, portfolio: str, country: str = "") -> str:
        """The person's business-scoped user id in this portfolio, made when first needed."""
        known = person.bsuids.get(portfolio)
        if known:
            return known
        digest = hashlib.sha256(f"{self.seed}/{portfolio}/{person.key}/{person.phone}".encode()).digest()
        value = f"{country or country_of(person.phone)}.{int.from_bytes(digest[:8], 'big')}"
        self.bsuid_set(person, portfolio, value)
        return value

    def bsuid_set(self, person: Person, portfolio: str, value: str) -> None:
        old = person.bsuids.get(portfolio)
        if old:
            self.by_bsuid.pop((portfolio, old), None)
        person.bsuids[portfolio] = value
        self.by_bsuid[portfolio, value] = person

    def chat(self, number: Number, person: Person) -> Chat:
        return person.chats.setdefault(number.phone_number_id, Chat())

    # -- limits ---------------------------------------------------------------------------------------------------

    def throughput_ok(self, number: Number, real: float) -> bool:
        """Count one message against the number's rate: at most `throughput` in any second of real time."""
        if not number.throughput:
            return True
        times = self.throughput.setdefault(number.phone_number_id, deque())
        while times and times[0] <= real - 1.0:
            times.popleft()
        if len(times) >= number.throughput:
            return False
        times.append(real)
        return True

    def pair_ok(self, number: Number, chat: Chat, now: float) -> bool:
        """One message per `pair_seconds` to one person; up to `pair_burst` at once, waited off afterwards."""
        if number.pair_burst <= 0:
            return True
        if chat.tokens < 0:
            chat.tokens, chat.tokens_at = float(number.pair_burst), now
        gained = max(0.0, now - chat.tokens_at) / number.pair_seconds if number.pair_seconds else number.pair_burst
        chat.tokens = min(float(number.pair_burst), chat.tokens + gained)
        chat.tokens_at = now
        if chat.tokens < 1.0:
            return False
        chat.tokens -= 1.0
        return True
