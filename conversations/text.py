"""What a provider sends, made fit for PostgreSQL. Pure."""

from hashlib import sha256
from typing import Any
from uuid import UUID

KEY_LIMIT = 200


def storable(value: Any) -> Any:
    """The value without NUL characters and lone surrogates, which JSON can carry and PostgreSQL cannot keep."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def event_key(what: str, account_id: UUID, dedupe_key: str) -> str:
    """A unique key of one consequence (`what`) of one event of one account, at most 200 characters."""
    key = f"{what}:{account_id}:{dedupe_key}"
    if len(key) <= KEY_LIMIT and key.isprintable():
        return key
    return f"{what}:{account_id}:{sha256(dedupe_key.encode('utf-8', 'surrogatepass')).hexdigest()}"
