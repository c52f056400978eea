"""From rows to values: the compliance rules in force, as the gate takes them. Nothing here is legal advice."""

from datetime import datetime, time, timedelta

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from delivery.models import ComplianceRule
from delivery.rulebook import Ban, Cap, Hours, Rules

Kind = ComplianceRule.Kind


def rules_load(*, now: datetime) -> Rules:
    """The enabled rules valid on that UTC day; one query. A row that cannot be read refuses to be left out silently."""
    today = now.date()
    hours, caps, bans = [], [], []
    for row in ComplianceRule.objects.filter(enabled=True, valid_from__lte=today).order_by("pk"):
        if row.valid_to is not None and row.valid_to < today:
            continue
        rule = rule_read(row)
        if isinstance(rule, Hours):
            hours.append(rule)
        elif isinstance(rule, Cap):
            caps.append(rule)
        else:
            bans.append(rule)
    return Rules(tuple(hours), tuple(caps), tuple(bans))


def rule_read(row: ComplianceRule) -> Hours | Cap | Ban:
    """One row as the gate takes it. ValidationError, naming the field, when its value makes no sense."""
    name = f"{row.kind}:{row.jurisdiction}"
    try:
        rule = _read(row, name)
    except (KeyError, TypeError, ValueError):
        rule = None
    if rule is None:
        raise ValidationError(
            {
                "value": _(
                    'Hours need {"from": "08:00", "to": "21:00"}, a cap {"count": 3, "hours": 24}, '
                    'a template ban {"category": "MARKETING"}.'
                )
            }
        )
    return rule


def _read(row: ComplianceRule, name: str) -> Hours | Cap | Ban | None:
    if row.kind == Kind.HOURS:
        start, end = time.fromisoformat(row.value["from"]), time.fromisoformat(row.value["to"])
        weekdays = frozenset(int(day) for day in row.weekdays)
        return Hours(name, row.version, row.jurisdiction, row.channel, weekdays, start, end) if start <= end else None
    if row.kind == Kind.CAP:
        count, hours = int(row.value["count"]), float(row.value["hours"])
        sensible = count >= 1 and 0 < hours <= 24 * 31
        period = timedelta(hours=hours)
        return Cap(name, row.version, row.jurisdiction, row.channel, count, period) if sensible else None
    return Ban(name, row.version, row.jurisdiction, row.channel, str(row.value["category"]))
