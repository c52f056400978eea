"""WhatsApp's error codes as data: what a code means for the message, and which scope it closes.

Source: Meta, WhatsApp Cloud API error codes (12 Dec 2025) and newer codes seen until August 2026. The same code may
come in an HTTP answer, in a status or beside a message; `classify` reads all three shapes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from messaging.events import ErrorClass, ProviderError, Scope

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """`retry_after` in seconds is the shortest sensible wait when the provider names none.

    `refusal`: even behind a 5xx the code proves that the message was not taken.
    `lasting`: waiting does not end this stop, mending does.
    """

    error_class: ErrorClass
    scope: Scope = Scope.MESSAGE
    max_retries: int = 0
    retry_after: float | None = None
    refusal: bool = False
    lasting: bool = False


_AUTH = Rule(ErrorClass.AUTH, Scope.ACCOUNT, refusal=True)
_FIX = Rule(ErrorClass.FIX_MESSAGE)
_ADDRESS = Rule(ErrorClass.ADDRESS, Scope.PAIR)
_STOP_TEMPLATE = Rule(ErrorClass.STOP_TEMPLATE, Scope.TEMPLATE)
_STOP_TEMPLATE_LASTING = Rule(ErrorClass.STOP_TEMPLATE, Scope.TEMPLATE, lasting=True)
_STOP_NUMBER = Rule(ErrorClass.STOP_NUMBER, Scope.NUMBER, refusal=True)
_STOP_ACCOUNT = Rule(ErrorClass.STOP_ACCOUNT, Scope.ACCOUNT, refusal=True)

_OUR_FAULT = (
    *(100, 131008, 131009, 131044, 131051, 131055, 131060, 132005, 132008, 132012, 132018, 134100, 135000, 137000),
    *(139100, 139101, 2388318, 2388330, 2494191, 2593107, 2593108, 2593109, 200005, 200006, 200007),
    *(2388019, 2388039, 2388040, 2388047, 2388072, 2388073, 2388293, 2388299),
)

RULES: dict[int, Rule] = {
    # token and permission
    0: _AUTH,
    3: _AUTH,
    10: _AUTH,
    190: _AUTH,
    131005: _AUTH,
    # limits
    4: Rule(ErrorClass.SLOW, Scope.APP, max_retries=5, retry_after=60, refusal=True),
    80007: Rule(ErrorClass.SLOW, Scope.ACCOUNT, max_retries=5, retry_after=60, refusal=True),
    130429: Rule(ErrorClass.SLOW, Scope.NUMBER, max_retries=8, retry_after=1, refusal=True),
    131056: Rule(ErrorClass.SLOW, Scope.PAIR, max_retries=4, retry_after=4, refusal=True),  # 4^n seconds
    132069: Rule(ErrorClass.SLOW, Scope.TEMPLATE, max_retries=3, retry_after=HOUR),  # 10 messages an hour
    133016: Rule(ErrorClass.SLOW, Scope.NUMBER, max_retries=1, retry_after=72 * HOUR),  # register, deregister
    # stops
    33: _STOP_NUMBER,
    131037: _STOP_NUMBER,
    131045: _STOP_NUMBER,
    131048: _STOP_NUMBER,
    133000: _STOP_NUMBER,
    133005: _STOP_NUMBER,
    133006: _STOP_NUMBER,
    133008: _STOP_NUMBER,
    133009: _STOP_NUMBER,
    133010: _STOP_NUMBER,
    368: _STOP_ACCOUNT,
    131031: _STOP_ACCOUNT,
    131042: _STOP_ACCOUNT,
    131064: _STOP_ACCOUNT,
    134011: _STOP_ACCOUNT,  # payment terms not accepted
    131063: _STOP_TEMPLATE_LASTING,  # marketing templates are closed on this endpoint
    132000: _STOP_TEMPLATE_LASTING,
    132001: _STOP_TEMPLATE,
    132007: _STOP_TEMPLATE_LASTING,
    132015: _STOP_TEMPLATE,
    132016: _STOP_TEMPLATE_LASTING,
    132068: _STOP_TEMPLATE,
    134102: _STOP_TEMPLATE,
    # transient; whether the message was taken cannot be told from a 5xx with one of these
    1: Rule(ErrorClass.RETRY, max_retries=1, retry_after=5),
    2: Rule(ErrorClass.RETRY, max_retries=5, retry_after=5),
    131000: Rule(ErrorClass.RETRY, max_retries=3, retry_after=5),
    131016: Rule(ErrorClass.RETRY, max_retries=5, retry_after=5),
    133004: Rule(ErrorClass.RETRY, max_retries=5, retry_after=5),
    131052: Rule(ErrorClass.RETRY, max_retries=1, retry_after=5),
    131053: Rule(ErrorClass.RETRY, max_retries=1, retry_after=5),
    131057: Rule(ErrorClass.RETRY, Scope.NUMBER, max_retries=10, retry_after=90, refusal=True),  # maintenance
    133015: Rule(ErrorClass.RETRY, Scope.NUMBER, max_retries=3, retry_after=300),
    134101: Rule(ErrorClass.RETRY, Scope.TEMPLATE, max_retries=3, retry_after=600),
    2494100: Rule(ErrorClass.RETRY, Scope.NUMBER, max_retries=10, retry_after=300, refusal=True),
    139102: Rule(ErrorClass.RETRY, max_retries=3, retry_after=5),
    139103: Rule(ErrorClass.RETRY, max_retries=3, retry_after=5),
    # the person
    130472: Rule(ErrorClass.DEFER, Scope.PERSON, retry_after=24 * HOUR),  # in an experiment of Meta's: no retry
    131049: Rule(ErrorClass.DEFER, Scope.PERSON, max_retries=2, retry_after=24 * HOUR),
    131050: Rule(ErrorClass.SUPPRESS, Scope.PERSON),
    130497: Rule(ErrorClass.ADDRESS, Scope.COUNTRY),
    131021: _ADDRESS,
    131026: _ADDRESS,
    131030: _ADDRESS,
    131062: _ADDRESS,  # this content needs a phone number
    131047: Rule(ErrorClass.USE_TEMPLATE, Scope.PAIR),
    # our request
    **dict.fromkeys(_OUR_FAULT, _FIX),
}
# Families: permissions, groups, calling, Flows, Direct Send, usernames.
RANGES: tuple[tuple[int, int, Rule], ...] = (
    (200, 299, _AUTH),
    (131201, 131299, _FIX),
    (138000, 138999, _FIX),
    (139000, 139004, _FIX),
    (139200, 139299, _FIX),
    (147001, 147005, _FIX),
)
_UNKNOWN_TRANSIENT = Rule(ErrorClass.RETRY, max_retries=3, retry_after=5)

# What must not be shown or stored with an error: numbers of seven digits and more, user ids, tokens.
_PRIVATE = re.compile(r"\+?\d[\d\s().-]{5,}\d|\b[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]+|[A-Za-z0-9_-]{25,}")


def rule_for(code: int | None, *, http_status: int | None = None, transient: bool = False) -> Rule:
    """The rule of a code; unknown ones are retried when the server's state is to blame, else failed."""
    if code is not None:
        if rule := RULES.get(code):
            return rule
        for first, last, rule in RANGES:
            if first <= code <= last:
                return rule
    return _UNKNOWN_TRANSIENT if transient or (http_status or 0) >= 500 else _FIX


