"""From a draft to its end, with another person's approval in between."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from campaigns import services
from campaigns.entry_points import entry_point_create, entry_point_update
from campaigns.errors import ApprovalRefusedError, CampaignInvalidError, CampaignStateError
from campaigns.models import Campaign, CampaignEvent
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db


def act(name, campaign, actor, /, **more):
    return getattr(services, f"campaign_{name}")(campaign_id=campaign.pk, actor=actor, now=NOW, **more)


def run(campaign, editor, approver):
    act("submit", campaign, editor)
    act("approve", campaign, approver)
    return act("start", campaign, editor)


def test_it_lives_from_draft_to_end_and_leaves_a_trail(draft, lan, minh):
    run(draft, lan, minh)
    act("pause", draft, lan, reason="Out of stock")
    assert Campaign.objects.get().pause_reason == "Out of stock"
    act("resume", draft, lan)
    ended = act("end", draft, lan)

    assert ended.status == "ended"
    trail = list(CampaignEvent.objects.order_by("id").values_list("action", "actor__username"))
    assert trail == [
        ("created", "lan"),
        ("edited", "lan"),  # the link
        ("edited", "lan"),  # the policy
        ("submitted", "lan"),
        ("approved", "minh"),
        ("started", "lan"),
        ("paused", "lan"),
        ("resumed", "lan"),
        ("ended", "lan"),
    ]


def test_it_is_not_approved_by_somebody_who_edited_it(draft, lan, minh):
    act("update", draft, minh, goal="Sell more")
    act("submit", draft, lan)

    for editor in (lan, minh):
        with pytest.raises(ApprovalRefusedError):
            act("approve", draft, editor)
    with pytest.raises(ApprovalRefusedError):
        act("approve", draft, None)
    assert Campaign.objects.get().status == "submitted"


def test_it_asks_only_about_edits_since_the_last_approval(draft, lan, minh):
    run(draft, lan, minh)
    act("update", draft, minh, goal="Sell more")
    act("submit", draft, minh)

    with pytest.raises(ApprovalRefusedError):
        act("approve", draft, minh)
    assert act("approve", draft, lan).status == "approved"  # Lan's own edits were approved long ago


def test_it_lets_a_business_of_one_approve_its_own_when_told_so(draft, lan, settings):
    settings.ALLOW_SELF_APPROVAL = True
    assert run(draft, lan, lan).status == "running"


def test_it_pauses_and_voids_the_approval_when_a_running_campaign_is_edited(draft, lan, minh):
    run(draft, lan, minh)

    edited = act("update", draft, lan, greeting="Chào {{ contact.name }}")

    assert (edited.status, edited.approved_revision == edited.revision) == ("paused", False)
    with pytest.raises(CampaignStateError):
        act("resume", draft, lan)
    assert run(draft, lan, minh).status == "running"


def test_an_edit_below_the_campaign_voids_its_approval_too(draft, lan, minh):
    run(draft, lan, minh)
    entry_point_update(entry_point_id=draft.entry_points.get().pk, actor=lan, now=NOW, prefilled_text="Xin chào")
    assert Campaign.objects.get().status == "paused"


def test_saving_what_is_already_there_keeps_the_approval(draft, lan, minh):
    run(draft, lan, minh)
    act("update", draft, lan, name=draft.name)
    entry_point_update(entry_point_id=draft.entry_points.get().pk, actor=lan, now=NOW, prefilled_text="Chào")
    assert Campaign.objects.get().status == "running"


def test_an_edit_of_a_submitted_or_approved_campaign_makes_it_a_draft_again(draft, lan, minh):
    act("submit", draft, lan)
    assert act("update", draft, lan, goal="a").status == "draft"
    act("submit", draft, lan)
    act("approve", draft, minh)
    assert act("update", draft, lan, goal="b").status == "draft"
    with pytest.raises(CampaignStateError):
        act("start", draft, lan)


def test_the_approver_approves_what_they_read(draft, lan, minh):
    read = act("submit", draft, lan).revision
    act("update", draft, lan, goal="Something else")
    act("submit", draft, lan)
    with pytest.raises(ApprovalRefusedError):
        act("approve", draft, minh, revision=read)


def test_it_is_rejected_with_a_reason(draft, lan, minh):
    act("submit", draft, lan)
    with pytest.raises(CampaignInvalidError):
        act("reject", draft, minh, note=" ")
    assert act("reject", draft, minh, note="Wrong price").status == "draft"
    assert CampaignEvent.objects.filter(action="rejected", note="Wrong price", actor=minh).exists()


def test_an_ended_campaign_stays_as_it_is(draft, lan, minh):
    run(draft, lan, minh)
    act("end", draft, lan)
    for name, more in [("update", {"goal": "x"}), ("touch", {}), ("pause", {}), ("resume", {}), ("submit", {})]:
        with pytest.raises(CampaignStateError):
            act(name, draft, lan, **more)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("currency", "XYZ"),
        ("time_zone", "Mars/Olympus"),
        ("language", "klingon-x"),
        ("ends_at", NOW - timedelta(days=3)),
        ("budget", Decimal(-1)),
        ("holdout_percent", Decimal(51)),
        ("attribution_window", timedelta(0)),
        ("greeting", "Hi {{ contact.name"),
        ("greeting", "Hi {{ contact.password }}"),
        ("greeting", "{% include 'x' %}"),
    ],
)
def test_it_names_the_field_that_is_wrong(draft, lan, field, value):
    with pytest.raises(CampaignInvalidError) as error:
        act("update", draft, lan, **{"starts_at": NOW, field: value})
    assert error.value.field == field


def test_it_is_not_submitted_without_a_door_and_a_policy(lan):
    campaign = services.campaign_create(actor=lan, now=NOW, name="Empty", account=AccountBuilder())
    with pytest.raises(CampaignInvalidError) as error:
        act("submit", campaign, lan)
    assert error.value.field == "entry_points"
    entry_point_create(campaign_id=campaign.pk, actor=lan, now=NOW, kind="ad", name="Ad", ad_id="120")
    with pytest.raises(CampaignInvalidError) as error:
        act("submit", campaign, lan)
    assert error.value.field == "policy"


def test_an_ad_id_belongs_to_one_entry_point(draft, lan):
    entry_point_create(campaign_id=draft.pk, actor=lan, now=NOW, kind="ad", name="Ad", ad_id="120")
    with pytest.raises(CampaignInvalidError) as error:
        entry_point_create(campaign_id=draft.pk, actor=lan, now=NOW, kind="ad", name="Ad again", ad_id="120")
    assert error.value.code == "ad_id_taken"


def test_it_starts_and_ends_by_its_dates(draft, lan, minh):
    act("update", draft, lan, starts_at=NOW + timedelta(hours=1), ends_at=NOW + timedelta(days=1))
    act("submit", draft, lan)
    act("approve", draft, minh)

    seen = []
    for later in (0, 2, 25):
        services.campaigns_by_date(now=NOW + timedelta(hours=later))
        seen.append(Campaign.objects.get().status)
    assert seen == ["approved", "running", "ended"]


@pytest.mark.django_db(transaction=True)
def test_a_pause_waits_for_a_send_that_holds_the_campaign(draft, lan, minh):
    """The send path holds the row FOR SHARE at its flip; a pause commits before it or after it, never in between."""
    run(draft, lan, minh)
    paused = threading.Event()

    def pause():
        act("pause", draft, lan)
        paused.set()
        connection.close()

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM campaigns_campaign WHERE id = %s FOR SHARE", [draft.pk])
        thread = threading.Thread(target=pause)
        thread.start()
        assert not paused.wait(0.3)
    thread.join(5)
    assert paused.is_set()
