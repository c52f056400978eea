"""Set up when and how people are called back. Every change is a change of the campaign, and voids its approval."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from callbacks.content import step_problem
from callbacks.errors import PolicyInvalidError
from callbacks.models import CallbackPolicy, CallbackStep
from callbacks.timing import cron_problem
from campaigns.models import Campaign
from campaigns.services import campaign_touch
from conversations.models import DropOut
from messaging.models import Template

STEP_LIMIT = 10
LONGEST = timedelta(days=30)
PRIORITY_LIMIT = 40  # below an answer to somebody who waits in the chat (conversations.services)


class PolicyFields(TypedDict, total=False):
    """What a marketer may set on a policy."""

    enabled: bool
    patience: timedelta
    window_margin: timedelta
    max_attempts: int
    priority: int


class StepFields(TypedDict, total=False):
    """What a marketer may set on a step; what is not given has the model's default."""

    delay: timedelta | None
    cron: str
    text: str
    buttons: list[dict[str, str]]
    template_name: str
    template_language: str
    template_values: dict[str, str]
    useful_for: timedelta


@transaction.atomic
def policy_save(
    *,
    campaign_id: UUID,
    actor: User | None,
    now: datetime,
    steps: Sequence[StepFields] | None = None,
    **fields: Unpack[PolicyFields],
) -> CallbackPolicy:
    """Create or change a campaign's policy. `steps`, when given, replaces all steps in this order.

    Raises PolicyInvalidError, naming the field; CampaignStateError when the campaign has ended. Saving what is
    already there changes nothing and keeps the approval.
    """
    policy = CallbackPolicy.objects.select_for_update().filter(campaign_id=campaign_id).first()
    before = _snapshot(policy)
    after_steps = [_step_values(step) for step in steps] if steps is not None else before[1]
    after = ({**before[0], **_known(fields, PolicyFields)}, after_steps)
    if policy is not None and before == after:
        return policy
    campaign = campaign_touch(campaign_id=campaign_id, actor=actor, now=now)
    policy = policy or CallbackPolicy(campaign=campaign)
    for name, value in after[0].items():
        setattr(policy, name, value)
    _policy_check(policy)
    policy.save()
    if steps is not None:
        _steps_replace(policy, campaign, after_steps, now=now)
    # Episodes that had come to the policy's end may have a new step.
    DropOut.objects.filter(conversation__campaign_id=campaign_id, ended_at=None, plan_at=None).update(plan_at=now)
    return policy


def step_create(
    *, policy_id: UUID, actor: User | None, now: datetime, position: int | None = None, **fields: Unpack[StepFields]
) -> CallbackStep:
    """Add a step at a position (1 is the first), or at the end."""

    def insert(steps: list[StepFields]) -> int:
        index = len(steps) if position is None else max(0, min(position - 1, len(steps)))
        steps.insert(index, fields)
        return index

    return _steps_edit(policy_id, actor, now, insert)


def step_update(*, step_id: UUID, actor: User | None, now: datetime, **fields: Unpack[StepFields]) -> CallbackStep:
    """Change what is given of a step."""
    step = _step(step_id)

    def change(steps: list[StepFields]) -> int:
        steps[step.position - 1] = {**steps[step.position - 1], **fields}
        return step.position - 1

    return _steps_edit(step.policy_id, actor, now, change)


def step_delete(*, step_id: UUID, actor: User | None, now: datetime) -> None:
    """Remove a step; the later ones move up. What was planned from it stays planned."""
    step = _step(step_id)

    def remove(steps: list[StepFields]) -> int:
        del steps[step.position - 1]
        return -1

    _steps_edit(step.policy_id, actor, now, remove)


def _step(step_id: UUID) -> CallbackStep:
    try:
        return CallbackStep.objects.get(pk=step_id)
    except CallbackStep.DoesNotExist:
        raise PolicyInvalidError(_("There is no such step."), code="not_found") from None


