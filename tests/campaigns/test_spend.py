from datetime import date
from decimal import Decimal

import pytest

from campaigns.entry_points import SpendRow, ad_spend_record
from campaigns.errors import CampaignInvalidError
from campaigns.models import AdSpend
from tests.builders.campaigns import AdBuilder

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 17)


def row(ad, clicks=12, **more):
    values = {"impressions": 900, "amount": Decimal("350000"), "currency": "VND", **more}
    return SpendRow(entry_point_id=ad.pk, day=DAY, clicks=clicks, **values)


def test_a_later_report_replaces_the_earlier_one():
    ad = AdBuilder()
    ad_spend_record(rows=[row(ad, clicks=12)])
    ad_spend_record(rows=[row(ad, clicks=15)])
    assert AdSpend.objects.get().clicks == 15


def test_it_refuses_figures_that_cannot_be():
    ad = AdBuilder()
    for wrong in (row(ad, clicks=-1), row(ad, currency="???")):
        with pytest.raises(CampaignInvalidError):
            ad_spend_record(rows=[wrong])
    assert not AdSpend.objects.exists()
