"""Outcomes: counted once per external id, credited to what touched the person last.

The credit rule, `last_touch`: among the contact's attributed conversations that were open to touch before the
conversion, the one with the latest touch wins, if that touch lies inside its campaign's conversion window. A touch is
the opening of the conversation and every message in it, in either direction. Its campaign and entry point get the
credit, and so does the last warm callback sent in it before the conversion and inside the window.

Money is kept in the currency it came in and never converted or added across currencies.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from django.db import transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from contacts.models import Contact
from conversations.errors import ConversionConflictError, InvalidConversionError
from conversations.models import Conversation, Conversion, DropOut, Message
from conversations.services import callbacks_stop

CLOCK_TOLERANCE = timedelta(minutes=5)
CURRENCY = re.compile(r"[A-Z]{3}")
REACHED = (Message.Status.ACCEPTED, Message.Status.SENT, Message.Status.DELIVERED, Message.Status.READ)


@dataclass(frozen=True, slots=True)
class Credit:
    """Whom a conversion is credited to, and by which rule. All empty: nobody touched the person in time."""

    conversation: Conversation | None = None
    callback: Message | None = None
    rule: str = "none"


def conversion_record(
    *,
    external_id: str,
    contact: Contact,
    kind: str,
    occurred_at: datetime,
    source: str,
    now: datetime,
    value: Decimal | None = None,
    currency: str = "",
) -> tuple[Conversion, bool]:
    """Count an outcome once; (the row, whether it is new). A repeated external id returns the row as it was first told.

    Stops the callbacks of every conversation that was open when it happened, at once and in the same transaction. It
    may arrive late or out of order: everything is judged at `occurred_at`. `value` needs an ISO 4217 `currency`.
    """
    value = _valid(external_id, kind, occurred_at, now, value, currency)
    with transaction.atomic():
        Contact.objects.select_for_update(no_key=True).get(pk=contact.pk)
        credit = credit_find(contact=contact, occurred_at=occurred_at)
        conversation = credit.conversation
        conversion = Conversion(
            external_id=external_id,
            contact=contact,
            kind=kind,
            value=value,
            currency=currency,
            occurred_at=occurred_at,
            source=source,
            conversation=conversation,
            campaign=conversation.campaign if conversation else None,
            entry_point=conversation.entry_point if conversation else None,
            message=credit.callback,
            credit_rule=credit.rule,
        )
        Conversion.objects.bulk_create([conversion], ignore_conflicts=True)
        stored = Conversion.objects.get(external_id=external_id)
        if stored.contact_id != contact.pk:
            raise ConversionConflictError(
                _("This external ID was already counted for another contact."), field="external_id"
            )
        if stored.pk != conversion.pk:
            return stored, False
        _mark_converted(contact, conversation, occurred_at)
    return stored, True


def credit_find(*, contact: Contact, occurred_at: datetime) -> Credit:
    """Apply the credit rule (see above) to what is known of the contact before `occurred_at`."""
    before = Q(messages__direction=Message.Direction.IN, messages__occurred_at__lte=occurred_at) | Q(
        messages__direction=Message.Direction.OUT,
        messages__status__in=REACHED,
        messages__sent_at__lte=occurred_at,
    )
    touched = (
        Conversation.objects.filter(contact=contact, campaign__isnull=False, opened_at__lte=occurred_at)
        .annotate(
            message_in=Max("messages__occurred_at", filter=before & Q(messages__direction=Message.Direction.IN)),
            message_out=Max("messages__sent_at", filter=before & Q(messages__direction=Message.Direction.OUT)),
        )
        # greatest() of PostgreSQL passes over NULLs.
        .annotate(touched_at=Greatest("opened_at", "message_in", "message_out"))
        .filter(touched_at__gte=occurred_at - F("campaign__attribution_window"))
        .select_related("campaign", "entry_point")
        .order_by("-touched_at", "-opened_at")
    )
    conversation = touched.first()
    if conversation is None or conversation.campaign is None:
        return Credit()
    window = conversation.campaign.attribution_window
    callback = (
        Message.objects.filter(
            conversation=conversation,
            origin=Message.Origin.CALLBACK,
            status__in=REACHED,
            sent_at__lte=occurred_at,
            sent_at__gte=occurred_at - window,
        )
        .order_by("-sent_at", "-id")
        .first()
    )
    return Credit(conversation, callback, f"last_touch within {window.total_seconds() / 3600:g} h")


def _mark_converted(contact: Contact, credited: Conversation | None, occurred_at: datetime) -> None:
    """Every conversation open when it happened has its outcome; so has the credited one, even if closed since."""
    theirs = Q(status=Conversation.Status.OPEN, opened_at__lte=occurred_at)
    if credited is not None:
        theirs |= Q(pk=credited.pk)
    conversations = list(
        Conversation.objects.select_for_update(no_key=True)
        .filter(theirs, contact=contact)
        .order_by("id")
        .values_list("id", flat=True)
    )
    Conversation.objects.filter(id__in=conversations).filter(
        Q(converted_at=None) | Q(converted_at__gt=occurred_at)
    ).update(converted_at=occurred_at)
    callbacks_stop(
        conversation_ids=conversations,
        ended_by=DropOut.EndedBy.CONVERSION,
        reason="converted",
        at=occurred_at,
    )


def _valid(
    external_id: str, kind: str, occurred_at: datetime, now: datetime, value: Decimal | None, currency: str
) -> Decimal | None:
    if not external_id.strip() or len(external_id) > 200:
        raise InvalidConversionError(_("An external ID of at most 200 characters is needed."), field="external_id")
    if not kind.strip() or len(kind) > 60:
        raise InvalidConversionError(_("A kind of at most 60 characters is needed, e.g. purchase."), field="kind")
    if occurred_at > now + CLOCK_TOLERANCE:
        raise InvalidConversionError(_("A conversion cannot have happened in the future."), field="occurred_at")
    if currency and not CURRENCY.fullmatch(currency):
        raise InvalidConversionError(_("The currency must be an ISO 4217 code such as VND."), field="currency")
    if value is None:
        return None
    if not currency:
        raise InvalidConversionError(_("A value needs its currency."), field="currency")
    try:
        rounded = Decimal(value).quantize(Decimal("0.01"))
    except InvalidOperation as error:
        raise InvalidConversionError(_("This value is not a number we can keep."), field="value") from error
    if not rounded.is_finite() or rounded < 0 or rounded >= Decimal(10) ** 14:
        raise InvalidConversionError(_("A value must be zero or more, below 10 to the 14th."), field="value")
    return rounded