@transaction.atomic
def _steps_edit(
    policy_id: UUID, actor: User | None, now: datetime, edit: Callable[[list[StepFields]], int]
) -> CallbackStep:
    try:
        policy = CallbackPolicy.objects.select_for_update().get(pk=policy_id)
    except CallbackPolicy.DoesNotExist:
        raise PolicyInvalidError(_("There is no such policy."), code="not_found") from None
    steps = cast("list[StepFields]", _snapshot(policy)[1])
    index = edit(steps)
    policy_save(campaign_id=policy.campaign_id, actor=actor, now=now, steps=steps)
    return policy.steps.get(position=index + 1) if index >= 0 else CallbackStep(policy=policy, position=0)


def _known(given: Mapping[str, Any], shape: type) -> dict[str, Any]:
    if unknown := given.keys() - shape.__annotations__.keys():
        raise TypeError(f"not a field of {shape.__name__}: {sorted(unknown)}")
    return dict(given)


def _step_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """All of a step's values: the given ones, the model's defaults for the others."""
    step = CallbackStep(**_known(given, StepFields))
    return {name: getattr(step, name) for name in StepFields.__annotations__}


def _snapshot(policy: CallbackPolicy | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if policy is None:
        return {}, []
    values = {name: getattr(policy, name) for name in PolicyFields.__annotations__}
    return values, [
        {name: getattr(step, name) for name in StepFields.__annotations__} for step in policy.steps.order_by("position")
    ]


def _policy_check(policy: CallbackPolicy) -> None:
    if not timedelta(0) < policy.patience <= LONGEST:
        raise PolicyInvalidError(_("The patience may be up to 30 days."), field="patience")
    if not timedelta(0) <= policy.window_margin < timedelta(hours=24):
        raise PolicyInvalidError(_("The margin must be shorter than the window's 24 hours."), field="window_margin")
    if not 1 <= policy.max_attempts <= 10:
        raise PolicyInvalidError(_("There may be 1 to 10 callbacks per conversation."), field="max_attempts")
    if not -PRIORITY_LIMIT <= policy.priority <= PRIORITY_LIMIT:
        raise PolicyInvalidError(
            _("The priority may be -%(limit)d to %(limit)d.") % {"limit": PRIORITY_LIMIT}, field="priority"
        )


def _steps_replace(
    policy: CallbackPolicy, campaign: Campaign, steps: Sequence[Mapping[str, Any]], *, now: datetime
) -> None:
    if len(steps) > STEP_LIMIT:
        raise PolicyInvalidError(_("A policy may have %(limit)d steps.") % {"limit": STEP_LIMIT}, field="steps")
    names = {step["template_name"] for step in steps if step["template_name"]}
    templates = {
        (template.name, template.language): template
        for template in Template.objects.filter(account_id=campaign.account_id, name__in=names)
    }
    existing = {step.position: step for step in policy.steps.all()}
    for position, values in enumerate(steps, start=1):
        # A position keeps its row: callbacks that were planned from it still point to it.
        step = existing.pop(position, None) or CallbackStep(policy=policy, position=position)
        for name, value in values.items():
            setattr(step, name, value)
        _step_check(step, templates.get((step.template_name, step.template_language)), now=now)
        step.save()
    policy.steps.filter(pk__in=[step.pk for step in existing.values()]).delete()


def _step_check(step: CallbackStep, template: Template | None, *, now: datetime) -> None:
    def fail(field: str, problem: str) -> None:
        raise PolicyInvalidError(problem, field=f"steps.{step.position}.{field}")

    if (step.delay is None) == (not step.cron):
        fail("delay", _("A step has either a delay or a cron expression."))
    if step.delay is not None and not timedelta(0) <= step.delay <= LONGEST:
        fail("delay", _("A delay may be up to 30 days."))
    if step.cron and cron_problem(step.cron, now=now):
        fail("cron", _("“%(cron)s” is not a cron expression of five fields.") % {"cron": step.cron})
    if not timedelta(0) < step.useful_for <= LONGEST:
        fail("useful_for", _("A callback may be useful for up to 30 days."))
    field, problem = step_problem(step, template)
    if problem:
        fail(field, problem)
