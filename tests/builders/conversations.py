from datetime import timedelta

import factory

from contacts.models import Purpose
from conversations.models import Conversation, DropOut, Message
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import NOW, ContactBuilder


class ConversationBuilder(factory.django.DjangoModelFactory[Conversation]):
    """Open, attributed; they wrote an hour ago, we answered, and it has been quiet since."""

    class Meta:
        model = Conversation

    contact = factory.SubFactory(ContactBuilder)
    campaign = factory.SubFactory(CampaignBuilder)
    account = factory.SelfAttribute("campaign.account")
    attribution = Conversation.Attribution.REFERENCE
    opened_at = NOW - timedelta(hours=1)
    turn = 1
    last_inbound_at = NOW - timedelta(hours=1)
    last_outbound_at = NOW - timedelta(minutes=59)
    service_window_ends_at = NOW + timedelta(hours=23)
    holdout = False


class OutboundBuilder(factory.django.DjangoModelFactory[Message]):
    """A warm callback, due now, with words for both sides of the window's end."""

    class Meta:
        model = Message

    conversation = factory.SubFactory(ConversationBuilder)
    contact = factory.SelfAttribute("conversation.contact")
    account = factory.SelfAttribute("conversation.account")
    campaign = factory.SelfAttribute("conversation.campaign")
    direction = Message.Direction.OUT
    origin = Message.Origin.CALLBACK
    status = Message.Status.SCHEDULED
    purpose = Purpose.MARKETING
    occurred_at = NOW
    text = "Chào bạn!"
    content_free = factory.LazyFunction(lambda: {"text": "Chào bạn!", "buttons": []})
    dedupe_key = factory.Sequence(lambda n: f"test:{n}")
    turn = 1
    due_at = NOW
    expires_at = NOW + timedelta(days=1)


class DropOutBuilder(factory.django.DjangoModelFactory[DropOut]):
    class Meta:
        model = DropOut

    conversation = factory.SubFactory(ConversationBuilder)
    episode = 1
    turn = 1
    silent_since = NOW - timedelta(minutes=59)
    detected_at = NOW
    plan_at = NOW
