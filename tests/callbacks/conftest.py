from datetime import timedelta

import pytest

from callbacks.models import CallbackPolicy, CallbackStep
from tests.builders.contacts import NOW, PhoneBuilder
from tests.builders.conversations import ConversationBuilder


@pytest.fixture
def conversation(db):
    """They wrote an hour ago, we answered a minute later; the campaign is patient for half an hour."""
    conversation = silent()
    policy_of(conversation.campaign)
    return conversation


def silent(**more):
    """A conversation in which we spoke last, with somebody who has a phone number."""
    conversation = ConversationBuilder(**more)
    PhoneBuilder(contact=conversation.contact)
    return conversation


def policy_of(campaign, *steps, **more):
    """A policy with these steps; without any, one that says hello three hours after the drop-out."""
    policy = CallbackPolicy.objects.create(campaign=campaign, **{"patience": timedelta(minutes=30), **more})
    for position, step in enumerate(steps or [{"delay": timedelta(hours=3)}], start=1):
        CallbackStep.objects.create(
            policy=policy, position=position, **{"text": "Chào {{ contact.first_name }}!", **step}
        )
    return policy


def later(**more):
    return NOW + timedelta(**more)
