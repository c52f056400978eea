"""The vocabulary in which every channel's webhooks and answers are spoken inside Rekindle. Pure: no Django, no clock.

An adapter turns a receipt's bytes into `Parsed` items; rooms above read these types and never a provider's field.
Every event keeps `raw`, the provider's own item, so that nothing an adapter does not understand is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class AddressRef:
    """One way a payload names a person. `value` is normalised: E.164 with + for a phone."""

    kind: str  # "phone" | "bsuid" | "parent_bsuid"
    value: str


@dataclass(frozen=True, slots=True)
class Person:
    """Everything one payload says of one person. `addresses` may be empty only for malformed input."""

    addresses: tuple[AddressRef, ...]
    name: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class Referral:
    """Where a first message came from, in the provider's words made neutral."""

    source_type: str  # "ad" | "post" | other
    source_id: str = ""  # the ad id for ads
    source_url: str = ""
    headline: str = ""
    body: str = ""
    click_id: str = ""  # WhatsApp: ctwa_clid


@dataclass(frozen=True, slots=True)
class Event:
    """What all events share. `sender_id` is the account's id at the provider (WhatsApp: phone_number_id)."""

    sender_id: str
    occurred_at: datetime  # the provider's time, aware, UTC
    dedupe_key: str  # unique per account for this very event, at most 190 characters
    raw: dict[str, Any]
    # Names the accounts when, and only when, `sender_id` is empty: some events belong to a whole WhatsApp Business
    # Account (its id here) or business portfolio. `messaging.accounts.accounts_match` turns either into accounts.
    business_account_id: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class InboundMessage(Event):
    """The person wrote, tapped, reacted or sent something. Always opens the service window unless `historic`."""

    person: Person
    message_id: str
    # text image video audio document sticker location contacts button interactive reaction order unsupported unknown
    kind: str
    text: str = ""  # what a reader would read: body, caption, button title
    reply_to: str = ""  # provider id of the quoted message
    button_id: str = ""  # payload of a tapped button or row
    referral: Referral | None = None
    content: dict[str, Any] = field(default_factory=dict)  # normalised detail: media ids, coordinates, flow answer...
    standby: bool = False  # another app owns the thread: keep it, never auto-reply
    historic: bool = False  # imported history: no window, no automation


@dataclass(frozen=True, slots=True)
class MessageEcho(Event):
    """The owner (or another app) wrote to the person outside Rekindle: outbound, a person is speaking."""

    person: Person
    message_id: str
    kind: str
    text: str = ""
    content: dict[str, Any] = field(default_factory=dict)
    standby: bool = False  # another app that owns the thread wrote it
    historic: bool = False  # imported history: nobody is speaking now


@dataclass(frozen=True, slots=True)
class MessageRevoked(Event):
    """The person deleted (or edited: `new_text`) an earlier message."""

    person: Person
    target_message_id: str
    new_text: str | None = None


class DeliveryStatus(StrEnum):
    """Progress of an outbound message as the provider reports it."""

    HELD = "held"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class ErrorClass(StrEnum):
    """What the engine does about a provider error (docs/adding-a-channel.md has the table)."""

    RETRY = "retry"  # transient, same message, backoff
    SLOW = "slow"  # throttle `scope`, then retry
    DEFER = "defer"  # not now for this person (>= 24 h)
    ADDRESS = "address"  # this address cannot be reached this way
    SUPPRESS = "suppress"  # legal or consent stop for the person
    FIX_MESSAGE = "fix_message"  # our payload is wrong: fail it
    USE_TEMPLATE = "use_template"  # window closed: free-form is not possible
    STOP_TEMPLATE = "stop_template"
    STOP_NUMBER = "stop_number"
    STOP_ACCOUNT = "stop_account"
    AUTH = "auth"


class Scope(StrEnum):
    """What a limit or a stop applies to."""

    MESSAGE = "message"
    PAIR = "pair"  # (number, person)
    PERSON = "person"
    COUNTRY = "country"
    TEMPLATE = "template"
    NUMBER = "number"
    ACCOUNT = "account"  # WhatsApp: WABA
    PORTFOLIO = "portfolio"
    APP = "app"


@dataclass(frozen=True, slots=True)
class ProviderError:
    """One provider error, classified. `detail` is safe to show; it never holds a recipient or a token."""

    code: str
    title: str
    detail: str
    error_class: ErrorClass
    scope: Scope
    retry_after: float | None = None  # seconds
    max_retries: int = 0
    trace_id: str = ""
    lasting: bool = False  # a stop that waiting does not end: somebody must mend something first


