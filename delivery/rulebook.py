"""Rules of law, platform and house as plain values. Pure; `delivery.rules` fills them from their rows.

Which rules bind a person: those of their state, of their country, and those for everybody (`*`). Hours for everybody
are the default for places that have none of their own; caps and bans always add up, the strictest wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta


@dataclass(frozen=True, slots=True)
class Hours:
    """Permitted local hours on some weekdays (ISO, empty = all). start == end: nothing is permitted on these days."""

    name: str
    version: str
    jurisdiction: str
    channel: str
    weekdays: frozenset[int]
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` marketing messages per person within `period`."""

    name: str
    version: str
    jurisdiction: str
    channel: str
    count: int
    period: timedelta


@dataclass(frozen=True, slots=True)
class Ban:
    """No templates of this category for people of this jurisdiction."""

    name: str
    version: str
    jurisdiction: str
    channel: str
    category: str


def _places(country: str, region: str) -> tuple[str, ...]:
    return tuple(place for place in (f"{country}-{region}" if region else "", country) if place)


class Rules:
    """The rules in force on a day. Look-ups are cached: a batch asks for the same few places again and again."""

    def __init__(self, hours: tuple[Hours, ...], caps: tuple[Cap, ...], bans: tuple[Ban, ...]) -> None:
        self.hours, self.caps, self.bans = hours, caps, bans
        self._hours: dict[tuple[str, str, str], tuple[Hours, ...]] = {}
        self._caps: dict[tuple[str, str, str], tuple[Cap, ...]] = {}

    def hours_for(self, country: str, region: str, channel: str) -> tuple[Hours, ...]:
        """Every hours rule that binds: all must permit. In an unknown state of a country those of all states do."""
        key = (country, region, channel)
        if key not in self._hours:
            places = _places(country, region)
            mine = tuple(
                rule
                for rule in self.hours
                if rule.channel in ("", channel)
                and (rule.jurisdiction in places or (not region and _state_of(rule.jurisdiction, country)))
            )
            default = tuple(rule for rule in self.hours if rule.jurisdiction == "*" and rule.channel in ("", channel))
            self._hours[key] = mine or default
        return self._hours[key]

    def caps_for(self, country: str, region: str, channel: str) -> tuple[Cap, ...]:
        """Every cap that binds, including those for everybody."""
        key = (country, region, channel)
        if key not in self._caps:
            places = {*_places(country, region), "*"}
            self._caps[key] = tuple(
                rule
                for rule in self.caps
                if rule.channel in ("", channel)
                and (rule.jurisdiction in places or (not region and _state_of(rule.jurisdiction, country)))
            )
        return self._caps[key]

    def ban_for(self, country: str, region: str, channel: str, category: str) -> Ban | None:
        """The ban on templates of this category for this place, if there is one."""
        places = {*_places(country, region), "*"}
        for rule in self.bans:
            if rule.jurisdiction in places and rule.channel in ("", channel) and rule.category == category:
                return rule
        return None


def _state_of(jurisdiction: str, country: str) -> bool:
    """We know the country and not the state: the strictest of all its states applies."""
    return bool(country) and jurisdiction.startswith(f"{country}-")
