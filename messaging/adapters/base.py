"""What a channel's adapter must provide (docs/adding-a-channel.md). Adapters translate; they decide nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from messaging.credentials import Credentials
from messaging.events import AddressRef, Content, OutboundRequest, Parsed, SendAnswer
from messaging.models import ChannelAccount


class InboundAdapter(Protocol):
    """The receiving side: webhooks in, `messaging.events` out."""

    def signature_valid(self, secret: str, headers: Mapping[str, str], raw: bytes) -> bool:
        """Whether `raw`, exactly as received, was signed with `secret`. Constant time; never raises."""
        ...

    def handshake(self, query: Mapping[str, str], verify_tokens: Iterable[str]) -> str | None:
        """The text that proves us to the provider, or None when the query is not a valid handshake."""
        ...

    def parse(self, raw: bytes, *, received_at: datetime | None = None) -> Parsed:
        """Everything a receipt says. Never raises: what cannot be read becomes a Fault, what is new an UnknownEvent.

        `received_at` (aware, UTC) stands in where the provider gives no time, or one that lies in the future. Without
        it such a time is believed, and an item that has none is a Fault.
        """
        ...


class OutboundAdapter(Protocol):
    """The sending side. Pure: the caller owns the wire. Only `delivery.dispatch` may import one."""

    def render(
        self, *, account: ChannelAccount, credentials: Credentials, to: AddressRef, content: Content, ref: str
    ) -> OutboundRequest:
        """The HTTP request that sends `content`. UnsendableError when the channel cannot carry it."""
        ...

    def read_answer(self, *, status: int, headers: Mapping[str, str], body: bytes) -> SendAnswer:
        """What an answer proves. `status` 0 means that no complete answer came. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class RemoteTemplate:
    """A template as the provider's list has it."""

    provider_id: str
    name: str
    language: str
    status: str
    category: str
    components: list[dict[str, Any]]
    parameter_format: str
    quality: str
    reason: str


@dataclass(frozen=True, slots=True)
class NumberState:
    """The phone number's node. Empty and None mean that the provider did not say."""

    display_number: str
    quality: str
    messaging_limit: int | None
    unlimited: bool
    fixed_throughput: int | None  # messages per second, where the platform fixes it


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """Whether the provider lets the account send. `can_send` is AVAILABLE, LIMITED or BLOCKED."""

    can_send: str
    problems: tuple[str, ...]


class ManagementAdapter(Protocol):
    """Rare questions to the provider; each makes HTTP calls and raises ProviderRefusedError."""

    def templates_list(self, account: ChannelAccount, credentials: Credentials) -> list[RemoteTemplate]:
        """Every template of the account. A half list is no list."""
        ...

    def number_state(self, account: ChannelAccount, credentials: Credentials) -> NumberState:
        """Quality and limits of the sending identity, asked now."""
        ...

    def health(self, account: ChannelAccount, credentials: Credentials) -> AccountHealth:
        """The provider's own answer to "can this account send?"."""
        ...
