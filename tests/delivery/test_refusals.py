"""What must never leave, whoever asks for it."""

from datetime import timedelta

import pytest

from contacts.models import consent_key
from conversations.models import Conversation, Message
from delivery.dispatch import dispatch_due
from delivery.services import test_send as send_test
from tests.builders.contacts import NOW, ContactBuilder, PhoneBuilder
from tests.builders.conversations import ConversationBuilder
from tests.builders.messaging import AccountBuilder, TemplateBuilder

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
WITHDRAWN = [consent_key("whatsapp", "marketing")]


def dispatch():
    return dispatch_due(clock=lambda: NOW)


def send_template(contact, account, **template):
    return send_test(
        account=account,
        to=contact.addresses.get().value,
        actor=None,
        now=NOW,
        dedupe_key=f"test:{contact.pk}",
        template=TemplateBuilder(account=account, **template),
        values={"body.1": "Lan"},
    )


@pytest.mark.parametrize("window", ["open", "closed"])
def test_a_test_send_does_not_bring_marketing_to_somebody_who_opted_out(provider, window):
    account = AccountBuilder(token="t", base_url=provider.url)
    # "Service" was agreed to: it must not open a way for marketing.
    contact = ContactBuilder(consent_granted=[consent_key("whatsapp", "service")], consent_withdrawn=WITHDRAWN)
    PhoneBuilder(contact=contact)
    if window == "open":
        ConversationBuilder(contact=contact, campaign=None, account=account)
    message = send_template(contact, account)
    dispatch()
    message.refresh_from_db()
    assert provider.received == []
    assert (message.status, message.reason) == (Message.Status.SUPPRESSED, "opted_out")


def test_a_test_send_of_a_marketing_template_outside_the_window_needs_marketing_consent(provider):
    account = AccountBuilder(token="t", base_url=provider.url)
    contact = ContactBuilder(consent_granted=[consent_key("whatsapp", "service")])
    PhoneBuilder(contact=contact)
    message = send_template(contact, account)
    dispatch()
    message.refresh_from_db()
    assert provider.received == []
    assert message.reason == "no_consent"


def test_a_utility_template_still_reaches_somebody_who_wants_no_marketing(provider):
    account = AccountBuilder(token="t", base_url=provider.url)
    contact = ContactBuilder(consent_granted=[], consent_withdrawn=WITHDRAWN)
    PhoneBuilder(contact=contact)
    conversation = ConversationBuilder(contact=contact, campaign=None, account=account)
    Conversation.objects.filter(pk=conversation.pk).update(service_window_ends_at=NOW - timedelta(hours=1))
    send_template(contact, account, category="UTILITY")
    dispatch()
    assert len(provider.received) == 1
