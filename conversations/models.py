"""What happened. One open conversation per contact and account; both directions in one message table.

A conversation:        open -> closed (a category says why); the next inbound message opens a new one
A drop-out episode:    detected -> ended (by a reply, a conversion, closing, ...)
An outbound message:
    scheduled -> claimed -> inflight -> accepted -> sent -> delivered -> read
         ^          |           |----> held        (provider's quality assessment: wait, never resend)
         |<---------|           |----> unknown  -> accepted | unconfirmed (a person decides)
         |<-- provable refusal--|----> failed
    scheduled | claimed -> suppressed (the gate refused) | expired | cancelled
An inbound message:    received
"""

from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from campaigns.models import AdClick, Campaign, EntryPoint
from contacts.models import Contact, Purpose
from conversations.dropout import Timeline
from messaging.models import ChannelAccount, Template, WebhookReceipt


class Conversation(models.Model):
    """Everything between a contact and an account from the first message until it is closed."""

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        CLOSED = "closed", _("Closed")

    class Handler(models.TextChoices):
        AUTOMATION = "automation", _("Automation")
        PERSON = "person", _("A person")
        OTHER_APP = "other_app", _("Another app")

    class Attribution(models.TextChoices):
        AD = "ad", _("Ad (named by the platform)")
        REFERENCE = "reference", _("Reference in the first message")
        UNKNOWN_AD = "unknown_ad", _("An ad that no campaign knows")
        NONE = "none", _("Unattributed")

    class CloseCategory(models.TextChoices):
        CONVERTED = "converted", _("Converted")
        ANSWERED = "answered", _("Question answered")
        NOT_INTERESTED = "not_interested", _("Not interested")
        OPTED_OUT = "opted_out", _("Opted out")
        SPAM = "spam", _("Spam")
        OTHER = "other", _("Other")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="conversations")
    account = models.ForeignKey(ChannelAccount, on_delete=models.PROTECT, related_name="conversations")
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.OPEN)
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    close_category = models.CharField(_("closed as"), max_length=20, choices=CloseCategory.choices, blank=True)

    attribution = models.CharField(
        _("attribution"), max_length=20, choices=Attribution.choices, default=Attribution.NONE
    )
    campaign = models.ForeignKey(
        Campaign, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversations"
    )
    entry_point = models.ForeignKey(
        EntryPoint, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversations"
    )
    ad_click = models.ForeignKey(AdClick, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    click_id = models.CharField(max_length=512, blank=True)  # ctwa_clid: needed to report conversions back
    referral = models.JSONField(default=dict, blank=True)
    # Assigned once, when the conversation is attributed: intention to treat. None: no campaign, no experiment.
    holdout = models.BooleanField(_("holdout"), null=True, blank=True)

    # Number of inbound messages so far. A message planned at turn n is stale as soon as turn n+1 arrives.
    turn = models.PositiveIntegerField(default=0)
    # The turn whose silence has been judged (callbacks.planner): one drop-out episode per turn, and a sweep that
    # looks only at silences it has not judged yet.
    dropout_turn = models.PositiveIntegerField(default=0, editable=False)
    last_inbound_at = models.DateTimeField(_("last message from the contact"), null=True, blank=True)
    # Our last message to them that the provider accepted; cleared by nothing, compared with last_inbound_at.
    last_outbound_at = models.DateTimeField(_("our last message"), null=True, blank=True)
    service_window_ends_at = models.DateTimeField(_("service window ends"), null=True, blank=True)
    free_entry_eligible = models.BooleanField(default=False)  # came from an ad; our first answer opens the window
    free_entry_ends_at = models.DateTimeField(_("free entry window ends"), null=True, blank=True)

    handler = models.CharField(_("handled by"), max_length=20, choices=Handler.choices, default=Handler.AUTOMATION)
    assignee = models.ForeignKey("auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    handler_since = models.DateTimeField(null=True, blank=True)
    converted_at = models.DateTimeField(_("converted"), null=True, blank=True)

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "account"], condition=models.Q(status="open"), name="conversation_one_open"
            )
        ]
        indexes = [
            # The drop-out sweep: open conversations of a campaign in which we spoke last.
            models.Index(
                fields=["last_outbound_at"],
                condition=models.Q(
                    status="open",
                    handler="automation",
                    converted_at__isnull=True,
                    campaign__isnull=False,
                    turn__gt=models.F("dropout_turn"),
                ),
                name="conversation_silence",
            ),
            models.Index(fields=["campaign", "opened_at"], name="conversation_campaign_time"),
        ]
        permissions = [
            ("take_over_conversation", _("Can take over a conversation and hand it back")),
            ("close_conversation", _("Can close a conversation")),
            ("reply_conversation", _("Can write in a conversation")),
        ]

    def __str__(self) -> str:
        return f"{self.contact} · {self.opened_at:%Y-%m-%d}"

    def timeline(self) -> Timeline:
        """What the drop-out rules (conversations.dropout) look at."""
        return Timeline(
            open=self.status == self.Status.OPEN,
            automated=self.handler == self.Handler.AUTOMATION,
            converted=self.converted_at is not None,
            last_inbound_at=self.last_inbound_at,
            last_outbound_at=self.last_outbound_at,
        )


