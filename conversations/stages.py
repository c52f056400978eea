"""How far conversations came: the stages of the funnel, each one definition for counting and for listing.

All stages speak of the conversations *opened* in the period (a cohort), so a later stage is a part of an earlier one.
"""

from collections.abc import Mapping

from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from conversations.models import Conversation, DropOut, Message

STAGES: Mapping[str, str | Promise] = {
    "started": _("Conversations started"),
    "dropped": _("Fell silent"),
    "called_back": _("Called back"),
    "reengaged": _("Came back after a callback"),
    "converted": _("Converted"),
}


def stage_filter(conversations: QuerySet[Conversation], stage: str) -> QuerySet[Conversation]:
    """Those that reached the stage; all of them for one we don't know."""
    dropouts = DropOut.objects.filter(conversation=OuterRef("pk"))
    sent = Message.objects.filter(conversation=OuterRef("pk"), origin=Message.Origin.CALLBACK, sent_at__isnull=False)
    if stage == "dropped":
        return conversations.filter(Exists(dropouts))
    if stage == "called_back":
        return conversations.filter(Exists(sent))
    if stage == "reengaged":
        called = Message.objects.filter(
            conversation=OuterRef("conversation"),
            origin=Message.Origin.CALLBACK,
            sent_at__gte=OuterRef("silent_since"),
            sent_at__lte=OuterRef("ended_at"),
        )
        answered = dropouts.filter(ended_by=DropOut.EndedBy.REPLY).filter(Exists(called))
        return conversations.filter(Exists(answered))
    if stage == "converted":
        return conversations.filter(converted_at__isnull=False)
    return conversations


def silent_then_back(conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """Those who fell silent and wrote again, called back or not: what holdout and treated are compared by."""
    return conversations.filter(
        Exists(
            DropOut.objects.filter(
                conversation=OuterRef("pk"), ended_by=DropOut.EndedBy.REPLY, ended_at__gt=F("detected_at")
            )
        )
    )
