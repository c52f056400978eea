"""What this room refuses, in plain words."""

from access.errors import ConflictError, DomainError


class InvalidPhoneError(DomainError):
    """The text is not a phone number that could exist."""

    code = "invalid_phone"


class ReviewDecidedError(DomainError):
    """Somebody has decided this review already."""

    code = "conflict"


class NoAddressError(DomainError):
    """The person has no current address."""

    code = "no_address"


class AlreadyRecordedError(ConflictError):
    """The same key was used before, for something else."""

    code = "already_recorded"
