"""Does the provider's own record agree with Rekindle's database, message by message, and with the rules?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from callbacks.models import Callback
from campaigns.holdout import holdout_assigned
from campaigns.models import AdClick, Campaign
from contacts.addresses import contact_find
from contacts.models import ConsentEvent
from conversations.models import Conversation, Conversion, Message
from conversations.refs import ref_parse
from delivery.models import Attempt

RANK = {"accepted": 1, "sent": 2, "delivered": 3, "read": 4}
# Between the provider's 200 and the moment the opt-out is in the ledger; a message flipped before that was in time.
PROCESSING = timedelta(seconds=5)


@dataclass(slots=True)
class Report:
    """One line for each thing that was checked; `failures` must be empty."""

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str, detail: object = "") -> None:
        self.lines.append(f"{'ok  ' if holds else 'FAIL'} {what}" + (f"  ({detail})" if detail != "" else ""))
        if not holds:
            self.failures.append(what)


def verify(
    *,
    record: dict[str, Any],
    personas: Sequence[dict[str, Any]],
    late: Sequence[dict[str, Any]],
    purchases: Sequence[dict[str, Any]],
    campaigns: Sequence[Campaign],
    run: str,
    started_at: datetime,
) -> Report:
    """Check the whole run."""
    report = Report()
    accepted = [send for send in record["sends"] if send["accepted"]]
    accounts = {campaign.account_id for campaign in campaigns}
    messages = {
        message.pk: message
        for message in Message.objects.filter(account__in=accounts, direction="out", created_at__gte=started_at)
        .select_related("conversation", "campaign", "contact")
    }  # fmt: skip
    by_ref = {send["ref"]: messages.get(parsed[0]) for send in accepted if (parsed := ref_parse(send["ref"]))}
    by_person = {persona["person"]: persona for persona in [*personas, *late] if persona["person"]}
    late_by_phone = {persona["phone"]: persona for persona in late}
    for send in accepted:
        if send["person"] not in by_person and send["to"] in late_by_phone:
            by_person[send["person"]] = late_by_phone[send["to"]]

    _agreement(report, accepted, messages)
    _promises(report, accepted, by_ref, by_person, record, campaigns)
    _inbound(report, record, personas, campaigns)
    _sales(report, purchases, run)
    _life(report, accepted, by_ref, personas, campaigns)
    return report


def _agreement(report: Report, accepted: list[dict[str, Any]], messages: dict[Any, Message]) -> None:
    sent_by_message = Counter(parsed[0] for send in accepted if (parsed := ref_parse(send["ref"])))
    report.expect(len(sent_by_message) == len(accepted), "every send carries the name of one message", len(accepted))
    report.expect(all(count == 1 for count in sent_by_message.values()), "nothing was sent twice")
    known = {message.provider_message_id: message for message in messages.values() if message.provider_message_id}
    missing = [send for send in accepted if send["message_id"] not in known]
    report.expect(not missing, "every message the provider has is in the database", f"{len(missing)} missing")
    extra = set(known) - {send["message_id"] for send in accepted}
    report.expect(not extra, "every message the database calls sent is at the provider", f"{len(extra)} extra")
    behind = 0
    for send in accepted:
        message = known.get(send["message_id"])
        best = max((RANK.get(status["status"], 0) for status in send["statuses"]), default=0)
        behind += message is not None and RANK.get(message.status, 0) < best
    report.expect(behind == 0, "every status arrived and none moved backwards", f"{behind} behind")
    unsettled = Attempt.objects.filter(message__in=messages, state__in=["open", "unknown"]).count()
    report.expect(unsettled == 0, "no send is without a clear answer", unsettled)


def _promises(
    report: Report,
    accepted: list[dict[str, Any]],
    by_ref: dict[str, Message | None],
    by_person: dict[int, dict[str, Any]],
    record: dict[str, Any],
    campaigns: Sequence[Campaign],
) -> None:
    marketing = [
        (send, message) for send in accepted if (message := by_ref.get(send["ref"])) and message.purpose == "marketing"
    ]
    opted_out = {
        row["person"]: row["acknowledged_at"] for row in reversed(record["opt_outs"]) if row["acknowledged_at"]
    }
    after = [
        send
        for send, _message in marketing
        if send["person"] in opted_out
        and datetime.fromisoformat(send["at"]) > datetime.fromisoformat(opted_out[send["person"]]) + PROCESSING
    ]
    withdrawn = dict(
        ConsentEvent.objects.filter(contact__in={m.contact_id for _send, m in marketing}, action="withdrawn")
        .order_by("-recorded_at")
        .values_list("contact_id", "recorded_at")
    )
    flips = dict(
        Attempt.objects.filter(message__in={m.pk for _send, m in marketing}).values_list("message_id", "started_at")
    )
    late = [m for _send, m in marketing if m.contact_id in withdrawn and flips[m.pk] > withdrawn[m.contact_id]]
    report.expect(not after and not late, "nothing to anyone who had opted out before", f"{len(opted_out)} opted out")
    quiet = [send for send, _message in marketing if _quiet(send, by_person.get(send["person"]))]
    asleep = sum(bool(by_person.get(send["person"], {}).get("night")) for send, _message in marketing)
    report.expect(not quiet and not asleep, "no callback in quiet hours", f"{len(marketing)} callbacks sent")
    to_us = [s for s in accepted if s["type"] == "template" and by_person.get(s["person"], {}).get("country") == "US"]
    report.expect(not to_us, "no template to a United States number", f"{len(to_us)} sent")
    chosen = {campaign.pk: campaign for campaign in campaigns}
    kept_out = [
        m
        for _send, m in marketing
        if (m.conversation and m.conversation.holdout)
        or (
            m.campaign_id in chosen
            and holdout_assigned(
                salt=chosen[m.campaign_id].holdout_salt,
                percent=chosen[m.campaign_id].holdout_percent,
                contact_id=m.contact_id,
            )
        )
    ]
    members = Conversation.objects.filter(campaign__in=chosen, holdout=True).count()
    report.expect(not kept_out and members > 0, "nobody of the holdout was called back", f"{members} held out")
    outside = [send for send in accepted if send["type"] != "template" and not send["window_open"]]
    report.expect(not outside, "no free text outside the window")


def _quiet(send: dict[str, Any], persona: dict[str, Any] | None) -> bool:
    """The widest hours of any jurisdiction in the story are 07:00 to 22:00; the United States' 08:00 to 21:00."""
    if persona is None:
        return True
    first, last = (8, 21) if persona["country"] == "US" else (7, 22)
    at = datetime.fromisoformat(send["at"])
    return any(not first <= at.astimezone(ZoneInfo(zone)).hour < last for zone in persona["time_zones"])


