"""One person, many addresses: phones appear, disappear and change, and nobody is merged silently."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from contacts.addresses import address_for_sending, addresses_change, contact_find, contact_identify
from contacts.models import Address, AddressConflict, Contact
from tests.builders.contacts import NOW

PORTFOLIO = "700000000000001"


def identify(*addresses, name="Lan", now=NOW):
    return contact_identify(channel="whatsapp", portfolio_id=PORTFOLIO, addresses=addresses, name=name, now=now)


@pytest.mark.django_db
def test_a_new_person_gets_country_and_zones_from_the_phone():
    contact = identify(("phone", "+84901234567"))
    assert (contact.country, contact.time_zones) == ("VN", ["Asia/Ho_Chi_Minh"])


@pytest.mark.django_db
def test_a_texan_number_tells_the_state():
    assert identify(("phone", "+17135551234")).region == "TX"


@pytest.mark.django_db
def test_a_person_known_by_id_only_may_live_in_any_zone_of_the_country():
    contact = identify(("bsuid", "US.1001"))
    assert contact.country == "US"
    assert {"America/New_York", "Pacific/Honolulu"} <= set(contact.time_zones)


@pytest.mark.django_db
def test_a_phone_may_disappear_and_come_back_without_a_second_person():
    both = identify(("phone", "+84901234567"), ("bsuid", "VN.1001"))
    hidden = identify(("bsuid", "VN.1001"), now=NOW + timedelta(days=40))
    back = identify(("phone", "+84901234567"), now=NOW + timedelta(days=50))
    assert both.pk == hidden.pk == back.pk
    assert Contact.objects.count() == 1


@pytest.mark.django_db
def test_a_new_number_supersedes_the_old_one_which_somebody_else_may_get():
    lan = identify(("phone", "+84901234567"), ("bsuid", "VN.1001"))
    changed = addresses_change(
        channel="whatsapp",
        portfolio_id=PORTFOLIO,
        old=[("phone", "+84901234567"), ("bsuid", "VN.1001")],
        new=[("phone", "+84907654321"), ("bsuid", "VN.2002")],
        occurred_at=NOW,
        now=NOW,
    )
    assert changed == lan
    old = Address.objects.get(value="+84901234567")
    assert old.superseded_by.value == "+84907654321"
    assert [a.value for a in address_for_sending([lan.pk], "whatsapp", PORTFOLIO)[lan.pk]] == [
        "+84907654321",
        "VN.2002",
    ]
    assert identify(("phone", "+84901234567"), name="Minh") != lan


@pytest.mark.django_db
def test_a_payload_with_the_phone_of_one_and_the_id_of_another_is_routed_by_phone_and_logged_once():
    an, binh = identify(("phone", "+84901111111")), identify(("bsuid", "VN.2"))
    for _ in range(2):
        assert identify(("phone", "+84901111111"), ("bsuid", "VN.2")) == an
    conflict = AddressConflict.objects.get()
    assert (conflict.routed_to, conflict.also_named) == (an, binh)
    assert Address.objects.get(value="VN.2").contact == binh


@pytest.mark.django_db
def test_an_id_means_something_inside_its_portfolio_only():
    here = identify(("bsuid", "VN.1001"))
    elsewhere = contact_find(channel="whatsapp", portfolio_id="other", addresses=[("bsuid", "VN.1001")])
    assert contact_find(channel="whatsapp", portfolio_id=PORTFOLIO, addresses=[("bsuid", "VN.1001")]) == here
    assert elsewhere is None


@pytest.mark.django_db(transaction=True)
def test_two_workers_who_meet_a_new_person_at_once_make_one_contact():
    for round_ in range(10):
        barrier, found = Barrier(4), []

        def meet(barrier=barrier, found=found, round_=round_):
            try:
                barrier.wait()
                found.append(identify(("phone", f"+8490555{round_:04d}"), ("bsuid", f"VN.{round_}")).pk)
            finally:
                connection.close()

        threads = [Thread(target=meet) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert len(set(found)) == 1


def change(old, new, now=NOW):
    return addresses_change(channel="whatsapp", portfolio_id=PORTFOLIO, old=old, new=new, occurred_at=now, now=now)


@pytest.mark.django_db
def test_a_changed_number_takes_the_person_to_its_country_and_state():
    person = identify(("phone", "+84905550101"), ("bsuid", "VN.1"))
    change([("phone", "+84905550101")], [("phone", "+12145550123"), ("bsuid", "US.2")], now=NOW + timedelta(days=1))
    person.refresh_from_db()
    assert (person.country, person.region, person.time_zones) == ("US", "TX", ["America/Chicago"])
    assert identify(("bsuid", "US.2")) == person
    assert contact_find(channel="whatsapp", portfolio_id=PORTFOLIO, addresses=[("bsuid", "VN.1")]) is None


@pytest.mark.django_db
def test_a_place_somebody_entered_by_hand_survives_a_new_number():
    person = identify(("phone", "+84905550101"))
    Contact.objects.filter(pk=person.pk).update(country="FR", time_zones=["Europe/Paris"])
    change([("phone", "+84905550101")], [("phone", "+12145550123")])
    person.refresh_from_db()
    assert (person.country, person.time_zones) == ("FR", ["Europe/Paris"])


@pytest.mark.django_db
def test_a_new_number_that_is_somebody_elses_is_not_taken_from_them():
    moving, other = identify(("phone", "+84905550101")), identify(("phone", "+84905550102"))
    change([("phone", "+84905550101")], [("phone", "+84905550102")])
    assert identify(("phone", "+84905550102")) == other
    assert address_for_sending([moving.pk], "whatsapp", PORTFOLIO) == {}
    assert AddressConflict.objects.count() == 1


@pytest.mark.django_db
def test_a_change_of_somebody_we_never_met_makes_nobody():
    assert change([("bsuid", "VN.9")], [("bsuid", "VN.10")]) is None
    assert not Contact.objects.exists()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["", "+84905550101", "+84905550102"]), st.sampled_from(["", "VN.1", "VN.2"]), st.booleans()
    ).filter(lambda step: step[0] or step[1]),
    max_size=8,
)


class TestAnyHistory(TestCase):
    @given(STEPS)
    @hypothesis_settings(max_examples=40)
    def test_every_payload_finds_who_it_named_before_and_no_address_has_two_owners(self, steps):
        for number, (phone, bsuid, fresh) in enumerate(steps):
            now = NOW + timedelta(hours=number)
            pairs = [pair for pair in (("phone", phone), ("bsuid", bsuid)) if pair[1]]
            before = contact_find(channel="whatsapp", portfolio_id=PORTFOLIO, addresses=pairs)
            contacts = Contact.objects.count()
            person = identify(*(reversed(pairs) if fresh else pairs), now=now)
            assert before is None or person == before
            assert Contact.objects.count() == contacts + (before is None)
            assert identify(*pairs, now=now) == person
            if phone:
                assert identify(("phone", phone), now=now) == person
        current = Address.objects.filter(superseded_at=None)
        assert current.values("kind", "value").distinct().count() == current.count()
