"""Invented people: who they are, decided at once and for good by the seed, and exposed as ground truth."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox import phrases
from sandbox.clock import iso
from sandbox.pools import MARKETS, Home, Market, home_choose, number_invent

# What a person is going to do after the click. Shares; `mix` in the control call overrides them.
MIX = {
    "click_only": 0.10,  # never writes
    "silent": 0.52,  # writes, gets the greeting, falls silent: the one to call back
    "answers": 0.10,  # writes, answers the greeting, then waits
    "buys": 0.10,  # writes, talks, buys by itself
    "stops": 0.08,  # writes, then wants to hear nothing more
    "human": 0.10,  # asks for a person
}
# What a silent person does after a callback.
REACTIONS = {"reply": 0.24, "tap": 0.14, "buy": 0.16, "stop": 0.08, "silence": 0.38}
# How each is spread over the ways in, and who hides or sleeps.
SHARES = {"username": 0.12, "night": 0.08, "preview": 0.10, "edited": 0.15, "receipts": 0.75, "own_stop": 0.15}


@dataclass(slots=True)
class Persona:
    """One person with a plan. `events` is what really happened so far."""

    index: int
    market: str
    phone_number_id: str
    name: str
    username: str
    language: str
    phone: str  # digits; "" for a person known by user id only
    user_id: str
    home: Home
    night: bool
    nature: str
    source: str  # ad | link | qr
    door: str  # the ad's id or the URL
    click_id: str
    reactions: list[str]
    texts: dict[str, str]
    amount: int
    currency: str
    receipts: bool
    preview: bool
    edits: bool
    own_stop: bool
    starts_after: float
    rng: random.Random
    person: int = 0  # key in the record, once known to the provider
    problem: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    state: str = "new"  # new clicked waiting silent talking bought stopped human

    def to_json(self) -> dict[str, Any]:
        return {
            "persona": self.index,
            "person": self.person,
            "market": self.market,
            "number": self.phone_number_id,
            "name": self.name,
            "username": self.username,
            "language": self.language,
            "phone": f"+{self.phone}" if self.phone else "",
            "user_id": self.user_id,
            "addresses": [f"+{self.phone}"] * bool(self.phone) + [self.user_id],
            "country": self.home.country,
            "region": self.home.region,
            "time_zone": self.home.zones[0],
            "time_zones": list(self.home.zones),
            "night": self.night,
            "us_number": bool(self.phone) and self.home.country == "US",
            "nature": self.nature,
            "source": self.source,
            "door": self.door,
            "click_id": self.click_id,
            "reactions": self.reactions,
            "state": self.state,
            "problem": self.problem,
            "events": self.events,
        }

    def react(self) -> str:
        """What was drawn for the next callback; who was called back more often than that stays silent."""
        before = sum(event["what"] == "reacts" for event in self.events)
        return self.reactions[before] if before < len(self.reactions) else "silence"

    def note(self, what: str, at: float, **more: Any) -> None:
        """Remember one thing the person did or received."""
        self.events.append({"what": what, "at": iso(at), **more})


@dataclass(frozen=True, slots=True)
class Order:
    """What the control call asks for."""

    count: int
    seed: int
    market: Market
    phone_number_id: str
    doors: tuple[tuple[str, str], ...]  # (source, ad id or URL)
    over: float  # seconds of the people's time over which they click
    mix: dict[str, float]
    reactions: dict[str, float]
    shares: dict[str, float]


def order_read(body: dict[str, Any], phone_number_id: str) -> Order:
    """Read a control call. Raises ValueError when it names no door, an unknown market or an unknown share."""
    market = MARKETS.get(body.get("market", "hanoi-jewellery"))
    if market is None:
        raise ValueError(f"market must be one of {', '.join(MARKETS)}")
    doors = [("ad", str(ad)) for ad in body.get("ads") or []]
    doors += [("link", str(url)) for url in body.get("links") or []]
    doors += [("qr", str(url)) for url in body.get("qrs") or []]
    if not doors:
        raise ValueError("give at least one of ads, links, qrs")
    tables = []
    for name, default in (("mix", MIX), ("reactions", REACTIONS), ("shares", SHARES)):
        given = body.get(name) or {}
        if unknown := sorted(set(given) - set(default)):
            raise ValueError(f"unknown {name}: {', '.join(unknown)}")
        # A given mix stands alone; given shares change only what they name.
        tables.append({**default, **given} if name == "shares" or not given else dict.fromkeys(default, 0.0) | given)
    return Order(
        count=int(body.get("count", 50)),
        seed=int(body.get("seed", 1)),
        market=market,
        phone_number_id=phone_number_id,
        doors=tuple(doors),
        over=float(body.get("over", 600)),
        mix=tables[0],
        reactions=tables[1],
        shares=tables[2],
    )


def personas_make(order: Order, now: datetime, *, first: int, taken: set[str]) -> list[Persona]:
    """The people of one order: the same for the same order, hour and numbers already taken."""
    # Exact shares, shuffled: a small demo gets some of everything, and a test knows how many.
    rng = random.Random(f"{order.seed}/{order.market.name}/{order.phone_number_id}")
    natures = _deal(rng, order.mix, order.count)
    nights = _deal(rng, {"night": order.shares["night"], "day": 1 - order.shares["night"]}, order.count)
    hidden = _deal(rng, {"yes": order.shares["username"], "no": 1 - order.shares["username"]}, order.count)
    doors = [order.doors[index % len(order.doors)] for index in range(order.count)]
    rng.shuffle(doors)
    people = []
    for index in range(order.count):
        own = random.Random(f"{order.seed}/{order.market.name}/{order.phone_number_id}/{index}")
        people.append(
            _one(order, own, now, first + index, natures[index], nights[index] == "night", hidden[index] == "yes",
                 doors[index], taken)
        )  # fmt: skip
    return people


def _deal(rng: random.Random, shares: dict[str, float], count: int) -> list[str]:
    """`count` cards in the given shares, largest remainders first, shuffled."""
    total = sum(shares.values()) or 1.0
    exact = {name: count * share / total for name, share in shares.items()}
    dealt = [name for name, number in exact.items() for _ in range(int(number))]
    rest = sorted(exact, key=lambda name: (int(exact[name]) - exact[name], name))
    dealt += rest[: count - len(dealt)]
    rng.shuffle(dealt)
    return dealt


def _one(
    order: Order, rng: random.Random, now: datetime, index: int, nature: str, night: bool, hidden: bool,
    door: tuple[str, str], taken: set[str],
) -> Persona:  # fmt: skip
    market = order.market
    home = home_choose(rng, market, now, night=night, one_zone=hidden)
    if home is None:  # nowhere is it so now; the other half of the day is always somewhere
        night = not night
        home = home_choose(rng, market, now, night=night, one_zone=hidden)
    if home is None:
        raise ValueError("nobody is awake anywhere")
    language = rng.choices(list(market.languages), list(market.languages.values()))[0]
    given, family = (rng.choice(part) for part in phrases.NAMES[language])
    name = f"{family} {given}" if language == "vi" else f"{given} {family}"
    lowest, highest, step = market.prices
    source, where = door
    if nature == "click_only" and source == "ad" and (linked := [d for d in order.doors if d[0] != "ad"]):
        source, where = rng.choice(linked)  # an ad click leaves no trace before the first message
    texts = {
        "opening": rng.choice(phrases.OPENING[market.name][language]),
        "answer": rng.choice(phrases.ANSWER[language]),
        "reply": rng.choice(phrases.COMING_BACK[language]),
        "buy": rng.choice(phrases.BUYING[language]),
        "stop": rng.choices(phrases.STOP[language], [3.0] + [1.0] * (len(phrases.STOP[language]) - 1))[0],
        "human": rng.choice(phrases.HUMAN[language]),
    }
    return Persona(
        index=index,
        market=market.name,
        phone_number_id=order.phone_number_id,
        name=name,
        username=f"user.{rng.getrandbits(32):08x}" if hidden else "",
        language=language,
        phone="" if hidden else number_invent(rng, home, taken),
        user_id=f"{home.country}.{rng.getrandbits(60)}",
        home=home,
        night=night,
        nature=nature,
        source=source,
        door=where,
        click_id=f"AR{rng.getrandbits(160):040x}" if source == "ad" else "",
        reactions=rng.choices(list(order.reactions), list(order.reactions.values()), k=4),
        texts=texts,
        amount=lowest + step * int((highest - lowest) / step * rng.random() ** 2),
        currency=market.currency,
        receipts=rng.random() < order.shares["receipts"],
        preview=source != "ad" and rng.random() < order.shares["preview"],
        edits=rng.random() < order.shares["edited"],
        own_stop=rng.random() < order.shares["own_stop"],
        starts_after=rng.uniform(0, order.over),
        rng=rng,
    )