def _inbound(
    report: Report, record: dict[str, Any], personas: Sequence[dict[str, Any]], campaigns: Sequence[Campaign]
) -> None:
    written = [row["message_id"] for row in record["inbound"] if row["message_id"]]
    stored = Message.objects.filter(direction="in", provider_message_id__in=written).count()
    report.expect(stored == len(written), "every inbound message is there, once", f"{stored} of {len(written)}")
    lost = 0
    for persona in personas:
        stopped = any(event.get("opt_out") for event in persona["events"])
        if stopped:
            contact = contact_find(
                channel="whatsapp",
                portfolio_id=campaigns[0].account.portfolio_id,
                addresses=[("phone", persona["phone"])] * bool(persona["phone"]) + [("bsuid", persona["user_id"])],
            )
            held = contact is not None and (
                "whatsapp:marketing" in contact.consent_withdrawn or contact.reviews_open > 0
            )
            lost += not held
    report.expect(lost == 0, "every opt-out took effect", f"{lost} lost")
    clicks = sum(event["what"] == "link_click" for persona in personas for event in persona["events"])
    previews = sum(event["what"] == "preview" for persona in personas for event in persona["events"])
    counted = AdClick.objects.filter(entry_point__campaign__in=campaigns).count()
    report.expect(
        counted == clicks, "every click was counted, no preview was", f"{counted} clicks, {previews} previews"
    )
    problems = [persona["problem"] for persona in personas if persona["problem"]]
    report.expect(not problems, "every tracked link led to the chat", "; ".join(problems[:2]))


def _sales(report: Report, purchases: Sequence[dict[str, Any]], run: str) -> None:
    conversions = list(Conversion.objects.filter(external_id__startswith=f"{run}-"))
    sold = _sums((sale["currency"], Decimal(sale["amount"])) for sale in purchases)
    counted = _sums((conversion.currency, conversion.value or Decimal(0)) for conversion in conversions)
    totals = ", ".join(f"{amount:,.0f} {currency}" for currency, amount in sorted(counted.items()))
    report.expect(sold == counted and len(conversions) == len(purchases), "every sale counted once", totals)


def _sums(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Money per currency; currencies are never added up."""
    sums: dict[str, Decimal] = {}
    for currency, amount in amounts:
        sums[currency] = sums.get(currency, Decimal(0)) + amount
    return sums


def _life(
    report: Report,
    accepted: list[dict[str, Any]],
    by_ref: dict[str, Message | None],
    personas: Sequence[dict[str, Any]],
    campaigns: Sequence[Campaign],
) -> None:
    """A story in which nothing happens proves nothing."""
    callbacks = [s for s in accepted if (m := by_ref.get(s["ref"])) and m.origin == Message.Origin.CALLBACK]
    free = sum(send["type"] != "template" for send in callbacks)
    templates = len(callbacks) - free
    report.expect(
        free > 0 and templates > 0, "callbacks inside and outside the window", f"{free} free, {templates} templates"
    )
    back = sum(e["what"] == "reacts" and e["reaction"] != "silence" for p in personas for e in p["events"])
    report.expect(back > 0, "people came back after a callback", back)
    blocked = Message.objects.filter(campaign__in=campaigns, reason="country_blocked").count()

    blocked += Callback.objects.filter(
        dropout__conversation__campaign__in=campaigns, decision__reason="country_blocked"
    ).count()
    report.expect(blocked > 0, "templates to United States numbers were refused, and said so", blocked)
    hidden = Conversation.objects.filter(campaign__in=campaigns, contact__addresses__kind="bsuid").exclude(
        contact__addresses__kind="phone"
    )
    report.expect(hidden.exists(), "people without a visible phone number took part", hidden.count())
