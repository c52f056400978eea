import pytest
from django.contrib.auth.models import User

from campaigns.models import AdSpend, Campaign, EntryPoint
from tests.builders.campaigns import AdBuilder, CampaignBuilder, LinkBuilder
from tests.builders.messaging import AccountBuilder

CAMPAIGNS, DOORS, POLICIES = "/api/v1/campaigns", "/api/v1/entry-points", "/api/v1/policies"


@pytest.fixture
def draft(db, api):
    """A campaign as the API makes it, with a link and a policy: ready to be submitted."""
    made = api.post(
        CAMPAIGNS,
        {
            "name": "Tết collection",
            "account": str(AccountBuilder().pk),
            "budget": "5000000",
            "currency": "VND",
            "attribution_window": 3600,
            "ends_at": "2099-02-01T00:00:00Z",
        },
    )
    assert made.status_code == 201, made.content
    campaign = made.json()
    door = api.post(DOORS, {"campaign": campaign["id"], "kind": "link", "name": "Bio link", "prefilled_text": "Chào"})
    assert door.status_code == 201, door.content
    policy = api.post(
        POLICIES,
        {"campaign": campaign["id"], "patience": 7200, "steps": [{"delay": 0, "text": "Chào {{ contact.name }}!"}]},
    )
    assert policy.status_code == 201, policy.content
    return campaign["id"]


def act(api, campaign, step, body=None):
    return api.post(f"{CAMPAIGNS}/{campaign}/{step}", body or {})


def approve(api, campaign):
    revision = api.get(f"{CAMPAIGNS}/{campaign}").json()["revision"]
    return act(api, campaign, "approve", {"revision": revision})


def test_a_campaign_says_times_in_utc_money_as_text_and_durations_in_seconds(api, draft):
    campaign = api.get(f"{CAMPAIGNS}/{draft}").json()
    assert campaign["budget"] == "5000000.00"
    assert campaign["currency"] == "VND"
    assert campaign["ends_at"] == "2099-02-01T00:00:00Z"
    assert campaign["attribution_window"] == 3600
    assert campaign["status"] == "draft"


def test_a_campaign_is_submitted_approved_by_another_key_run_paused_and_ended(api, client_of, draft):
    other = client_of("campaigns:read", "campaigns:approve")
    assert act(api, draft, "submit").json()["status"] == "submitted"
    assert approve(other, draft).json()["status"] == "approved"
    assert act(api, draft, "start").json()["status"] == "running"
    assert act(api, draft, "pause", {"reason": "sold out"}).json()["pause_reason"] == "sold out"
    assert act(api, draft, "resume").json()["status"] == "running"
    assert act(api, draft, "end").json()["status"] == "ended"
    events = api.get(f"{CAMPAIGNS}/{draft}/events").json()
    actions = [event["action"] for event in events]
    assert actions[:6] == ["ended", "resumed", "paused", "started", "approved", "submitted"]
    approver = next(event["actor"] for event in events if event["action"] == "approved")
    assert approver.startswith("api-")
    assert approver != events[0]["actor"]


def test_the_key_that_edited_may_not_approve_even_where_people_may(api, draft, settings):
    act(api, draft, "submit")
    for allowed in (False, True):
        settings.ALLOW_SELF_APPROVAL = allowed
        refused = approve(api, draft)
        assert refused.status_code == 409
        assert refused.json()["type"] == "urn:rekindle:problem:approval-refused"


def test_a_second_key_of_the_same_person_is_not_another_person(client_of, draft, db):
    lan = User.objects.create(username="lan")
    editor, approver = client_of(created_by=lan), client_of(created_by=lan)
    editor.patch(f"{CAMPAIGNS}/{draft}", {"goal": "Sell rings"})
    act(editor, draft, "submit")
    assert approve(approver, draft).status_code == 409
    assert approve(client_of(), draft).status_code == 200


def test_approval_has_its_own_scope_and_names_the_revision_that_was_read(client_of, api, draft):
    act(api, draft, "submit")
    writer = client_of("campaigns:read", "campaigns:write", "campaigns:run")
    assert approve(writer, draft).status_code == 403
    approver = client_of("campaigns:approve")
    assert act(approver, draft, "approve", {"revision": 1}).json()["type"] == "urn:rekindle:problem:revision"
    assert act(approver, draft, "approve").status_code == 400
    assert act(approver, draft, "reject", {"note": "No holdout?"}).json()["status"] == "draft"


