import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from access.roles import APPROVER, MARKETER
from campaigns.models import Campaign, EntryPoint
from tests.builders.campaigns import CampaignBuilder, LinkBuilder
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db
YES = {"_form_submitted": "True"}


def act(client, action, campaign, **data):
    return client.post(reverse(f"admin:campaigns_campaign_{action}", args=[campaign.pk]), YES | data)


def form_data(**fields):
    """What the add form posts: fields, an empty inline."""
    return {
        "name": "Tết", "goal": "", "language": "vi", "greeting": "", "time_zone": "Asia/Ho_Chi_Minh", "currency": "VND",
        "holdout_percent": "10", "attribution_window": "7 00:00:00", "entry_points-TOTAL_FORMS": "0",
        "entry_points-INITIAL_FORMS": "0", "events-TOTAL_FORMS": "0", "events-INITIAL_FORMS": "0",
    } | fields  # fmt: skip


def test_a_marketer_adds_a_campaign_with_an_entry_point(member):
    client = member(MARKETER)
    account = AccountBuilder()
    door = {
        "entry_points-TOTAL_FORMS": "1",
        "entry_points-0-kind": "link",
        "entry_points-0-name": "Poster",
        "entry_points-0-prefilled_text": "Xin chào",
    }
    response = client.post(reverse("admin:campaigns_campaign_add"), form_data(account=account.pk, **door))
    assert response.status_code == 302, response.context["errors"]
    campaign = Campaign.objects.get()
    assert campaign.created_by == client.user
    assert campaign.entry_points.get().token


def test_a_service_refusal_keeps_the_form_and_says_why(member):
    account = AccountBuilder()
    data = form_data(account=account.pk, currency="XXQ", name="Keep me")
    response = member(MARKETER).post(reverse("admin:campaigns_campaign_add"), data)
    assert response.status_code == 200
    assert "not a currency code" in response.content.decode()
    assert "Keep me" in response.content.decode()
    assert not Campaign.objects.exists()


def test_an_edit_after_approval_voids_it_and_says_so(member, shop):
    client = member(MARKETER)
    url = reverse("admin:campaigns_campaign_change", args=[shop.campaign.pk])
    data = form_data(account=shop.account.pk, name="New name", holdout_percent="0")
    response = client.post(url, data, follow=True)
    shop.campaign.refresh_from_db()
    assert shop.campaign.name == "New name"
    assert shop.campaign.status == Campaign.Status.PAUSED
    assert "voided the approval" in response.content.decode()


def test_who_edited_it_cannot_approve_and_reads_why(member):
    campaign = CampaignBuilder(status="submitted", approved_revision=None)
    LinkBuilder(campaign=campaign)
    client = member(APPROVER)
    campaign.edited_by.add(client.user)
    response = act(client, "approve", campaign, revision=campaign.revision)
    assert response.status_code == 200
    assert "another person has to approve it" in response.content.decode()
    campaign.refresh_from_db()
    assert campaign.status == "submitted"


def test_a_marketer_cannot_approve(member):
    campaign = CampaignBuilder(status="submitted", approved_revision=None)
    assert act(member(MARKETER), "approve", campaign, revision=1).status_code == 403


def test_pausing_asks_for_a_reason_and_stops_the_campaign(member, shop):
    client = member(APPROVER)
    assert act(client, "pause", shop.campaign).status_code == 200  # the reason is missing
    shop.campaign.refresh_from_db()
    assert shop.campaign.status == "running"
    assert act(client, "pause", shop.campaign, note="Sold out").status_code == 302
    shop.campaign.refresh_from_db()
    assert (shop.campaign.status, shop.campaign.pause_reason) == ("paused", "Sold out")


def test_htmx_is_told_to_leave_the_dialog(member, shop):
    url = reverse("admin:campaigns_campaign_pause", args=[shop.campaign.pk])
    response = member(APPROVER).post(url, YES | {"note": "x"}, headers={"HX-Request": "true"})
    assert response.headers["HX-Redirect"] == reverse("admin:campaigns_campaign_change", args=[shop.campaign.pk])


def test_opening_an_action_changes_nothing(member, shop):
    member(APPROVER).get(reverse("admin:campaigns_campaign_end", args=[shop.campaign.pk]))
    shop.campaign.refresh_from_db()
    assert shop.campaign.status == "running"


def test_the_buttons_follow_the_state(member, shop):
    page = member(APPROVER).get(reverse("admin:campaigns_campaign_change", args=[shop.campaign.pk]))
    offered = {str(action["title"]) for action in page.context["actions_detail"]}
    assert offered == {"Pause", "End"}


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_link_has_a_qr_code_to_download(member, shop, kind, start):
    url = reverse("admin:campaigns_entrypoint_qr", args=[shop.link.pk, kind])
    response = member(MARKETER).get(url, {"download": "1"})
    assert response.content.startswith(start)
    assert "attachment" in response["Content-Disposition"]


def test_an_ad_has_no_qr_code(member, shop):
    url = reverse("admin:campaigns_entrypoint_qr", args=[shop.ad.pk, "svg"])
    assert member(MARKETER).get(url).status_code == 404


def test_a_qr_code_needs_the_permission_to_see_entry_points(shop):
    user = User.objects.create(username="nobody", is_staff=True)
    client = Client()
    client.force_login(user)
    url = reverse("admin:campaigns_entrypoint_qr", args=[shop.link.pk, "svg"])
    assert client.get(url).status_code == 403
    assert Group.objects.exists()


def test_editing_an_entry_point_goes_through_its_service(member, shop):
    client = member(MARKETER)
    url = reverse("admin:campaigns_entrypoint_change", args=[shop.link.pk])
    client.post(url, {"name": "Window", "prefilled_text": "Hi", "consent_wording": "", "consent_version": ""})
    assert EntryPoint.objects.get(pk=shop.link.pk).name == "Window"
    shop.campaign.refresh_from_db()
    assert shop.campaign.approved_revision != shop.campaign.revision


def test_ad_spend_is_recorded_and_a_bad_currency_refused(member, shop):
    client = member(MARKETER)
    url = reverse("admin:campaigns_adspend_add")
    data = {"entry_point": shop.ad.pk, "day": "2026-11-18", "impressions": 1000, "clicks": 30, "amount": "12.50"}
    response = client.post(url, data | {"currency": "ZZZ"})
    assert response.status_code == 200
    assert "not a currency code" in response.content.decode()
    assert client.post(url, data | {"currency": "usd"}).status_code == 302
    assert shop.ad.spend.get().currency == "USD"
