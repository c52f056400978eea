"""Who a person is, and whether we may speak to them.

One contact has many addresses. Consent is an append-only ledger (`ConsentEvent`); its current state stands on the
contact row, so that a segment is a one-table scan and one row lock serialises an opt-out with a send:

    (no event) --granted--> granted --withdrawn--> withdrawn --granted--> granted
                               |-----expired-----> (neither)

Every writer of consent, suppression or review state takes the contact row `FOR NO KEY UPDATE` first; the send path
holds it `FOR SHARE` at the flip. That is what makes "an opt-out committed before the flip stops the message" true.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from access.masking import mask_text


class Channel(models.TextChoices):
    """A chat channel. Everything a provider says in its own words stays behind `messaging.adapters`."""

    WHATSAPP = "whatsapp", _("WhatsApp")


class Purpose(models.TextChoices):
    """What a message is for; consent is asked and given per purpose."""

    MARKETING = "marketing", _("Marketing")
    SERVICE = "service", _("Service")


def consent_key(channel: str, purpose: str) -> str:
    """The form in which a (channel, purpose) pair stands in `Contact.consent_*`, e.g. `whatsapp:marketing`."""
    return f"{channel}:{purpose}"


class Contact(models.Model):
    """One person. A phone number is an address of theirs, never their identity."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    display_name = models.CharField(_("name"), max_length=200, blank=True)
    language = models.CharField(_("language"), max_length=35, blank=True, help_text=_("BCP 47 tag, e.g. vi or es-US."))
    country = models.CharField(_("country"), max_length=2, blank=True, help_text=_("ISO 3166-1 code, e.g. VN."))
    region = models.CharField(
        _("region"), max_length=10, blank=True, help_text=_("State or province where local law differs, e.g. TX.")
    )
    time_zones = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        verbose_name=_("time zones"),
        help_text=_(
            "IANA zones the person may live in. One zone means it is known; with several, a message waits "
            "until it is a permitted hour in all of them."
        ),
    )
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)

    # Current state, derived from ConsentEvent (see consent_record). In neither list: never asked, or expired.
    consent_granted = ArrayField(models.CharField(max_length=64), default=list, blank=True, editable=False)
    consent_withdrawn = ArrayField(models.CharField(max_length=64), default=list, blank=True, editable=False)
    # Open review cases: what the person wrote may be an opt-out, so nothing is sent until somebody has read it.
    reviews_open = models.PositiveSmallIntegerField(default=0, editable=False)
    # The provider asked us to leave the person alone for a while (WhatsApp 131049): not an opt-out, not for ever.
    deferred_until = models.DateTimeField(null=True, blank=True, editable=False)

    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        indexes = [
            GinIndex(fields=["consent_granted"], name="contact_consent_granted"),
            models.Index(fields=["created_at"], name="contact_created"),
        ]
        permissions = [("view_personal_data", _("Can see full phone numbers and names"))]

    def __str__(self) -> str:
        return self.display_name or str(self.id)


class Address(models.Model):
    """How one channel knows a contact. `scope` is the portfolio for scoped ids and empty for a phone."""

    class Kind(models.TextChoices):
        PHONE = "phone", _("Phone number")
        BSUID = "bsuid", _("Business-scoped user id")
        PARENT_BSUID = "parent_bsuid", _("Parent business-scoped user id")

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="addresses")
    channel = models.CharField(max_length=20, choices=Channel.choices)
    scope = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    value = models.CharField(max_length=160, help_text=_("E.164 with + for a phone number."))
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    superseded_at = models.DateTimeField(null=True, blank=True)
    superseded_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # The provider says this address cannot be reached (WhatsApp 131026); cleared by the next inbound message.
    unreachable_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("addresses")
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "scope", "kind", "value"],
                condition=models.Q(superseded_at__isnull=True),
                name="address_one_current_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} …{self.value[-4:]}"


