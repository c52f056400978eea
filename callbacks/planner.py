"""Detect drop-outs, plan the next callback of each, cancel those of stopped campaigns."""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from campaigns.models import Campaign
from conversations.dropout import Timeline, silent_since
from conversations.models import Conversation, DropOut, Message


def dropouts_detect(*, now: datetime, limit: int = 500) -> int:
    """Open a drop-out episode for every conversation that has fallen silent by its policy; returns how many.

    Candidates come from an index; whether each is a drop-out says `conversations.dropout`. The conversations are
    locked meanwhile, so a reply is either seen here or ends the episode it finds.
    """
    with transaction.atomic():
        earlier = DropOut.objects.filter(conversation=OuterRef("pk"))
        candidates = list(
            Conversation.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("campaign__policy")
            .filter(
                status=Conversation.Status.OPEN,
                handler=Conversation.Handler.AUTOMATION,
                converted_at=None,
                last_outbound_at__lt=now - F("campaign__policy__patience"),
                last_inbound_at__lte=F("last_outbound_at"),
            )
            # One episode per silence: handing a conversation back without a word to the contact starts no new one.
            .filter(
                ~Exists(
                    earlier.filter(
                        Q(ended_at=None) | Q(turn=OuterRef("turn"), ended_at__gte=OuterRef("last_outbound_at"))
                    )
                )
            )
            .order_by("last_outbound_at")[:limit]
        )
        last_episodes = dict(
            DropOut.objects.filter(conversation__in=candidates)
            .order_by("conversation", "episode")
            .values_list("conversation_id", "episode")
        )
        dropouts = []
        for conversation in candidates:
            since = _silent_since(conversation, now=now)
            if since is not None:
                dropouts.append(
                    DropOut(
                        conversation=conversation,
                        episode=last_episodes.get(conversation.pk, 0) + 1,
                        turn=conversation.turn,
                        silent_since=since,
                        detected_at=now,
                        plan_at=now,
                    )
                )
        DropOut.objects.bulk_create(dropouts, ignore_conflicts=True)
    return len(dropouts)


def _silent_since(conversation: Conversation, *, now: datetime) -> datetime | None:
    if conversation.campaign is None:
        return None
    timeline = Timeline(
        open=conversation.status == Conversation.Status.OPEN,
        automated=conversation.handler == Conversation.Handler.AUTOMATION,
        converted=conversation.converted_at is not None,
        last_inbound_at=conversation.last_inbound_at,
        last_outbound_at=conversation.last_outbound_at,
    )
    return silent_since(timeline, patience=conversation.campaign.policy.patience, now=now)


def callbacks_cancel_stopped(*, now: datetime) -> int:
    """Cancel what was planned for campaigns that do not run or lost their approval; returns how many messages.

    The gate would refuse them anyway; cancelling says so at once, and frees the slot. A row that is just being flipped
    to in-flight is left to whichever of the two commits first.
    """
    pending = Message.objects.filter(
        origin=Message.Origin.CALLBACK, status__in=[Message.Status.SCHEDULED, Message.Status.CLAIMED]
    )
    stopped = list(
        Campaign.objects.filter(
            ~Q(status=Campaign.Status.RUNNING) | Q(approved_revision=None) | ~Q(approved_revision=F("revision"))
        )
        .filter(Exists(pending.filter(campaign=OuterRef("pk"))))
        .values_list("pk", flat=True)
    )
    if not stopped:
        return 0
    return pending.filter(campaign__in=stopped).update(
        status=Message.Status.CANCELLED, reason="campaign_paused", lease_until=None, waiting_for=""
    )


def callbacks_plan(*, now: datetime, limit: int = 500) -> int:
    raise NotImplementedError
