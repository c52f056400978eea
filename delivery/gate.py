"""Send, wait or refuse. Pure: no Django, no clock, no database.

One function serves planning, previews, the send itself and "why was this (not) sent?": `decide(facts, now, rules)`.
It first asks what can never change (refusals), then what time will change (waits), last which words may be used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from delivery.hours import next_permitted
from delivery.rulebook import Ban, Cap, Rules

# Nothing is submitted this close to the end of a window: provider and network need their time.
WINDOW_MARGIN = timedelta(minutes=1)
REVIEW_LOOK_AGAIN = timedelta(minutes=15)
PAUSE_LOOK_AGAIN = timedelta(minutes=2)
TEMPLATE_LOOK_AGAIN = timedelta(minutes=30)


class Reason(StrEnum):
    """Why a message was not (or not yet) sent. One vocabulary for gate, admin, API and reports."""

    NO_CONSENT = "no_consent"
    OPTED_OUT = "opted_out"
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"
    QUIET_HOURS = "quiet_hours"
    FREQUENCY_CAP = "frequency_cap"
    PAIR_RATE = "pair_rate"
    WINDOW_CLOSED = "window_closed"
    TEMPLATE_NOT_APPROVED = "template_not_approved"
    TEMPLATE_PAUSED = "template_paused"
    COUNTRY_BLOCKED = "country_blocked"
    CAMPAIGN_PAUSED = "campaign_paused"
    ACCOUNT_PAUSED = "account_paused"
    PROVIDER_LIMIT = "provider_limit"
    HOLDOUT = "holdout"
    REPLIED_SINCE = "replied_since"
    CONVERSATION_WITH_AGENT = "conversation_with_agent"
    CONVERSATION_CLOSED = "conversation_closed"
    CONVERTED = "converted"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    NOT_APPROVED = "not_approved"
    # Ours, beyond the shared vocabulary:
    OPTOUT_REVIEW = "optout_review"  # what the person wrote may be an opt-out; somebody has to read it
    CONTENT_INVALID = "content_invalid"  # the text or the template's values could not be filled in


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the gate looks at, as plain values. Times are aware UTC; empty strings mean "there is none"."""

    contact_id: UUID
    purpose: str  # "marketing" | "service"
    origin: str  # conversations.Message.Origin
    channel: str
    # the person
    country: str = ""
    region: str = ""
    time_zones: tuple[str, ...] = ()
    consent: str = ""  # for this channel and purpose: "granted" | "withdrawn" | ""
    suppressed: bool = False
    reviews_open: int = 0
    deferred_until: datetime | None = None
    has_address: bool = True
    address_countries: tuple[str, ...] = ()  # what the addresses themselves say, beside `country`
    # marketing messages to this person that were sent or are on their way, across campaigns and callbacks
    pressure: tuple[datetime, ...] = ()
    disclosed_per_week: int | None = None  # how often the person was told to expect messages when they agreed
    # the conversation
    has_conversation: bool = True
    conversation_open: bool = True
    automated: bool = True
    converted: bool = False
    replied_since: bool = False
    holdout: bool = False
    window_ends_at: datetime | None = None
    # the campaign (marketing only)
    campaign_running: bool = True
    campaign_approved: bool = True
    # the account
    account_active: bool = True
    # the words
    has_free: bool = True
    template_name: str = ""
    template_status: str = ""  # the provider's; "" = no such template
    template_category: str = ""
    expires_at: datetime | None = None
    message_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Go, with these words, on this basis: "window" (they wrote to us), "consent", or "service" (an answer)."""

    content: str  # "free" | "template"
    basis: str
    rule: str = "gate"
    rule_version: str = "1"
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now; ask again at `until`."""

    until: datetime
    reason: Reason
    rule: str = ""
    rule_version: str = ""
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Never, for this message."""

    reason: Reason
    rule: str = ""
    rule_version: str = ""
    values: dict[str, Any] = field(default_factory=dict)


Verdict = Send | Wait | Refuse
HOUSE = "1"  # version of the rules that are code and not rows


def decide(facts: Facts, now: datetime, rules: Rules) -> Verdict:
    """Whether this message may be handed to the provider at `now`, and if not, until when and by which rule."""
    refusal = _never(facts, now)
    if refusal is not None:
        return refusal
    wait = _not_now(facts, now, rules)
    if wait is None:
        return _words(facts, now, rules)
    if facts.expires_at is not None and wait.until >= facts.expires_at:
        # Waiting would outlast the message's sense: what makes it wait is what refuses it.
        return Refuse(wait.reason, wait.rule, wait.rule_version, {**wait.values, "useful_until": facts.expires_at})
    return wait


def _never(facts: Facts, now: datetime) -> Refuse | None:
    """What no time will change."""
    if facts.suppressed:
        return Refuse(Reason.SUPPRESSED, "suppression", HOUSE)
    if not facts.has_address:
        return Refuse(Reason.NO_ADDRESS, "address", HOUSE)
    if facts.expires_at is not None and now >= facts.expires_at:
        return Refuse(Reason.EXPIRED, "useful_for", HOUSE, {"useful_until": facts.expires_at})
    if facts.has_conversation and not facts.conversation_open and facts.origin != "optout_confirmation":
        return Refuse(Reason.CONVERSATION_CLOSED, "conversation", HOUSE)
    if facts.purpose != "marketing":
        return None
    checks = (
        (facts.consent == "withdrawn", Reason.OPTED_OUT, "consent"),
        (facts.holdout, Reason.HOLDOUT, "holdout"),
        (facts.converted, Reason.CONVERTED, "conversion"),
        (facts.replied_since, Reason.REPLIED_SINCE, "turn"),
        (not facts.automated, Reason.CONVERSATION_WITH_AGENT, "handler"),
        (not facts.campaign_running, Reason.CAMPAIGN_PAUSED, "campaign"),
        (not facts.campaign_approved, Reason.NOT_APPROVED, "approval"),
    )
    for applies, reason, rule in checks:
        if applies:
            return Refuse(reason, rule, HOUSE)
    return None


def _not_now(facts: Facts, now: datetime, rules: Rules) -> Wait | None:
    """What time (or a person) will change; the latest of all waits would be as right, the first says it plainest."""
    if not facts.account_active:
        return Wait(now + PAUSE_LOOK_AGAIN, Reason.ACCOUNT_PAUSED, "account", HOUSE)
    # A person's own answer, and the confirmation of an opt-out, are not held back by an unread message.
    if facts.reviews_open and facts.origin not in ("reply", "optout_confirmation"):
        return Wait(now + REVIEW_LOOK_AGAIN, Reason.OPTOUT_REVIEW, "review", HOUSE, {"open": facts.reviews_open})
    if facts.purpose != "marketing":
        return None
    if facts.deferred_until is not None and now < facts.deferred_until:
        return Wait(facts.deferred_until, Reason.PROVIDER_LIMIT, "provider_deferral", HOUSE)
    return _quiet(facts, now, rules) or _pressed(facts, now, rules)


def _quiet(facts: Facts, now: datetime, rules: Rules) -> Wait | None:
    hours = rules.hours_for(facts.country, facts.region, facts.channel)
    until = next_permitted(facts.time_zones, hours, now)
    if until == now:
        return None
    zones = facts.time_zones or ("(unknown)",)
    values = {"time_zones": list(zones[:5]), "zones": len(facts.time_zones)}
    names = list(dict.fromkeys(rule.name for rule in hours))
    name = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    version = max((rule.version for rule in hours), default="")
    # No hour is permitted in all zones a person may live in: look again in a day, we may know more by then.
    return Wait(until or now + timedelta(days=1), Reason.QUIET_HOURS, name, version, values)


def _pressed(facts: Facts, now: datetime, rules: Rules) -> Wait | None:
    longest: tuple[datetime, Cap] | None = None
    caps = rules.caps_for(facts.country, facts.region, facts.channel)
    if facts.disclosed_per_week:
        week = timedelta(days=7)
        caps = (*caps, Cap("consent:disclosed", HOUSE, "*", facts.channel, facts.disclosed_per_week, week))
    for cap in caps:
        recent = sorted(at for at in facts.pressure if at > now - cap.period)
        if len(recent) >= cap.count:
            free_at = recent[len(recent) - cap.count] + cap.period
            if longest is None or free_at > longest[0]:
                longest = (free_at, cap)
    if longest is None:
        return None
    until, cap = longest
    values = {"count": cap.count, "hours": cap.period.total_seconds() / 3600}
    return Wait(until, Reason.FREQUENCY_CAP, cap.name, cap.version, values)


def _words(facts: Facts, now: datetime, rules: Rules) -> Verdict:
    """Free text inside the window; else the template, where it is allowed."""
    window_open = facts.window_ends_at is not None and now < facts.window_ends_at - WINDOW_MARGIN
    values: dict[str, Any] = {"window_ends_at": facts.window_ends_at}
    if window_open and facts.has_free:
        basis = "window" if facts.purpose == "marketing" else "service"
        return Send("free", basis, values=values)
    if not facts.template_name:
        return Refuse(Reason.WINDOW_CLOSED, "service_window", HOUSE, values)
    if facts.template_status == "PAUSED":
        return _held_by_template(facts, now)
    if facts.template_status != "APPROVED":
        values = {"template": facts.template_name, "status": facts.template_status or "unknown"}
        return Refuse(Reason.TEMPLATE_NOT_APPROVED, "template", HOUSE, values)
    for country in dict.fromkeys((facts.country, *facts.address_countries)):
        ban = rules.ban_for(country, facts.region, facts.channel, facts.template_category)
        if ban is not None:
            return _banned(ban, facts, country)
    if facts.consent == "withdrawn":
        # Only service messages come this far: a template of a kind the person wants no more of is no answer.
        return Refuse(Reason.OPTED_OUT, "consent", HOUSE, {"template": facts.template_name})
    if window_open:
        return Send("template", "window", values=values)
    if facts.consent == "granted":
        return Send("template", "consent", values=values)
    if facts.origin == "test" and facts.template_category != "MARKETING":
        return Send("template", "service", values=values)
    return Refuse(Reason.NO_CONSENT, "consent", HOUSE, {"purpose": facts.purpose})


def _held_by_template(facts: Facts, now: datetime) -> Wait | Refuse:
    until = now + TEMPLATE_LOOK_AGAIN
    values = {"template": facts.template_name}
    if facts.expires_at is not None and until >= facts.expires_at:
        return Refuse(Reason.TEMPLATE_PAUSED, "template", HOUSE, values)
    return Wait(until, Reason.TEMPLATE_PAUSED, "template", HOUSE, values)


def _banned(ban: Ban, facts: Facts, country: str) -> Refuse:
    return Refuse(
        Reason.COUNTRY_BLOCKED,
        ban.name,
        ban.version,
        {"country": country, "category": facts.template_category, "template": facts.template_name},
    )