@dataclass(frozen=True, slots=True)
class StatusUpdate(Event):
    """Progress of one outbound message. `ref` is our correlation string, empty if the provider did not return it."""

    message_id: str
    status: DeliveryStatus
    ref: str = ""
    person: Person | None = None
    errors: tuple[ProviderError, ...] = ()
    billable: bool | None = None
    price_category: str = ""
    price_type: str = ""  # regular | free_customer_service | free_entry_point


@dataclass(frozen=True, slots=True)
class PreferenceChanged(Event):
    """The person used the provider's own stop or resume control for marketing."""

    person: Person
    wants_marketing: bool


@dataclass(frozen=True, slots=True)
class IdentityChanged(Event):
    """The person's addresses changed: `old` stop being theirs, `new` are theirs from now on. Either may be partial."""

    old: tuple[AddressRef, ...]
    new: tuple[AddressRef, ...]
    reason: str  # user_changed_number | user_changed_user_id | customer_identity_changed | user_id_update


@dataclass(frozen=True, slots=True)
class HandoverChanged(Event):
    """Thread control moved between our app, a person and another app."""

    person: Person
    we_are_owner: bool | None  # None: cannot be told from the payload
    new_owner_role: str = ""


@dataclass(frozen=True, slots=True)
class TemplateChanged(Event):
    """Status, quality, category or components of a template changed at the provider."""

    template_id: str
    name: str
    language: str
    status: str = ""  # "" = unchanged
    quality: str = ""
    category: str = ""
    reason: str = ""
    resync: bool = False  # components were edited elsewhere


@dataclass(frozen=True, slots=True)
class AccountChanged(Event):
    """Limits, quality, restrictions of a number, account or portfolio. `stop` asks for a pause with `reason`."""

    kind: str
    summary: str
    stop: bool = False
    quality: str = ""
    messaging_limit: int | None = None
    unlimited: bool = False
    throughput_per_second: int | None = None
    display_number: str = ""


@dataclass(frozen=True, slots=True)
class UnknownEvent(Event):
    """Anything the adapter does not know. Stored as a provider event, never dropped."""

    kind: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One item of a receipt that could not be parsed. The other items are not affected."""

    item: int
    error: str  # exception class and a message without personal data


@dataclass(frozen=True, slots=True)
class Parsed:
    """A receipt's content: good events, bad items, and how many items there were in all."""

    events: tuple[Event, ...]
    faults: tuple[Fault, ...]
    item_count: int


@dataclass(frozen=True, slots=True)
class TemplateParameter:
    """A value a template send must supply, e.g. ("body", "first_name", None) or ("button", "1", 0).

    A parameter that is not text is named by its kind ("header.image", "button.1.coupon_code"), so that a key says
    by itself how its value travels.
    """

    component: str  # "header" | "body" | "button"
    name: str  # parameter name, its position "1", "2"..., or its kind
    button_index: int | None = None
    kind: str = "text"  # text | image | video | document | location | coupon_code
    example: str = ""
    fixed_length: int = 0  # characters of the component's text around its variables
    limit: int | None = None  # characters the component may have once it is filled
    uses: int = 1  # how often the text repeats this variable

    @property
    def key(self) -> str:
        """Where the value stands in `TemplateContent.values`: "body.first_name", "header.image", "button.0.1"."""
        if self.button_index is not None:
            return f"{self.component}.{self.button_index}.{self.name}"
        return f"{self.component}.{self.name}"


# -- what a message carries on its way out ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Button:
    """A quick-reply button. id <= 256 characters, title <= 20 (WhatsApp)."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class FreeForm:
    """Free text with up to three quick-reply buttons; possible only inside the service window."""

    text: str
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateContent:
    """A filled template. `values` follow `TemplateParameter.key`: "body.first_name", "header.1", "button.0.1".

    "button.<index>.payload" may be added for a quick-reply button; without it the provider echoes the label.
    """

    name: str
    language: str
    values: dict[str, str] = field(default_factory=dict)
    parameter_format: str = "POSITIONAL"


Content = FreeForm | TemplateContent


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """An HTTP request ready for the wire, rendered by an adapter from content, address and ref."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Outcome(StrEnum):
    """What a provider's answer to a send proves."""

    ACCEPTED = "accepted"
    HELD = "held"
    REFUSED = "refused"  # provably not sent: `error` says what to do
    UNKNOWN = "unknown"  # may or may not have been sent: never resend by itself


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """An adapter's reading of one HTTP answer (or of its absence)."""

    outcome: Outcome
    message_id: str = ""
    error: ProviderError | None = None
    http_status: int | None = None
