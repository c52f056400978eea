"""The ledger only grows, and the state beside the contact is what it says."""

import itertools
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from contacts.consent import consent_record, consent_state
from contacts.errors import AlreadyRecordedError, ReviewDecidedError
from contacts.models import ConsentEvent, Contact, OptOutReview, Suppression
from contacts.optout import confirmation_text, optout_record, review_decide, review_raise
from contacts.suppression import suppressed_contact_ids, suppression_add, suppression_lift
from tests.builders.contacts import NOW, ContactBuilder, PhoneBuilder

pytestmark = pytest.mark.django_db


def record(contact, action, at, key):
    return consent_record(
        contact_id=contact.pk,
        channel="whatsapp",
        purpose="marketing",
        action=action,
        source="api",
        occurred_at=at,
        dedupe_key=key,
    )


def state(contact):
    return consent_state(Contact.objects.get(pk=contact.pk), "whatsapp", "marketing")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_state_follows_the_events_own_times_in_whatever_order_they_arrive(order):
    contact = ContactBuilder(consent_granted=[])
    events = [("granted", NOW), ("withdrawn", NOW + timedelta(hours=1)), ("granted", NOW + timedelta(hours=2))]
    for index in order:
        record(contact, *events[index], f"{contact.pk}:{index}")
    assert state(contact) == "granted"


@pytest.mark.parametrize("order", [("granted", "withdrawn"), ("withdrawn", "granted")])
def test_at_the_very_same_time_the_withdrawal_wins(order):
    contact = ContactBuilder(consent_granted=[])
    for action in order:
        record(contact, action, NOW, f"{contact.pk}:{action}")
    assert state(contact) == "withdrawn"


def test_an_expired_consent_is_neither_granted_nor_withdrawn():
    contact = ContactBuilder(consent_granted=[])
    record(contact, "granted", NOW, "g")
    record(contact, "expired", NOW + timedelta(days=365), "e")
    assert state(contact) == ""


def test_the_same_event_twice_is_one_line():
    contact = ContactBuilder(consent_granted=[])
    assert record(contact, "withdrawn", NOW, "k").pk == record(contact, "withdrawn", NOW, "k").pk
    assert ConsentEvent.objects.count() == 1


def test_the_database_refuses_to_change_or_remove_a_line():
    event = record(ContactBuilder(), "granted", NOW, "k")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ConsentEvent.objects.filter(pk=event.pk).update(action="withdrawn")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ConsentEvent.objects.filter(pk=event.pk)._raw_delete("default")
    assert ConsentEvent.objects.get().action == "granted"


def test_a_case_under_review_holds_sends_until_a_person_has_decided(django_user_model):
    contact = ContactBuilder(consent_granted=["whatsapp:marketing"])
    an = django_user_model.objects.create_user("an")
    review = review_raise(
        contact_id=contact.pk, channel="whatsapp", text="dung", matched="dung", message_key="m1", now=NOW
    )
    review_raise(contact_id=contact.pk, channel="whatsapp", text="dung", matched="dung", message_key="m1", now=NOW)
    contact.refresh_from_db()
    assert contact.reviews_open == 1
    review_decide(review_id=review.pk, verdict=OptOutReview.Verdict.OPT_OUT, actor=an, now=NOW)
    contact.refresh_from_db()
    assert contact.reviews_open == 0
    assert state(contact) == "withdrawn"
    with pytest.raises(ReviewDecidedError):
        review_decide(review_id=review.pk, verdict=OptOutReview.Verdict.NOT_OPT_OUT, actor=an, now=NOW)


def test_a_suppressed_number_is_kept_as_a_hash_and_found_in_any_spelling():
    phone = PhoneBuilder(value="+84901234567")
    other = PhoneBuilder()
    suppression = suppression_add(
        channel="whatsapp", kind="phone", value="0901 234 567", reason="complaint", actor=None
    )
    assert "901234567" not in "".join(map(str, Suppression.objects.values_list()[0]))
    assert suppressed_contact_ids([phone.contact_id, other.contact_id], "whatsapp") == {phone.contact_id}
    suppression_lift(suppression_id=suppression.pk)
    assert suppressed_contact_ids([phone.contact_id], "whatsapp") == set()


