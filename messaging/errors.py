"""What the messaging room refuses."""

from access.errors import ConflictError, DomainError
from messaging.events import ProviderError


class CredentialsUnreadableError(DomainError):
    """No key in FIELD_ENCRYPTION_KEYS decrypts the stored credentials."""

    code = "credentials_unreadable"


class UnknownChannelError(DomainError):
    """There is no adapter for this channel."""

    code = "unknown_channel"


class UnsendableError(DomainError):
    """Content or address that the channel cannot carry; `content_problems` says so beforehand."""

    code = "unsendable"


class NotPausedError(ConflictError):
    """There is nothing to resume."""

    code = "not_paused"


class ProviderRefusedError(DomainError):
    """The provider refused a management request, or could not be reached. `error` is the classified reason."""

    code = "provider_refused"

    def __init__(self, message: str, *, error: ProviderError | None = None) -> None:
        super().__init__(message)
        self.error = error
