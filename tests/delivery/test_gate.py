"""The gate, reason by reason and as properties. No database, no clock."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from delivery.gate import WINDOW_MARGIN, Facts, Reason, Refuse, Send, Wait, decide
from delivery.hours import END_MARGIN
from delivery.rulebook import Ban, Cap, Hours, Rules

NOW = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)  # Wednesday, 10:00 in Hà Nội
DAY = timedelta(days=1)
ALL_DAYS: frozenset[int] = frozenset()


def hours(place: str, start: str, end: str, weekdays=ALL_DAYS, channel="") -> Hours:
    return Hours(
        f"hours:{place}", "v1", place, channel, frozenset(weekdays), time.fromisoformat(start), time.fromisoformat(end)
    )


RULES = Rules(
    hours=(
        hours("*", "08:00", "21:00"),
        hours("VN", "07:00", "22:00"),
        hours("US", "08:00", "21:00"),
        hours("US-TX", "09:00", "21:00", range(1, 7)),
        hours("US-TX", "12:00", "21:00", [7]),
        hours("FR", "08:00", "22:00", range(1, 7)),
        hours("FR", "00:00", "00:00", [7]),
    ),
    caps=(
        Cap("cap:*", "v1", "*", "", 1, DAY),
        Cap("cap:*", "v1", "*", "", 3, 7 * DAY),
        Cap("cap:VN", "v1", "VN", "", 3, DAY),
    ),
    bans=(Ban("template_ban:US", "v1", "US", "whatsapp", "MARKETING"),),
)
FINE = Facts(
    contact_id=UUID(int=1), purpose="marketing", origin="callback", channel="whatsapp", country="VN",
    time_zones=("Asia/Ho_Chi_Minh",), consent="granted", window_ends_at=NOW + timedelta(hours=5),
    template_name="come_back", template_status="APPROVED", template_category="MARKETING", expires_at=NOW + 3 * DAY,
)  # fmt: skip
CLOSED = replace(FINE, window_ends_at=NOW - timedelta(hours=1))
NIGHT = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)  # midnight in Hà Nội


def verdict(facts: Facts, now: datetime = NOW):
    return decide(facts, now, RULES)


def test_inside_the_window_free_words_go_on_the_windows_basis():
    assert verdict(FINE) == Send("free", "window", values={"window_ends_at": FINE.window_ends_at})


def test_outside_the_window_the_template_goes_on_consent():
    assert (verdict(CLOSED).content, verdict(CLOSED).basis) == ("template", "consent")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"suppressed": True}, Reason.SUPPRESSED),
        ({"has_address": False}, Reason.NO_ADDRESS),
        ({"expires_at": NOW}, Reason.EXPIRED),
        ({"conversation_open": False}, Reason.CONVERSATION_CLOSED),
        ({"consent": "withdrawn"}, Reason.OPTED_OUT),
        ({"holdout": True}, Reason.HOLDOUT),
        ({"converted": True}, Reason.CONVERTED),
        ({"replied_since": True}, Reason.REPLIED_SINCE),
        ({"automated": False}, Reason.CONVERSATION_WITH_AGENT),
        ({"campaign_running": False}, Reason.CAMPAIGN_PAUSED),
        ({"campaign_approved": False}, Reason.NOT_APPROVED),
        ({"window_ends_at": None, "template_name": ""}, Reason.WINDOW_CLOSED),
        ({"window_ends_at": None, "template_status": "REJECTED"}, Reason.TEMPLATE_NOT_APPROVED),
        ({"window_ends_at": None, "template_status": ""}, Reason.TEMPLATE_NOT_APPROVED),
        ({"window_ends_at": None, "consent": ""}, Reason.NO_CONSENT),
        ({"window_ends_at": None, "address_countries": ("US",)}, Reason.COUNTRY_BLOCKED),
    ],
)
def test_it_refuses_for_good_and_names_the_rule(change, reason):
    found = verdict(replace(FINE, **change))
    assert isinstance(found, Refuse)
    assert found.reason == reason
    assert found.rule
    assert found.rule_version


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"account_active": False}, Reason.ACCOUNT_PAUSED),
        ({"reviews_open": 1}, Reason.OPTOUT_REVIEW),
        ({"deferred_until": NOW + timedelta(hours=3)}, Reason.PROVIDER_LIMIT),
        ({"pressure": (NOW - timedelta(hours=2),)}, Reason.FREQUENCY_CAP),
        ({"window_ends_at": None, "template_status": "PAUSED"}, Reason.TEMPLATE_PAUSED),
    ],
)
def test_it_waits_and_says_until_when(change, reason):
    found = verdict(replace(FINE, **change))
    assert isinstance(found, Wait)
    assert found.reason == reason
    assert found.until > NOW
    assert found.rule
    assert found.rule_version


def test_waiting_beyond_the_messages_sense_is_a_refusal_for_the_same_reason():
    found = verdict(replace(FINE, deferred_until=NOW + 4 * DAY))
    assert isinstance(found, Refuse)
    assert found.reason == Reason.PROVIDER_LIMIT


def test_a_callback_at_night_waits_for_the_morning():
    found = verdict(FINE, NIGHT)
    assert isinstance(found, Wait)
    assert (found.reason, found.until) == (Reason.QUIET_HOURS, datetime(2026, 11, 19, 0, 0, tzinfo=UTC))


def test_several_zones_mean_a_permitted_hour_in_all_of_them():
    facts = replace(FINE, country="US", region="", time_zones=("America/New_York", "Pacific/Honolulu"))
    found = verdict(facts, datetime(2026, 11, 18, 14, 0, tzinfo=UTC))  # 09:00 in New York, 04:00 in Honolulu
    assert isinstance(found, Wait)
    # In an unknown state Texas counts too: 09:00 in Honolulu.
    assert found.until == datetime(2026, 11, 18, 19, 0, tzinfo=UTC)


def test_sundays_are_quiet_in_france():
    facts = replace(FINE, country="FR", time_zones=("Europe/Paris",), window_ends_at=None)
    sunday_noon = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
    found = verdict(replace(facts, expires_at=sunday_noon + 5 * DAY), sunday_noon)
    assert isinstance(found, Wait)
    assert found.until == datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def test_without_any_idea_where_somebody_lives_marketing_waits():
    found = verdict(replace(FINE, country="", time_zones=()))
    assert isinstance(found, Wait)
    assert found.reason == Reason.QUIET_HOURS


def test_no_marketing_template_to_the_us_but_free_words_inside_the_window():
    american = replace(FINE, country="US", region="TX", time_zones=("America/Chicago",))
    noon = datetime(2026, 11, 18, 18, 0, tzinfo=UTC)
    inside = replace(american, window_ends_at=noon + timedelta(hours=2))
    assert verdict(inside, noon).content == "free"
    outside = verdict(replace(american, window_ends_at=None), noon)
    assert isinstance(outside, Refuse)
    assert outside.reason == Reason.COUNTRY_BLOCKED


def test_the_window_is_left_a_margin_before_it_closes():
    edge = NOW + WINDOW_MARGIN
    assert verdict(replace(FINE, window_ends_at=edge + timedelta(seconds=1))).content == "free"
    assert verdict(replace(FINE, window_ends_at=edge)).content == "template"


def test_more_often_than_was_disclosed_is_too_often():
    sent = (NOW - 2 * DAY,)
    assert isinstance(verdict(replace(FINE, pressure=sent)), Send)
    found = verdict(replace(FINE, pressure=sent, disclosed_per_week=1, expires_at=NOW + 20 * DAY))
    assert isinstance(found, Wait)
    assert found.until == NOW + 5 * DAY


@pytest.mark.parametrize("origin", ["greeting", "reply", "optout_confirmation"])
def test_answers_are_bound_by_the_window_and_not_by_quiet_hours_caps_or_holdout(origin):
    facts = replace(
        FINE, purpose="service", origin=origin, consent="", holdout=True, pressure=(NIGHT,) * 9,
        window_ends_at=NIGHT + timedelta(hours=1),
    )  # fmt: skip
    found = verdict(facts, NIGHT)
    assert isinstance(found, Send)
    assert found.basis == "service"


def test_the_one_confirmation_goes_after_an_opt_out_under_review_and_in_a_closed_conversation():
    facts = replace(
        FINE, purpose="service", origin="optout_confirmation", reviews_open=1, conversation_open=False
    )  # fmt: skip
    assert isinstance(verdict(facts), Send)


ZONES = st.sampled_from(
    ["Asia/Ho_Chi_Minh", "America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "Europe/Paris",
     "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata", "America/Sao_Paulo", "Africa/Cairo"]
)  # fmt: skip
MOMENTS = st.integers(0, 2 * 366 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
CLOCK = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@settings(max_examples=300)
@given(
    now=MOMENTS,
    zones=st.lists(ZONES, min_size=1, max_size=3, unique=True),
    spans=st.lists(st.tuples(CLOCK, CLOCK, st.frozensets(st.integers(1, 7), max_size=4)), min_size=1, max_size=3),
)
def test_quiet_hours_hold_in_every_zone_and_end_when_they_say(now, zones, spans):
    rules = Rules(
        tuple(Hours("h", "1", "*", "", days, min(a, b), max(a, b)) for a, b, days in spans), (), ()
    )  # fmt: skip
    facts = replace(FINE, country="", time_zones=tuple(zones), window_ends_at=None, expires_at=None)
    found = decide(facts, now, rules)
    if isinstance(found, Send):
        for zone in zones:
            local, close = now.astimezone(ZoneInfo(zone)), (now + END_MARGIN).astimezone(ZoneInfo(zone))
            mine = [h for h in rules.hours if not h.weekdays or local.isoweekday() in h.weekdays]
            assert mine
            for rule in mine:
                assert rule.start <= local.time() < rule.end
                assert (
                    close.time() <= rule.end or close.date() != local.date() or close.utcoffset() != local.utcoffset()
                )
        return
    assert isinstance(found, Wait)
    assert found.reason == Reason.QUIET_HOURS
    assert found.until > now
    assume(found.until < now + DAY * 9 and found.until != now + DAY)
    assert isinstance(decide(facts, found.until, rules), Send)
    before = decide(facts, found.until - timedelta(minutes=1), rules)
    if found.until - timedelta(minutes=1) >= now:
        assert isinstance(before, Wait)


@settings(max_examples=200)
@given(ages=st.lists(st.integers(0, 60 * 24 * 9), max_size=6))
def test_a_cap_waits_just_until_it_has_room_again(ages):
    facts = replace(
        FINE, pressure=tuple(sorted(NOW - timedelta(minutes=age) for age in ages)), expires_at=None,
        window_ends_at=NOW + 20 * DAY, time_zones=("Asia/Ho_Chi_Minh",),
    )  # fmt: skip
    always = Rules((hours("*", "00:00", "23:59"),), RULES.caps, ())
    found = decide(replace(facts, country="XX"), NOW, always)
    day = [age for age in ages if age < 60 * 24]
    week = [age for age in ages if age < 60 * 24 * 7]
    assert isinstance(found, Wait) == (len(day) >= 1 or len(week) >= 3)
    if isinstance(found, Wait):
        assert found.reason == Reason.FREQUENCY_CAP
        later = decide(replace(facts, country="XX"), found.until, always)
        assert not isinstance(later, Wait) or later.reason != Reason.FREQUENCY_CAP
        before = decide(replace(facts, country="XX"), found.until - timedelta(seconds=1), always)
        assert isinstance(before, Wait)


BOOLS = st.booleans()


@settings(max_examples=300)
@given(
    st.builds(
        Facts, contact_id=st.just(UUID(int=1)), purpose=st.sampled_from(["marketing", "service"]),
        origin=st.sampled_from(["callback", "reply", "greeting", "optout_confirmation", "test"]),
        channel=st.just("whatsapp"), country=st.sampled_from(["VN", "US", "FR", ""]), region=st.just(""),
        time_zones=st.sampled_from([("Asia/Ho_Chi_Minh",), ("America/Chicago",), ()]),
        consent=st.sampled_from(["granted", "withdrawn", ""]), suppressed=BOOLS, reviews_open=st.integers(0, 1),
        deferred_until=st.one_of(st.none(), MOMENTS), has_address=BOOLS, pressure=st.just(()),
        has_conversation=BOOLS, conversation_open=BOOLS, automated=BOOLS, converted=BOOLS, replied_since=BOOLS,
        holdout=BOOLS, window_ends_at=st.one_of(st.none(), MOMENTS), campaign_running=BOOLS, campaign_approved=BOOLS,
        account_active=BOOLS, has_free=BOOLS, template_name=st.sampled_from(["", "t"]),
        template_status=st.sampled_from(["APPROVED", "PAUSED", ""]),
        template_category=st.sampled_from(["MARKETING", "UTILITY"]), expires_at=st.one_of(st.none(), MOMENTS),
    ),
    MOMENTS,
)  # fmt: skip
def test_whatever_it_is_shown_it_never_sends_without_a_basis(facts, now):
    found = decide(facts, now, RULES)
    if isinstance(found, Wait):
        assert found.until > now
        assert facts.expires_at is None or found.until < facts.expires_at
    if not isinstance(found, Send):
        return
    assert facts.account_active
    assert facts.has_address
    assert not facts.suppressed
    window = facts.window_ends_at is not None and now < facts.window_ends_at
    if found.content == "free":
        assert window
    else:
        assert facts.template_status == "APPROVED"
        assert window or facts.consent == "granted" or facts.origin == "test"
        assert not (facts.country == "US" and facts.template_category == "MARKETING")
    if facts.purpose == "marketing":
        assert facts.consent != "withdrawn"
        assert not any((facts.holdout, facts.converted, facts.replied_since, facts.reviews_open))
        assert facts.automated
        assert facts.campaign_running
        assert facts.campaign_approved
