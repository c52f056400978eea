"""Whether a contact fell silent. Pure: no Django, no clock, no database."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the drop-out rules need to know of a conversation (`Conversation.timeline()` makes one)."""

    open: bool
    automated: bool  # nobody took over: neither a person nor another app
    converted: bool
    last_inbound_at: datetime | None  # the contact's last message, the provider's time
    last_outbound_at: datetime | None  # our last message that the provider accepted


def silent_since(timeline: Timeline, *, patience: timedelta, now: datetime) -> datetime | None:
    """Since when the contact leaves our last message unanswered, or None when this is no drop-out (yet).

    A drop-out needs an open conversation without an outcome, in which the contact has written, we have answered, and
    our answer has been unanswered for longer than `patience`. Who speaks last waits: a contact who still waits for
    *our* answer has not dropped out.
    """
    if not timeline.open or not timeline.automated or timeline.converted:
        return None
    if timeline.last_inbound_at is None or timeline.last_outbound_at is None:
        return None
    if timeline.last_outbound_at < timeline.last_inbound_at:
        return None
    return timeline.last_outbound_at if now - timeline.last_outbound_at > patience else None
