"""Two contacts who may be one person: the strictest of both holds until somebody has looked at it."""

from datetime import timedelta

import pytest

from contacts.addresses import addresses_change, contact_identify
from contacts.conflicts import conflict_resolve
from contacts.consent import consent_record, consent_state
from contacts.models import AddressConflict, ConsentEvent, Contact
from contacts.suppression import suppressed_contact_ids, suppression_add, suppression_lift
from tests.builders.contacts import NOW

pytestmark = pytest.mark.django_db
PORTFOLIO = "700000000000001"
OLD, NEW = ("phone", "+84901234567"), ("phone", "+84907654321")
BSUID = ("bsuid", "VN.1001")
MINUTE = timedelta(minutes=1)


def identify(*addresses, now=NOW):
    return contact_identify(channel="whatsapp", portfolio_id=PORTFOLIO, addresses=addresses, name="Lan", now=now)


def say(contact, action, at):
    consent_record(
        contact_id=contact.pk, channel="whatsapp", purpose="marketing", action=action, source="keyword",
        occurred_at=at, dedupe_key=f"{contact.pk}:{action}:{at}",
    )  # fmt: skip


def state(contact):
    return consent_state(Contact.objects.get(pk=contact.pk), "whatsapp", "marketing")


def change_number(now=NOW):
    return addresses_change(channel="whatsapp", portfolio_id=PORTFOLIO, old=[OLD], new=[NEW], occurred_at=now, now=now)


def test_a_withdrawal_follows_the_person_to_a_number_that_another_contact_has():
    before, after = identify(OLD), identify(NEW)
    say(before, "withdrawn", NOW - 10 * MINUTE)
    say(after, "granted", NOW - 5 * MINUTE)
    change_number()
    assert (state(before), state(after)) == ("withdrawn", "withdrawn")
    assert ConsentEvent.objects.filter(contact=after, action="withdrawn").count() == 1


def test_the_new_numbers_withdrawal_binds_the_person_who_comes_to_it():
    before, after = identify(OLD), identify(NEW)
    say(before, "granted", NOW - 10 * MINUTE)
    say(after, "withdrawn", NOW - 5 * MINUTE)
    change_number()
    assert (state(before), state(after)) == ("withdrawn", "withdrawn")


def test_consent_is_never_shared():
    before, after = identify(OLD), identify(NEW)
    say(before, "granted", NOW - 10 * MINUTE)
    change_number()
    assert (state(before), state(after)) == ("granted", "")


def test_who_opts_out_by_one_address_is_not_written_to_by_the_other():
    by_phone, by_id = identify(OLD), identify(BSUID)
    say(by_id, "granted", NOW - 10 * MINUTE)
    identify(OLD, BSUID)  # a message that names both is taken for the phone's
    say(by_phone, "withdrawn", NOW + MINUTE)
    assert (state(by_phone), state(by_id)) == ("withdrawn", "withdrawn")


def test_agreeing_again_counts_and_is_not_undone_by_ones_own_withdrawal_coming_back():
    by_phone, by_id = identify(OLD), identify(BSUID)
    identify(OLD, BSUID)
    say(by_phone, "withdrawn", NOW + MINUTE)
    say(by_phone, "granted", NOW + 2 * MINUTE)
    conflict_resolve(conflict_id=AddressConflict.objects.get().pk, actor=None, now=NOW + 3 * MINUTE)
    identify(OLD, BSUID, now=NOW + 4 * MINUTE)
    assert (state(by_phone), state(by_id)) == ("granted", "withdrawn")


def test_a_suppressed_number_is_not_reached_through_the_other_contact():
    by_phone, by_id = identify(OLD), identify(BSUID)
    suppression = suppression_add(channel="whatsapp", kind="phone", value=OLD[1], reason="asked", actor=None)
    assert suppressed_contact_ids([by_phone.pk, by_id.pk], "whatsapp") == {by_phone.pk}
    identify(OLD, BSUID)
    assert suppressed_contact_ids([by_id.pk], "whatsapp") == {by_id.pk}
    suppression_lift(suppression_id=suppression.pk)
    assert suppressed_contact_ids([by_id.pk], "whatsapp") == set()


def test_old_news_of_a_changed_number_does_not_touch_who_got_it_since():
    before = identify(OLD)
    change_number()
    later = NOW + timedelta(days=60)
    heir = identify(OLD, now=later)
    say(heir, "withdrawn", later)
    addresses_change(
        channel="whatsapp", portfolio_id=PORTFOLIO, old=[OLD], new=[NEW], occurred_at=NOW, now=later + MINUTE
    )
    assert identify(OLD, now=later + MINUTE) == heir  # or their withdrawal would stay behind with nobody
    assert state(before) == ""
    assert not AddressConflict.objects.exists()
