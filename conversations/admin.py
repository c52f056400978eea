"""Conversations as chat threads, messages and why they were or weren't sent, outcomes, and the stored webhooks."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import formats
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from access.errors import DomainError
from access.screens import (
    PRIMARY,
    WARNING,
    DialogForm,
    ReadOnlyAdmin,
    actor,
    definition_list,
    display,
    link,
    link_action,
    service_action,
)
from contacts.models import Address, Contact
from contacts.phones import phone_normalise
from conversations.conversions import conversion_record
from conversations.models import Conversation, Conversion, DropOut
from conversations.receipts import receipt_replay
from conversations.services import (
    conversation_close,
    conversation_hand_back,
    conversation_reply,
    conversation_take_over,
)
from messaging.models import WebhookReceipt

THREAD = "conversation-thread"


class CloseForm(DialogForm):
    category = forms.ChoiceField(
        label=_("closed as"), choices=Conversation.CloseCategory.choices, widget=UnfoldAdminSelectWidget
    )


class ReplyForm(DialogForm):
    """The key makes a double click one message."""

    key = forms.CharField(widget=forms.HiddenInput, initial=lambda: str(uuid4()))
    text = forms.CharField(
        label=_("your message"), max_length=4096, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4})
    )


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    """Everything between a person and an account until it is closed, read as a chat."""

    contact_paths = ("contact",)
    list_display = (
        "person", "campaign", "state", "handling", "last_inbound_at", "last_outbound_at", "came_by", "converted_at",
    )  # fmt: skip
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("handler", ChoicesDropdownFilter),
        ("campaign", RelatedDropdownFilter),
        ("attribution", ChoicesDropdownFilter),
        "holdout",
        ("opened_at", admin.DateFieldListFilter),
    )
    list_select_related = ("contact", "campaign", "account", "assignee")
    search_fields = ("contact__display_name", "contact__addresses__value", "id")
    search_help_text = _("Name, phone number with country code, or conversation id")
    ordering = ("-last_inbound_at",)
    fields = (
        "person", "account", "campaign", "entry_point", "came_by", "state", "close_category", "handling", "opened_at",
        "closed_at", "last_inbound_at", "last_outbound_at", "service_window_ends_at", "free_entry_ends_at", "holdout",
        "converted_at",
    )  # fmt: skip
    readonly_fields = fields
    actions_detail = ("open_thread", "reply", "take_over", "hand_back", "close")
    possible = {
        "reply": lambda row: row.status == Conversation.Status.OPEN,
        "take_over": lambda row: row.status == Conversation.Status.OPEN and row.handler != Conversation.Handler.PERSON,
        "hand_back": lambda row: (
            row.status == Conversation.Status.OPEN and row.handler != Conversation.Handler.AUTOMATION
        ),
        "close": lambda row: row.status == Conversation.Status.OPEN,
    }
    empty_hint = _("No conversations yet. They begin when somebody writes; share an entry point of a running campaign.")
    open_thread = link_action(title=_("Chat"), url_name=THREAD, name="open_thread", icon="forum")

    @display(description=_("contact"))
    def person(self, conversation: Conversation) -> SafeString:
        name = conversation.contact.display_name or gettext("no name given")
        return link(reverse(THREAD, args=[conversation.pk]), name)

    @display(description=_("state"), label={"open": "success", "closed": "info"})
    def state(self, conversation: Conversation) -> tuple[str, str]:
        return conversation.status, conversation.get_status_display()

    @display(description=_("handled by"))
    def handling(self, conversation: Conversation) -> str:
        if conversation.handler == Conversation.Handler.PERSON and conversation.assignee:
            return conversation.assignee.get_full_name() or conversation.assignee.get_username()
        return conversation.get_handler_display()

    @display(description=_("came by"))
    def came_by(self, conversation: Conversation) -> str:
        return conversation.get_attribution_display()

    @service_action(
        title=_("Reply"),
        description=_("Goes out while the service window is open. Writing makes you the one who handles it."),
        permission="conversations.reply_conversation",
        form=ReplyForm,
        icon="reply",
        variant=PRIMARY,
        to=THREAD,
    )
    def reply(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        conversation_reply(
            conversation_id=UUID(object_id),
            text=form.cleaned_data["text"],
            buttons=(),
            actor=actor(request),
            dedupe_key=f"reply:{form.cleaned_data['key']}",
            now=now,
        )
        return _("Your message is on its way.")

    @service_action(
        title=_("Take over"),
        description=_("You handle this conversation: planned callbacks are cancelled and none are planned."),
        permission="conversations.take_over_conversation",
        icon="back_hand",
        variant=WARNING,
        to=THREAD,
    )
    def take_over(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        conversation_take_over(conversation_id=UUID(object_id), actor=actor(request), now=now)
        return _("You handle this conversation now.")

    @service_action(
        title=_("Hand back"),
        description=_("Automation may speak again: greetings and callbacks as the campaign has them."),
        permission="conversations.take_over_conversation",
        icon="smart_toy",
        to=THREAD,
    )
    def hand_back(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        conversation_hand_back(conversation_id=UUID(object_id), actor=actor(request), now=now)
        return _("Handed back to automation.")

    @service_action(
        title=_("Close"),
        description=_("Everything planned in it is cancelled. The person's next message opens a new conversation."),
        permission="conversations.close_conversation",
        form=CloseForm,
        icon="check_circle",
        to=THREAD,
    )
    def close(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        conversation_close(
            conversation_id=UUID(object_id), category=form.cleaned_data["category"], actor=actor(request), now=now
        )
        return _("The conversation is closed.")


@admin.register(DropOut)
class DropOutAdmin(ReadOnlyAdmin):
    """Episodes of silence."""

    contact_paths = ("conversation__contact",)
    list_display = ("person", "campaign", "episode", "silent_since", "detected_at", "ended_at", "ended")
    list_filter = (("ended_by", ChoicesDropdownFilter), ("conversation__campaign", RelatedDropdownFilter))
    list_select_related = ("conversation__contact", "conversation__campaign")
    ordering = ("-detected_at",)
    fields = ("person", "campaign", "episode", "silent_since", "detected_at", "ended_at", "ended")
    readonly_fields = fields
    empty_hint = _("Nobody has fallen silent, or no campaign with a callback policy is running.")

    @display(description=_("contact"))
    def person(self, dropout: DropOut) -> SafeString:
        name = dropout.conversation.contact.display_name or gettext("no name given")
        return link(reverse(THREAD, args=[dropout.conversation_id]), name)

    @display(description=_("campaign"))
    def campaign(self, dropout: DropOut) -> str:
        return str(dropout.conversation.campaign or "–")

    @display(description=_("ended by"))
    def ended(self, dropout: DropOut) -> str:
        return dropout.get_ended_by_display() if dropout.ended_by else gettext("still silent")


class ConversionForm(DialogForm):
    external_id = forms.CharField(
        label=_("external ID"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Order or lead number. The same one is counted once, however often it is sent."),
    )
    address = forms.CharField(
        label=_("whose"),
        max_length=160,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The person's phone number with country code, or contact id."),
    )
    kind = forms.CharField(
        label=_("kind"), max_length=60, initial="purchase", widget=UnfoldAdminTextInputWidget,
        help_text=_("e.g. purchase, lead, appointment"),
    )  # fmt: skip
    occurred_at = forms.DateTimeField(
        label=_("occurred"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-20 14:30"}),
        help_text=_("Year-month-day hour:minute in UTC. Empty: now."),
    )
    value = forms.DecimalField(
        label=_("value"), required=False, max_digits=16, decimal_places=2, min_value=Decimal(0),
        widget=UnfoldAdminDecimalFieldWidget,
    )  # fmt: skip
    currency = forms.CharField(
        label=_("currency"), required=False, max_length=3, widget=UnfoldAdminTextInputWidget,
        help_text=_("ISO 4217 code, e.g. VND. Needed with a value."),
    )  # fmt: skip

    def clean_address(self) -> Contact:
        return contact_named(self.cleaned_data["address"])

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()


def contact_named(text: str) -> Contact:
    """The contact a person at the keyboard means by a phone number or an id; ValidationError when there is none."""
    text = text.strip()
    try:
        found = Contact.objects.filter(pk=UUID(text)).first()
    except ValueError:
        try:
            phone = phone_normalise(text, region=settings.DEFAULT_PHONE_REGION)
        except DomainError as error:
            raise forms.ValidationError(error.message) from error
        found = Contact.objects.filter(
            addresses__kind=Address.Kind.PHONE, addresses__value=phone, addresses__superseded_at=None
        ).first()
    if found is None:
        raise forms.ValidationError(gettext("Nobody with this number or id is known here."))
    return found


@admin.register(Conversion)
class ConversionAdmin(ReadOnlyAdmin):
    """Outcomes, counted once per external id; money is never added across currencies."""

    contact_paths = ("contact",)
    list_display = ("occurred_at", "person", "kind", "money", "campaign", "entry_point", "credited", "source")
    list_filter = (
        ("campaign", RelatedDropdownFilter),
        "kind",
        "currency",
        ("source", ChoicesDropdownFilter),
        ("occurred_at", admin.DateFieldListFilter),
    )
    list_select_related = ("contact", "campaign", "entry_point")
    search_fields = ("external_id", "contact__display_name", "contact__addresses__value")
    ordering = ("-occurred_at",)
    fields = (
        "external_id", "person", "kind", "money", "occurred_at", "recorded_at", "source", "campaign", "entry_point",
        "credited", "rule",
    )  # fmt: skip
    readonly_fields = fields
    actions_list = ("add_conversion",)
    empty_hint = _("No outcomes yet. Your shop reports them through the API, or add one by hand.")

    @display(description=_("contact"))
    def person(self, conversion: Conversion) -> SafeString:
        name = conversion.contact.display_name or gettext("no name given")
        return link(reverse("contact-timeline", args=[conversion.contact_id]), name)

    @display(description=_("value"), ordering="value")
    def money(self, conversion: Conversion) -> str:
        if conversion.value is None:
            return "–"
        return f"{formats.number_format(conversion.value.normalize(), use_l10n=True)} {conversion.currency}"

    @display(description=_("credited callback"))
    def credited(self, conversion: Conversion) -> SafeString | str:
        if conversion.message_id is None:
            return gettext("none")
        return link(reverse("message-why", args=[conversion.message_id]), gettext("Warm callback"))

    @display(description=_("credit rule"))
    def rule(self, conversion: Conversion) -> str:
        return conversion.credit_rule or gettext("none")

    @service_action(
        title=_("Add a conversion"),
        description=_("It stops the person's planned callbacks at once."),
        permission="conversations.add_conversion",
        form=ConversionForm,
        icon="add",
        variant=PRIMARY,
    )
    def add_conversion(self, request: HttpRequest, form: Any, object_id: None, now: datetime) -> Any:
        data = form.cleaned_data
        _conversion, created = conversion_record(
            external_id=data["external_id"],
            contact=data["address"],
            kind=data["kind"],
            occurred_at=data["occurred_at"] or now,
            source=Conversion.Source.ADMIN,
            now=now,
            value=data["value"],
            currency=data["currency"],
        )
        return _("Counted.") if created else _("It was already counted; nothing changed.")


@admin.register(WebhookReceipt)
class WebhookReceiptAdmin(ReadOnlyAdmin):
    """Stored webhooks. What they hold is personal and not shown; what went wrong with them is."""

    list_display = (
        "id",
        "received_at",
        "channel",
        "state_shown",
        "item_count",
        "fault_count",
        "deliveries",
        "attempts",
    )
    list_filter = (("state", ChoicesDropdownFilter), ("received_at", admin.DateFieldListFilter))
    ordering = ("-id",)
    fields = (
        "received_at", "channel", "state_shown", "processed_at", "item_count", "deliveries", "attempts", "size",
        "faults_shown",
    )  # fmt: skip
    readonly_fields = fields
    actions_detail = ("replay",)
    empty_hint = _(
        "No webhook has arrived. Point the provider to this site's /webhooks/ address (see the operations guide)."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookReceipt]:
        rows: QuerySet[WebhookReceipt] = super().get_queryset(request)
        return rows.defer("body").annotate(bytes=Length("body"))

    @display(description=_("state"), label={"pending": "info", "processed": "success", "partial": "danger"})
    def state_shown(self, receipt: WebhookReceipt) -> tuple[str, str]:
        return receipt.state, receipt.get_state_display()

    @display(description=_("faults"))
    def fault_count(self, receipt: WebhookReceipt) -> int:
        return len(receipt.faults)

    @display(description=_("size"))
    def size(self, receipt: WebhookReceipt) -> str:
        return filesizeformat(getattr(receipt, "bytes", 0))

    @display(description=_("faults"))
    def faults_shown(self, receipt: WebhookReceipt) -> SafeString | str:
        if not receipt.faults:
            return gettext("none")
        return definition_list(
            (gettext("Item %(number)s") % {"number": fault.get("item", "?")}, fault.get("error", ""))
            for fault in receipt.faults
        )

    @service_action(
        title=_("Process again"),
        description=_("What was already understood changes nothing; what failed is tried again."),
        permission="messaging.replay_webhookreceipt",
        icon="replay",
        variant=PRIMARY,
    )
    def replay(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        receipt_replay(receipt_id=int(object_id), now=now)
        return _("Processed again.")
