"""One spelling per number, and what its digits say of where people live."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.errors import InvalidPhoneError
from contacts.phones import country_time_zones, phone_facts, phone_normalise


@pytest.mark.parametrize(
    ("raw", "region"), [("0905 550 101", "VN"), ("+84 905-550-101", ""), ("(+84) 905.550.101", "US")]
)
def test_a_number_has_one_spelling(raw, region):
    assert phone_normalise(raw, region=region) == "+84905550101"


@pytest.mark.parametrize("raw", ["", "abc", "+84 1", "+999999999999999999"])
def test_what_cannot_be_a_number_is_refused_without_repeating_it(raw):
    with pytest.raises(InvalidPhoneError) as refusal:
        phone_normalise(raw, region="VN")
    assert not raw or raw not in refusal.value.message


@pytest.mark.parametrize(
    ("phone", "country", "region"),
    [
        ("+12145550123", "US", "TX"),
        ("+13055551234", "US", "FL"),
        ("+12065551234", "US", "WA"),
        ("+12128675309", "US", "NY"),
        ("+14165551234", "CA", ""),
        ("+17875551234", "PR", ""),
        ("+84905550101", "VN", ""),
        ("+15550100001", "US", ""),  # a range nobody has assigned keeps its country's rules
    ],
)
def test_digits_tell_the_country_and_for_the_us_the_state(phone, country, region):
    facts = phone_facts(phone)
    assert (facts.country, facts.region) == (country, region)


def test_a_toll_free_number_may_be_in_any_zone_of_its_own_country_only():
    zones = set(phone_facts("+18005551234").time_zones)
    assert {"America/New_York", "Pacific/Honolulu"} <= zones <= set(country_time_zones("US"))


def test_a_spanish_mobile_may_be_on_the_islands():
    assert set(phone_facts("+34612345678").time_zones) == {"Europe/Madrid", "Atlantic/Canary"}


def test_a_country_has_its_own_zones():
    assert country_time_zones("vn") == ("Asia/Ho_Chi_Minh",)
    assert country_time_zones("XX") == ()


@given(st.text(max_size=20))
def test_normalising_is_stable_for_whatever_it_accepts(raw):
    try:
        phone = phone_normalise(raw, region="VN")
    except InvalidPhoneError:
        return
    assert phone_normalise(phone) == phone
    phone_facts(phone)
