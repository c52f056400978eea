import pytest
from django.contrib.auth.models import User

from callbacks.services import policy_save
from campaigns.entry_points import entry_point_create
from campaigns.services import campaign_create
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder


@pytest.fixture
def lan(db):
    return User.objects.create_user("lan")


@pytest.fixture
def minh(db):
    return User.objects.create_user("minh")


@pytest.fixture
def draft(lan):
    """A complete draft of Lan's: one tracked link, and a policy that calls nobody back."""
    campaign = campaign_create(actor=lan, now=NOW, name="Tết rings", account=AccountBuilder())
    entry_point_create(campaign_id=campaign.pk, actor=lan, now=NOW, kind="link", name="Poster", prefilled_text="Chào")
    policy_save(campaign_id=campaign.pk, actor=lan, now=NOW, enabled=False)
    campaign.refresh_from_db()
    return campaign
