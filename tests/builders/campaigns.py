from datetime import timedelta

import factory

from campaigns.models import Campaign, EntryPoint
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder


class CampaignBuilder(factory.django.DjangoModelFactory[Campaign]):
    """A running, approved campaign without a holdout."""

    class Meta:
        model = Campaign

    name = factory.Sequence(lambda n: f"Tết collection {n}")
    account = factory.SubFactory(AccountBuilder)
    status = Campaign.Status.RUNNING
    starts_at = NOW - timedelta(days=1)
    holdout_percent = 0
    revision = 1
    approved_revision = 1
    approved_at = NOW - timedelta(days=1)


class AdBuilder(factory.django.DjangoModelFactory[EntryPoint]):
    class Meta:
        model = EntryPoint

    campaign = factory.SubFactory(CampaignBuilder)
    kind = EntryPoint.Kind.AD
    name = factory.Sequence(lambda n: f"Ad {n}")
    ad_id = factory.Sequence(lambda n: f"1202{n:011d}")


class LinkBuilder(factory.django.DjangoModelFactory[EntryPoint]):
    class Meta:
        model = EntryPoint

    campaign = factory.SubFactory(CampaignBuilder)
    kind = EntryPoint.Kind.LINK
    name = factory.Sequence(lambda n: f"Link {n}")
    token = factory.Sequence(lambda n: f"tok{n:08d}")
    prefilled_text = "Xin chào"
