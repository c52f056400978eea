"""What goes wrong on request: which fault, on which endpoint, when, and how often it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

KINDS = frozenset({"error", "http", "timeout", "reset", "unreadable", "slow", "fail", "held"})
# What the fault leaves behind: kinds that default to taking the message before misbehaving.
ACCEPTING = frozenset({"timeout", "unreadable", "slow", "fail", "held"})


@dataclass(slots=True)
class Fault:
    """One rule. `every` N fires on the Nth, 2Nth... matching request; `next` N on the next N; neither: always."""

    id: int
    kind: str
    endpoint: str = "messages"  # or message_templates, node, debug_token, subscribed_apps; "*" = any
    where: dict[str, str] = field(default_factory=dict)  # phone_number_id, to, recipient, template, type
    accept: bool = False
    next: int | None = None
    every: int | None = None
    code: int = 131000
    http: int | None = None
    subcode: int | None = None
    details: str = ""
    seconds: float = 1.0
    retry_after: str | None = None
    usage_minutes: int | None = None
    release_after: float | None = None  # held: seconds until it goes out; None = dropped with 132015
    seen: int = 0
    fired: int = 0

    def fires(self) -> bool:
        """Count one matching request and say whether the fault hits it."""
        self.seen += 1
        if self.next is not None and self.fired >= self.next:
            return False
        if self.every and self.seen % self.every:
            return False
        self.fired += 1
        return True

    def to_json(self) -> dict[str, Any]:
        rest = None if self.next is None else max(0, self.next - self.fired)
        return {name: getattr(self, name) for name in self.__slots__} | {"remaining": rest}


class Faults:
    """The rules in force, oldest first; the first that fires wins."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._last_id = 0

    def add(self, body: dict[str, Any]) -> Fault:
        """Read a rule from the control API. Raises ValueError for an unknown kind or field."""
        given = dict(body)
        kind = given.get("kind")
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(sorted(KINDS))}")
        given.setdefault("accept", kind in ACCEPTING)
        for name in ("next", "every"):
            if given.get(name) is not None and (not isinstance(given[name], int) or given[name] < 1):
                raise ValueError(f"{name} must be a whole number above 0")
        wait = given.get("retry_after")
        if not (wait is None or isinstance(wait, int | str)):
            raise ValueError("retry_after must be seconds or an HTTP date")
        given["retry_after"] = None if wait is None else str(wait)  # a header is text
        self._last_id += 1
        try:
            rule = Fault(id=self._last_id, **given)
        except TypeError:
            unknown = sorted(set(given) - set(Fault.__slots__))
            raise ValueError(f"unknown fields: {', '.join(unknown) or 'id'}") from None
        self.rules.append(rule)
        return rule

    def remove(self, fault_id: int | None) -> int:
        """Lift one rule, or all of them; returns how many."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if fault_id is not None and rule.id != fault_id]
        return before - len(self.rules)

    def hit(self, endpoint: str, facts: dict[str, str]) -> Fault | None:
        """The fault for this request, if any. `facts` are what `where` may ask for."""
        for rule in self.rules:
            if rule.endpoint not in ("*", endpoint):
                continue
            if any(facts.get(name) != value for name, value in rule.where.items()):
                continue
            if rule.fires():
                return rule
        return None
