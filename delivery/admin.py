"""What the gate decided, every try to send, and the rules it goes by."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminIntegerFieldWidget, UnfoldAdminTimeWidget

from access.masking import mask_text
from access.roles import may_see_personal_data
from access.screens import (
    ReadOnlyAdmin,
    RoomAdmin,
    RoomForm,
    actor,
    definition_list,
    display,
    link,
    link_action,
    service_action,
)
from conversations.models import Message
from conversations.reasons import reason_text
from delivery.explain import fact_words
from delivery.models import ComplianceRule, Decision
from delivery.settle import message_resolve

WEEKDAYS = (
    (1, _("Monday")),
    (2, _("Tuesday")),
    (3, _("Wednesday")),
    (4, _("Thursday")),
    (5, _("Friday")),
    (6, _("Saturday")),
    (7, _("Sunday")),
)
VERDICT_COLOURS = {"send": "success", "wait": "warning", "refuse": "danger"}
MESSAGE_COLOURS = {
    "received": "info", "scheduled": "info", "claimed": "info", "inflight": "info", "held": "warning",
    "unknown": "warning", "unconfirmed": "danger", "accepted": "success", "sent": "success", "delivered": "success",
    "read": "success", "failed": "danger", "suppressed": "warning", "expired": "warning", "cancelled": "info",
}  # fmt: skip
THREAD = "conversation-thread"
UNCLEAR = (Message.Status.UNKNOWN, Message.Status.UNCONFIRMED)


class PersonFilter(admin.SimpleListFilter):
    """What a person has to look at."""

    title = _("needs a person")
    parameter_name = "needs"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("unconfirmed", _("Unclear whether it was sent"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return queryset.filter(status=Message.Status.UNCONFIRMED) if self.value() else queryset


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """Both directions; for an outbound one also its way through the outbox."""

    contact_paths = ("contact",)
    list_display = ("occurred_at", "person", "arrow", "origin", "excerpt", "state", "because", "why")
    list_filter = (
        PersonFilter,
        ("direction", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
        ("origin", ChoicesDropdownFilter),
        ("campaign", RelatedDropdownFilter),
        "reason",
    )
    list_select_related = ("contact",)
    search_fields = ("contact__display_name", "contact__addresses__value", "id")
    search_help_text = _("Name, phone number with country code, or message id")
    ordering = ("-occurred_at",)
    fields = (
        "person", "conversation_link", "arrow", "origin", "state", "because", "excerpt", "template", "account",
        "campaign", "author", "occurred_at", "due_at", "expires_at", "sent_at", "delivered_at", "read_at", "failed_at",
        "error_code", "error_detail", "price_category", "price_type",
    )  # fmt: skip
    readonly_fields = fields
    actions_detail = ("explain", "was_sent", "was_not_sent")
    possible = {
        "explain": lambda row: row.direction == Message.Direction.OUT,
        "was_sent": lambda row: row.status in UNCLEAR,
        "was_not_sent": lambda row: row.status in UNCLEAR,
    }
    empty_hint = _("No messages here. When somebody writes, or a callback is planned, it appears.")
    explain = link_action(
        title=_("Why was this (not) sent?"), url_name="message-why", name="explain", icon="contact_support"
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        self.masks = not may_see_personal_data(request.user)
        return super().get_queryset(request)

    @display(description=_("contact"))
    def person(self, message: Message) -> SafeString:
        name = message.contact.display_name or gettext("no name given")
        return link(reverse("contact-timeline", args=[message.contact_id]), name)

    @display(description=_("conversation"))
    def conversation_link(self, message: Message) -> SafeString | str:
        if message.conversation_id is None:
            return "–"
        return link(reverse(THREAD, args=[message.conversation_id]), gettext("Open the chat"))

    @display(description=_("direction"))
    def arrow(self, message: Message) -> str:
        return gettext("→ out") if message.direction == Message.Direction.OUT else gettext("← in")

    @display(description=_("text"))
    def excerpt(self, message: Message) -> str:
        return mask_text(message.text) if self.masks else Truncator(message.text).chars(80) or f"[{message.kind}]"

    @display(description=_("state"), label=MESSAGE_COLOURS)
    def state(self, message: Message) -> tuple[str, str]:
        return message.status, message.get_status_display()

    @display(description=_("because"))
    def because(self, message: Message) -> str:
        return reason_text(message.reason or message.waiting_for)

    @display(description=_("why?"))
    def why(self, message: Message) -> SafeString | str:
        if message.direction == Message.Direction.IN:
            return "–"
        return link(reverse("message-why", args=[message.pk]), gettext("Why?"))

    @service_action(
        title=_("It was sent"),
        description=_("You have proof: the person answered it, or the provider's console shows it."),
        permission="conversations.resolve_message",
        icon="done_all",
        to="message-why",
    )
    def was_sent(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        message_resolve(message_id=UUID(object_id), verdict="sent", actor=actor(request), now=now)
        return _("Recorded as sent.")

    @service_action(
        title=_("It was not sent"),
        description=_("You have proof that the provider never took it. It ends as cancelled and is not sent again."),
        permission="conversations.resolve_message",
        icon="cancel_schedule_send",
        to="message-why",
    )
    def was_not_sent(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        message_resolve(message_id=UUID(object_id), verdict="not_sent", actor=actor(request), now=now)
        return _("Recorded as not sent.")


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    """What the gate said, once and for ever, with the facts it saw."""

    contact_paths = ("contact",)
    list_display = ("decided_at", "person", "stage", "verdict_shown", "because", "rule", "rule_version", "until", "why")
    list_filter = (
        ("verdict", ChoicesDropdownFilter),
        "reason",
        ("stage", ChoicesDropdownFilter),
        ("conversation__campaign", RelatedDropdownFilter),
        ("decided_at", admin.DateFieldListFilter),
    )
    list_select_related = ("contact",)
    search_fields = ("contact__display_name", "contact__addresses__value", "message__id")
    search_help_text = _("Name, phone number with country code, or message id")
    ordering = ("-decided_at",)
    fields = (
        "decided_at", "person", "stage", "verdict_shown", "because", "rule", "rule_version", "basis", "until", "seen",
    )  # fmt: skip
    readonly_fields = fields
    empty_hint = _("The gate decides when a message is planned and again when it is due. Nothing was due yet.")

    @display(description=_("contact"))
    def person(self, decision: Decision) -> SafeString:
        name = decision.contact.display_name or gettext("no name given")
        return link(reverse("contact-timeline", args=[decision.contact_id]), name)

    @display(description=_("verdict"), label=VERDICT_COLOURS)
    def verdict_shown(self, decision: Decision) -> tuple[str, str]:
        return decision.verdict, decision.get_verdict_display()

    @display(description=_("because"))
    def because(self, decision: Decision) -> str:
        return reason_text(decision.reason) or "–"

    @display(description=_("why?"))
    def why(self, decision: Decision) -> SafeString | str:
        if decision.message_id is None:
            return "–"
        return link(reverse("message-why", args=[decision.message_id]), gettext("Why?"))

    @display(description=_("what the gate saw"))
    def seen(self, decision: Decision) -> SafeString:
        return definition_list(fact_words(decision.facts))


class RuleForm(RoomForm):
    """The rule's value as fields instead of JSON; which of them count depends on the kind."""

    hours_from = forms.TimeField(label=_("from"), required=False, widget=UnfoldAdminTimeWidget)
    hours_to = forms.TimeField(label=_("to"), required=False, widget=UnfoldAdminTimeWidget)
    cap_count = forms.IntegerField(
        label=_("messages at most"), required=False, min_value=1, widget=UnfoldAdminIntegerFieldWidget
    )
    cap_hours = forms.IntegerField(
        label=_("within hours"), required=False, min_value=1, widget=UnfoldAdminIntegerFieldWidget
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=_("weekdays"),
        required=False,
        coerce=int,
        choices=WEEKDAYS,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("None ticked: every day."),
    )

    class Meta:
        model = ComplianceRule
        exclude = ("value",)  # built from the fields above

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        value = self.instance.value or {}
        for name, key in RULE_FIELDS.items():
            if name in self.fields and key in value:
                self.fields[name].initial = value[key]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        kind = data.get("kind")
        wanted = [name for name in RULE_FIELDS if name.startswith(f"{kind}_")]
        for name in wanted:
            if data.get(name) is None:
                self.add_error(name, _("This kind of rule needs it."))
        if kind == ComplianceRule.Kind.TEMPLATE_BAN:
            self.instance.value = {"category": "MARKETING"}
        elif not self.errors:
            self.instance.value = {RULE_FIELDS[name]: _rule_value(data[name]) for name in wanted}
        return data


