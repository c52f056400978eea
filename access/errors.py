"""The domain's errors. Rooms raise them; only the API and the admin turn them into something a person reads."""


class DomainError(Exception):
    """Something the rules do not allow. `message` is plain and translated, `field` names the input at fault."""

    code = "invalid"

    def __init__(self, message: str, *, code: str = "", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.field = field


class ConflictError(DomainError):
    """The thing is not in a state in which this can be done."""

    code = "conflict"
