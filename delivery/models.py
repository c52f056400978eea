"""The one door out: what was decided about a message, and every try to hand it to the provider.

An attempt:   open -> accepted | refused | unknown ; unknown -> accepted (a status arrived) | abandoned
A decision is written once and never changed.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from contacts.models import Contact
from conversations.models import Conversation, Message


class Attempt(models.Model):
    """One try to hand one message to the provider. At most one may be open or accepted: the database says so."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")
        UNKNOWN = "unknown", _("No clear answer")
        ABANDONED = "abandoned", _("Given up")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The constraints below lead with it.
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    fence = models.PositiveIntegerField()
    # Travels in the provider's correlation field: `<message id as hex>.<fence>` (conversations.refs).
    ref = models.CharField(max_length=80, unique=True)
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.OPEN)
    started_at = models.DateTimeField(_("started"))
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error_code = models.CharField(_("error"), max_length=20, blank=True)
    error_class = models.CharField(max_length=20, blank=True)
    error_detail = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [
            models.UniqueConstraint(fields=["message", "fence"], name="attempt_fence_once"),
            models.UniqueConstraint(
                fields=["message"],
                condition=models.Q(state__in=["open", "accepted"]),
                name="attempt_one_open_or_accepted",
            ),
        ]
        indexes = [
            models.Index(
                fields=["started_at"], condition=models.Q(state__in=["open", "unknown"]), name="attempt_unsettled"
            )
        ]


class Decision(models.Model):
    """A verdict of the gate with the facts it saw and the versions of the rules it used."""

    class Verdict(models.TextChoices):
        SEND = "send", _("Send")
        WAIT = "wait", _("Wait")
        REFUSE = "refuse", _("Refuse")

    class Stage(models.TextChoices):
        PLAN = "plan", _("Planning")
        SEND = "send", _("Sending")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Contact and message lead the two indexes below.
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="decisions", db_index=False)
    conversation = models.ForeignKey(Conversation, null=True, on_delete=models.CASCADE, related_name="decisions")
    message = models.ForeignKey(Message, null=True, on_delete=models.CASCADE, related_name="decisions", db_index=False)
    stage = models.CharField(_("stage"), max_length=10, choices=Stage.choices)
    verdict = models.CharField(_("verdict"), max_length=10, choices=Verdict.choices)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    rule = models.CharField(_("rule"), max_length=80, blank=True)
    rule_version = models.CharField(_("rule version"), max_length=40, blank=True)
    basis = models.CharField(_("basis"), max_length=40, blank=True)  # send: window | consent | service
    until = models.DateTimeField(_("until"), null=True, blank=True)
    facts = models.JSONField(_("facts"), default=dict)
    decided_at = models.DateTimeField(_("decided"))

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        indexes = [
            models.Index(fields=["message", "decided_at"], name="decision_message_time"),
            models.Index(fields=["contact", "decided_at"], name="decision_contact_time"),
        ]


class ComplianceRule(models.Model):
    """One rule of law, platform or house, as data: who it binds, what it says, since when, and where it is written."""

    class Kind(models.TextChoices):
        HOURS = "hours", _("Permitted hours")
        CAP = "cap", _("Frequency cap")
        TEMPLATE_BAN = "template_ban", _("No marketing templates")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    jurisdiction = models.CharField(
        _("jurisdiction"), max_length=20, help_text=_("Country, country-region (US-TX), or * for everybody.")
    )
    channel = models.CharField(_("channel"), max_length=20, blank=True, help_text=_("Empty: every channel."))
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(),
        default=list,
        blank=True,
        verbose_name=_("weekdays"),
        help_text=_("ISO weekdays, Monday is 1. Empty: every day."),
    )
    # hours: {"from": "08:00", "to": "21:00"}; cap: {"count": 3, "hours": 24}; template_ban: {"category": "MARKETING"}
    value = models.JSONField(_("value"))
    source = models.CharField(_("source"), max_length=300)
    version = models.CharField(_("version"), max_length=40)
    valid_from = models.DateField(_("valid from"))
    valid_to = models.DateField(_("valid to"), null=True, blank=True)
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("compliance rule")
        verbose_name_plural = _("compliance rules")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "jurisdiction", "channel", "version", "weekdays"], name="compliancerule_once"
            )
        ]
