"""What this room refuses to do."""

from access.errors import ConflictError, DomainError


class NotSendableError(DomainError):
    """The words cannot be sent as they are."""

    code = "not_sendable"


class NotUnclearError(ConflictError):
    """Only a message without a clear answer can be decided about by a person."""

    code = "not_unclear"
