"""How much waits for a person, as badges beside the sidebar's entries. One number each, none when there is nothing."""

from django.db.models import QuerySet
from django.http import HttpRequest

from campaigns.models import Campaign
from contacts.models import AddressConflict, OptOutReview
from conversations.models import Message
from messaging.models import ChannelAccount

LIMIT = 100  # beyond this the exact number tells nothing more, and counting costs


def _some(rows: QuerySet[object]) -> str:  # type: ignore[type-var]  # any model's rows
    count = rows[:LIMIT].count()
    return f"{LIMIT}+" if count == LIMIT else str(count or "")


def approvals_badge(request: HttpRequest) -> str:
    return _some(Campaign.objects.filter(status=Campaign.Status.SUBMITTED))


def reviews_badge(request: HttpRequest) -> str:
    return _some(OptOutReview.objects.filter(decided_at=None))


def conflicts_badge(request: HttpRequest) -> str:
    return _some(AddressConflict.objects.filter(resolved_at=None))


def unconfirmed_badge(request: HttpRequest) -> str:
    return _some(Message.objects.filter(status=Message.Status.UNCONFIRMED))


def accounts_badge(request: HttpRequest) -> str:
    return _some(ChannelAccount.objects.filter(status=ChannelAccount.Status.PAUSED))
