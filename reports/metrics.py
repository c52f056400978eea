"""What each number of the funnel counts: one filter per number, used for the count and for the people in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    F,
    Func,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from callbacks.models import Callback
from campaigns.models import AdClick, AdSpend
from contacts.models import ConsentEvent, Purpose
from conversations.models import Conversation, Conversion, DropOut, Message
from delivery.models import Decision


@dataclass(frozen=True, slots=True)
class Period:
    """Whose numbers, and for which time: `since` <= time < `until`. `campaign_id` None: everything there is."""

    campaign_id: UUID | None
    since: datetime
    until: datetime

    def rows(self, rows: QuerySet[Any], *, time: str, campaign: str) -> QuerySet[Any]:
        rows = rows.filter(**{f"{time}__gte": self.since, f"{time}__lt": self.until})
        return rows.filter(**{campaign: self.campaign_id}) if self.campaign_id else rows


@dataclass(frozen=True, slots=True)
class Base:
    """A table the funnel reads. `counted` is what one row stands for, `contact` leads to the person."""

    rows: Callable[[Period], QuerySet[Any]]
    time: str
    contact: str
    counted: str = "pk"


@dataclass(frozen=True, slots=True)
class Metric:
    """One count: which rows of its base it takes, its name and its definition as people read them."""

    base: str
    label: str | Promise
    definition: str | Promise
    where: Q = field(default_factory=Q)


# A callback that went out in this drop-out; an answer before it was not caused by it.
_SENT = Callback.objects.filter(dropout=OuterRef("pk"), message__sent_at__isnull=False)


def _dropouts(period: Period) -> QuerySet[Any]:
    rows = DropOut.objects.annotate(
        called_back=Exists(_SENT),
        answered_callback=Exists(_SENT.filter(message__sent_at__lt=OuterRef("ended_at"))),
    )
    return period.rows(rows, time="detected_at", campaign="conversation__campaign_id")


def _optouts(period: Period) -> QuerySet[Any]:
    rows: QuerySet[Any] = ConsentEvent.objects.filter(
        action=ConsentEvent.Action.WITHDRAWN, purpose=Purpose.MARKETING, occurred_at__gte=period.since
    ).filter(occurred_at__lt=period.until)
    if period.campaign_id:
        talked = Conversation.objects.filter(
            contact=OuterRef("contact_id"), campaign_id=period.campaign_id, opened_at__lte=OuterRef("occurred_at")
        )
        rows = rows.filter(Exists(talked))
    return rows


def spend_rows(period: Period) -> QuerySet[Any]:
    """Reported days whose beginning, in the campaign's own zone, lies in the period."""
    begins = Func(
        F("entry_point__campaign__time_zone"),
        Func(F("day"), template="%(expressions)s::timestamp", output_field=DateTimeField()),
        function="timezone",
        output_field=DateTimeField(),
    )
    rows = AdSpend.objects.annotate(begins_at=begins)
    return period.rows(rows, time="begins_at", campaign="entry_point__campaign_id")


def click_rows(period: Period) -> QuerySet[AdClick]:
    """Clicks on tracked links and scans of QR codes."""
    return period.rows(AdClick.objects.all(), time="clicked_at", campaign="entry_point__campaign_id")


def _rows(model: type[Model], time: str, campaign: str, **where: Any) -> Callable[[Period], QuerySet[Any]]:
    return lambda period: period.rows(model._default_manager.filter(**where), time=time, campaign=campaign)


_STOPPED = (Message.Status.SUPPRESSED, Message.Status.EXPIRED, Message.Status.CANCELLED)


def _unsent(period: Period) -> QuerySet[Any]:
    rows = Message.objects.filter(direction=Message.Direction.OUT, status__in=_STOPPED)
    # An empty reason must not vanish from a report by reason: the state itself then says what happened.
    why = Case(When(reason="", then=F("status")), default=F("reason"), output_field=CharField())
    rows = rows.exclude(origin=Message.Origin.TEST).annotate(group=why)
    return period.rows(rows, time="occurred_at", campaign="campaign_id")


def _refused(period: Period) -> QuerySet[Any]:
    # A refusal at sending time ends its message with the same reason and is counted there, once.
    rows = Decision.objects.filter(verdict=Decision.Verdict.REFUSE, message=None)
    rows = rows.annotate(group=Case(When(reason="", then=Value("other")), default=F("reason")))
    return period.rows(rows, time="decided_at", campaign="conversation__campaign_id")


