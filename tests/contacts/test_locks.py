"""An opt-out and a send's flip take turns at the contact row: PostgreSQL decides who was first."""

from threading import Event, Thread

import pytest
from django.db import OperationalError, connection, transaction

from contacts.consent import consent_state
from contacts.models import Contact
from contacts.optout import optout_record, review_raise
from contacts.suppression import suppressed_contact_ids, suppression_add
from tests.builders.contacts import NOW, PhoneBuilder

pytestmark = pytest.mark.django_db(transaction=True)


def opt_out(contact):
    optout_record(
        contact_id=contact.pk, channel="whatsapp", source="keyword", occurred_at=NOW, dedupe_key=f"stop:{contact.pk}"
    )


def suppress(contact):
    phone = contact.addresses.get().value
    suppression_add(channel="whatsapp", kind="phone", value=phone, reason="asked", actor=None)


def doubt(contact):
    review_raise(
        contact_id=contact.pk, channel="whatsapp", text="?", matched="?", message_key=f"m:{contact.pk}", now=NOW
    )


def hold_for_share(contact):
    """What the flip does: hold the row FOR SHARE, or fail at once if a writer has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM contacts_contact WHERE id = %s FOR SHARE NOWAIT", [contact.pk])


def elsewhere(work):
    """Run `work` on a connection of its own; (thread, event that it has ended)."""
    done = Event()

    def run():
        try:
            work()
        finally:
            connection.close()
            done.set()

    thread = Thread(target=run)
    thread.start()
    return thread, done


@pytest.mark.parametrize("writer", [opt_out, suppress, doubt])
def test_a_flip_cannot_pass_a_writer_that_has_not_committed(writer):
    contact = PhoneBuilder().contact
    refused = []

    def flip():
        try:
            with transaction.atomic():
                hold_for_share(contact)
        except OperationalError:
            refused.append(True)

    with transaction.atomic():
        writer(contact)
        thread, _done = elsewhere(flip)
        thread.join()
    assert refused == [True]


@pytest.mark.parametrize("writer", [opt_out, suppress, doubt])
def test_a_writer_waits_for_a_flip_that_was_first(writer):
    contact = PhoneBuilder().contact
    with transaction.atomic():
        hold_for_share(contact)
        thread, done = elsewhere(lambda: writer(contact))
        assert not done.wait(0.3)
    thread.join(10)
    assert done.is_set()


def test_what_was_committed_is_seen_by_whoever_locks_next():
    contact = PhoneBuilder().contact
    opt_out(contact)
    suppress(contact)
    with transaction.atomic():
        hold_for_share(contact)
        assert consent_state(Contact.objects.get(pk=contact.pk), "whatsapp", "marketing") == "withdrawn"
        assert suppressed_contact_ids([contact.pk], "whatsapp") == {contact.pk}


def test_two_webhooks_of_one_opt_out_make_one_line():
    contact = PhoneBuilder().contact
    threads = [elsewhere(lambda: opt_out(contact))[0] for _ in range(4)]
    for thread in threads:
        thread.join()
    assert contact.consent_events.count() == 1
