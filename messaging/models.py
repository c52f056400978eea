"""How bytes leave and arrive. This room knows no campaign and no conversation.

A channel account:   active <-> paused (by a person, or by a provider error that names its scope)
A template:          the provider's own status; only APPROVED can be sent
A webhook receipt:   pending -> processed | partial (some items failed; replayable) ; a rejected body is never stored
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from messaging.events import TemplateParameter
from messaging.templates import template_parameters


class ChannelAccount(models.Model):
    """One sending identity: for WhatsApp, one phone number of one WhatsApp Business Account."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100)
    channel = models.CharField(_("channel"), max_length=20, default="whatsapp", choices=[("whatsapp", "WhatsApp")])
    base_url = models.URLField(
        _("API address"),
        default="https://graph.facebook.com",
        help_text=_("Change it only to talk to a sandbox; the access token must then be entered again."),
    )
    api_version = models.CharField(_("API version"), max_length=10, default="v26.0")
    # WhatsApp: phone number id, WABA id, business portfolio id.
    sender_id = models.CharField(_("phone number ID"), max_length=64)
    business_account_id = models.CharField(_("WhatsApp Business Account ID"), max_length=64)
    portfolio_id = models.CharField(
        _("business portfolio ID"), max_length=64, help_text=_("Scopes user ids and the daily messaging limit.")
    )
    display_number = models.CharField(_("display number"), max_length=20, help_text=_("E.164, e.g. +84901234567."))
    # Fernet-encrypted JSON; read and written through `messaging.credentials` only.
    credentials_encrypted = models.TextField(editable=False, blank=True)

    throughput_per_second = models.PositiveIntegerField(_("messages per second"), default=80)
    messaging_limit = models.PositiveIntegerField(
        _("people per 24 hours outside windows"), null=True, blank=True, help_text=_("Empty means unlimited.")
    )
    quality_rating = models.CharField(_("quality rating"), max_length=20, blank=True, editable=False)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.ACTIVE, editable=False)
    pause_reason = models.CharField(_("why paused"), max_length=300, blank=True, editable=False)
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("channel account")
        verbose_name_plural = _("channel accounts")
        constraints = [models.UniqueConstraint(fields=["channel", "sender_id"], name="channelaccount_sender_once")]
        permissions = [("pause_channelaccount", _("Can pause and resume a channel account"))]

    def __str__(self) -> str:
        return self.name


class SendPace(models.Model):
    """When a number may send next while Redis is away: the governor's conservative pace, shared by all workers."""

    account = models.OneToOneField(ChannelAccount, primary_key=True, on_delete=models.CASCADE, related_name="+")
    next_at = models.DateTimeField()


class Template(models.Model):
    """A message template as the provider holds it, one row per language."""

    class Category(models.TextChoices):
        MARKETING = "MARKETING", _("Marketing")
        UTILITY = "UTILITY", _("Utility")
        AUTHENTICATION = "AUTHENTICATION", _("Authentication")

    class Status(models.TextChoices):
        APPROVED = "APPROVED", _("Approved")
        PENDING = "PENDING", _("Pending")
        REJECTED = "REJECTED", _("Rejected")
        PAUSED = "PAUSED", _("Paused")
        DISABLED = "DISABLED", _("Disabled")
        IN_APPEAL = "IN_APPEAL", _("In appeal")
        PENDING_DELETION = "PENDING_DELETION", _("Being deleted")
        DELETED = "DELETED", _("Deleted")
        ARCHIVED = "ARCHIVED", _("Archived")
        LIMIT_EXCEEDED = "LIMIT_EXCEEDED", _("Limit exceeded")

    account = models.ForeignKey(ChannelAccount, on_delete=models.CASCADE, related_name="templates")
    provider_id = models.CharField(max_length=64, blank=True)
    name = models.CharField(_("name"), max_length=512)
    language = models.CharField(_("language"), max_length=20, help_text=_("As the provider writes it, e.g. pt_BR."))
    category = models.CharField(_("category"), max_length=20, choices=Category.choices)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices)
    status_reason = models.CharField(_("reason"), max_length=300, blank=True)
    quality = models.CharField(_("quality"), max_length=20, blank=True)
    parameter_format = models.CharField(
        max_length=20, default="POSITIONAL", choices=[("POSITIONAL", _("Positional")), ("NAMED", _("Named"))]
    )
    components = models.JSONField(_("components"), default=list)
    synced_at = models.DateTimeField(_("synchronised"))  # or taught by a webhook or a refusal since
    # Set while `status` is our own stop after a refused send and not the provider's word (accounts.template_stop).
    stopped_at = models.DateTimeField(_("stopped by Rekindle"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        constraints = [models.UniqueConstraint(fields=["account", "name", "language"], name="template_once")]

    def __str__(self) -> str:
        return f"{self.name} ({self.language})"

    def parameters(self) -> list[TemplateParameter]:
        """The values a send must supply, in the provider's order."""
        return template_parameters(self.components, self.parameter_format)


class WebhookReceipt(models.Model):
    """The exact bytes of one authenticated webhook, kept before anything is parsed."""

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        PROCESSED = "processed", _("Processed")
        PARTIAL = "partial", _("Some items failed")

    id = models.BigAutoField(primary_key=True)
    channel = models.CharField(_("channel"), max_length=20)
    digest = models.BinaryField(max_length=32, unique=True)
    body = models.BinaryField()
    # Accounts whose secret verified the signature: an item for any other account is not believed.
    verified_account_ids = ArrayField(models.UUIDField())
    received_at = models.DateTimeField(_("received"))
    deliveries = models.PositiveIntegerField(_("times delivered"), default=1)
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.PENDING)
    processed_at = models.DateTimeField(_("processed"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    item_count = models.PositiveIntegerField(_("items"), default=0)
    # [{"item": 17, "error": "ValueError: ..."}]; never the item's own content.
    faults = models.JSONField(_("faults"), default=list, blank=True)

    class Meta:
        verbose_name = _("webhook receipt")
        verbose_name_plural = _("webhook receipts")
        indexes = [
            models.Index(fields=["attempts", "id"], condition=models.Q(state="pending"), name="webhookreceipt_pending"),
            models.Index(fields=["received_at"], name="webhookreceipt_received"),
        ]
        permissions = [("replay_webhookreceipt", _("Can process a stored webhook again"))]


class ProviderEvent(models.Model):
    """What the provider said about an account or template, and everything it said that we do not know (yet)."""

    account = models.ForeignKey(ChannelAccount, null=True, on_delete=models.CASCADE, related_name="provider_events")
    receipt = models.ForeignKey(WebhookReceipt, null=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(_("kind"), max_length=80)
    known = models.BooleanField(_("understood"), default=True)
    summary = models.CharField(_("summary"), max_length=300, blank=True)
    payload = models.JSONField(default=dict)
    occurred_at = models.DateTimeField(_("occurred"))
    dedupe_key = models.CharField(max_length=200, unique=True, editable=False)

    class Meta:
        verbose_name = _("provider event")
        verbose_name_plural = _("provider events")
