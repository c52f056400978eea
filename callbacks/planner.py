"""Whether we speak again, and when: one step of one drop-out at a time, in batches.

A drop-out is looked at when its `plan_at` has come. The batch's conversations are locked (others skip them) and read
under the lock; then everything is written at once: messages, callbacks, refusals, and when to look again. Running it
twice, or on two workers at once, plans nothing twice: the lock lets one in, and the database's unique keys (callback:
drop-out and position; message: dedupe key) refuse a second.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q

from callbacks.detection import dropouts_detect
from callbacks.models import Callback, CallbackStep
from callbacks.planning import NOT_SAID, Case, Later, Next, Plan, callback_plan, holdout_plan, next_step
from campaigns.models import Campaign
from conversations.models import Conversation, DropOut, Message
from conversations.services import messages_schedule
from delivery.facts import Planned, facts_planned
from delivery.gate import decide
from delivery.models import Decision
from delivery.rules import rules_load
from messaging.models import Template

__all__ = ["callbacks_cancel_stopped", "callbacks_plan", "dropouts_detect"]

log = structlog.get_logger(__name__)
BATCH = 100  # conversations locked at a time: a reply must not wait long for us


def callbacks_plan(*, now: datetime, limit: int = 500) -> int:
    """Plan the next step of open drop-outs whose time to look has come; how many callbacks were planned or refused."""
    written = looked = 0
    while looked < limit:
        seen, plans = _batch(now=now, limit=min(BATCH, limit - looked))
        looked += seen
        written += plans
        if not seen:
            break
    return written


@transaction.atomic
def _batch(*, now: datetime, limit: int) -> tuple[int, int]:
    dropouts = _due(now=now, limit=limit)
    if not dropouts:
        return 0, 0
    cases = _cases(dropouts)
    wanted: list[tuple[Case, Next]] = []
    for case in cases:
        following = next_step(case, now=now)
        if isinstance(following, Later):
            case.dropout.plan_at = following.plan_at
        else:
            wanted.append((case, following))
    plans = _plans(wanted, now=now)
    _store(plans, now=now)
    DropOut.objects.bulk_update([case.dropout for case in cases], ["plan_at"])
    log.info("callbacks_planned", looked_at=len(cases), planned=len(plans))
    return len(cases), len(plans)


def _due(*, now: datetime, limit: int) -> list[DropOut]:
    """Open drop-outs to look at, locked with their conversations; those somebody else holds are left for later."""
    return list(
        DropOut.objects.select_for_update(of=("self", "conversation"), no_key=True, skip_locked=True)
        .select_related(
            "conversation__contact",
            "conversation__account",
            "conversation__campaign__policy",
            "conversation__entry_point",
            "conversation__ad_click",
        )
        .filter(
            ended_at=None,
            plan_at__lte=now,
            turn=F("conversation__turn"),
            conversation__status=Conversation.Status.OPEN,
            conversation__handler=Conversation.Handler.AUTOMATION,
            conversation__converted_at=None,
            conversation__campaign__status=Campaign.Status.RUNNING,
            conversation__campaign__approved_revision=F("conversation__campaign__revision"),
            conversation__campaign__policy__enabled=True,
        )
        .order_by("plan_at")[:limit]
    )


def _cases(dropouts: Sequence[DropOut]) -> list[Case]:
    callbacks = defaultdict(list)
    for callback in (
        Callback.objects.filter(dropout__in=dropouts).select_related("message", "decision").order_by("position")
    ):
        callbacks[callback.dropout_id].append(callback)
    attempts = dict(
        Message.objects.filter(
            conversation__in=[dropout.conversation_id for dropout in dropouts], origin=Message.Origin.CALLBACK
        )
        .exclude(status__in=NOT_SAID)
        .values_list("conversation_id")
        .annotate(count=Count("pk"))
    )
    steps = defaultdict(list)
    policies = {dropout.conversation.campaign.policy for dropout in dropouts if dropout.conversation.campaign}
    for step in CallbackStep.objects.filter(policy__in=policies).order_by("position"):
        steps[step.policy_id].append(step)
    return [
        Case(
            dropout=dropout,
            conversation=dropout.conversation,
            campaign=campaign,
            policy=campaign.policy,
            steps=steps[campaign.policy.pk],
            callbacks=callbacks[dropout.pk],
            attempts=attempts.get(dropout.conversation_id, 0),
        )
        for dropout in dropouts
        if (campaign := dropout.conversation.campaign) is not None
    ]


def _plans(wanted: Sequence[tuple[Case, Next]], *, now: datetime) -> list[Plan]:
    names = {following.step.template_name for _case, following in wanted if following.step.template_name}
    templates = {
        (template.account_id, template.name, template.language): template
        for template in Template.objects.filter(
            account__in={case.conversation.account_id for case, _following in wanted}, name__in=names
        )
    }
    plans = [holdout_plan(case, following) for case, following in wanted if case.conversation.holdout]
    asked = [
        (case, following, templates.get(_template_key(case.conversation, following.step)))
        for case, following in wanted
        if not case.conversation.holdout
    ]
    rules = rules_load(now=now)
    facts = facts_planned(
        [
            Planned(case.conversation, bool(following.step.text), template, expires_at=following.latest_at)
            for case, following, template in asked
        ],
        now=now,
    )
    for (case, following, template), of_case in zip(asked, facts, strict=True):
        # The gate itself is asked for every moment in question; only the facts are of today.
        plan = callback_plan(
            case, following, template=template, decide_at=partial(decide, of_case, rules=rules), now=now
        )
        if isinstance(plan, Later):
            case.dropout.plan_at = plan.plan_at
        else:
            plans.append(plan)
    return plans


def _template_key(conversation: Conversation, step: CallbackStep) -> tuple[UUID, str, str]:
    return conversation.account_id, step.template_name, step.template_language


def _store(plans: Sequence[Plan], *, now: datetime) -> None:
    messages = {
        message.dedupe_key: message for message in messages_schedule([plan.message for plan in plans if plan.message])
    }
    callbacks, decisions = [], []
    for plan in plans:
        conversation, step = plan.case.conversation, plan.next.step
        callback = Callback(
            dropout=plan.case.dropout,
            step=step,
            position=step.position,
            policy_revision=plan.case.campaign.revision,
            planned_at=now,
            ideal_at=plan.next.ideal_at,
        )
        if plan.message:
            callback.message = messages[plan.message.dedupe_key]
            plan.case.dropout.plan_at = callback.message.due_at
        elif plan.refusal:
            callback.decision = Decision(
                contact=conversation.contact,
                conversation=conversation,
                stage=Decision.Stage.PLAN,
                verdict=Decision.Verdict.REFUSE,
                reason=plan.refusal.reason,
                rule=plan.refusal.rule,
                rule_version=plan.refusal.rule_version,
                facts=_plain({**plan.detail, **plan.refusal.values}),
                decided_at=now,
            )
            decisions.append(callback.decision)
            plan.case.dropout.plan_at = now
        callbacks.append(callback)
    Decision.objects.bulk_create(decisions)
    Callback.objects.bulk_create(callbacks)


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON holds them: times as text."""
    plain: dict[str, Any] = json.loads(json.dumps(facts, cls=DjangoJSONEncoder))
    return plain


def callbacks_cancel_stopped(*, now: datetime) -> int:
    """Cancel what was planned for campaigns that do not run or lost their approval; how many messages.

    The gate would refuse them anyway; cancelling says so at once and frees the person's slot for others. A row that is
    just being flipped to in-flight belongs to whichever of the two commits first.
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
