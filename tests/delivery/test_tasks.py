from datetime import timedelta

import pytest
from django.utils import timezone

from conversations.models import Message
from delivery import tasks
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import PhoneBuilder
from tests.builders.conversations import ConversationBuilder, OutboundBuilder
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.mark.parametrize("task", [tasks.dispatch_due_task, tasks.dispatch_urgent_task])
def test_a_wake_up_sends_what_is_due_now_and_any_other_finds_nothing(provider, task):
    now = timezone.now()
    campaign = CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url))
    conversation = ConversationBuilder(campaign=campaign, service_window_ends_at=now + timedelta(hours=1))
    PhoneBuilder(contact=conversation.contact)
    message = OutboundBuilder(
        conversation=conversation, origin=Message.Origin.REPLY, purpose="service", due_at=now,
        expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    for _ in range(3):
        task()
    tasks.attempts_reap_task()
    tasks.attempts_reconcile_task()
    tasks.messages_expire_task()
    message.refresh_from_db()
    assert message.status == Message.Status.ACCEPTED
    assert len(provider.received) == 1