BASES = {
    "conversations": Base(_rows(Conversation, "opened_at", "campaign_id"), "opened_at", "contact"),
    "dropouts": Base(_dropouts, "detected_at", "conversation__contact", counted="conversation"),
    "callbacks": Base(
        _rows(Callback, "planned_at", "dropout__conversation__campaign_id", message__isnull=False),
        "planned_at",
        "message__contact",
    ),
    "conversions": Base(_rows(Conversion, "occurred_at", "campaign_id"), "occurred_at", "contact"),
    "optouts": Base(_optouts, "occurred_at", "contact", counted="contact"),
    "unsent": Base(_unsent, "occurred_at", "contact"),
    "refused": Base(_refused, "decided_at", "contact"),
}

_RECOVERED = Q(ended_by__in=[DropOut.EndedBy.REPLY, DropOut.EndedBy.CONVERSION])
_TREATED, _HOLDOUT = Q(conversation__holdout=False), Q(conversation__holdout=True)

METRICS = {
    "conversations_started": Metric(
        "conversations", _("Conversations started"), _("Conversations opened in the period by a person's message.")
    ),
    "conversations_entered": Metric(
        "conversations",
        _("… through an entry point"),
        _("Conversations opened in the period that came through an ad, a tracked link or a QR code we know."),
        Q(entry_point__isnull=False),
    ),
    "conversations_answered": Metric(
        "conversations",
        _("Answered"),
        _("Of the conversations opened in the period, those in which a message of ours was accepted by the provider."),
        Q(last_outbound_at__isnull=False),
    ),
    "dropouts": Metric(
        "dropouts",
        _("Dropped out"),
        _("Conversations whose person fell silent for longer than the policy's patience, noticed in the period."),
    ),
    "dropouts_holdout": Metric(
        "dropouts",
        _("… of which holdout"),
        _("Dropped-out conversations whose person gets no callback on purpose, to measure what callbacks cause."),
        _HOLDOUT,
    ),
    "dropouts_treated": Metric(
        "dropouts",
        _("… of which in the callback group"),
        _("Dropped-out conversations whose person may get callbacks, whether or not one was sent."),
        _TREATED,
    ),
    "callbacks_planned": Metric(
        "callbacks", _("Callbacks planned"), _("Callbacks scheduled in the period; refusals at planning are not in it.")
    ),
    "callbacks_sent": Metric(
        "callbacks",
        _("Callbacks sent"),
        _("Of the callbacks planned in the period, those the provider accepted."),
        Q(message__sent_at__isnull=False),
    ),
    "callbacks_delivered": Metric(
        "callbacks",
        _("Callbacks delivered"),
        _("Of the callbacks planned in the period, those reported as delivered or read."),
        Q(message__delivered_at__isnull=False) | Q(message__read_at__isnull=False),
    ),
    "callbacks_read": Metric(
        "callbacks",
        _("Callbacks read"),
        _("Of the callbacks planned in the period, those reported as read. People may switch read receipts off."),
        Q(message__read_at__isnull=False),
    ),
    "called_back": Metric(
        "dropouts",
        _("Called back"),
        _("Dropped-out conversations in which at least one callback was accepted by the provider."),
        Q(called_back=True),
    ),
    "reengaged": Metric(
        "dropouts",
        _("Re-engaged"),
        _("Called-back conversations whose person then replied, after a callback and before anything else ended it."),
        Q(answered_callback=True, ended_by=DropOut.EndedBy.REPLY),
    ),
    "recovered_treated": Metric(
        "dropouts",
        _("Came back: callback group"),
        _("Dropped-out conversations of the callback group whose person replied or converted, called back or not."),
        _TREATED & _RECOVERED,
    ),
    "recovered_holdout": Metric(
        "dropouts",
        _("Came back: holdout"),
        _("Dropped-out conversations of the holdout whose person replied or converted, without any callback."),
        _HOLDOUT & _RECOVERED,
    ),
    "conversions": Metric(
        "conversions",
        _("Conversions"),
        _("Outcomes that happened in the period, each external ID once; for a campaign, those credited to it."),
    ),
    "optouts": Metric(
        "optouts",
        _("Opt-outs"),
        _("People who withdrew consent to marketing in the period; for a campaign, those who had talked in it before."),
    ),
    "unsent": Metric(
        "unsent",
        _("Messages not sent"),
        _("Messages scheduled in the period that were refused by the rules, expired or cancelled before sending."),
    ),
    "refused": Metric(
        "refused",
        _("Refused at planning"),
        _("Callbacks that the rules refused in the period before a message was written, holdout included."),
    ),
}
# The counts that are split further: field, label.
GROUPS = {
    "conversions": ("kind", _("Conversions: {group}")),
    "unsent": ("group", _("Not sent: {group}")),
    "refused": ("group", _("Refused at planning: {group}")),
}