class AddressConflict(models.Model):
    """One payload named addresses of two people. Routed by phone, never merged silently, shown to a person."""

    channel = models.CharField(max_length=20, choices=Channel.choices)
    routed_to = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    also_named = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    detail = models.JSONField(default=dict)
    seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey("auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = _("address conflict")
        verbose_name_plural = _("address conflicts")
        constraints = [
            models.UniqueConstraint(
                fields=["routed_to", "also_named"],
                condition=models.Q(resolved_at__isnull=True),
                name="addressconflict_one_open_per_pair",
            )
        ]


class ConsentEvent(models.Model):
    """One line of the consent ledger. Append-only: a database trigger refuses UPDATE and DELETE."""

    class Action(models.TextChoices):
        GRANTED = "granted", _("Granted")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        EXPIRED = "expired", _("Expired")

    class Source(models.TextChoices):
        ENTRY_POINT = "entry_point", _("Entry point wording")
        KEYWORD = "keyword", _("Keyword in a message")
        PREFERENCE = "preference", _("Provider's own preference control")
        PROVIDER_ERROR = "provider_error", _("Provider refused: person opted out")
        REVIEW = "review", _("Review by a person")
        ADMIN = "admin", _("Admin")
        API = "api", _("API")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="consent_events")
    channel = models.CharField(_("channel"), max_length=20, choices=Channel.choices)
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose.choices)
    action = models.CharField(_("action"), max_length=20, choices=Action.choices)
    source = models.CharField(_("source"), max_length=20, choices=Source.choices)
    wording = models.TextField(_("exact wording"), blank=True)
    wording_language = models.CharField(_("language of the wording"), max_length=35, blank=True)
    wording_version = models.CharField(_("version of the wording"), max_length=40, blank=True)
    disclosed_per_week = models.PositiveSmallIntegerField(
        _("messages per week disclosed"), null=True, blank=True, help_text=_("What the person was told to expect.")
    )
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    occurred_at = models.DateTimeField(_("occurred"))
    recorded_at = models.DateTimeField(_("recorded"), auto_now_add=True)
    actor = models.ForeignKey("auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    dedupe_key = models.CharField(max_length=200, unique=True, editable=False)

    @property
    def shown_wording(self) -> str:
        """What may be shown without `view_personal_data`: our own wording, not what the person wrote."""
        theirs = self.source in (self.Source.KEYWORD, self.Source.REVIEW)
        theirs = theirs or self.action != self.Action.GRANTED
        return mask_text(self.wording) if theirs else self.wording

    class Meta:
        verbose_name = _("consent event")
        verbose_name_plural = _("consent ledger")
        indexes = [models.Index(fields=["contact", "channel", "purpose", "-occurred_at"], name="consentevent_current")]


class Suppression(models.Model):
    """An address that may not be contacted whatever consent says. Holds a keyed hash only, so it outlives erasure."""

    channel = models.CharField(_("channel"), max_length=20, choices=Channel.choices)
    kind = models.CharField(_("kind"), max_length=20, choices=Address.Kind.choices)
    value_hash = models.CharField(max_length=64, editable=False)
    hint = models.CharField(_("ends in"), max_length=8, blank=True, editable=False)
    reason = models.CharField(_("reason"), max_length=200)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey("auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        constraints = [models.UniqueConstraint(fields=["channel", "kind", "value_hash"], name="suppression_once")]


class OptOutReview(models.Model):
    """A message that may be an opt-out and is not plainly one. Sends wait until a person decides."""

    class Verdict(models.TextChoices):
        OPEN = "", _("Waiting for review")
        OPT_OUT = "opt_out", _("It is an opt-out")
        NOT_OPT_OUT = "not_opt_out", _("It is not an opt-out")

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="optout_reviews")
    channel = models.CharField(_("channel"), max_length=20, choices=Channel.choices)
    text = models.TextField(_("what the person wrote"))
    matched = models.CharField(_("word that raised the question"), max_length=60)
    # The message that raised it; a key and not a reference, because messages live in a room above this one.
    message_key = models.CharField(max_length=200, unique=True, editable=False)
    raised_at = models.DateTimeField(_("raised"))
    verdict = models.CharField(_("verdict"), max_length=20, choices=Verdict.choices, default=Verdict.OPEN, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey("auth.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = _("opt-out review")
        verbose_name_plural = _("opt-out reviews")
