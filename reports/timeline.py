"""Everything that happened with one person, in one list: messages, consent, decisions, conversions, episodes."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from access.masking import mask_address, mask_name, mask_text
from access.roles import may_see_personal_data
from contacts.models import Address, ConsentEvent, Contact
from conversations.models import Conversation, Conversion, DropOut, Message
from conversations.reasons import reason_text
from delivery.models import Decision

LIMIT = 200  # of each kind, the latest


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `kind` is also its colour's name."""

    at: datetime
    kind: str  # message | consent | decision | conversion | episode
    title: str
    detail: str = ""
    url: str = ""


def timeline(contact: Contact, *, masked: bool) -> list[Entry]:
    """The latest first. One query per kind."""
    entries = [
        *_messages(contact, masked=masked),
        *_consents(contact, masked=masked),
        *_decisions(contact),
        *_conversions(contact),
        *_episodes(contact),
    ]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def _messages(contact: Contact, *, masked: bool) -> list[Entry]:
    found = []
    for row in Message.objects.filter(contact=contact).order_by("-occurred_at")[:LIMIT]:
        text = mask_text(row.text) if masked else row.text
        if row.direction == Message.Direction.IN:
            title, detail = _("Wrote"), ""
        else:
            title = f"{row.get_origin_display()} · {row.get_status_display()}"
            detail = reason_text(row.reason or row.waiting_for)
        url = reverse("conversation-thread", args=[row.conversation_id]) if row.conversation_id else ""
        said = text or f"[{row.kind}]"
        found.append(Entry(row.sent_at or row.occurred_at, "message", title, f"{said} {detail}".strip(), url))
    return found


def _consents(contact: Contact, *, masked: bool) -> list[Entry]:
    rows = ConsentEvent.objects.filter(contact=contact).order_by("-occurred_at")[:LIMIT]
    return [
        Entry(
            row.occurred_at,
            "consent",
            _("Consent: %(purpose)s %(action)s")
            % {"purpose": row.get_purpose_display(), "action": row.get_action_display()},
            f"{row.get_source_display()}. {row.shown_wording if masked else row.wording}".strip(),
        )
        for row in rows
    ]


def _decisions(contact: Contact) -> list[Entry]:
    rows = Decision.objects.filter(contact=contact).order_by("-decided_at")[:LIMIT]
    return [
        Entry(
            row.decided_at,
            "decision",
            f"{row.get_stage_display()}: {row.get_verdict_display()}",
            reason_text(row.reason),
            reverse("message-why", args=[row.message_id]) if row.message_id else "",
        )
        for row in rows
    ]


def _conversions(contact: Contact) -> list[Entry]:
    rows = Conversion.objects.filter(contact=contact).select_related("campaign").order_by("-occurred_at")[:LIMIT]
    found = []
    for row in rows:
        money = f"{formats.number_format(row.value, use_l10n=True)} {row.currency}" if row.value is not None else ""
        credited = _("credited to %(campaign)s") % {"campaign": row.campaign} if row.campaign else _("not credited")
        title = _("Conversion: %(kind)s") % {"kind": row.kind}
        url = reverse("admin:conversations_conversion_change", args=[row.pk])
        found.append(Entry(row.occurred_at, "conversion", title, f"{money} {credited}".strip(), url))
    return found


def _episodes(contact: Contact) -> list[Entry]:
    rows = DropOut.objects.filter(conversation__contact=contact).order_by("-detected_at")[:LIMIT]
    found = []
    for row in rows:
        url = reverse("conversation-thread", args=[row.conversation_id])
        number = {"number": row.episode}
        found.append(Entry(row.detected_at, "episode", _("Fell silent (episode %(number)d)") % number, "", url))
        if row.ended_at:
            found.append(
                Entry(
                    row.ended_at,
                    "episode",
                    _("Silence ended (episode %(number)d)") % number,
                    row.get_ended_by_display(),
                    url,
                )
            )
    return found


@permission_required("contacts.view_contact", raise_exception=True)
def timeline_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The timeline page."""
    contact = Contact.objects.filter(pk=pk).first()
    if contact is None:
        raise Http404
    masked = not may_see_personal_data(request.user)
    zone = ZoneInfo(contact.time_zones[0]) if len(contact.time_zones) == 1 else ZoneInfo("UTC")
    addresses = Address.objects.filter(contact=contact, superseded_at=None).order_by("kind")
    conversations = Conversation.objects.filter(contact=contact).select_related("campaign").order_by("-opened_at")[:20]
    with timezone.override(zone):
        return render(
            request,
            "rekindle/timeline.html",
            {
                **admin.site.each_context(request),
                "title": (mask_name(contact.display_name) if masked else contact.display_name) or _("no name given"),
                "contact": contact,
                "entries": timeline(contact, masked=masked),
                "addresses": [mask_address(row.value) if masked else row.value for row in addresses],
                "conversations": conversations,
                "consent": [key.replace(":", " · ") for key in contact.consent_granted],
                "withdrawn": [key.replace(":", " · ") for key in contact.consent_withdrawn],
                "zone": zone.key,
            },
        )
