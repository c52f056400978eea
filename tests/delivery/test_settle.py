from datetime import timedelta

import pytest

from conversations.models import Conversation, Message
from delivery.errors import NotUnclearError
from delivery.models import Attempt
from delivery.settle import TIME_TO_LIVE, attempts_reap, attempts_reconcile, message_resolve, messages_expire
from messaging.models import ChannelAccount
from tests.builders.contacts import NOW
from tests.builders.conversations import OutboundBuilder

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def unclear(status="unconfirmed", **given) -> Message:
    message = OutboundBuilder(status=status, fence=1, **given)
    Attempt.objects.create(message=message, fence=1, ref=f"{message.pk.hex}.1", state="unknown", started_at=NOW)
    return message


def test_a_person_says_that_it_was_sent():
    message = unclear()
    message_resolve(message_id=message.pk, verdict="sent", actor=None, now=LATER)
    message.refresh_from_db()
    assert (message.status, message.sent_at) == ("accepted", NOW)
    assert Attempt.objects.get().state == "accepted"
    assert Conversation.objects.get(pk=message.conversation_id).last_outbound_at == NOW


def test_a_person_says_that_it_was_not_sent_and_nothing_is_sent_by_itself():
    message = unclear()
    message_resolve(message_id=message.pk, verdict="not_sent", actor=None, now=LATER)
    message.refresh_from_db()
    assert (message.status, message.reason) == ("cancelled", "resolved_not_sent")
    assert Attempt.objects.get().state == "abandoned"


def test_what_has_become_clear_cannot_be_decided_about():
    message = unclear(status="delivered")
    with pytest.raises(NotUnclearError):
        message_resolve(message_id=message.pk, verdict="sent", actor=None, now=LATER)


def test_only_the_two_verdicts_are_known():
    message = unclear()
    with pytest.raises(NotUnclearError):
        message_resolve(message_id=message.pk, verdict="perhaps", actor=None, now=LATER)


def test_a_lease_that_lives_is_left_alone():
    message = OutboundBuilder(status="inflight", fence=1, lease_until="2999-01-01T00:00Z")
    assert attempts_reap() == 0
    message.refresh_from_db()
    assert message.status == "inflight"


def test_a_failed_status_settles_the_attempt_it_belongs_to():
    message = unclear(status="failed")
    attempts_reconcile(now=LATER)
    assert Attempt.objects.get(message=message).state == "accepted"


def test_what_waits_on_a_paused_account_expires_all_the_same():
    message = OutboundBuilder(expires_at=NOW)
    ChannelAccount.objects.update(status="paused")
    attempts_reconcile(now=NOW)
    message.refresh_from_db()
    assert (message.status, message.reason) == ("expired", "expired")


def test_a_message_nobody_reports_about_is_closed_after_its_time_to_live():
    old = OutboundBuilder(status="sent", sent_at=NOW)
    fresh = OutboundBuilder(status="sent", sent_at=NOW + timedelta(days=1))
    assert messages_expire(now=NOW + TIME_TO_LIVE + timedelta(hours=1)) == 1
    old.refresh_from_db()
    fresh.refresh_from_db()
    assert (old.status, fresh.status) == ("expired", "sent")
