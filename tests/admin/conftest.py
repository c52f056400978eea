from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from access.roles import ROLES
from tests.builders.campaigns import AdBuilder, CampaignBuilder, LinkBuilder
from tests.builders.contacts import NOW, ContactBuilder, PhoneBuilder
from tests.builders.conversations import ConversationBuilder, DropOutBuilder, OutboundBuilder
from tests.builders.messaging import AccountBuilder, TemplateBuilder


@pytest.fixture(autouse=True)
def _no_static_scan(settings):
    """Every test client would look through all static files first."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]


@pytest.fixture
def member(db):
    """A signed-in person of a role: `member("agent")`."""

    def sign_in(role):
        user, _created = User.objects.get_or_create(username=role, defaults={"is_staff": True})
        user.groups.set([Group.objects.get(name=role)])
        client = Client(raise_request_exception=True)
        client.force_login(user)
        client.user = user
        return client

    return sign_in


@pytest.fixture(params=sorted(ROLES))
def anybody(request, member):
    """Each role in turn."""
    client = member(request.param)
    client.role = request.param
    return client


@pytest.fixture
def shop(db):
    """One account, one running campaign with two doors, one silent conversation with a planned callback."""
    account = AccountBuilder(name="Tiệm Kim Hoàn")
    campaign = CampaignBuilder(name="Nhẫn cưới", account=account)
    ad, link = AdBuilder(campaign=campaign), LinkBuilder(campaign=campaign)
    contact = ContactBuilder(display_name="Nguyễn Thị Lan")
    phone = PhoneBuilder(contact=contact, value="+84901234567", first_seen_at=NOW, last_seen_at=NOW)
    conversation = ConversationBuilder(contact=contact, campaign=campaign, entry_point=link)
    template = TemplateBuilder(account=account)
    outbound = OutboundBuilder(
        conversation=conversation, text="Chị Lan ơi, nhẫn vẫn còn ạ", due_at=NOW + timedelta(hours=1)
    )
    dropout = DropOutBuilder(conversation=conversation)
    return SimpleNamespace(
        account=account, campaign=campaign, ad=ad, link=link, contact=contact, phone=phone,
        conversation=conversation, template=template, outbound=outbound, dropout=dropout,
    )  # fmt: skip
