from urllib.parse import urlsplit

import pytest

from campaigns.models import Campaign
from tests.builders.campaigns import CampaignBuilder
from tests.builders.messaging import AccountBuilder

CAMPAIGNS = "/api/v1/campaigns"


def follow(api, path, between=lambda: None):
    """All ids, page after page."""
    seen = []
    while path:
        page = api.get(path).json()
        seen += [row["id"] for row in page["results"]]
        path = page["next"] and urlsplit(page["next"])._replace(scheme="", netloc="").geturl()
        between()
    return seen


def test_pages_keep_their_place_while_rows_are_inserted(db, api):
    account = AccountBuilder()
    old = [str(CampaignBuilder(account=account).pk) for _ in range(7)]
    seen = follow(api, f"{CAMPAIGNS}?limit=2", between=lambda: CampaignBuilder(account=account))
    assert seen == list(reversed(old))
    assert Campaign.objects.count() > 7


def test_one_can_go_back(db, api):
    rows = [str(CampaignBuilder().pk) for _ in range(4)]
    second = api.get(api.get(f"{CAMPAIGNS}?limit=2").json()["next"]).json()
    first = api.get(second["previous"]).json()
    assert [row["id"] for row in first["results"]] == rows[:1:-1]


@pytest.mark.parametrize(("limit", "expected"), [("", 50), ("?limit=1000", 200), ("?limit=0", 50), ("?limit=3", 3)])
def test_the_limit_is_bounded(db, api, limit, expected):
    account = AccountBuilder()
    CampaignBuilder.create_batch(205, account=account)
    assert len(api.get(CAMPAIGNS + limit).json()["results"]) == expected


def test_an_invented_cursor_and_an_invalid_filter_are_refused(db, api):
    assert api.get(f"{CAMPAIGNS}?cursor=abc").status_code == 404
    answer = api.get(f"{CAMPAIGNS}?status=flying")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/status"
