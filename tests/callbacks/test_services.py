"""Setting up a policy: what it may say, and what a change of it does to the campaign."""

from datetime import timedelta

import pytest

from callbacks.errors import PolicyInvalidError
from callbacks.models import CallbackStep
from callbacks.services import policy_save, step_create, step_delete, step_update
from conversations.models import DropOut
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import NOW
from tests.builders.conversations import DropOutBuilder
from tests.builders.messaging import TemplateBuilder

pytestmark = pytest.mark.django_db
HELLO = {"delay": timedelta(hours=2), "text": "Chào!"}


@pytest.fixture
def campaign():
    return CampaignBuilder()


def save(campaign, **more):
    return policy_save(campaign_id=campaign.pk, actor=None, now=NOW, **more)


def test_a_change_pauses_a_running_campaign_and_saving_the_same_does_not(campaign):
    save(campaign, patience=timedelta(hours=1), steps=[HELLO])
    campaign.refresh_from_db()
    assert campaign.status == "paused"

    revision = campaign.revision
    save(campaign, patience=timedelta(hours=1), steps=[HELLO])
    campaign.refresh_from_db()
    assert campaign.revision == revision


def test_steps_are_replaced_in_order_and_keep_their_rows(campaign):
    policy = save(campaign, steps=[HELLO, {**HELLO, "text": "B"}, {**HELLO, "text": "C"}])
    first = policy.steps.get(position=1)
    save(campaign, steps=[{**HELLO, "text": "A"}])
    assert list(CallbackStep.objects.values_list("pk", "text")) == [(first.pk, "A")]


def test_single_steps_are_added_changed_and_removed(campaign):
    policy = save(campaign, steps=[HELLO])
    added = step_create(policy_id=policy.pk, actor=None, now=NOW, position=1, delay=timedelta(0), text="First")
    step_update(step_id=added.pk, actor=None, now=NOW, text="Very first")
    assert list(policy.steps.values_list("position", "text")) == [(1, "Very first"), (2, "Chào!")]
    step_delete(step_id=added.pk, actor=None, now=NOW)
    assert list(policy.steps.values_list("position", "text")) == [(1, "Chào!")]


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({"text": "Hi"}, "delay"),
        ({**HELLO, "cron": "0 9 * * *"}, "delay"),
        ({"text": "Hi", "cron": "every morning"}, "cron"),
        ({"delay": timedelta(hours=1)}, "text"),
        ({**HELLO, "text": "Hi {{ contact.nam"}, "text"),
        ({**HELLO, "text": "Hi {{ contact.phone }}"}, "text"),
        ({**HELLO, "text": "x" * 4097}, "text"),
        ({**HELLO, "buttons": [{"id": "a", "title": "A"}] * 2}, "buttons"),
        ({**HELLO, "buttons": [{"id": str(i), "title": str(i)} for i in range(4)]}, "buttons"),
        ({**HELLO, "buttons": [{"id": "a", "title": "x" * 21}]}, "buttons"),
        ({**HELLO, "text": "x" * 1025, "buttons": [{"id": "a", "title": "A"}]}, "text"),
        ({**HELLO, "template_name": "nobody_knows", "template_language": "vi"}, "template_name"),
        ({**HELLO, "useful_for": timedelta(0)}, "useful_for"),
    ],
)
def test_it_names_the_step_and_the_field_that_is_wrong(campaign, step, field):
    with pytest.raises(PolicyInvalidError) as error:
        save(campaign, steps=[step])
    assert error.value.field == f"steps.1.{field}"
    assert not CallbackStep.objects.exists()


def test_a_template_must_be_approved_and_have_all_its_values(campaign):
    template = TemplateBuilder(account=campaign.account)
    step = {"delay": timedelta(0), "template_name": template.name, "template_language": template.language}

    def field_at_fault(**more):
        with pytest.raises(PolicyInvalidError) as error:
            save(campaign, steps=[{**step, **more}])
        return error.value.field

    assert field_at_fault() == "steps.1.template_values"
    assert field_at_fault(template_values={"body.1": ""}) == "steps.1.template_values"
    assert field_at_fault(template_values={"body.1": "a", "body.2": "b"}) == "steps.1.template_values"
    assert field_at_fault(template_values={"body.1": "{{ oops }}"}) == "steps.1.template_values"
    save(campaign, steps=[{**step, "template_values": {"body.1": "{{ contact.name }}"}}])

    template.status = "PAUSED"
    template.save()
    assert field_at_fault(template_values={"body.1": "bạn"}) == "steps.1.template_name"


def test_there_are_at_most_ten_steps(campaign):
    with pytest.raises(PolicyInvalidError):
        save(campaign, steps=[HELLO] * 11)


def test_a_new_step_reaches_the_people_who_are_silent_now(campaign):
    save(campaign, steps=[HELLO])
    dropout = DropOutBuilder(conversation__campaign=campaign, plan_at=None)
    save(campaign, steps=[HELLO, HELLO])
    assert DropOut.objects.get(pk=dropout.pk).plan_at == NOW