def test_an_edit_of_a_running_campaign_pauses_it_and_voids_the_approval(db, api):
    campaign = CampaignBuilder()
    edited = api.patch(f"{CAMPAIGNS}/{campaign.pk}", {"goal": "More"}).json()
    assert edited["status"] == "paused"
    assert edited["revision"] != edited["approved_revision"]


def test_what_the_life_cycle_owns_cannot_be_written(db, api):
    campaign = CampaignBuilder(status=Campaign.Status.DRAFT)
    answer = api.patch(f"{CAMPAIGNS}/{campaign.pk}", {"status": "running", "approved_revision": 1, "revision": 9})
    assert answer.status_code == 200
    campaign.refresh_from_db()
    assert (campaign.status, campaign.revision) == ("draft", 1)


def test_campaigns_are_filtered(db, api):
    running, paused = CampaignBuilder(name="Nhẫn"), CampaignBuilder(status=Campaign.Status.PAUSED)
    found = api.get(f"{CAMPAIGNS}?status=running&name=nhẫn&account={running.account_id}").json()["results"]
    assert [row["id"] for row in found] == [str(running.pk)]
    assert api.get(f"{CAMPAIGNS}?account={paused.account_id}&status=running").json()["results"] == []


def test_a_link_has_an_address_and_a_code_in_two_forms(api, draft, settings):
    door = api.get(f"{DOORS}?campaign={draft}").json()["results"][0]
    token = EntryPoint.objects.get().token
    assert door["url"] == f"{settings.PUBLIC_URL}/c/{token}/"
    svg, png = api.get(f"{DOORS}/{door['id']}/qr.svg"), api.get(f"{DOORS}/{door['id']}/qr.png", HTTP_ACCEPT="image/png")
    assert svg["Content-Type"] == "image/svg+xml"
    assert b"<svg" in svg.content
    assert png["Content-Type"] == "image/png"
    assert png.content.startswith(b"\x89PNG")


def test_an_ad_needs_its_id_once_and_has_no_code(db, api):
    ad = AdBuilder()
    campaign = str(ad.campaign_id)
    assert api.get(f"{DOORS}/{ad.pk}/qr.svg").status_code == 404
    assert api.get(f"{DOORS}/{ad.pk}").json()["url"] == ""
    without = api.post(DOORS, {"campaign": campaign, "kind": "ad", "name": "Ad"})
    assert (without.status_code, without.json()["errors"][0]["pointer"]) == (422, "#/ad_id")
    taken = api.post(DOORS, {"campaign": campaign, "kind": "ad", "name": "Ad", "ad_id": ad.ad_id})
    assert taken.json()["type"] == "urn:rekindle:problem:ad-id-taken"


def test_a_door_keeps_its_kind_and_campaign(db, api):
    link = LinkBuilder()
    answer = api.patch(f"{DOORS}/{link.pk}", {"name": "New", "kind": "ad", "campaign": str(CampaignBuilder().pk)})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["kind"]) == ("New", "link")
    assert answer.json()["campaign"] == str(link.campaign_id)


def test_spend_is_put_per_day_and_a_later_report_replaces_it(db, api):
    ad = AdBuilder()
    path = f"{DOORS}/{ad.pk}/spend"
    day = {"impressions": 1000, "clicks": 40, "amount": "120.50", "currency": "USD"}
    first = api.put(f"{path}/2026-11-20", day)
    assert first.json() == {"day": "2026-11-20", **day}
    api.put(f"{path}/2026-11-20", {**day, "clicks": 41})
    assert AdSpend.objects.get().clicks == 41
    assert [row["clicks"] for row in api.get(path).json()["results"]] == [41]
    assert api.put(f"{path}/2026-13-40", day).status_code == 400
    assert api.put(f"{path}/2026-11-21", {**day, "currency": "QQQ"}).status_code == 422
    assert api.put(f"{path}/2026-11-21", {"clicks": 1}).status_code == 400


@pytest.mark.parametrize("path", [CAMPAIGNS, DOORS])
def test_a_list_costs_the_same_queries_for_one_row_and_for_many(
    db, api, path, django_assert_max_num_queries, django_assert_num_queries
):
    LinkBuilder()
    api.get(path)
    with django_assert_num_queries(2):  # the key, the rows
        api.get(path)
    for _ in range(5):
        LinkBuilder()
    with django_assert_num_queries(2):
        assert len(api.get(path).json()["results"]) == 6
