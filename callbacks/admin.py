"""Policies with their steps, and what was planned from them."""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from access.screens import (
    ReadOnlyAdmin,
    RoomAdmin,
    RoomForm,
    RoomStackedInline,
    actor,
    display,
    link,
    link_action,
)
from callbacks.models import Callback, CallbackPolicy, CallbackStep
from callbacks.services import PolicyFields, StepFields, policy_save
from conversations.reasons import reason_text


class SpanField(forms.CharField):
    """A length of time as people write it: 2h, 30m, 3d, 1d 12h; Django's own form (02:00:00) is understood too."""

    widget = UnfoldAdminTextInputWidget
    UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, timedelta):
            return value
        return span_words(value)

    def to_python(self, value: Any) -> Any:
        text = str(value or "").strip()
        if not text:
            return None
        if ":" in text:
            return forms.DurationField().to_python(text)
        units, total, seen = dict(self.UNITS), 0.0, False
        for part in text.replace(",", " ").split():
            unit = units.get(part[-1:].lower())
            try:
                number = float(part[:-1])
            except ValueError:
                unit = None
            if unit is None or number < 0 or number > 100_000:
                raise forms.ValidationError(gettext("Write a length of time such as 2h, 30m or 1d 12h."))
            total, seen = total + number * unit, True
        return timedelta(seconds=total) if seen else None


def span_words(span: timedelta) -> str:
    """1d 12h"""
    left, words = int(span.total_seconds()), []
    for sign, seconds in SpanField.UNITS:
        if left >= seconds:
            words.append(f"{left // seconds}{sign}")
            left %= seconds
    return " ".join(words) or "0m"


SPAN_HELP = _("e.g. 2h, 30m, 1d 12h")


class PolicyForm(RoomForm):
    patience = SpanField(
        label=_("patience"),
        initial=timedelta(hours=2),
        help_text=_("A person who has not answered our last message for this long has dropped out."),
    )
    window_margin = SpanField(
        label=_("margin before the window closes"),
        initial=timedelta(minutes=30),
        help_text=_("A callback goes out at the latest this long before the free-form window closes."),
    )

    class Meta:
        model = CallbackPolicy
        fields = ("campaign", "enabled", "patience", "window_margin", "max_attempts", "priority")


class LinesField(forms.CharField):
    """Names and values, one per line, instead of JSON."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"})

    def __init__(self, *, buttons: bool, **kwargs: Any) -> None:
        self.buttons = buttons
        super().__init__(required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        if self.buttons:
            return "\n".join(f"{row.get('id', '')} = {row.get('title', '')}" for row in value or [])
        return "\n".join(f"{name} = {text}" for name, text in (value or {}).items())

    def to_python(self, value: Any) -> Any:
        rows: list[tuple[str, str]] = []
        for line in str(value or "").splitlines():
            if not line.strip():
                continue
            name, sign, text = line.partition("=")
            if not sign or not name.strip() or not text.strip():
                raise forms.ValidationError(gettext("Write one “name = value” per line."))
            rows.append((name.strip(), text.strip()))
        return [{"id": name, "title": text} for name, text in rows] if self.buttons else dict(rows)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (self.to_python(initial) if isinstance(initial, str) else initial))
        except forms.ValidationError:
            return True


class StepForm(RoomForm):
    delay = SpanField(
        label=_("delay"), required=False, help_text=_("After the drop-out (or the step before): e.g. 2h, 30m, 1d 12h.")
    )
    useful_for = SpanField(
        label=_("useful for"),
        initial=timedelta(days=3),
        help_text=_("After this long since the drop-out the message no longer makes sense and is not sent."),
    )
    buttons = LinesField(
        buttons=True, label=_("buttons"), help_text=_("At most three, one per line: id = what the person reads.")
    )
    template_values = LinesField(
        buttons=False,
        label=_("template values"),
        help_text=_("One per line, e.g. body.1 = {{ contact.first_name }}. The template's page lists what it needs."),
    )

    class Meta:
        model = CallbackStep
        fields = (
            "position", "delay", "cron", "text", "buttons", "template_name", "template_language", "template_values",
            "useful_for",
        )  # fmt: skip


class StepInline(RoomStackedInline):
    """The steps, in the order of their position. The service checks them together when the policy is saved."""

    model = CallbackStep
    form = StepForm
    verbose_name_plural = _("Steps")
    tab = False
    fieldsets = (
        (None, {"fields": ("position", "delay", "cron", "text", "buttons")}),
        (None, {"fields": ("template_name", "template_language", "template_values", "useful_for")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("callbacks.delete_callbackstep")


@admin.register(CallbackPolicy)
class CallbackPolicyAdmin(RoomAdmin):
    """When silence is a drop-out, what we then say and when we stop."""

    form = PolicyForm
    list_display = ("campaign", "enabled", "patience_shown", "step_count", "max_attempts", "priority")
    list_filter = ("enabled", ("campaign__status", ChoicesDropdownFilter))
    search_fields = ("campaign__name",)
    autocomplete_fields = ("campaign",)
    inlines = (StepInline,)
    actions_detail = ("send_test",)
    fields = ("campaign", "enabled", "patience", "window_margin", "max_attempts", "priority")
    change_form_before_template = "rekindle/policy_help.html"
    empty_hint = _("A policy says after how long silence is a drop-out and what is said then. Add one for a campaign.")

    send_test = link_action(
        title=_("Test send"),
        url_name="test-send-policy",
        name="send_test",
        icon="science",
        permission="campaigns.change_campaign",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallbackPolicy]:
        return super().get_queryset(request).select_related("campaign").prefetch_related("steps")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("campaign",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # switch it off instead: its callbacks refer to it

    @display(description=_("patience"), ordering="patience")
    def patience_shown(self, policy: CallbackPolicy) -> str:
        return span_words(policy.patience)

    @display(description=_("steps"))
    def step_count(self, policy: CallbackPolicy) -> int:
        return len(policy.steps.all())

    # -- saving is one service call, made when the steps are known ---------------------------------------------------

    def save_model(self, request: HttpRequest, obj: CallbackPolicy, form: Any, change: bool) -> None:
        """Nothing yet: `save_related` saves policy and steps together."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        policy: CallbackPolicy = form.instance
        campaign = policy.campaign
        approved = campaign.approved_revision is not None and campaign.approved_revision == campaign.revision
        fields: Any = {
            name: form.cleaned_data[name] for name in PolicyFields.__annotations__ if name in form.cleaned_data
        }
        saved = policy_save(
            campaign_id=campaign.pk,
            actor=actor(request),
            now=timezone.now(),
            steps=_steps(formsets[0]) if formsets else None,
            **fields,
        )
        for formset in formsets:
            formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        policy.pk, policy._state.adding = saved.pk, False
        campaign.refresh_from_db()
        if approved and campaign.approved_revision != campaign.revision:
            messages.warning(request, gettext("Your change voided the approval. Submit the campaign again."))


