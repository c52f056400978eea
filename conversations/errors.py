"""What conversations do not allow."""

from access.errors import ConflictError, DomainError


class ConversationClosedError(ConflictError):
    """The conversation is closed; only the contact's next message opens a new one."""

    code = "conversation_closed"


class WindowClosedError(ConflictError):
    """The provider's 24-hour window for free text is over."""

    code = "window_closed"


class InvalidContentError(DomainError):
    """What is to be sent breaks a limit of the channel."""

    code = "invalid_content"


class InvalidConversionError(DomainError):
    """A value of a conversion makes no sense."""

    code = "invalid_conversion"


class ConversionConflictError(ConflictError):
    """The external id was already counted, for somebody else."""

    code = "conversion_conflict"


class ReceiptUnknownError(DomainError):
    """There is no stored webhook with this number."""

    code = "receipt_unknown"


class ContactUnknownError(DomainError):
    """Nobody, or more than one, is named by what was given."""

    code = "contact_unknown"
