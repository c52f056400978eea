"""Where invented people live, and made-up phone numbers for them; American ones from the reserved 555-01xx."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone as number_timezone

# Awake by every jurisdiction's clock, night by every jurisdiction's clock: local minutes of the day.
AWAKE = (9 * 60 + 30, 19 * 60 + 30)
NIGHT = (22 * 60 + 30, 6 * 60)
AWAKE_FOR = timedelta(minutes=10)  # a story takes some minutes; nobody's evening may begin meanwhile

# Area codes of states without special weekday rules, several per zone.
US_AREAS = {
    "DC": "202", "NY": "212", "FL": "305", "GA": "404", "MA": "617", "IL": "312", "MN": "612", "CO": "303",
    "NM": "505", "AZ": "602", "CA": "415", "WA": "206", "NV": "702", "OR": "503", "AK": "907", "HI": "808",
}  # fmt: skip
SUNDAYS_OFF = frozenset({"FR"})
# One zone in the whole country, so that a person known by user id only has a certain time.
ONE_ZONE = ("VN", "JP", "KR", "TW", "SG", "TH", "DE", "FR", "CZ", "PL", "GB", "CO", "PE", "AE")
# Some live anywhere, so that somebody is awake at every hour and not all of them in the United States.
ANYWHERE = {"JP": 0.3, "KR": 0.3, "SG": 0.3, "TH": 0.3, "AE": 0.5, "DE": 0.5, "GB": 0.8, "CO": 0.8, "PE": 0.8}


@dataclass(frozen=True, slots=True)
class Market:
    """Who a campaign reaches: weights of countries and languages, and what things cost."""

    name: str
    countries: dict[str, float]
    languages: dict[str, float]
    currency: str
    prices: tuple[int, int, int]  # lowest, highest, step


MARKETS = {
    "hanoi-jewellery": Market(
        "hanoi-jewellery",
        {"VN": 14, "US": 1.5, "JP": 1, "KR": 1, "TW": 1, "DE": 1, "FR": 0.7, "CZ": 0.7, "AU": 1, "SG": 0.5},
        {"vi": 0.88, "en": 0.12},
        "VND",
        (1_500_000, 25_000_000, 50_000),
    ),
    "us-telecom-es": Market(
        "us-telecom-es",
        {"US": 14, "MX": 2, "CO": 1.5, "ES": 1.5, "PE": 1},
        {"es": 0.85, "en": 0.15},
        "USD",
        (15, 120, 5),
    ),
}


@dataclass(frozen=True, slots=True)
class Home:
    """Where a person's number places them. `zones`: all that the number allows for, the first is the person's own."""

    country: str
    region: str
    zones: tuple[str, ...]

    def awake(self, now: datetime) -> bool:
        """Daytime in every zone the number may be in, now and some minutes on."""
        moments = [moment.astimezone(ZoneInfo(zone)) for zone in self.zones for moment in (now, now + AWAKE_FOR)]
        if self.country in SUNDAYS_OFF and any(moment.weekday() == 6 for moment in moments):
            return False
        return all(AWAKE[0] <= moment.hour * 60 + moment.minute <= AWAKE[1] for moment in moments)

    def night(self, now: datetime) -> bool:
        """Deep night in every zone the number may be in."""
        minutes = [(moment := now.astimezone(ZoneInfo(zone))).hour * 60 + moment.minute for zone in self.zones]
        return all(minute >= NIGHT[0] or minute < NIGHT[1] for minute in minutes)


@lru_cache(maxsize=1)
def homes() -> tuple[Home, ...]:
    """Every place people may live."""
    countries = sorted(
        {country for market in MARKETS.values() for country in market.countries} | set(ANYWHERE) | set(ONE_ZONE)
    )
    found = []
    for country in countries:
        if country == "US":
            found += [Home("US", state, _zones(f"+1{area}5550100")) for state, area in US_AREAS.items()]
        else:
            found.append(Home(country, "", _zones(f"+{_example(country)}")))
    return tuple(found)


def _zones(number: str) -> tuple[str, ...]:
    return tuple(number_timezone.time_zones_for_number(phonenumbers.parse(number)))


@lru_cache(maxsize=64)
def _example(country: str) -> str:
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE):
        number = phonenumbers.example_number_for_type(country, kind)
        if number is not None:
            return f"{number.country_code}{number.national_number}"
    raise LookupError(country)


def home_choose(rng: random.Random, market: Market, now: datetime, *, night: bool, one_zone: bool) -> Home | None:
    """A place in the market where it is now day (or night); anywhere in the world when the market has none."""
    fits = [home for home in homes() if (home.night(now) if night else home.awake(now))]
    if one_zone:
        fits = [home for home in fits if home.country in ONE_ZONE]
    weights = {code: market.countries.get(code, 0) + ANYWHERE.get(code, 0) for code in {*market.countries, *ANYWHERE}}
    places: dict[str, list[Home]] = {}
    for home in fits:
        places.setdefault(home.country, []).append(home)
    known = sorted(code for code in places if code in weights) or sorted(places)
    if not known:
        return None
    country = rng.choices(known, [weights.get(code, 1.0) for code in known])[0]
    return rng.choice(places[country])


def number_invent(rng: random.Random, home: Home, taken: set[str]) -> str:
    """A valid, unused number in digits. The caller's `taken` grows by it."""
    for attempt in range(10_000):
        if home.country == "US":
            lines = 100 if attempt < 300 else 10_000
            digits = f"1{US_AREAS[home.region]}555{(100 if lines == 100 else 0) + rng.randrange(lines):04d}"
        else:
            example = _example(home.country)
            digits = example[:-6] + f"{rng.randrange(1_000_000):06d}"
        if digits not in taken and phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}")):
            taken.add(digits)
            return digits
    raise RuntimeError(f"no more numbers for {home.country} {home.region}")
