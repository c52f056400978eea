import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from phonenumbers import timezone as number_timezone

from sandbox.personas import order_read, personas_make
from sandbox.pools import MARKETS, homes
from tests.sandbox_process import SandboxError

NOON = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)  # noon in Hà Nội
ORDER = {"count": 120, "seed": 7, "ads": ["1"], "links": ["http://x/c/a/"], "qrs": ["http://x/c/q/"]}


def make(now=NOON, **changes):
    return personas_make(order_read(ORDER | changes, "8"), now, first=1, taken=set())


def test_the_same_seed_makes_the_same_people():
    assert [persona.to_json() for persona in make()] == [persona.to_json() for persona in make()]
    assert [persona.name for persona in make(seed=8)] != [persona.name for persona in make()]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("hour", range(24))
def test_at_any_hour_most_are_awake_by_every_clock_and_a_known_share_is_not(market, hour):
    now = datetime(2026, 11, 20, hour, 30, tzinfo=UTC)
    people = make(now, market=market)
    asleep = sum(persona.night for persona in people)
    assert 0 < asleep <= 12
    for persona in people:
        zones = persona.home.zones
        if persona.phone:
            zones = number_timezone.time_zones_for_number(phonenumbers.parse(f"+{persona.phone}"))
        hours = {now.astimezone(ZoneInfo(zone)).hour for zone in zones}
        assert all((h >= 22 or h < 6) if persona.night else 9 <= h < 20 for h in hours), persona


def test_numbers_are_valid_unique_and_american_ones_reserved():
    people = [*make(), *make(market="us-telecom-es", now=NOON + timedelta(hours=13))]
    numbers = [persona.phone for persona in people if persona.phone]
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(f"+{number}")) for number in numbers)
    assert len(set(make_numbers := [p.phone for p in make() if p.phone])) == len(make_numbers)
    american = [number for persona in people if (number := persona.phone) and persona.home.country == "US"]
    assert american
    assert all(number[4:9] == "55501" for number in american)


def test_shares_are_dealt_exactly():
    people = make(count=100)
    assert Counter(persona.nature for persona in people) == {
        "silent": 52, "click_only": 10, "answers": 10, "buys": 10, "stops": 8, "human": 10,
    }  # fmt: skip
    assert sum(not persona.phone for persona in people) == 12
    assert {persona.source for persona in people} == {"ad", "link", "qr"}
    assert all(persona.source != "ad" for persona in people if persona.nature == "click_only")


def test_every_home_names_its_zones():
    assert all(home.zones and home.zones != ("Etc/Unknown",) for home in homes())
    assert random.Random(1).choice(homes())


# -- alive -----------------------------------------------------------------------------------------------------------


def invite(sandbox, product, **body):
    given = {"count": 12, "seed": 1, "speed": 600, "over": 60, "links": [product.url + "/c/a/"], "ads": ["120"]} | body
    sandbox.number(throughput=0)
    return sandbox.post("personas", **given)["personas"]


def settled(sandbox):
    sandbox.until(lambda: not sandbox.get("personas")["busy"])
    sandbox.wait_webhooks()
    return sandbox.get("personas")


def answer_all(sandbox, send, buttons=False):
    for person in sandbox.get("personas")["personas"]:
        to = {"to": person["phone"]} if person["phone"] else {"recipient": person["user_id"]}
        reply = [{"type": "reply", "reply": {"id": "yes", "title": "Có"}}]
        node = {"type": "button", "body": {"text": "x"}, "action": {"buttons": reply}}
        assert send(**to, **({"type": "interactive", "interactive": node} if buttons else {}))[0] == 200


def test_people_come_by_ad_and_by_link_and_use_the_prefilled_text(sandbox, product):
    invite(sandbox, product, mix={"silent": 1}, shares={"preview": 0, "edited": 0})
    people = settled(sandbox)["personas"]
    assert len(product.clicks) == 6
    messages = [message for value in product.values() for message in value["messages"]]
    referred = [message for message in messages if "referral" in message]
    assert len(messages) == 12
    assert len(referred) == 6
    assert {message["referral"]["source_id"] for message in referred} == {"120"}
    assert len({message["referral"]["ctwa_clid"] for message in referred}) == 6
    assert [message["text"]["body"] for message in messages if "referral" not in message] == ["Chào [K7Q2]"] * 6
    assert {person["state"] for person in people} == {"waiting"}


def test_who_only_clicks_never_writes_and_previews_click_as_bots(sandbox, product):
    invite(sandbox, product, mix={"click_only": 1}, shares={"preview": 1})
    assert {person["state"] for person in settled(sandbox)["personas"]} == {"clicked"}
    assert product.received == []
    assert sum("externalhit" in agent for _, agent in product.clicks) == 12
    assert len(product.clicks) == 24


def test_a_link_that_leads_nowhere_is_reported(sandbox, product):
    invite(sandbox, product, links=["http://127.0.0.1:9/c/a/"], ads=[], count=2)
    assert len(settled(sandbox)["problems"]) == 2


@pytest.mark.parametrize(
    ("reaction", "state"), [("reply", "talking"), ("tap", "talking"), ("buy", "bought"), ("stop", "stopped")]
)
def test_silent_people_react_to_a_callback(sandbox, product, send, reaction, state):
    invite(sandbox, product, mix={"silent": 1}, reactions={reaction: 1}, count=5)
    settled(sandbox)
    answer_all(sandbox, send)
    assert settled(sandbox)["states"] == {"silent": 5}
    answer_all(sandbox, send, buttons=True)
    assert settled(sandbox)["states"] == {state: 5}
    assert len(sandbox.get("purchases")["purchases"]) == (5 if reaction == "buy" else 0)
    assert len(sandbox.record()["opt_outs"]) == (5 if reaction == "stop" else 0)
    kinds = {message["type"] for value in product.values() for message in value.get("messages", [])}
    assert ("interactive" in kinds) is (reaction == "tap")


def test_natures_play_out_and_purchases_name_the_buyer(sandbox, product, send):
    invite(sandbox, product, mix={"buys": 1, "stops": 1, "human": 1}, market="us-telecom-es", shares={"username": 0.5})
    settled(sandbox)
    answer_all(sandbox, send)
    assert settled(sandbox)["states"] == {"bought": 4, "human": 4, "stopped": 4}
    purchases = sandbox.get("purchases")["purchases"]
    assert {row["currency"] for row in purchases} == {"USD"}
    assert all(row["user_id"] and row["amount"] > 0 for row in purchases)
    assert sandbox.get("purchases", after=purchases[1]["seq"])["purchases"] == purchases[2:]


def test_a_reset_sends_everybody_home(sandbox, product):
    invite(sandbox, product, speed=1)
    sandbox.reset()
    assert sandbox.get("personas")["personas"] == []
    assert sandbox.get("health")["people"] == 0


def test_a_call_that_makes_no_sense_is_refused(sandbox):
    for body in ({"ads": []}, {"ads": ["1"], "market": "mars"}, {"ads": ["1"], "mix": {"flies": 1}}):
        with pytest.raises(SandboxError):
            sandbox.post("personas", **body)


def test_people_can_be_made_to_stand_still_and_stay_on_record(sandbox):
    sandbox.number()
    sandbox.post("personas", count=20, seed=3, market="hanoi-jewellery", ads=["1"], speed=1, over=3600)
    assert sandbox.post("personas/still")["stopped"] == 20
    after = sandbox.get("personas")
    assert after["busy"] == 0
    assert len(after["personas"]) == 20
