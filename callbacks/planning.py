"""The next callback of one drop-out: which step, when ideally, and whether at all. No database, no clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from callbacks.content import ContentError, conversation_values, step_render
from callbacks.models import Callback, CallbackPolicy, CallbackStep
from callbacks.placement import place
from callbacks.timing import ideal_time
from campaigns.models import Campaign
from contacts.models import Purpose
from conversations.models import Conversation, DropOut, Message
from conversations.services import message_draft
from delivery.gate import HOUSE, Reason, Refuse, Verdict, Wait
from messaging.models import Template

Status = Message.Status
# The step before has not come to anything yet: we neither know that it was said nor that it was not.
UNDECIDED = frozenset({Status.SCHEDULED, Status.CLAIMED, Status.INFLIGHT, Status.HELD, Status.UNKNOWN})
# Provably said nothing, so it is no attempt on the person.
NOT_SAID = frozenset({Status.FAILED, Status.SUPPRESSED, Status.EXPIRED, Status.CANCELLED})
# A refusal for the person's own sake (or for the experiment's) speaks for all steps of the episode; the others are
# about one step, its time or its template, and the next may fare better.
FOR_ALL_STEPS = frozenset(
    {
        "holdout",
        "opted_out",
        "suppressed",
        "converted",
        "conversation_closed",
        "conversation_with_agent",
        "replied_since",
    }
)
LOOK_AGAIN = timedelta(seconds=5)  # at a step that should be settled by now
STANDING_LOOK_AGAIN = timedelta(minutes=1)  # while an account is paused, say


@dataclass(frozen=True, slots=True)
class Case:
    """Everything about one open drop-out that its next step depends on."""

    dropout: DropOut
    conversation: Conversation
    campaign: Campaign
    policy: CallbackPolicy
    steps: Sequence[CallbackStep]  # by position
    callbacks: Sequence[Callback]  # of this episode, by position, with message and decision
    attempts: int  # callbacks of the whole conversation that were said, or may yet be


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing to plan now; look again at `plan_at`, or never in this episode."""

    plan_at: datetime | None


@dataclass(frozen=True, slots=True)
class Next:
    """The step to plan, the moment it asks for, and the last one at which it makes sense."""

    step: CallbackStep
    ideal_at: datetime
    latest_at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write for one step: a message for the outbox, or a refusal with what it rests on."""

    case: Case
    next: Next
    message: Message | None = None
    refusal: Refuse | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def dropped_out_at(dropout: DropOut, policy: CallbackPolicy) -> datetime:
    """When the patience ran out: delays and usefulness count from here, however late a sweep noticed it."""
    return min(dropout.detected_at, dropout.silent_since + policy.patience)


def next_step(case: Case, *, now: datetime) -> Next | Later:
    """The episode's next step, or when to look again."""
    last = case.callbacks[-1] if case.callbacks else None
    if last and last.message and last.message.status in UNDECIDED:
        return Later(max(last.message.due_at or now, now + LOOK_AGAIN))
    if last and _reason(last) in FOR_ALL_STEPS:
        return Later(None)
    step = next((step for step in case.steps if last is None or step.position > last.position), None)
    if step is None or case.attempts >= case.policy.max_attempts:
        return Later(None)
    dropped_out = dropped_out_at(case.dropout, case.policy)
    base = dropped_out
    if last:
        base = (last.message.sent_at if last.message else None) or last.ideal_at
    ideal_at = ideal_time(
        delay=step.delay,
        cron=step.cron,
        base=base,
        zones=case.conversation.contact.time_zones,
        fallback_zone=case.campaign.time_zone,
    )
    return Next(step, ideal_at, dropped_out + step.useful_for)


def _reason(callback: Callback) -> str:
    if callback.message:
        return callback.message.reason if callback.message.status in NOT_SAID else ""
    return callback.decision.reason if callback.decision else ""


def holdout_plan(case: Case, following: Next) -> Plan:
    """A member of the holdout gets no callback, and a line that says so."""
    return Plan(case, following, refusal=Refuse(Reason.HOLDOUT, "holdout", HOUSE))


def callback_plan(
    case: Case, following: Next, *, template: Template | None, decide_at: Callable[[datetime], Verdict], now: datetime
) -> Plan | Later:
    """Fill in the step's words and place them; a message, or the refusal that stood in the way."""
    step, conversation = following.step, case.conversation
    detail = {
        "ideal_at": following.ideal_at.isoformat(),
        "latest_at": following.latest_at.isoformat(),
        "window_ends_at": _iso(conversation.service_window_ends_at),
    }
    if step.template_name and template is None:
        return Plan(case, following, refusal=_template_gone(), detail=detail)
    try:
        words = step_render(step, template, conversation_values(conversation))
    except ContentError as error:
        refusal = Refuse(Reason.CONTENT_INVALID, "content", HOUSE)
        return Plan(case, following, refusal=refusal, detail={**detail, "problem": str(error)})
    placed = place(
        ideal_at=following.ideal_at,
        now=now,
        latest_at=following.latest_at,
        window_ends_at=conversation.service_window_ends_at,
        margin=case.policy.window_margin,
        has_free=words.free is not None,
        has_template=words.template is not None,
        decide_at=decide_at,
    )
    if isinstance(placed, Wait):
        return Later(now + STANDING_LOOK_AGAIN)
    if isinstance(placed, Refuse):
        return Plan(case, following, refusal=placed, detail=detail)
    message = message_draft(
        contact=conversation.contact,
        account=conversation.account,
        conversation=conversation,
        campaign=case.campaign,
        origin=Message.Origin.CALLBACK,
        purpose=Purpose.MARKETING,
        dedupe_key=f"callback:{case.dropout.pk}:{step.position}",
        due_at=placed.due_at,
        expires_at=following.latest_at,
        content_free=words.free,
        content_template=words.template,
        template=template if words.template else None,
        text=words.text,
        priority=case.policy.priority,
        now=now,
    )
    return Plan(case, following, message=message, detail=detail)


def _template_gone() -> Refuse:
    return Refuse(Reason.TEMPLATE_NOT_APPROVED, "template", HOUSE)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
