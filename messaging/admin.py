"""Accounts, templates, and what the provider told us."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from access.screens import (
    PRIMARY,
    SUCCESS,
    WARNING,
    DialogForm,
    ReadOnlyAdmin,
    RoomAdmin,
    Text,
    actor,
    definition_list,
    display,
    link,
    link_action,
    service_action,
)
from messaging.accounts import account_health, account_pause, account_resume, template_release, templates_sync
from messaging.adapters.base import AccountHealth
from messaging.credentials import Credentials, credentials_read, credentials_write
from messaging.models import ChannelAccount, ProviderEvent, Template
from messaging.templates import template_preview

TEMPLATE_COLOURS = {"APPROVED": "success", "PENDING": "info", "REJECTED": "danger", "PAUSED": "warning"}


class CredentialsForm(DialogForm):
    """Write-only: what is stored is never shown, an empty field keeps it."""

    access_token = forms.CharField(
        label=_("access token"),
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=_("Leave empty to keep the stored one."),
    )
    app_secrets = forms.CharField(
        label=_("app secrets"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("One per line, the newest first: during a rotation the old one stays valid. Empty keeps them."),
    )
    verify_token = forms.CharField(
        label=_("verify token"),
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=_("Leave empty to keep the stored one."),
    )


class PauseForm(DialogForm):
    reason = forms.CharField(
        label=_("reason"),
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Everybody who wonders why nothing goes out will read this."),
    )


@admin.register(ChannelAccount)
class ChannelAccountAdmin(RoomAdmin):
    """One number that sends and receives."""

    list_display = ("name", "display_number", "state", "quality_rating", "messaging_limit", "throughput_per_second")
    list_filter = (("status", ChoicesDropdownFilter),)
    search_fields = ("name", "display_number", "sender_id", "business_account_id")
    readonly_fields = ("state", "pause_reason", "paused_at", "quality_rating", "secrets")
    actions_detail = ("credentials", "pause", "resume", "sync_templates", "check_health")
    possible = {
        "pause": lambda account: account.status == ChannelAccount.Status.ACTIVE,
        "resume": lambda account: account.status == ChannelAccount.Status.PAUSED,
    }
    empty_hint = _("Add the WhatsApp number you want to send from, then store its credentials and sync its templates.")
    fieldsets = (
        (None, {"fields": ("name", "channel", "display_number", "state", "pause_reason", "paused_at")}),
        (
            _("At the provider"),
            {
                "classes": ["tab"],
                "description": _("The ids stand in the provider's own console, on the page of the phone number."),
                "fields": ("sender_id", "business_account_id", "portfolio_id", "base_url", "api_version", "secrets"),
            },
        ),
        (
            _("Limits and health"),
            {"classes": ["tab"], "fields": ("messaging_limit", "throughput_per_second", "quality_rating")},
        ),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "base_url":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # its conversations stand on it; pause it instead

    @display(description=_("state"), label={"active": "success", "paused": "danger"})
    def state(self, account: ChannelAccount) -> tuple[str, str]:
        return account.status, account.get_status_display()

    @display(description=_("credentials"))
    def secrets(self, account: ChannelAccount) -> str:
        return (
            gettext("stored, never shown")
            if account.credentials_encrypted
            else gettext("none yet: nothing can be sent")
        )

    @service_action(
        title=_("Set credentials"),
        description=_("They are encrypted and can't be read back here."),
        permission="messaging.change_channelaccount",
        form=CredentialsForm,
        icon="key",
    )
    def credentials(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        account = ChannelAccount.objects.get(pk=object_id)
        stored = credentials_read(account) if account.credentials_encrypted else Credentials("", (), "")
        data = form.cleaned_data
        secrets = tuple(line.strip() for line in data["app_secrets"].splitlines() if line.strip())
        credentials_write(
            account,
            Credentials(
                access_token=data["access_token"] or stored.access_token,
                app_secrets=secrets or stored.app_secrets,
                verify_token=data["verify_token"] or stored.verify_token,
            ),
        )
        return _("The credentials are stored.")

    @service_action(
        title=_("Pause"),
        description=_("Nothing goes out through this account until somebody resumes it. Messages still come in."),
        permission="messaging.pause_channelaccount",
        form=PauseForm,
        icon="pause",
        variant=WARNING,
    )
    def pause(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        account_pause(account_id=UUID(object_id), reason=form.cleaned_data["reason"], now=now)
        return _("The account is paused.")

    @service_action(
        title=_("Resume"),
        description=_("What is due goes out at the account's pace. Make sure the cause of the pause is gone."),
        permission="messaging.pause_channelaccount",
        icon="play_arrow",
        variant=SUCCESS,
    )
    def resume(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        account_resume(account_id=UUID(object_id), actor=actor(request), now=now)
        return _("The account is active again.")

    @service_action(
        title=_("Sync templates"),
        description=_("Asks the provider for the account's templates now, instead of within a quarter of an hour."),
        permission="messaging.change_channelaccount",
        icon="sync",
        variant=PRIMARY,
    )
    def sync_templates(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        count = templates_sync(account=ChannelAccount.objects.get(pk=object_id), now=now)
        return gettext("%(count)d templates synchronised.") % {"count": count}

    @service_action(
        title=_("Check health"),
        description=_("Asks the provider now whether this account can send."),
        permission="messaging.pause_channelaccount",
        icon="monitor_heart",
    )
    def check_health(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        health = account_health(ChannelAccount.objects.get(pk=object_id))
        return format_html("{}{}", gettext("What the provider says:"), definition_list(health_words(health)))


@admin.register(Template)
class TemplateAdmin(ReadOnlyAdmin):
    """As the provider holds them; written and approved there, read here."""

    list_display = ("name", "language", "category", "state", "quality", "account", "synced_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("category", ChoicesDropdownFilter),
        ("account", RelatedDropdownFilter),
        "language",
    )
    list_select_related = ("account",)
    search_fields = ("name",)
    fields = (
        "name", "language", "account", "category", "state", "status_reason", "quality", "preview", "needs", "synced_at",
    )  # fmt: skip
    readonly_fields = fields
    actions_detail = ("send_test", "release")
    possible = {"release": lambda template: template.stopped_at is not None}
    empty_hint = _("No templates yet. Write them in the provider's console, then use “Sync templates” on the account.")

    @service_action(
        title=_("Release"),
        description=_("Rekindle stopped this template because the provider refused it. You have mended the cause."),
        permission="messaging.change_channelaccount",
        icon="lock_open",
        variant=SUCCESS,
    )
    def release(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        template_release(template_id=int(object_id), actor=actor(request), now=now)
        return _("The template may be used again.")

    send_test = link_action(
        title=_("Test send"),
        url_name="test-send-template",
        name="send_test",
        icon="science",
        permission="campaigns.change_campaign",
    )

    @display(description=_("state"), label=TEMPLATE_COLOURS)
    def state(self, template: Template) -> tuple[str, str]:
        return template.status, template.get_status_display()

    @display(description=_("preview"))
    def preview(self, template: Template) -> SafeString:
        """With the example values the template was submitted with."""
        values = {_key(parameter): parameter.example or f"[{parameter.name}]" for parameter in template.parameters()}
        return format_html(
            '<div class="rk-bubble rk-out rk-preview">{}</div>', template_preview(template.components, values)
        )

    @display(description=_("values it needs"))
    def needs(self, template: Template) -> SafeString | str:
        rows = [(_key(parameter), parameter.example or "–") for parameter in template.parameters()]
        return definition_list(rows) if rows else gettext("none")


def health_words(health: AccountHealth) -> list[tuple[Text, object]]:
    """The provider's verdict about an account, as a person reads it."""
    verdicts = {"AVAILABLE": _("yes"), "LIMITED": _("with limits"), "BLOCKED": _("no")}
    return [
        (_("can send"), verdicts.get(health.can_send, health.can_send)),
        (_("problems"), list(health.problems) or _("none")),
    ]


def _key(parameter: Any) -> str:
    if parameter.component == "button":
        return f"button.{parameter.button_index}.{parameter.name}"
    return f"{parameter.component}.{parameter.name}"


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin):
    """What the provider said about accounts and templates; also what it said that we don't understand yet."""

    list_display = ("occurred_at", "kind", "summary", "known", "account")
    list_filter = ("known", "kind", ("account", RelatedDropdownFilter))
    list_select_related = ("account",)
    fields = ("occurred_at", "kind", "summary", "known", "account", "where")
    readonly_fields = fields
    ordering = ("-occurred_at",)
    empty_hint = _("The provider has not reported anything about your accounts or templates yet.")

    @display(description=_("webhook receipt"))
    def where(self, event: ProviderEvent) -> SafeString | str:
        if event.receipt_id is None:
            return "–"
        url = reverse("admin:messaging_webhookreceipt_change", args=[event.receipt_id])
        return link(url, gettext("Receipt %(number)s") % {"number": event.receipt_id})
