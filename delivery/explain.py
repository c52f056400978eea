"""“Why was this (not) sent?”: the gate's own words, rule, version and values, for a person to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from access.masking import mask_name, mask_text
from access.roles import may_see_personal_data
from access.screens import definition_list
from conversations.models import Message
from conversations.reasons import reason_text
from conversations.thread import conversation_zone
from delivery.models import Attempt, Decision

FACTS: Mapping[str, str | Promise] = {
    "now": _("looked at"),
    "channel": _("channel"),
    "purpose": _("purpose"),
    "origin": _("kind of message"),
    "country": _("country"),
    "region": _("region"),
    "time_zones": _("time zones"),
    "consent": _("consent"),
    "consent_granted": _("agreed to"),
    "consent_withdrawn": _("withdrew"),
    "window_ends_at": _("free-form window ends"),
    "service_window_ends_at": _("service window ends"),
    "free_entry_ends_at": _("free entry window ends"),
    "last_inbound_at": _("last message from the contact"),
    "has_address": _("has an address"),
    "suppressed": _("suppressed"),
    "deferred_until": _("left alone until"),
    "reviews_open": _("open opt-out reviews"),
    "holdout": _("holdout"),
    "handler": _("handled by"),
    "conversation_status": _("conversation"),
    "converted_at": _("converted"),
    "campaign_status": _("campaign"),
    "account_status": _("channel account"),
    "template_status": _("template"),
    "template_category": _("template category"),
    "has_free": _("has a text for inside the window"),
    "has_template": _("has a template for outside"),
    "turn": _("messages from the contact"),
    "planned_turn": _("when it was planned"),
    "due_at": _("due"),
    "expires_at": _("latest useful moment"),
    "sent_at": _("sent before"),
    "sent": _("sent before"),
    "disclosed_per_week": _("messages per week disclosed"),
    "priority": _("priority"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision as a sentence with what stands behind it."""

    decision: Decision
    sentence: str
    facts: str


def fact_words(facts: Mapping[str, object]) -> list[tuple[str | Promise, object]]:
    """What the gate saw, with names a person knows; a name we have no words for is shown without its underscores."""
    return [(FACTS.get(name, name.replace("_", " ")), _value(value)) for name, value in facts.items()]


def _value(value: object) -> object:
    if isinstance(value, str) and len(value) >= 19:
        return parse_datetime(value) or value
    return value


def verdict_sentence(decision: Decision) -> str:
    """In plain words: what was decided and why."""
    if decision.verdict == Decision.Verdict.SEND:
        return gettext("It may be sent (%(basis)s).") % {"basis": BASES.get(decision.basis, decision.basis or "–")}
    reason = reason_text(decision.reason)
    if decision.verdict == Decision.Verdict.WAIT:
        return gettext("It has to wait. %(reason)s") % {"reason": reason}
    return gettext("It was refused. %(reason)s") % {"reason": reason}


BASES: Mapping[str, str | Promise] = {
    "window": _("the person wrote to us and the window is open"),
    "consent": _("the person agreed to it"),
    "service": _("it answers the person"),
}


def message_verdicts(message: Message) -> list[Verdict]:
    """Every decision about a message, the latest first."""
    return [
        Verdict(decision, verdict_sentence(decision), definition_list(fact_words(decision.facts)))
        for decision in Decision.objects.filter(message=message).order_by("-decided_at", "-id")[:50]
    ]


def message_summary(message: Message) -> str:
    """One sentence about where a message stands."""
    status = Message.Status(message.status)
    reason = reason_text(message.reason)
    if status in (Message.Status.SCHEDULED, Message.Status.CLAIMED):
        if message.waiting_for:
            return gettext("It waits. %(reason)s") % {"reason": reason_text(message.waiting_for)}
        return gettext("It is planned and not due yet, or about to go out.")
    if status in (Message.Status.SUPPRESSED, Message.Status.CANCELLED, Message.Status.EXPIRED):
        return gettext("It was not sent. %(reason)s") % {"reason": reason}
    if status == Message.Status.FAILED:
        return gettext("The provider refused it. %(detail)s") % {"detail": reason or message.error_detail}
    if status in (Message.Status.UNKNOWN, Message.Status.UNCONFIRMED):
        return gettext("We handed it to the provider and never got a clear answer, so it is not sent again by itself.")
    return gettext("It was sent: %(state)s.") % {"state": message.get_status_display()}


def _until(decision: Decision | None) -> datetime | None:
    return decision.until if decision else None


@permission_required("conversations.view_message", raise_exception=True)
def why_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page behind every “Why?” link."""
    message = (
        Message.objects.select_related("contact", "conversation__contact", "conversation__campaign", "template")
        .filter(pk=pk)
        .first()
    )
    if message is None:
        raise Http404
    masked = not may_see_personal_data(request.user)
    zone = conversation_zone(message.conversation) if message.conversation else timezone.get_default_timezone()
    name = message.contact.display_name
    model_admin = admin.site.get_model_admin(Message)
    actions = model_admin._get_actions_navigation(  # type: ignore[attr-defined]  # unfold ships no types
        ["was_sent", "was_not_sent"],
        model_admin.get_actions_detail(request, str(pk)),  # type: ignore[attr-defined]
        str(pk),
    )
    with timezone.override(zone):
        verdicts = message_verdicts(message)
        return render(
            request,
            "rekindle/why.html",
            {
                **admin.site.each_context(request),
                "title": gettext("Why was this (not) sent?"),
                "message": message,
                "person": (mask_name(name) if masked else name) or gettext("no name given"),
                "text": mask_text(message.text) if masked else message.text,
                "summary": message_summary(message),
                "until": _until(verdicts[0].decision if verdicts else None),
                "verdicts": verdicts,
                "attempts": Attempt.objects.filter(message=message).order_by("fence"),
                "zone": str(zone),
                "actions_detail": actions,
            },
        )