class DropOut(models.Model):
    """One episode of silence: our last message stayed unanswered for longer than the policy's patience."""

    class EndedBy(models.TextChoices):
        REPLY = "reply", _("The contact replied")
        CONVERSION = "conversion", _("The contact converted")
        OPT_OUT = "opt_out", _("The contact opted out")
        HAND_OVER = "hand_over", _("A person took over")
        CLOSED = "closed", _("The conversation was closed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="dropouts")
    episode = models.PositiveIntegerField()
    turn = models.PositiveIntegerField()  # conversation.turn when detected
    silent_since = models.DateTimeField(_("silent since"))  # our last message
    detected_at = models.DateTimeField(_("detected"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ended_by = models.CharField(_("ended by"), max_length=20, choices=EndedBy.choices, blank=True)
    # When the callback planner looks at it (again); empty when nothing more can be planned in this episode.
    plan_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("drop-out")
        verbose_name_plural = _("drop-outs")
        constraints = [
            models.UniqueConstraint(fields=["conversation", "episode"], name="dropout_episode_once"),
            models.UniqueConstraint(
                fields=["conversation"], condition=models.Q(ended_at__isnull=True), name="dropout_one_open"
            ),
        ]
        indexes = [
            models.Index(
                fields=["plan_at"],
                condition=models.Q(ended_at__isnull=True, plan_at__isnull=False),
                name="dropout_to_plan",
            )
        ]


class Message(models.Model):
    """One message, in or out. An outbound row is also its place in the outbox."""

    class Direction(models.TextChoices):
        IN = "in", _("In")
        OUT = "out", _("Out")

    class Status(models.TextChoices):
        RECEIVED = "received", _("Received")
        SCHEDULED = "scheduled", _("Scheduled")
        CLAIMED = "claimed", _("About to be sent")
        INFLIGHT = "inflight", _("Being sent")
        HELD = "held", _("Held by the provider")
        UNKNOWN = "unknown", _("No clear answer yet")
        UNCONFIRMED = "unconfirmed", _("Unconfirmed: a person decides")
        ACCEPTED = "accepted", _("Accepted by the provider")
        SENT = "sent", _("Sent")
        DELIVERED = "delivered", _("Delivered")
        READ = "read", _("Read")
        FAILED = "failed", _("Failed")
        SUPPRESSED = "suppressed", _("Not sent: refused by the rules")
        EXPIRED = "expired", _("Expired")
        CANCELLED = "cancelled", _("Cancelled")

    class Origin(models.TextChoices):
        CONTACT = "contact", _("The contact")
        GREETING = "greeting", _("First answer")
        REPLY = "reply", _("Reply")
        CALLBACK = "callback", _("Warm callback")
        OPTOUT_CONFIRMATION = "optout_confirmation", _("Opt-out confirmation")
        TEST = "test", _("Test send")
        ELSEWHERE = "elsewhere", _("Written outside Rekindle")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="messages")
    # A message is updated three times on its way out, and every plain index is written each time: columns that another
    # index leads with have none of their own, and those that are mostly empty have one over the filled rows (Meta).
    account = models.ForeignKey(ChannelAccount, on_delete=models.PROTECT, related_name="messages", db_index=False)
    conversation = models.ForeignKey(
        Conversation, null=True, blank=True, on_delete=models.PROTECT, related_name="messages", db_index=False
    )
    campaign = models.ForeignKey(Campaign, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages")
    direction = models.CharField(_("direction"), max_length=3, choices=Direction.choices)
    origin = models.CharField(_("origin"), max_length=20, choices=Origin.choices)
    kind = models.CharField(_("kind"), max_length=30, default="text")  # text, template, image, button, ...
    status = models.CharField(_("status"), max_length=12, choices=Status.choices)
    provider_message_id = models.CharField(max_length=200, blank=True)
    occurred_at = models.DateTimeField(_("time"))  # inbound: provider's; outbound: when scheduled, then when sent
    created_at = models.DateTimeField(auto_now_add=True)

    # What was said. Inbound: `text` and normalised `content`. Outbound: `text` is what was (or would be) sent.
    text = models.TextField(_("text"), blank=True)
    content = models.JSONField(default=dict, blank=True)
    reply_to = models.CharField(max_length=200, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    receipt = models.ForeignKey(
        WebhookReceipt, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    standby = models.BooleanField(default=False)  # received while another app owned the thread

    # The outbox. `content_free` ({"text", "buttons"}) is for inside the window, `content_template`
    # ({"name", "language", "values", "parameter_format"}) for outside; the gate chooses at the moment of sending.
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose.choices, blank=True)
    content_free = models.JSONField(null=True, blank=True)
    content_template = models.JSONField(null=True, blank=True)
    template = models.ForeignKey(
        Template, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    dedupe_key = models.CharField(max_length=200, null=True, blank=True, editable=False)
    at_least_once = models.BooleanField(default=False)  # only where twice is better than never: opt-out confirmations
    priority = models.SmallIntegerField(default=0)  # higher goes first when two want the same slot
    turn = models.PositiveIntegerField(default=0)  # conversation.turn when planned
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    expires_at = models.DateTimeField(_("latest useful moment"), null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    waiting_for = models.CharField(_("waiting because"), max_length=40, blank=True)  # the gate's last Wait reason
    reason = models.CharField(_("reason"), max_length=40, blank=True)  # why suppressed, expired, cancelled or failed
    error_code = models.CharField(_("provider error"), max_length=20, blank=True)
    error_detail = models.CharField(max_length=300, blank=True)
    author = models.ForeignKey(
        "auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )

    sent_at = models.DateTimeField(null=True, blank=True)  # provider accepted it
    delivered_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    price_category = models.CharField(max_length=30, blank=True)
    price_type = models.CharField(max_length=30, blank=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "provider_message_id"],
                condition=~models.Q(provider_message_id=""),
                name="message_provider_id_once",
            ),
            models.UniqueConstraint(fields=["dedupe_key"], name="message_dedupe_once"),
        ]
        indexes = [
            *(
                models.Index(fields=[name], condition=models.Q(**{f"{name}__isnull": False}), name=f"message_{name}")
                for name in ("template", "receipt", "author")
            ),
            models.Index(
                fields=["account", "-priority", "due_at"],
                condition=models.Q(status="scheduled"),
                name="message_due",
            ),
            # The same for answers alone: the urgent dispatcher must not read past a million due callbacks.
            models.Index(
                fields=["account", "due_at"],
                condition=models.Q(status="scheduled", origin__in=["optout_confirmation", "greeting", "reply"]),
                name="message_due_urgent",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status__in=["claimed", "inflight"]),
                name="message_lease",
            ),
            models.Index(fields=["conversation", "occurred_at"], name="message_thread"),
            models.Index(fields=["contact", "sent_at"], condition=models.Q(direction="out"), name="message_pressure"),
            models.Index(
                fields=["status"], condition=models.Q(status__in=["unknown", "unconfirmed"]), name="message_unclear"
            ),
            # What a campaign's pause has to cancel.
            models.Index(
                fields=["campaign"],
                condition=models.Q(status__in=["scheduled", "claimed"]),
                name="message_campaign_pending",
            ),
        ]
        permissions = [("resolve_message", _("Can decide about a message without a clear answer"))]


class MessageStatus(models.Model):
    """Every status the provider reported, once. `message` is empty while we have not matched it yet (an orphan)."""

    account = models.ForeignKey(ChannelAccount, on_delete=models.CASCADE, related_name="+")
    message = models.ForeignKey(Message, null=True, blank=True, on_delete=models.CASCADE, related_name="statuses")
    provider_message_id = models.CharField(max_length=200)
    ref = models.CharField(max_length=80, blank=True)
    status = models.CharField(max_length=12)
    errors = models.JSONField(default=list, blank=True)
    price_category = models.CharField(max_length=30, blank=True)
    price_type = models.CharField(max_length=30, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    dedupe_key = models.CharField(max_length=260)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "dedupe_key"], name="messagestatus_once")]
        indexes = [
            models.Index(fields=["received_at"], condition=models.Q(message__isnull=True), name="messagestatus_orphans")
        ]


class Conversion(models.Model):
    """An outcome, counted once per external id, credited to what touched the person inside the campaign's window."""

    class Source(models.TextChoices):
        API = "api", _("API")
        ADMIN = "admin", _("Admin")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    external_id = models.CharField(_("external ID"), max_length=200, unique=True)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="conversions")
    kind = models.CharField(_("kind"), max_length=60, help_text=_("e.g. purchase, lead, appointment"))
    value = models.DecimalField(_("value"), max_digits=16, decimal_places=2, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True, help_text=_("ISO 4217 code."))
    occurred_at = models.DateTimeField(_("occurred"))
    recorded_at = models.DateTimeField(_("recorded"), auto_now_add=True)
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    conversation = models.ForeignKey(
        Conversation, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversions"
    )
    campaign = models.ForeignKey(Campaign, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversions")
    entry_point = models.ForeignKey(
        EntryPoint, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversions"
    )
    # The warm callback that is credited: the last one sent before the conversion, inside the window.
    message = models.ForeignKey(Message, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversions")
    credit_rule = models.CharField(max_length=60, blank=True, editable=False)  # rule and window that gave the credit

    class Meta:
        verbose_name = _("conversion")
        verbose_name_plural = _("conversions")
        indexes = [models.Index(fields=["campaign", "occurred_at"], name="conversion_campaign_time")]
