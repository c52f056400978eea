"""Who has fallen silent."""

from datetime import datetime

from django.db import transaction
from django.db.models import F, Max

from contacts.models import Purpose, consent_key
from conversations.dropout import silent_since
from conversations.models import Conversation, DropOut


def dropouts_detect(*, now: datetime, limit: int = 500) -> int:
    """Open a drop-out episode for every conversation that has fallen silent by its campaign's policy; how many.

    Candidates come from an index that holds only silences not judged yet; whether one is a drop-out says
    `conversations.dropout`. The conversations are locked meanwhile, so a reply is either seen here or ends the episode
    it finds. A contact who told us to stop has not dropped out. Whether anything is sent is the planner's question:
    drop-outs of paused campaigns and of the holdout are counted like all others.
    """
    with transaction.atomic():
        candidates = list(
            Conversation.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("campaign__policy", "contact", "account")
            .filter(
                status=Conversation.Status.OPEN,
                handler=Conversation.Handler.AUTOMATION,
                converted_at=None,
                campaign__isnull=False,
                turn__gt=F("dropout_turn"),
                last_outbound_at__lt=now - F("campaign__policy__patience"),
                last_inbound_at__lte=F("last_outbound_at"),
            )
            .order_by("last_outbound_at")[:limit]
        )
        if not candidates:
            return 0
        last_episodes = dict(
            DropOut.objects.filter(conversation__in=candidates)
            .values_list("conversation_id")
            .annotate(last=Max("episode"))
        )
        dropouts = [
            DropOut(
                conversation=conversation,
                episode=last_episodes.get(conversation.pk, 0) + 1,
                turn=conversation.turn,
                silent_since=since,
                detected_at=now,
                plan_at=now,
            )
            for conversation in candidates
            if (since := _silent_since(conversation, now)) is not None
        ]
        DropOut.objects.bulk_create(dropouts)
        Conversation.objects.filter(pk__in=[conversation.pk for conversation in candidates]).update(
            dropout_turn=F("turn")
        )
    return len(dropouts)


def _silent_since(conversation: Conversation, now: datetime) -> datetime | None:
    stopped = consent_key(conversation.account.channel, Purpose.MARKETING) in conversation.contact.consent_withdrawn
    if stopped or conversation.campaign is None:
        return None
    return silent_since(conversation.timeline(), patience=conversation.campaign.policy.patience, now=now)