@pytest.mark.parametrize("language", ["vi", "en", "es-US", "pt_BR".replace("_", "-"), "fr", "de"])
def test_a_confirmation_names_the_business_and_the_way_back(language):
    text = confirmation_text(language, kind="stop", business_name="Kim Hoàn")
    assert text.startswith("Kim Hoàn")
    assert any(word in text for word in ("START", "DK", "ALTA", "VOLTAR", "DEBUT"))


def test_an_opt_out_by_keyword_withdraws_marketing_only():
    contact = ContactBuilder(consent_granted=["whatsapp:marketing", "whatsapp:service"])
    optout_record(
        contact_id=contact.pk, channel="whatsapp", source="keyword", occurred_at=NOW, dedupe_key="o", wording="STOP"
    )
    contact.refresh_from_db()
    assert contact.consent_withdrawn == ["whatsapp:marketing"]
    assert contact.consent_granted == ["whatsapp:service"]


def test_a_grant_dated_in_the_future_does_not_outrank_a_later_withdrawal():
    contact = ContactBuilder(consent_granted=[])
    record(contact, "granted", timezone.now() + timedelta(days=365), "grant")
    assert state(contact) == "granted"
    record(contact, "withdrawn", timezone.now(), "stop")
    assert state(contact) == "withdrawn"


def test_a_key_used_for_somebody_else_is_refused_and_no_opt_out_is_lost_in_it():
    first, second = ContactBuilder(), ContactBuilder()
    record(first, "withdrawn", NOW, "same")
    with pytest.raises(AlreadyRecordedError):
        record(second, "withdrawn", NOW, "same")
    with pytest.raises(AlreadyRecordedError):
        record(first, "granted", NOW, "same")
    assert (state(first), state(second)) == ("withdrawn", "granted")


def test_forgetting_a_user_keeps_what_they_recorded(django_user_model):
    clerk = django_user_model.objects.create_user("clerk")
    contact = ContactBuilder()
    event = consent_record(
        contact_id=contact.pk,
        channel="whatsapp",
        purpose="marketing",
        action="withdrawn",
        source="admin",
        occurred_at=NOW,
        dedupe_key="by clerk",
        actor=clerk,
    )
    clerk.delete()
    event.refresh_from_db()
    assert (event.actor, event.action) == (None, "withdrawn")


def test_a_plain_stop_answers_what_was_waiting_for_review():
    contact = ContactBuilder()
    review = review_raise(
        contact_id=contact.pk, channel="whatsapp", text="please don't", matched="x", message_key="m1", now=NOW
    )
    later = review_raise(
        contact_id=contact.pk,
        channel="whatsapp",
        text="cancel?",
        matched="x",
        message_key="m2",
        now=NOW + timedelta(hours=2),
    )
    optout_record(
        contact_id=contact.pk,
        channel="whatsapp",
        source="keyword",
        occurred_at=NOW + timedelta(hours=1),
        dedupe_key="m3",
    )
    review.refresh_from_db()
    later.refresh_from_db()
    contact.refresh_from_db()
    assert (review.verdict, later.verdict, contact.reviews_open) == ("opt_out", "", 1)


LINES = st.lists(
    st.tuples(st.sampled_from(["granted", "withdrawn", "expired"]), st.integers(0, 4)), min_size=1, max_size=6
)


class TestLedger(TestCase):
    @given(LINES, st.randoms(use_true_random=False))
    @hypothesis_settings(max_examples=25)
    def test_the_state_does_not_depend_on_the_order_of_arrival(self, lines, random):
        contact = ContactBuilder(consent_granted=[])
        arrivals = list(enumerate(lines))
        random.shuffle(arrivals)
        for index, (action, hour) in arrivals:
            record(contact, action, NOW - timedelta(days=30) + timedelta(hours=hour), f"{contact.pk}:{index}")
        newest = max(hour for _action, hour in lines)
        said = {action for action, hour in lines if hour == newest}
        expected = "withdrawn" if "withdrawn" in said else "" if "expired" in said else "granted"
        assert state(contact) == expected
