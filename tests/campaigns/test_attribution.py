"""Where a conversation came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.attribution import attribution_find
from campaigns.links import click_record
from campaigns.references import reference_make, reference_show, references_find
from messaging.events import Referral
from tests.builders.campaigns import AdBuilder, LinkBuilder
from tests.builders.contacts import NOW, ContactBuilder
from tests.builders.messaging import AccountBuilder

REFERENCE = "K7F3M9QT"


@pytest.mark.parametrize(
    "text",
    [
        "Xin chào [K7F3-M9QT]",
        "xin chào [k7f3-m9qt]",
        "Xin chào K7F3-M9QT",
        "Xin chào K7F3M9QT.",
        "Xin chào k7f3 m9qt",
        "Xin chào [K7F3-M9QT",
        "K7F3–M9QT cho mình hỏi giá",
        "(K 7 F 3 M 9 Q T)",
        "Hi! K 7 F 3 - M 9 Q T",
        "【Ｋ７Ｆ３－Ｍ９ＱＴ】",
        "𝐊𝟕𝐅𝟑-𝐌𝟗𝐐𝐓",
        "[\u200bК7F3-М9QТ\u2060]",  # Cyrillic К, М, Т and invisible characters
        "Chào shop*K7F3-M9QT*",
        "Xin chào\n[K7F3-\nM9QT]",
    ],
)
def test_a_reference_survives_what_people_and_phones_do_to_it(text):
    assert REFERENCE in references_find(text)


@pytest.mark.parametrize(
    "text", ["", "Xin chào", "Giá 2.350.000 đồng?", "0901234567", "K7F3-M9Q", "SHOPPING", "XK7F3M9QT", "2345-6789"]
)
def test_ordinary_words_and_numbers_are_no_reference(text):
    assert references_find(text) == []


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_reference_is_found_among_any_words(before, after):
    reference = reference_make()
    assert reference in references_find(f"{before} {reference_show(reference)} {after}")


@given(st.text())
def test_any_text_can_be_searched(text):
    assert len(references_find(text)) <= 20


@pytest.fixture
def link(db):
    return LinkBuilder()


@pytest.fixture
def click(link):
    return click_record(entry_point=link, parameters={"fbclid": "x"}, now=NOW)


def find(link, text="", referral=None, contact=None):
    who = contact or ContactBuilder()
    return attribution_find(account=link.campaign.account, referral=referral, text=text, contact_id=who.pk, now=NOW)


def test_a_known_ad_wins(link, click):
    ad = AdBuilder(campaign=link.campaign)
    found = find(link, f"Hi {reference_show(click.reference)}", Referral("ad", ad.ad_id, click_id="ARx"))
    assert (found.kind, found.entry_point, found.campaign, found.click_id) == ("ad", ad, link.campaign, "ARx")


def test_a_reference_names_the_click_and_its_door(link, click):
    found = find(link, f"Hi {reference_show(click.reference)}")
    assert (found.kind, found.entry_point, found.ad_click, found.forwarded) == ("reference", link, click, False)


def test_a_click_id_of_no_known_ad_is_said_so_and_kept(link):
    found = find(link, "Hi", Referral("ad", "999", click_id="ARx"))
    assert (found.kind, found.campaign, found.click_id) == ("unknown_ad", None, "ARx")


def test_a_reference_beside_an_unknown_ad_still_counts(link, click):
    found = find(link, click.reference, Referral("ad", "999", click_id="ARx"))
    assert (found.kind, found.ad_click, found.click_id) == ("reference", click, "ARx")


def test_an_organic_post_and_plain_words_are_unattributed(link):
    assert find(link, "Hi", Referral("post", "55")).kind == "none"
    assert find(link, "Hi K2F3-M9QT").kind == "none"


def test_a_forwarded_reference_brings_the_door_but_not_the_click(link, click):
    first, friend = ContactBuilder(), ContactBuilder()
    text = f"Hi {reference_show(click.reference)}"
    find(link, text, contact=first)

    forwarded = find(link, text, contact=friend)
    again = find(link, text, contact=first)

    assert (forwarded.kind, forwarded.entry_point, forwarded.ad_click, forwarded.forwarded) == (
        "reference",
        link,
        None,
        True,
    )
    assert (again.ad_click, again.forwarded) == (click, False)


def test_a_reference_or_ad_of_another_account_is_not_this_ones(link, click):
    ad = AdBuilder(campaign=link.campaign)
    other = AccountBuilder()
    by_reference = attribution_find(account=other, referral=None, text=click.reference)
    by_ad = attribution_find(account=other, referral=Referral("ad", ad.ad_id), text="")
    assert (by_reference.kind, by_ad.kind) == ("none", "unknown_ad")
