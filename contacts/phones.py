"""Phone numbers: E.164, the place a number says its owner may be in, and the time zones that allows for.

`phonenumbers` carries the numbering plans; `tzdata` the zones of a country. Both change several times a year: keep them
up to date (requirements.txt).
"""

import importlib.resources
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from django.utils.translation import gettext as _
from phonenumbers import geocoder, timezone

from contacts.errors import InvalidPhoneError

UNKNOWN_ZONE = "Etc/Unknown"
# The library describes a US number by state name or by "City, ST".
_STATES = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
    "Connecticut": "CT", "Delaware": "DE", "Washington D.C.": "DC", "Florida": "FL", "Georgia": "GA", "Hawaii": "HI",
    "Idaho": "ID", "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY",
    "Louisiana": "LA", "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN",
    "Mississippi": "MS", "Missouri": "MO", "Montana": "MT", "Nebraska": "NE", "Nevada": "NV", "New Hampshire": "NH",
    "New Jersey": "NJ", "New Mexico": "NM", "New York": "NY", "North Carolina": "NC", "North Dakota": "ND",
    "Ohio": "OH", "Oklahoma": "OK", "Oregon": "OR", "Pennsylvania": "PA", "Rhode Island": "RI",
    "South Carolina": "SC", "South Dakota": "SD", "Tennessee": "TN", "Texas": "TX", "Utah": "UT", "Vermont": "VT",
    "Virginia": "VA", "Washington State": "WA", "Washington": "WA", "West Virginia": "WV", "Wisconsin": "WI",
    "Wyoming": "WY",
}  # fmt: skip
_STATE_CODES = frozenset(_STATES.values())


@dataclass(frozen=True, slots=True)
class PhoneFacts:
    """What a number says of its owner: ISO country, US state ("" elsewhere or unknown), possible IANA zones."""

    country: str
    region: str
    time_zones: tuple[str, ...]


def phone_normalise(raw: str, *, region: str = "") -> str:
    """The number in E.164 (`+84901234567`). `region`: where a number without a country code is taken to live.

    Raises InvalidPhoneError; the message never repeats the number.
    """
    try:
        number = phonenumbers.parse(raw, region or None)
    except phonenumbers.NumberParseException:
        raise InvalidPhoneError(
            _("This is not a phone number. Write it with its country code, e.g. +84 901 234 567."), field="phone"
        ) from None
    # Possible, not valid: numbering plans change faster than libraries, and the provider knows who is reachable.
    if not phonenumbers.is_possible_number(number):
        raise InvalidPhoneError(_("This phone number has too few or too many digits."), field="phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=4096)
def phone_facts(e164: str) -> PhoneFacts:
    """Country, state and zones of an E.164 number; empty where the number does not say."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return PhoneFacts("", "", ())
    # A range the library does not know yet still has a country code, and with it the country's rules.
    country = phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(
        number.country_code or 0
    )
    if country == phonenumbers.UNKNOWN_REGION or len(country) != 2 or not country.isalpha():
        country = ""  # "001": satellite and other numbers of no country
    zones = tuple(zone for zone in timezone.time_zones_for_number(number) if zone != UNKNOWN_ZONE)
    if national := country_time_zones(country):
        # Toll-free and mobile numbers name every zone of the calling code, other countries' included.
        zones = tuple(zone for zone in zones if zone in national) or national
    return PhoneFacts(country, _state(number) if country == "US" else "", zones)


def _state(number: phonenumbers.PhoneNumber) -> str:
    place = geocoder.description_for_number(number, "en")
    code = place.rsplit(", ", 1)[-1]
    return code if code in _STATE_CODES else _STATES.get(place, "")


@lru_cache(maxsize=1)
def _zones_by_country() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    text = importlib.resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            country, _coordinates, zone = line.split("\t")[:3]
            table.setdefault(country, []).append(zone)
    return {country: tuple(sorted(zones)) for country, zones in table.items()}


def country_time_zones(country: str) -> tuple[str, ...]:
    """Every IANA zone of an ISO 3166-1 country; empty for an unknown one."""
    return _zones_by_country().get(country.upper(), ())
