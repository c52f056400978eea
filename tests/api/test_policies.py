import pytest

from callbacks.models import CallbackPolicy, CallbackStep
from campaigns.models import Campaign
from delivery.models import Decision
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import NOW
from tests.builders.conversations import DropOutBuilder, OutboundBuilder

POLICIES, STEPS, CALLBACKS = "/api/v1/policies", "/api/v1/steps", "/api/v1/callbacks"


@pytest.fixture
def campaign(db):
    return CampaignBuilder(status=Campaign.Status.DRAFT)


@pytest.fixture
def policy(api, campaign):
    made = api.post(
        POLICIES,
        {
            "campaign": str(campaign.pk),
            "patience": 600,
            "max_attempts": 2,
            "steps": [
                {"delay": 60, "text": "Hi!", "buttons": [{"id": "yes", "title": "Yes"}]},
                {"cron": "0 9 * * 1-5", "text": "Still there?", "useful_for": 86400},
            ],
        },
    )
    assert made.status_code == 201, made.content
    return made.json()


def test_a_policy_is_made_with_its_steps_in_their_order(api, policy):
    assert policy["patience"] == 600
    assert [(step["position"], step["delay"], step["cron"]) for step in policy["steps"]] == [
        (1, 60, ""),
        (2, None, "0 9 * * 1-5"),
    ]
    assert policy["steps"][0]["buttons"] == [{"id": "yes", "title": "Yes"}]
    assert api.get(f"{POLICIES}/{policy['id']}").json() == policy
    assert api.get(f"{POLICIES}?campaign={policy['campaign']}").json()["results"] == [policy]


def test_a_campaign_has_one_policy(api, policy):
    again = api.post(POLICIES, {"campaign": policy["campaign"]})
    assert again.status_code == 409
    assert again.json()["type"] == "urn:rekindle:problem:policy-exists"


def test_a_change_keeps_the_steps_unless_they_are_given(api, policy, campaign):
    changed = api.patch(f"{POLICIES}/{policy['id']}", {"patience": 900}).json()
    assert (changed["patience"], len(changed["steps"])) == (900, 2)
    replaced = api.patch(f"{POLICIES}/{policy['id']}", {"steps": [{"delay": 0, "text": "Only one"}]}).json()
    assert [step["text"] for step in replaced["steps"]] == ["Only one"]
    campaign.refresh_from_db()
    assert campaign.revision == 4  # made, and changed three times


def test_a_fault_in_a_step_is_named_by_its_place(api, policy):
    broken = api.patch(f"{POLICIES}/{policy['id']}", {"steps": [{"delay": 0, "text": "ok"}, {"text": "when?"}]})
    assert broken.status_code == 422
    assert broken.json()["errors"][0]["pointer"] == "#/steps/1/delay"
    assert CallbackStep.objects.count() == 2


def test_steps_are_added_changed_and_removed_one_by_one(api, policy):
    added = api.post(STEPS, {"policy": policy["id"], "position": 1, "delay": 5, "text": "First"})
    assert added.status_code == 201, added.content
    assert added.json()["position"] == 1
    changed = api.patch(f"{STEPS}/{added.json()['id']}", {"text": "Very first"})
    assert changed.json()["text"] == "Very first"
    assert api.delete(f"{STEPS}/{added.json()['id']}").status_code == 204
    steps = api.get(f"{POLICIES}/{policy['id']}").json()["steps"]
    assert [step["text"] for step in steps] == ["Hi!", "Still there?"]


def test_a_reader_cannot_write_policies(client_of, policy):
    reader = client_of("campaigns:read")
    assert reader.patch(f"{POLICIES}/{policy['id']}", {"patience": 1}).status_code == 403
    assert CallbackPolicy.objects.get().patience.total_seconds() == 600


def test_callbacks_show_what_became_of_them(db, api, django_assert_num_queries):
    sent, refused = DropOutBuilder(), DropOutBuilder()
    message = OutboundBuilder(conversation=sent.conversation, status="delivered")
    decision = Decision.objects.create(
        contact=refused.conversation.contact,
        conversation=refused.conversation,
        stage="plan",
        verdict="refuse",
        reason="holdout",
        decided_at=NOW,
    )
    common = {"position": 1, "policy_revision": 1, "planned_at": NOW, "ideal_at": NOW}
    sent.callbacks.create(message=message, **common)
    refused.callbacks.create(decision=decision, **common)
    with django_assert_num_queries(3):  # the key, its use, the rows
        rows = api.get(CALLBACKS).json()["results"]
    assert [(row["status"], row["reason"]) for row in rows] == [("refused", "holdout"), ("delivered", "")]
    assert rows[1]["contact"] == str(sent.conversation.contact_id)
    for query, expected in {
        "status=refused": [rows[0]],
        "status=delivered": [rows[1]],
        f"campaign={sent.conversation.campaign_id}": [rows[1]],
        f"conversation={refused.conversation_id}": [rows[0]],
    }.items():
        assert api.get(f"{CALLBACKS}?{query}").json()["results"] == expected
