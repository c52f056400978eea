"""The correlation string that travels with every send and comes back in every status."""

from uuid import UUID


def ref_make(message_id: UUID, fence: int) -> str:
    """`<message id as 32 hex digits>.<fence>`: names the message even when the HTTP answer was lost."""
    return f"{message_id.hex}.{fence}"


def ref_parse(ref: str) -> tuple[UUID, int] | None:
    """The message and fence a ref names, or None when the string is not one of ours."""
    head, dot, tail = ref.partition(".")
    if not dot or len(head) != 32 or not tail.isascii() or not tail.isdigit():
        return None
    try:
        return UUID(hex=head), int(tail)
    except ValueError:
        return None
