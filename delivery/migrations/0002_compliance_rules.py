"""The shipped rules: a careful start for an operator, not legal advice. Edit them in the admin; add a row per change."""

from datetime import date

from django.db import migrations

VERSION = "2026-11"
MON_SAT, SUN, MON_FRI, WEEKEND = [1, 2, 3, 4, 5, 6], [7], [1, 2, 3, 4, 5], [6, 7]
TCPA = "47 CFR 64.1200 (TCPA)"
# (kind, jurisdiction, channel, weekdays, value, source)
ROWS = [
    ("hours", "*", "", [], {"from": "08:00", "to": "21:00"}, "House default where no local rule is on file"),
    ("hours", "VN", "", [], {"from": "07:00", "to": "22:00"}, "Decree 91/2020/ND-CP (SMS hours, extended to chat)"),
    ("hours", "US", "", [], {"from": "08:00", "to": "21:00"}, TCPA),
    *[
        ("hours", f"US-{state}", "", [], {"from": "08:00", "to": "20:00"}, f"State telemarketing law of {state}")
        for state in ("FL", "OK", "MD", "MS", "NJ", "AL", "LA", "MA")
    ],
    ("hours", "US-CT", "", [], {"from": "09:00", "to": "20:00"}, "State telemarketing law of CT"),
    ("hours", "US-TX", "", MON_SAT, {"from": "09:00", "to": "21:00"}, "State telemarketing law of TX"),
    ("hours", "US-TX", "", SUN, {"from": "12:00", "to": "21:00"}, "State telemarketing law of TX, Sundays"),
    ("hours", "US-RI", "", MON_FRI, {"from": "09:00", "to": "18:00"}, "State telemarketing law of RI"),
    ("hours", "US-RI", "", WEEKEND, {"from": "10:00", "to": "17:00"}, "State telemarketing law of RI, weekends"),
    ("hours", "US-KY", "", [], {"from": "10:00", "to": "21:00"}, "State telemarketing law of KY"),
    *[
        ("hours", f"US-{state}", "", [], {"from": "09:00", "to": "21:00"}, f"State telemarketing law of {state}")
        for state in ("CA", "IL", "MI", "MN")
    ],
    ("hours", "FR", "", MON_SAT, {"from": "08:00", "to": "22:00"}, "French SMS marketing practice (public holidays: add rows)"),
    ("hours", "FR", "", SUN, {"from": "00:00", "to": "00:00"}, "French SMS marketing practice: never on Sundays"),
    ("hours", "IN", "", [], {"from": "10:00", "to": "21:00"}, "TCCCPR"),
    ("hours", "BR", "", [], {"from": "09:00", "to": "21:00"}, "Brazilian market practice"),
    ("cap", "*", "", [], {"count": 1, "hours": 24}, "House rule: one marketing message a day, over all campaigns"),
    ("cap", "*", "", MON_SAT + SUN, {"count": 3, "hours": 168}, "House rule: three marketing messages a week"),
    ("cap", "VN", "", [], {"count": 3, "hours": 24}, "Decree 91/2020/ND-CP"),
    *[
        ("cap", f"US-{state}", "", [], {"count": 3, "hours": 24}, f"State telemarketing law of {state}")
        for state in ("FL", "OK", "MD")
    ],
    (
        "template_ban", "US", "whatsapp", [], {"category": "MARKETING"},
        "WhatsApp delivers no marketing template to +1 United States numbers since 2025-04-01",
    ),
]  # fmt: skip


def seed(apps, schema_editor):
    rule = apps.get_model("delivery", "ComplianceRule")
    rule.objects.bulk_create(
        rule(
            kind=kind, jurisdiction=place, channel=channel, weekdays=weekdays, value=value, source=source,
            version=VERSION, valid_from=date(2026, 11, 1),
        )
        for kind, place, channel, weekdays, value, source in ROWS
    )  # fmt: skip


def remove(apps, schema_editor):
    apps.get_model("delivery", "ComplianceRule").objects.filter(version=VERSION).delete()


class Migration(migrations.Migration):
    dependencies = [("delivery", "0001_initial")]
    operations = [migrations.RunPython(seed, remove)]
