"""The provider's windows. Pure: times in, times out.

WhatsApp: every message of the person opens the service window for 24 hours, counted from the *message's* time (webhooks
may be days late). Coming from a click-to-chat ad and being answered within 24 hours opens the free entry point window
for 72 hours, counted from our answer; it changes prices, not what may be said.
(developers.facebook.com/documentation/business-messaging/whatsapp, pricing and customer service windows)
"""

from datetime import datetime, timedelta

SERVICE_WINDOW = timedelta(hours=24)
FREE_ENTRY_ANSWER = timedelta(hours=24)
FREE_ENTRY_WINDOW = timedelta(hours=72)


def service_window_end(current: datetime | None, *, wrote_at: datetime, now: datetime) -> datetime:
    """When the service window ends after a message written at `wrote_at`. Never moves backwards.

    A message cannot be from the future: a provider's clock ahead of ours must not hold a window open too long.
    """
    end = min(wrote_at, now) + SERVICE_WINDOW
    return end if current is None else max(current, end)


def free_entry_end(current: datetime | None, *, clicked_at: datetime | None, answered_at: datetime) -> datetime | None:
    """When the free entry window ends after an answer at `answered_at`.

    `clicked_at` is when the person's last message from an ad was written (None: never). The first answer within 24
    hours opens the window; later answers do not extend it; a new click and its first answer open it anew.
    """
    if clicked_at is None or not clicked_at <= answered_at <= clicked_at + FREE_ENTRY_ANSWER:
        return current
    answered_before = current is not None and current - FREE_ENTRY_WINDOW >= clicked_at
    return current if answered_before else answered_at + FREE_ENTRY_WINDOW
