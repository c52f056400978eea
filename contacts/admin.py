"""People, their consent, and what they asked us to stop."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import admin
from django.db.models import Model, Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from access.masking import mask_address, mask_text
from access.roles import may_see_personal_data
from access.screens import (
    DANGER,
    PRIMARY,
    SUCCESS,
    WARNING,
    DialogForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    RoomAdmin,
    actor,
    definition_list,
    display,
    link,
    link_action,
    moment,
    service_action,
)
from contacts.conflicts import conflict_resolve
from contacts.consent import consent_record
from contacts.models import (
    Address,
    AddressConflict,
    Channel,
    ConsentEvent,
    Contact,
    OptOutReview,
    Purpose,
    Suppression,
    consent_key,
)
from contacts.optout import review_decide
from contacts.suppression import contact_suppress, suppression_add, suppression_lift

CONSENT_COLOURS = {"granted": "success", "withdrawn": "danger", "": "info"}


class OpenFilter(admin.SimpleListFilter):
    """Waiting or done; waiting comes first."""

    title = _("state")
    parameter_name = "state"
    field = "decided_at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Waiting")), ("done", _("Done"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("open", "done"):
            return queryset.filter(**{f"{self.field}__isnull": self.value() == "open"})
        return queryset


class ResolvedFilter(OpenFilter):
    field = "resolved_at"


class ConsentFilter(admin.SimpleListFilter):
    title = _("marketing on WhatsApp")
    parameter_name = "consent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("granted", _("Agreed")), ("withdrawn", _("Withdrawn")), ("none", _("Never asked"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Contact]) -> QuerySet[Contact]:
        key = [consent_key(Channel.WHATSAPP, Purpose.MARKETING)]
        if self.value() == "granted":
            return queryset.filter(consent_granted__contains=key)
        if self.value() == "withdrawn":
            return queryset.filter(consent_withdrawn__contains=key)
        if self.value() == "none":
            return queryset.exclude(consent_granted__contains=key).exclude(consent_withdrawn__contains=key)
        return queryset


class AddressInline(ReadOnlyInline):
    model = Address
    fields = ("channel", "kind", "masked", "first_seen_at", "last_seen_at", "state")
    readonly_fields = fields
    verbose_name_plural = _("Addresses")
    ordering = ("superseded_at", "-last_seen_at")
    fk_name = "contact"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        self.masks = not may_see_personal_data(request.user)
        return super().get_queryset(request)

    @display(description=_("address"))
    def masked(self, address: Address) -> str:
        return mask_address(address.value) if self.masks else address.value

    @display(description=_("state"))
    def state(self, address: Address) -> str:
        if address.superseded_at:
            return gettext("replaced on %(time)s") % {"time": moment(address.superseded_at)}
        if address.unreachable_since:
            return gettext("not reachable since %(time)s") % {"time": moment(address.unreachable_since)}
        return gettext("in use")


class ConsentInline(ReadOnlyInline):
    model = ConsentEvent
    fields = ("occurred_at", "channel", "purpose", "action", "source", "words", "recorded")
    readonly_fields = fields
    verbose_name_plural = _("Consent ledger")
    ordering = ("-occurred_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        self.masks = not may_see_personal_data(request.user)
        return super().get_queryset(request).select_related("actor")

    @display(description=_("exact wording"))
    def words(self, event: ConsentEvent) -> str:
        version = f" [{event.wording_version}]" if event.wording_version else ""
        per_week = (
            " " + gettext("(%(count)d messages per week disclosed)") % {"count": event.disclosed_per_week}
            if event.disclosed_per_week
            else ""
        )
        words = event.shown_wording if self.masks else event.wording
        return f"{words or '–'}{version}{per_week}"

    @display(description=_("recorded by"))
    def recorded(self, event: ConsentEvent) -> str:
        who = event.actor.get_username() if event.actor else gettext("automatically")
        return f"{who}, {moment(event.recorded_at)}"


class ConsentForm(DialogForm):
    purpose = forms.ChoiceField(label=_("purpose"), choices=Purpose.choices, widget=UnfoldAdminSelectWidget)
    wording = forms.CharField(
        label=_("exact wording"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("The words the person agreed to, or in which they withdrew. This is the proof: keep it exact."),
    )
    wording_language = forms.CharField(
        label=_("language of the wording"),
        initial="vi",
        max_length=35,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("BCP 47 tag, e.g. vi."),
    )
    wording_version = forms.CharField(
        label=_("version of the wording"), max_length=40, required=False, widget=UnfoldAdminTextInputWidget
    )


class SuppressForm(DialogForm):
    reason = forms.CharField(
        label=_("reason"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Why this person may never be contacted. Don't write names or numbers here."),
    )


class SuppressionForm(DialogForm):
    kind = forms.ChoiceField(label=_("kind"), choices=Address.Kind.choices, widget=UnfoldAdminSelectWidget)
    value = forms.CharField(
        label=_("address"),
        max_length=160,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("A phone number with its country code, e.g. +84901234567, or a user id."),
    )
    reason = forms.CharField(label=_("reason"), max_length=200, widget=UnfoldAdminTextInputWidget)


@admin.register(Contact)
class ContactAdmin(RoomAdmin):
    """One person: who they are, what they agreed to, how to reach them."""

    contact_paths = ("",)
    list_display = ("person", "addresses_shown", "marketing", "country", "language", "waiting", "created_at")
    list_filter = (ConsentFilter, "country", "language", ("created_at", admin.DateFieldListFilter))
    search_fields = ("display_name", "addresses__value", "id")
    search_help_text = _("Name, phone number with country code, or contact id")
    readonly_fields = ("marketing", "service", "waiting", "deferred", "timeline", "attribute_list", "created_at")
    inlines = (AddressInline, ConsentInline)
    actions_detail = ("open_timeline", "grant", "withdraw", "suppress")
    fieldsets = (
        (None, {"fields": ("display_name", "timeline", "marketing", "service", "waiting", "deferred")}),
        (
            _("Where and how they live"),
            {
                "classes": ["tab"],
                "fields": ("language", "country", "region", "time_zones", "attribute_list", "created_at"),
            },
        ),
    )
    empty_hint = _(
        "People appear here when they write to one of your channel accounts. "
        "Share an entry point of a running campaign to get the first ones."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        self.masks = not may_see_personal_data(request.user)
        current = Address.objects.filter(superseded_at=None).order_by("kind")
        return super().get_queryset(request).prefetch_related(Prefetch("addresses", current, "current_addresses"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a contact begins with an address, and addresses come with messages

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # the consent ledger is proof; erasing a person is a service of its own

    @display(description=_("name"), ordering="display_name")
    def person(self, contact: Contact) -> str:
        return contact.display_name or gettext("no name given")

    @display(description=_("addresses"))
    def addresses_shown(self, contact: Contact) -> str:
        values = [address.value for address in getattr(contact, "current_addresses", [])]
        return ", ".join(mask_address(value) if self.masks else value for value in values) or "–"

    @display(description=_("marketing"), label=CONSENT_COLOURS)
    def marketing(self, contact: Contact) -> tuple[str, str]:
        return _consent(contact, Purpose.MARKETING)

    @display(description=_("service"), label=CONSENT_COLOURS)
    def service(self, contact: Contact) -> tuple[str, str]:
        return _consent(contact, Purpose.SERVICE)

    @display(description=_("waits for a review"), boolean=True)
    def waiting(self, contact: Contact) -> bool:
        return contact.reviews_open > 0

    @display(description=_("left alone until"))
    def deferred(self, contact: Contact) -> str:
        return moment(contact.deferred_until)

    @display(description=_("attributes"))
    def attribute_list(self, contact: Contact) -> SafeString:
        return definition_list([] if self.masks else contact.attributes.items())

    @display(description=_("timeline"))
    def timeline(self, contact: Contact) -> SafeString:
        return link(
            reverse("contact-timeline", args=[contact.pk]), gettext("Messages, consent, decisions and conversions")
        )

    open_timeline = link_action(title=_("Timeline"), url_name="contact-timeline", name="open_timeline", icon="timeline")

    @service_action(
        title=_("Record consent"),
        description=_("Only with proof: what the person read or heard when they agreed, word by word."),
        permission="contacts.add_consentevent",
        form=ConsentForm,
        icon="task_alt",
    )
    def grant(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        _record(request, form, object_id, ConsentEvent.Action.GRANTED, now)
        return _("The consent is recorded.")

    @service_action(
        title=_("Record withdrawal"),
        description=_("The person asked us to stop. Nothing planned for this purpose goes out any more."),
        permission="contacts.add_consentevent",
        form=ConsentForm,
        icon="do_not_disturb_on",
        variant=WARNING,
    )
    def withdraw(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        _record(request, form, object_id, ConsentEvent.Action.WITHDRAWN, now)
        return _("The withdrawal is recorded.")

    @service_action(
        title=_("Suppress"),
        description=_(
            "None of this person's present addresses may ever be contacted again, whatever consent says. "
            "The suppression outlives the erasure of the person."
        ),
        permission="contacts.add_suppression",
        form=SuppressForm,
        icon="block",
        variant=DANGER,
    )
    def suppress(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        contact_suppress(contact_id=UUID(object_id), reason=form.cleaned_data["reason"], actor=actor(request))
        return _("This person's addresses are suppressed.")


def _consent(contact: Contact, purpose: Purpose) -> tuple[str, str]:
    key = consent_key(Channel.WHATSAPP, purpose)
    if key in contact.consent_granted:
        return "granted", gettext("agreed")
    if key in contact.consent_withdrawn:
        return "withdrawn", gettext("withdrawn")
    return "", gettext("never asked")


def _record(request: HttpRequest, form: Any, contact_id: str, action: str, now: datetime) -> None:
    data = form.cleaned_data
    consent_record(
        contact_id=UUID(contact_id),
        channel=Channel.WHATSAPP,
        purpose=data["purpose"],
        action=action,
        source=ConsentEvent.Source.ADMIN,
        occurred_at=now,
        dedupe_key=f"admin:{uuid4()}",
        wording=data["wording"],
        wording_language=data["wording_language"],
        wording_version=data["wording_version"],
        actor=actor(request),
    )


@admin.register(OptOutReview)
class OptOutReviewAdmin(ReadOnlyAdmin):
    """Somebody may have asked us to stop. Nothing is sent to them until a person has read it."""

    contact_paths = ("contact",)
    list_display = ("person", "words", "matched", "raised_at", "decide", "state")
    list_filter = (OpenFilter, "matched")
    ordering = ("decided_at", "raised_at")
    fields = ("person", "words", "matched", "raised_at", "state", "decided_at", "decided_by")
    readonly_fields = fields
    actions_detail = ("is_opt_out", "is_not_opt_out")
    possible = {"is_opt_out": lambda row: not row.verdict, "is_not_opt_out": lambda row: not row.verdict}
    empty_hint = _(
        "Nothing to review. When somebody writes something that may be a wish to stop, it waits here for you."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[OptOutReview]:
        self.masks = not may_see_personal_data(request.user)
        self.may_decide = request.user.has_perm("contacts.change_optoutreview")
        return super().get_queryset(request).select_related("contact", "decided_by")

    @display(description=_("contact"))
    def person(self, review: OptOutReview) -> SafeString:
        return _person(review.contact)

    @display(description=_("what the person wrote"))
    def words(self, review: OptOutReview) -> str:
        return mask_text(review.text) if self.masks else review.text

    @display(description=_("verdict"), label={"": "warning", "opt_out": "danger", "not_opt_out": "success"})
    def state(self, review: OptOutReview) -> tuple[str, str]:
        return review.verdict, review.get_verdict_display()

    @display(description=_("your decision"))
    def decide(self, review: OptOutReview) -> SafeString | str:
        if review.verdict or not self.may_decide:
            return "–"
        buttons = (
            ("contacts_optoutreview_is_opt_out", gettext("It is an opt-out"), "rk-button rk-button-danger"),
            ("contacts_optoutreview_is_not_opt_out", gettext("It is not"), "rk-button"),
        )
        both = format_html_join(
            "",
            '<a class="{}" href="{}" hx-get="{}" hx-target="#modal-content" hx-select="#dialog" '
            'x-on:htmx:after-on-load="openModal = true">{}</a>',
            (
                (style, reverse(f"admin:{name}", args=[review.pk]), reverse(f"admin:{name}", args=[review.pk]), text)
                for name, text, style in buttons
            ),
        )
        return format_html('<div class="rk-actions rk-actions-row">{}</div>', both)

    @service_action(
        title=_("It is an opt-out"),
        description=_("Marketing to this person stops at once."),
        permission="contacts.change_optoutreview",
        variant=DANGER,
    )
    def is_opt_out(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        review_decide(review_id=int(object_id), verdict=OptOutReview.Verdict.OPT_OUT, actor=actor(request), now=now)
        return _("Recorded as an opt-out.")

    @service_action(
        title=_("It is not an opt-out"),
        description=_("What was planned for this person may go out again."),
        permission="contacts.change_optoutreview",
        variant=SUCCESS,
    )
    def is_not_opt_out(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        review_decide(review_id=int(object_id), verdict=OptOutReview.Verdict.NOT_OPT_OUT, actor=actor(request), now=now)
        return _("Recorded: not an opt-out.")


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin):
    """Addresses that may never be contacted; only a keyed hash of each is kept."""

    list_display = ("ends_in", "channel", "kind", "reason", "created_at", "created_by")
    list_filter = (("kind", ChoicesDropdownFilter), ("created_at", admin.DateFieldListFilter))
    list_select_related = ("created_by",)
    fields = ("ends_in", "channel", "kind", "reason", "created_at", "created_by")
    readonly_fields = fields
    actions_list = ("add_address",)
    actions_detail = ("lift",)
    empty_hint = _("No address is suppressed. Add a number that must never be contacted, or suppress a contact.")

    @display(description=_("ends in"))
    def ends_in(self, suppression: Suppression) -> str:
        return f"…{suppression.hint}" if suppression.hint else "–"

    @service_action(
        title=_("Suppress an address"),
        description=_("It may never be contacted again. Only a keyed hash of it is kept."),
        permission="contacts.add_suppression",
        form=SuppressionForm,
        icon="block",
        variant=PRIMARY,
    )
    def add_address(self, request: HttpRequest, form: Any, object_id: None, now: datetime) -> Any:
        data = form.cleaned_data
        suppression_add(
            channel=Channel.WHATSAPP,
            kind=data["kind"],
            value=data["value"],
            reason=data["reason"],
            actor=actor(request),
        )
        return _("The address is suppressed.")

    @service_action(
        title=_("Lift this suppression"),
        description=_("The address may be contacted again if consent or a window allows it."),
        permission="contacts.delete_suppression",
        variant=WARNING,
    )
    def lift(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        suppression_lift(suppression_id=int(object_id))
        return _("The suppression is lifted.")


@admin.register(AddressConflict)
class AddressConflictAdmin(ReadOnlyAdmin):
    """One message named the addresses of two people. Nothing is merged by itself."""

    contact_paths = ("routed_to", "also_named")
    list_display = ("one", "other", "seen_at", "state")
    list_filter = (ResolvedFilter,)
    ordering = ("resolved_at", "-seen_at")
    list_select_related = ("routed_to", "also_named")
    fields = ("one", "other", "what", "seen_at", "resolved_at", "resolved_by")
    readonly_fields = fields
    actions_detail = ("resolve",)
    possible = {"resolve": lambda row: row.resolved_at is None}
    empty_hint = _("No conflicts. If one message ever names two people's addresses, it is listed here.")

    @display(description=_("went to"))
    def one(self, conflict: AddressConflict) -> SafeString:
        return _person(conflict.routed_to)

    @display(description=_("also named"))
    def other(self, conflict: AddressConflict) -> SafeString:
        return _person(conflict.also_named)

    @display(description=_("what was seen"))
    def what(self, conflict: AddressConflict) -> SafeString:
        return definition_list((key, value) for key, value in conflict.detail.items() if isinstance(value, str | int))

    @display(description=_("state"), label={"open": "warning", "done": "success"})
    def state(self, conflict: AddressConflict) -> tuple[str, str]:
        return ("done", gettext("looked at")) if conflict.resolved_at else ("open", gettext("waiting"))

    @service_action(
        title=_("Mark as looked at"),
        description=_("Both people stay as they are; nothing is merged."),
        permission="contacts.change_addressconflict",
        variant=PRIMARY,
    )
    def resolve(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        conflict_resolve(conflict_id=int(object_id), actor=actor(request), now=now)
        return _("Marked as looked at.")


def _person(contact: Contact) -> SafeString:
    return link(reverse("contact-timeline", args=[contact.pk]), contact.display_name or gettext("no name given"))
