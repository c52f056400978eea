"""A conversation as a chat: what was said, in which state each message is, and why some were not sent."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from access.masking import mask_address, mask_name, mask_text
from access.roles import may_see_personal_data
from contacts.models import Address
from conversations.models import Conversation, Message
from conversations.reasons import reason_text

LIMIT = 300  # the latest; a longer chat says so
PLANNED = (Message.Status.SCHEDULED, Message.Status.CLAIMED, Message.Status.INFLIGHT)
NOT_SENT = (Message.Status.SUPPRESSED, Message.Status.EXPIRED, Message.Status.CANCELLED, Message.Status.FAILED)


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message as a reader sees it. `new_day` is set on the first message of a day."""

    message: Message
    at: datetime
    text: str
    buttons: tuple[str, ...]
    out: bool
    unsent: bool
    state: str
    states: tuple[tuple[str, datetime], ...]
    why: str
    new_day: date | None


@dataclass(frozen=True, slots=True)
class Window:
    """A provider's window: its name, when it ends, and what is left of it."""

    name: str
    ends_at: datetime | None
    open: bool
    left: str


def conversation_zone(conversation: Conversation) -> ZoneInfo:
    """The campaign's zone, else the contact's only one, else UTC: one clock per chat, named on the page."""
    zones = conversation.contact.time_zones
    name = conversation.campaign.time_zone if conversation.campaign else (zones[0] if len(zones) == 1 else "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def bubbles(conversation: Conversation, *, masked: bool, zone: ZoneInfo) -> list[Bubble]:
    """The chat in order of time, the latest `LIMIT` messages. One query."""
    rows = (
        Message.objects.filter(conversation=conversation)
        .select_related("author")
        .order_by("-occurred_at", "-id")[:LIMIT]
    )
    shown: list[Bubble] = []
    day: date | None = None
    for message in sorted(rows, key=lambda row: (_at(row), row.id)):
        at = _at(message).astimezone(zone)
        shown.append(_bubble(message, at, masked=masked, new_day=at.date() if at.date() != day else None))
        day = at.date()
    return shown


def _at(message: Message) -> datetime:
    """Where a message stands in the chat: when it was sent, else when it is due, else when it happened."""
    if message.direction == Message.Direction.OUT:
        return message.sent_at or (message.due_at if message.status in PLANNED else None) or message.occurred_at
    return message.occurred_at


def _bubble(message: Message, at: datetime, *, masked: bool, new_day: date | None) -> Bubble:
    text = message.text
    if message.revoked_at:
        text = _("[deleted by the person]")
    elif not text:
        text = f"[{message.kind}]"
    content: dict[str, Any] = message.content_free or {}
    buttons = tuple(str(button.get("title", "")) for button in content.get("buttons") or ())
    states = (
        (_("sent"), message.sent_at),
        (_("delivered"), message.delivered_at),
        (_("read"), message.read_at),
        (_("failed"), message.failed_at),
    )
    why = reason_text(message.reason) or message.error_detail
    if message.status in PLANNED and message.waiting_for:
        why = _("Waiting: %(reason)s") % {"reason": reason_text(message.waiting_for)}
    return Bubble(
        message=message,
        at=at,
        text=mask_text(text) if masked else text,
        buttons=buttons,
        out=message.direction == Message.Direction.OUT,
        unsent=message.status in PLANNED or message.status in NOT_SENT,
        state=message.get_status_display(),
        states=tuple((name, time) for name, time in states if time),
        why=why,
        new_day=new_day,
    )


def windows(conversation: Conversation, *, now: datetime) -> list[Window]:
    """What may be sent freely, and for how long still."""
    found = [_window(_("Service window (free text)"), conversation.service_window_ends_at, now)]
    if conversation.free_entry_ends_at:
        found.append(_window(_("Free entry window (no charge)"), conversation.free_entry_ends_at, now))
    return found


def _window(name: str, ends_at: datetime | None, now: datetime) -> Window:
    is_open = ends_at is not None and ends_at > now
    return Window(name=name, ends_at=ends_at, open=is_open, left=duration(ends_at - now) if ends_at and is_open else "")


def duration(span: timedelta) -> str:
    """Hours and minutes, as a countdown is read."""
    minutes = max(0, int(span.total_seconds() // 60))
    return _("%(hours)d h %(minutes)02d min") % {"hours": minutes // 60, "minutes": minutes % 60}


@permission_required("conversations.view_conversation", raise_exception=True)
def thread_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The chat page. Its buttons are the conversation screen's own actions."""
    conversation = (
        Conversation.objects.select_related("contact", "campaign", "account", "assignee", "entry_point")
        .filter(pk=pk)
        .first()
    )
    if conversation is None:
        raise Http404
    masked = not may_see_personal_data(request.user)
    now, zone = timezone.now(), conversation_zone(conversation)
    name = conversation.contact.display_name
    addresses = Address.objects.filter(contact_id=conversation.contact_id, superseded_at=None).order_by("kind")
    model_admin = admin.site.get_model_admin(Conversation)
    navigation = model_admin._get_actions_navigation(  # type: ignore[attr-defined]  # unfold ships no types
        model_admin.actions_detail,  # type: ignore[attr-defined]
        model_admin.get_actions_detail(request, str(pk)),  # type: ignore[attr-defined]
        str(pk),
    )
    with timezone.override(zone):
        return render(
            request,
            "rekindle/thread.html",
            {
                **admin.site.each_context(request),
                "title": (mask_name(name) if masked else name) or _("no name given"),
                "conversation": conversation,
                "bubbles": bubbles(conversation, masked=masked, zone=zone),
                "limit": LIMIT,
                "windows": windows(conversation, now=now),
                "addresses": [mask_address(row.value) if masked else row.value for row in addresses],
                "zone": zone.key,
                "actions_detail": [item for item in navigation if "open_thread" not in item["path"]],
                "timeline_url": reverse("contact-timeline", args=[conversation.contact_id]),
                "facts_url": reverse("admin:conversations_conversation_change", args=[pk]),
            },
        )
