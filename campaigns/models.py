"""What a marketer sets up.

    draft --submit--> submitted --approve (another person)--> approved --start--> running <--> paused
      ^                   |                                      |                   |           |
      |<- reject, edit ---|                                      |                   |--- end ---|--> ended
      |<------------------ any edit -----------------------------|

An edit after approval voids the approval: `approved_revision` no longer equals `revision`. A running campaign that is
edited is paused by that very edit, and a paused one without an approval is submitted again before it may run.
"""

from datetime import timedelta
from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from contacts.models import Contact
from messaging.models import ChannelAccount


class Campaign(models.Model):
    """A marketer's undertaking: a goal, dates, a budget, a holdout, doors into the chat and what follows up."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SUBMITTED = "submitted", _("Waiting for approval")
        APPROVED = "approved", _("Approved")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        ENDED = "ended", _("Ended")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=200)
    goal = models.CharField(_("goal"), max_length=300, blank=True, help_text=_("In a sentence: what should it bring?"))
    account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="campaigns", verbose_name=_("channel account")
    )
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.DRAFT, editable=False)
    starts_at = models.DateTimeField(_("starts"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="Asia/Ho_Chi_Minh", help_text=_("IANA zone for days and charts.")
    )
    language = models.CharField(_("language"), max_length=35, default="vi", help_text=_("BCP 47 tag."))
    budget = models.DecimalField(
        _("budget"), max_digits=14, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(Decimal(0))]
    )
    currency = models.CharField(_("currency"), max_length=3, default="VND", help_text=_("ISO 4217 code."))
    holdout_percent = models.DecimalField(
        _("holdout share (%)"),
        max_digits=5,
        decimal_places=2,
        default=Decimal("10"),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(50))],
        help_text=_("This share of people gets no callback, so that we can tell what the callbacks really caused."),
    )
    # Seeds the deterministic assignment; never edited, or people would change arms.
    holdout_salt = models.UUIDField(default=uuid7, editable=False)
    greeting = models.TextField(
        _("first answer"),
        blank=True,
        help_text=_("Sent at once when somebody starts a chat. Liquid; {{ contact.name }} is available."),
    )
    attribution_window = models.DurationField(
        _("conversion window"),
        default=timedelta(days=7),
        help_text=_("A conversion counts for the campaign when it happens this long after the last touch."),
    )
    created_by = models.ForeignKey("auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    submitted_by = models.ForeignKey(
        "auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    revision = models.PositiveIntegerField(default=1, editable=False)
    # The last people who changed it; none of them may approve it (unless the business approves its own).
    edited_by = models.ManyToManyField("auth.User", related_name="+", blank=True, editable=False)
    approved_by = models.ForeignKey(
        "auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True, editable=False)
    approved_revision = models.PositiveIntegerField(null=True, blank=True, editable=False)
    pause_reason = models.CharField(_("why paused"), max_length=300, blank=True, editable=False)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        permissions = [
            ("submit_campaign", _("Can submit a campaign for approval")),
            ("approve_campaign", _("Can approve or reject a campaign")),
            ("run_campaign", _("Can start, pause, resume and end a campaign")),
        ]

    def __str__(self) -> str:
        return self.name


class CampaignEvent(models.Model):
    """Who did what to a campaign, and when: the trail an approval stands on."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="events")
    action = models.CharField(_("action"), max_length=20)
    revision = models.PositiveIntegerField()
    actor = models.ForeignKey("auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    note = models.CharField(_("note"), max_length=300, blank=True)
    at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("campaign event")
        verbose_name_plural = _("campaign events")
        ordering = ["-at", "-id"]


class EntryPoint(models.Model):
    """A door into a chat."""

    class Kind(models.TextChoices):
        AD = "ad", _("Click-to-WhatsApp ad")
        LINK = "link", _("Tracked link")
        QR = "qr", _("QR code")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="entry_points")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=100)
    ad_id = models.CharField(_("ad ID"), max_length=64, blank=True, help_text=_("The ad platform's own id."))
    token = models.CharField(max_length=24, unique=True, null=True, blank=True, editable=False)
    prefilled_text = models.CharField(
        _("prefilled text"),
        max_length=140,
        blank=True,
        help_text=_("What the chat app puts into the person's first message; a short reference is added."),
    )
    consent_wording = models.TextField(
        _("consent wording"),
        blank=True,
        help_text=_(
            "Only if this door told people that by writing they agree to marketing messages: the exact words. "
            "Without it, writing opens a conversation but agrees to nothing."
        ),
    )
    consent_version = models.CharField(_("version of the wording"), max_length=40, blank=True)
    consent_per_week = models.PositiveSmallIntegerField(_("messages per week disclosed"), null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("entry point")
        verbose_name_plural = _("entry points")
        constraints = [
            models.UniqueConstraint(fields=["ad_id"], condition=~models.Q(ad_id=""), name="entrypoint_ad_once"),
            models.CheckConstraint(
                condition=models.Q(kind="ad", token__isnull=True) & ~models.Q(ad_id="")
                | models.Q(kind__in=["link", "qr"], token__isnull=False, ad_id=""),
                name="entrypoint_ad_has_id_link_has_token",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AdClick(models.Model):
    """One person's click on a tracked link or scan of a QR code. Holds no IP address and no device identity."""

    entry_point = models.ForeignKey(EntryPoint, on_delete=models.CASCADE, related_name="clicks")
    reference = models.CharField(_("reference"), max_length=12, unique=True)
    clicked_at = models.DateTimeField(_("clicked"))
    # fbclid, gclid, utm_*: what the ad platform appended, for later conversion uploads.
    parameters = models.JSONField(default=dict, blank=True)
    # The first person who wrote the reference; whoever does so later has a forwarded text (campaigns.attribution).
    used_by = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    used_at = models.DateTimeField(_("first written"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("ad click")
        verbose_name_plural = _("ad clicks")
        indexes = [models.Index(fields=["entry_point", "clicked_at"], name="adclick_entry_time")]


class AdSpend(models.Model):
    """What the ad platform reports for one ad and day. A click-to-chat ad leaves no other trace of its clicks."""

    entry_point = models.ForeignKey(EntryPoint, on_delete=models.CASCADE, related_name="spend")
    day = models.DateField(_("day"), help_text=_("In the campaign's time zone."))
    impressions = models.PositiveIntegerField(_("impressions"), default=0)
    clicks = models.PositiveIntegerField(_("clicks"), default=0)
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=2, default=Decimal(0))
    currency = models.CharField(_("currency"), max_length=3)

    class Meta:
        verbose_name = _("ad spend")
        verbose_name_plural = _("ad spend")
        constraints = [models.UniqueConstraint(fields=["entry_point", "day"], name="adspend_day_once")]