RULE_FIELDS = {"hours_from": "from", "hours_to": "to", "cap_count": "count", "cap_hours": "hours"}


def _rule_value(value: Any) -> str | int:
    return value.strftime("%H:%M") if hasattr(value, "strftime") else int(value)


@admin.register(ComplianceRule)
class ComplianceRuleAdmin(RoomAdmin):
    """Law, platform and house rules as rows with their source. Not legal advice."""

    form = RuleForm
    list_display = ("kind", "jurisdiction", "channel", "days", "what", "version", "valid_from", "valid_to", "enabled")
    list_filter = (("kind", ChoicesDropdownFilter), "jurisdiction", "enabled")
    search_fields = ("jurisdiction", "source")
    list_before_template = "rekindle/not_legal_advice.html"
    change_form_before_template = "rekindle/not_legal_advice.html"
    fieldsets = (
        (None, {"fields": ("kind", "jurisdiction", "channel", "weekdays", "enabled")}),
        (
            _("What it says"),
            {
                "fields": (("hours_from", "hours_to"), ("cap_count", "cap_hours")),
                "description": _("Hours are the contact's local time. Where several rules apply, the strictest wins."),
            },
        ),
        (_("Where it is written"), {"fields": ("source", "version", ("valid_from", "valid_to"))}),
    )
    empty_hint = _("Rules are installed with the product; run `manage.py migrate`.")

    @display(description=_("weekdays"))
    def days(self, rule: ComplianceRule) -> str:
        names = dict(WEEKDAYS)
        return ", ".join(str(names[day]) for day in rule.weekdays if day in names) or gettext("every day")

    @display(description=_("what it says"))
    def what(self, rule: ComplianceRule) -> str:
        if rule.kind == ComplianceRule.Kind.HOURS:
            return f"{rule.value.get('from')}–{rule.value.get('to')}"
        if rule.kind == ComplianceRule.Kind.CAP:
            return str(gettext("%(count)s within %(hours)s hours") % rule.value)
        return gettext("no marketing templates")