def classify(
    error: Mapping[str, Any], *, http_status: int | None = None, retry_after: float | None = None
) -> ProviderError:
    """Read one error object of an HTTP answer or of a webhook. Every key may be missing. Never raises.

    `retry_after` (seconds) is what the answer's headers asked for; it lengthens the table's wait, never shortens it.
    """
    code = error_code(error)
    rule = rule_for(code, http_status=http_status, transient=error.get("is_transient") is True)
    data = error.get("error_data")
    detail = data.get("details") if isinstance(data, Mapping) else None
    title = error.get("title") or error.get("error_user_title") or error.get("message")
    wait = rule.retry_after
    if retry_after is not None and rule.error_class in (ErrorClass.SLOW, ErrorClass.RETRY, ErrorClass.DEFER):
        wait = max(retry_after, wait or 0.0)
    return ProviderError(
        code="" if code is None else str(code),
        title=_shown(title),
        detail=_shown(detail or error.get("error_user_msg") or error.get("message")),
        error_class=rule.error_class,
        scope=rule.scope,
        retry_after=wait,
        max_retries=rule.max_retries,
        trace_id=str(error.get("fbtrace_id") or "")[:64],
        lasting=rule.lasting,
    )


def error_code(error: Mapping[str, Any]) -> int | None:
    """The numeric code, which some senders write as a string."""
    code = error.get("code")
    if isinstance(code, bool):
        return None
    if isinstance(code, int):
        return code if abs(code) < 10**12 else None
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) <= 12:
        return int(code)
    return None


def _shown(value: object) -> str:
    return _PRIVATE.sub("…", value)[:300] if isinstance(value, str) else ""
