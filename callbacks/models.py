"""Whether we speak again.

A callback's state is its message's state; one that was refused at planning (a holdout member, say) has no message
and points to the decision that refused it. Nothing is stored twice.
"""

from datetime import timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from campaigns.models import Campaign
from conversations.models import DropOut, Message
from delivery.models import Decision


class CallbackPolicy(models.Model):
    """How long we are patient, what we then say, how often, and when we stop."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, related_name="policy")
    enabled = models.BooleanField(_("enabled"), default=True)
    patience = models.DurationField(
        _("patience"),
        default=timedelta(hours=2),
        help_text=_("A person who has not answered our last message for this long has dropped out."),
    )
    window_margin = models.DurationField(
        _("margin before the window closes"),
        default=timedelta(minutes=30),
        help_text=_("A callback goes out at the latest this long before the free-form window closes."),
    )
    max_attempts = models.PositiveSmallIntegerField(
        _("callbacks per conversation"),
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        help_text=_("Over all episodes of one conversation."),
    )
    priority = models.SmallIntegerField(
        _("priority"), default=0, help_text=_("When two messages want the same person's slot, the higher one goes.")
    )

    class Meta:
        verbose_name = _("callback policy")
        verbose_name_plural = _("callback policies")

    def __str__(self) -> str:
        return f"{self.campaign}"


class CallbackStep(models.Model):
    """One step of a policy: when, and with which words inside and outside the window."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy = models.ForeignKey(CallbackPolicy, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(_("position"))
    delay = models.DurationField(
        _("delay"), null=True, blank=True, help_text=_("After the drop-out (or the step before).")
    )
    cron = models.CharField(
        _("cron expression"),
        max_length=100,
        blank=True,
        help_text=_("Instead of a delay: in the contact's local time, e.g. 0 9 * * 1-5 for weekdays at nine."),
    )
    text = models.TextField(
        _("text inside the window"), blank=True, help_text=_("Liquid; e.g. Hi {{ contact.name | default: 'there' }}!")
    )
    # [{"id": "yes", "title": "Yes, please"}], at most three.
    buttons = models.JSONField(_("buttons"), default=list, blank=True)
    template_name = models.CharField(_("template outside the window"), max_length=512, blank=True)
    template_language = models.CharField(_("template language"), max_length=20, blank=True)
    # {"body.1": "{{ contact.name }}", "button.0.1": "{{ conversation.reference }}"}
    template_values = models.JSONField(_("template values"), default=dict, blank=True)
    useful_for = models.DurationField(
        _("useful for"),
        default=timedelta(days=3),
        help_text=_("After this long since the drop-out the message no longer makes sense and is not sent."),
    )

    class Meta:
        verbose_name = _("callback step")
        verbose_name_plural = _("callback steps")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "position"], name="callbackstep_position_once"),
            models.CheckConstraint(
                condition=models.Q(delay__isnull=False, cron="") | (models.Q(delay__isnull=True) & ~models.Q(cron="")),
                name="callbackstep_delay_or_cron",
            ),
        ]

    def __str__(self) -> str:
        return gettext("Step %(position)d") % {"position": self.position}


class Callback(models.Model):
    """One warm callback of one drop-out episode at one step of its policy. Exactly one, however often we plan."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    dropout = models.ForeignKey(DropOut, on_delete=models.CASCADE, related_name="callbacks")
    # The step as it was planned; steps may be edited or removed later.
    step = models.ForeignKey(CallbackStep, null=True, on_delete=models.SET_NULL, related_name="callbacks")
    position = models.PositiveSmallIntegerField(_("step"))
    policy_revision = models.PositiveIntegerField()  # the campaign's revision that was approved when we planned
    message = models.OneToOneField(Message, null=True, blank=True, on_delete=models.PROTECT, related_name="callback")
    decision = models.ForeignKey(Decision, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    planned_at = models.DateTimeField(_("planned"))
    ideal_at = models.DateTimeField(_("ideal time"))

    class Meta:
        verbose_name = _("callback")
        verbose_name_plural = _("callbacks")
        constraints = [
            models.UniqueConstraint(fields=["dropout", "position"], name="callback_step_once"),
            models.CheckConstraint(
                condition=models.Q(message__isnull=False) | models.Q(decision__isnull=False),
                name="callback_has_message_or_refusal",
            ),
        ]

    @property
    def state(self) -> str:
        """The message's status (conversations.Message.Status), or "refused" when none was planned."""
        return self.message.status if self.message else "refused"

    @property
    def reason(self) -> str:
        """Why nothing was, or is yet to be, said (conversations.reasons); empty when nothing stands in the way."""
        if self.message:
            return self.message.reason or self.message.waiting_for
        return self.decision.reason if self.decision else ""
