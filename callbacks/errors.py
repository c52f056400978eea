"""What the rules of callbacks do not allow."""

from access.errors import DomainError


class PolicyInvalidError(DomainError):
    """A policy or step that could never be carried out. `field` is e.g. `steps.2.text`."""

    code = "policy_invalid"