def _steps(formset: Any) -> list[StepFields]:
    """The steps as they stand in the form, in the order of their position."""
    rows = []
    for form in formset.forms:
        data = form.cleaned_data if form.is_valid() else {}
        if not data or data.get("DELETE") or (form.instance._state.adding and not form.has_changed()):
            continue
        rows.append(
            (data.get("position") or 0, {name: data[name] for name in StepFields.__annotations__ if name in data})
        )
    rows.sort(key=lambda row: row[0])
    return [cast("StepFields", fields) for _position, fields in rows]


@admin.register(Callback)
class CallbackAdmin(ReadOnlyAdmin):
    """What was planned, for whom, and what became of it."""

    contact_paths = ("dropout__conversation__contact",)
    list_display = ("planned_at", "person", "campaign", "position", "ideal_at", "state", "because", "why")
    list_filter = (
        ("message__status", ChoicesDropdownFilter),
        ("dropout__conversation__campaign", RelatedDropdownFilter),
        ("planned_at", admin.DateFieldListFilter),
    )
    list_select_related = ("dropout__conversation__contact", "dropout__conversation__campaign", "message", "decision")
    ordering = ("-planned_at",)
    fields = ("person", "campaign", "position", "planned_at", "ideal_at", "state", "because", "why")
    readonly_fields = fields
    empty_hint = _("No callbacks yet: nobody fell silent in a running campaign whose policy is switched on.")

    @display(description=_("contact"))
    def person(self, callback: Callback) -> SafeString:
        conversation = callback.dropout.conversation
        name = conversation.contact.display_name or gettext("no name given")
        return link(reverse("conversation-thread", args=[conversation.pk]), name)

    @display(description=_("campaign"))
    def campaign(self, callback: Callback) -> str:
        return str(callback.dropout.conversation.campaign or "–")

    @display(description=_("state"))
    def state(self, callback: Callback) -> str:
        return callback.message.get_status_display() if callback.message else gettext("Refused at planning")

    @display(description=_("because"))
    def because(self, callback: Callback) -> str:
        return reason_text(callback.reason)

    @display(description=_("why?"))
    def why(self, callback: Callback) -> SafeString | str:
        if callback.message_id is None:
            url = reverse("admin:delivery_decision_change", args=[callback.decision_id])
        else:
            url = reverse("message-why", args=[callback.message_id])
        return link(url, gettext("Why?"))
