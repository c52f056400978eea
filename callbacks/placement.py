"""When a callback goes out. Pure: no Django, no clock, no database.

From its ideal time (callbacks.timing) the callback is placed *into* the open service window:

1. at the ideal time, or the policy's margin before the window closes, whichever comes first;
2. if that is a quiet hour (or another reason to wait), at the next permitted moment before that margin;
3. if there is none, at the last permitted moment before it: a little early beats not at all;
4. if the window offers none, the step's template outside the window, at the next permitted moment;
5. else it is refused, with the reason that stood in the way.

What is permitted is not decided here: the gate is asked, hypothetically, for each moment in question.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery.gate import HOUSE, WINDOW_MARGIN, Reason, Refuse, Send, Verdict, Wait

GRID = timedelta(minutes=15)  # how finely an earlier moment is looked for
MAX_WAITS = 50  # a wait that leads to a wait that leads to a wait ... ends somewhere
# These end when somebody does something, at no time that can be known: nothing is placed while they stand.
STANDING = frozenset({Reason.ACCOUNT_PAUSED, Reason.OPTOUT_REVIEW, Reason.TEMPLATE_PAUSED})


@dataclass(frozen=True, slots=True)
class Placed:
    """When, and with which form: "free" inside the window, "template" outside (or when the step has no text)."""

    due_at: datetime
    content: str


def place(
    *,
    ideal_at: datetime,
    now: datetime,
    latest_at: datetime,
    window_ends_at: datetime | None,
    margin: timedelta,
    has_free: bool,
    has_template: bool,
    decide_at: Callable[[datetime], Verdict],
) -> Placed | Refuse | Wait:
    """The best permitted moment for this callback, or the refusal that says why there is none.

    A `Wait` means that it cannot be said yet: something stands in the way that ends when somebody does something.

    `latest_at` is the latest useful moment; nothing is placed after it. Free text is never placed after the window's
    end less `margin`, nor anything before `now`.
    """
    if latest_at < now:
        return _expired()
    refusal: Refuse | None = None
    if has_free and window_ends_at is not None:
        limit = min(window_ends_at - margin, latest_at)
        if limit >= now:
            wanted = min(max(ideal_at, now), limit)
            found = _forward(wanted, limit, "free", decide_at)
            if not isinstance(found, Refuse):
                return found
            if earlier := _backward(wanted, now, decide_at):
                return earlier
            refusal = found
    if not has_template:
        return refusal or Refuse(Reason.WINDOW_CLOSED, "service_window", HOUSE)
    wanted = max(ideal_at, now)
    if has_free and window_ends_at is not None:
        wanted = max(wanted, _closed_from(window_ends_at, decide_at))
    if wanted > latest_at:
        return refusal or _expired()
    return _forward(wanted, latest_at, "template", decide_at)


def _closed_from(window_ends_at: datetime, decide_at: Callable[[datetime], Verdict]) -> datetime:
    """From when on the gate takes the template: while the window is open it takes the text, and that is too late now.

    The gate calls the window closed a little before it is; whether it does is asked, not assumed.
    """
    early = window_ends_at - WINDOW_MARGIN
    verdict = decide_at(early)
    return window_ends_at if isinstance(verdict, Send) and verdict.content == "free" else early


def _forward(
    moment: datetime, limit: datetime, content: str, decide_at: Callable[[datetime], Verdict]
) -> Placed | Refuse | Wait:
    for _attempt in range(MAX_WAITS):
        verdict = decide_at(moment)
        if isinstance(verdict, Send):
            if verdict.content == content:
                return Placed(moment, content)
            return Refuse(Reason.WINDOW_CLOSED, "service_window", HOUSE)
        if isinstance(verdict, Refuse):
            return verdict
        if verdict.reason in STANDING:
            return verdict
        if verdict.until > limit:
            return _too_late(verdict)
        moment = max(verdict.until, moment + timedelta(seconds=1))
    return _expired()


def _backward(moment: datetime, earliest: datetime, decide_at: Callable[[datetime], Verdict]) -> Placed | None:
    while moment > earliest:
        moment = max(moment - GRID, earliest)
        verdict = decide_at(moment)
        if isinstance(verdict, Send) and verdict.content == "free":
            return Placed(moment, "free")
    return None


def _too_late(wait: Wait) -> Refuse:
    """Waiting would outlast the callback's sense: what made it wait is what refused it."""
    return Refuse(wait.reason, wait.rule, wait.rule_version, wait.values)


def _expired() -> Refuse:
    return Refuse(Reason.EXPIRED, "useful_for", HOUSE)
