"""The one door out: claim, decide, flip under lock, send outside any transaction, record.

Nothing is sent twice: a message is handed to the provider only between its flip (`claimed -> inflight`, committed) and
its record, by the one dispatcher that holds its fence; whatever then stays unclear becomes `unknown` and is never sent
again by itself. An opt-out that was committed before the flip stops the message: the flip holds the rows the decision
rests on and compares their versions with what was decided on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import OperationalError, transaction
from django.db.models import Count, Max, Q

from contacts.models import Address, Purpose
from contacts.suppression import suppressed_contact_ids
from conversations.models import Message
from delivery import outbox
from delivery.facts import PRESSING, People, facts_load, pressure, rivals
from delivery.gate import Facts, Reason, Refuse, Send, Verdict, Wait, decide
from delivery.models import Attempt, Decision
from delivery.outbox import Claimed, Record
from delivery.outcomes import outcome
from delivery.recording import answers_record
from delivery.rulebook import Rules
from delivery.rules import rules_load
from delivery.services import Decided, decision_record
from delivery.transport import FRESH_SECONDS, Answer, transport
from messaging.adapters.outbound import outbound_adapter
from messaging.credentials import credentials_for_sending
from messaging.errors import CredentialsUnreadableError
from messaging.events import (
    AddressRef,
    Button,
    Content,
    ErrorClass,
    FreeForm,
    OutboundRequest,
    Outcome,
    ProviderError,
    Scope,
    SendAnswer,
    TemplateContent,
)
from messaging.governor import BURST_SECONDS, PEOPLE_PERIOD, Ask, governor
from messaging.models import ChannelAccount, Template
from messaging.templates import template_preview

log = structlog.get_logger(__name__)
Clock = Callable[[], datetime]
Status = Message.Status

BATCH = 500
RUN_SECONDS = 15.0  # one call's share of a worker; what is left wakes the next call
YIELD = timedelta(seconds=5)
PACE_TICK = BURST_SECONDS * 0.8  # a paced number is looked at this often: its bucket never runs over


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What one call did. `more`: something is due and could go out by now or in a moment."""

    claimed: int
    sent: int
    more: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """A message the gate lets go, with the words and the address it goes with."""

    message: Claimed
    facts: Facts
    verdict: Send
    to: Address
    other_address: bool


def dispatch_due(
    *,
    clock: Clock,
    account_id: UUID | None = None,
    urgent: bool = False,
    limit: int = BATCH,
    seconds: float = RUN_SECONDS,
) -> Dispatched:
    """Send what is due, account by account, batch by batch, for up to `seconds`. `urgent`: answers only."""
    end = time.monotonic() + seconds
    claimed = sent = 0
    rules = rules_load(now=clock())
    while True:
        began = time.monotonic()
        accounts = [account_id] if account_id else outbox.accounts_due(now=clock(), urgent=urgent)
        unpaced = paced = False
        for key in accounts:
            took, went, limited = _batch(key, rules, clock=clock, urgent=urgent, limit=limit)
            claimed, sent = claimed + took, sent + went
            paced = paced or limited
            unpaced = unpaced or (took > 0 and not limited)
        if not (paced or unpaced):
            return Dispatched(claimed, sent, more=False)
        if time.monotonic() > end:
            return Dispatched(claimed, sent, more=True)
        if not unpaced:
            # Only the numbers' pace holds us up: let a worthwhile batch gather, and none of the pace go to waste.
            time.sleep(max(0.0, began + PACE_TICK - time.monotonic()))


def _batch(account_id: UUID, rules: Rules, *, clock: Clock, urgent: bool, limit: int) -> tuple[int, int, bool]:
    """One batch of one account: how many were claimed and sent, and whether the number's pace held some back."""
    account = ChannelAccount.objects.get(pk=account_id)
    now = clock()
    allowed, wait = governor().pace_take(account, want=limit, now=now)
    if not allowed:
        return 0, 0, wait <= PACE_TICK
    claimed = outbox.claim(account_id=account_id, limit=allowed, now=now, urgent=urgent)
    went = 0
    try:
        if claimed:
            went = _send_claimed(account, claimed, rules, now=now, clock=clock)
    finally:
        governor().pace_return(account, count=allowed - went)
    return len(claimed), went, len(claimed) == allowed < limit


def _send_claimed(
    account: ChannelAccount, claimed: Sequence[Claimed], rules: Rules, *, now: datetime, clock: Clock
) -> int:
    ids = [item.id for item in claimed]
    seen = outbox.versions(ids)
    facts, people = facts_load(ids, channel=account.channel, portfolio_id=account.portfolio_id, now=now)
    tries = _tries(ids)
    people_wanted = list({known.contact_id for known in facts.values() if known.purpose == Purpose.MARKETING})
    others = rivals(people_wanted, account_id=account.pk, now=now) if people_wanted else {}
    ready, held = _decide_all(claimed, facts, people, tries, others, rules, now)
    ready = _governed(account, ready, held, now)
    going = _flip_safely(account, ready, held, seen=seen, people=people, now=now)
    committed = time.monotonic()
    if not going:
        return 0
    records = _send(account, going, {key: count for key, (count, _open) in tries.items()}, committed, clock)
    answers_record(account, records, now=clock())
    return len(going)


def _tries(message_ids: Sequence[UUID]) -> dict[UUID, tuple[int, bool]]:
    """Attempts so far, and whether one of them may have reached the person."""
    live = Q(state__in=[Attempt.State.OPEN, Attempt.State.ACCEPTED, Attempt.State.UNKNOWN])
    rows = (
        Attempt.objects.filter(message_id__any_of=message_ids)
        .values("message_id")
        .annotate(tries=Count("id"), live=Count("id", filter=live))
    )
    return {row["message_id"]: (row["tries"], row["live"] > 0) for row in rows}


def _decide_all(
    claimed: Sequence[Claimed],
    facts: dict[UUID, Facts],
    people: People,
    tries: dict[UUID, tuple[int, bool]],
    others: dict[UUID, tuple[int, ...]],
    rules: Rules,
    now: datetime,
) -> tuple[list[Ready], list[tuple[Claimed, Facts, Verdict]]]:
    """In the order of priority; a marketing message that goes counts against the next one to the same person."""
    ready: list[Ready] = []
    held: list[tuple[Claimed, Facts, Verdict]] = []
    added: dict[UUID, tuple[datetime, ...]] = {}
    for item in claimed:
        known = facts[item.id]
        if item.contact_id in added:
            known = replace(known, pressure=(*known.pressure, *added[item.contact_id]))
        verdict: Verdict
        if tries.get(item.id, (0, False))[1]:
            verdict = Refuse(Reason.DUPLICATE, "attempt", "1")
        else:
            verdict = decide(known, now, rules)
        if isinstance(verdict, Send) and known.purpose == Purpose.MARKETING:
            more_urgent = sum(priority > item.priority for priority in others.get(item.contact_id, ()))
            verdict = _yielding(verdict, known, more_urgent, rules, now)
        if isinstance(verdict, Send):
            usable = people.usable(item.contact_id)
            ready.append(Ready(item, known, verdict, usable[0], len(usable) > 1))
            if known.purpose == Purpose.MARKETING:
                added[item.contact_id] = (*added.get(item.contact_id, ()), now)
        else:
            held.append((item, known, verdict))
    return ready, held


def _yielding(verdict: Send, known: Facts, more_urgent: int, rules: Rules, now: datetime) -> Verdict:
    """When a cap leaves no room beside what is due from other accounts with a higher priority, that goes first."""
    if not more_urgent:
        return verdict
    crowded = decide(replace(known, pressure=(*known.pressure, *[now] * more_urgent)), now, rules)
    if isinstance(crowded, Send) or crowded.reason != Reason.FREQUENCY_CAP:
        return verdict
    # Asked again in a moment: by then the other has gone (and counts), or was refused (and does not).
    return Wait(now + YIELD, crowded.reason, crowded.rule, crowded.rule_version, crowded.values)


def _governed(
    account: ChannelAccount, ready: list[Ready], held: list[tuple[Claimed, Facts, Verdict]], now: datetime
) -> list[Ready]:
    """Those the provider's limits let go now; the others wait as long as the limit says."""

    def recent() -> list[tuple[UUID, datetime]]:
        rows = (
            Message.objects.filter(account__portfolio_id=account.portfolio_id, account__channel=account.channel)
            .filter(direction=Message.Direction.OUT, kind="template", status__in=PRESSING)
            .filter(occurred_at__gt=now - PEOPLE_PERIOD)
            .values_list("contact_id")
            .annotate(at=Max("occurred_at"))
        )
        return list(rows)

    def last_sent() -> dict[UUID, datetime]:
        rows = (
            Message.objects.filter(account=account, contact_id__in={item.message.contact_id for item in ready})
            .filter(direction=Message.Direction.OUT, status__in=PRESSING)
            .values_list("contact_id")
            .annotate(at=Max("occurred_at"))
        )
        return dict(rows)

    asks = [Ask(item.message.contact_id, _outside(item, now)) for item in ready]
    answers = governor().reserve(account, asks, now=now, recent=recent, last_sent=last_sent)
    going = []
    for item, denied in zip(ready, answers, strict=True):
        if denied is None:
            going.append(item)
        else:
            held.append((item.message, item.facts, Wait(denied.until, Reason(denied.limit), "governor", "1")))
    return going


def _outside(item: Ready, now: datetime) -> bool:
    ends = item.facts.window_ends_at
    return item.verdict.content == "template" and (ends is None or now >= ends)


def _flip_safely(account: ChannelAccount, *arguments: Any, **named: Any) -> list[Ready]:
    """The flip, once more when PostgreSQL ended it to break a deadlock. A second failure leaves it to the reaper."""
    try:
        with transaction.atomic():
            return _flip(account, *arguments, **named)
    except OperationalError:
        with transaction.atomic():
            return _flip(account, *arguments, **named)


def _flip(
    account: ChannelAccount,
    ready: Sequence[Ready],
    held: Sequence[tuple[Claimed, Facts, Verdict]],
    *,
    seen: dict[UUID, tuple[str | None, ...]],
    people: People,
    now: datetime,
) -> list[Ready]:
    """Inside one short transaction: hold the grounds still, drop what no longer stands on them, flip the rest."""
    back = [(item, *_waiting(verdict, now)) for item, _facts, verdict in held]
    firm: list[Ready] = []
    if ready:
        messages = [item.message for item in ready]
        outbox.lock_grounds(messages, account_id=account.pk)
        current = outbox.versions([item.id for item in messages])
        contacts = {item.contact_id for item in messages}
        suppressed = suppressed_contact_ids(contacts, account.channel)
        pressing = pressure(list(contacts), now)
        for item in ready:
            message = item.message
            same = (
                current.get(message.id) == seen.get(message.id)
                and (message.contact_id in suppressed) == item.facts.suppressed
                and pressing.get(message.contact_id, ()) == people.pressure.get(message.contact_id, ())
            )
            if same:
                firm.append(item)
            else:
                back.append((message, Status.SCHEDULED.value, now, ""))  # something changed: decide anew at once
    flipped = outbox.flip(_spoken(firm), now=now) if firm else set()
    outbox.put_back(back)
    decided = [Decided(facts, verdict, item.conversation_id) for item, facts, verdict in held]
    going = [item for item in firm if item.message.id in flipped]
    decided += [Decided(item.facts, item.verdict, item.message.conversation_id) for item in going]
    decision_record(decided=decided, stage=Decision.Stage.SEND, now=now)
    return going


def _spoken(items: Sequence[Ready]) -> list[tuple[Claimed, str, str]]:
    """The kind of each message and the words the person will read."""
    ids = {item.message.template_id for item in items if item.verdict.content == "template"}
    templates = Template.objects.in_bulk([key for key in ids if key]) if ids else {}
    spoken = []
    for item in items:
        message = item.message
        if item.verdict.content == "free":
            spoken.append((message, "text", (message.content_free or {}).get("text", "")))
        else:
            template = templates.get(message.template_id or 0)
            values = (message.content_template or {}).get("values") or {}
            text = template_preview(template.components, values) if template else ""
            spoken.append((message, "template", text))
    return spoken


def _waiting(verdict: Verdict, now: datetime) -> tuple[str, datetime | None, str]:
    if isinstance(verdict, Wait):
        return Status.SCHEDULED.value, max(verdict.until, now + timedelta(milliseconds=100)), verdict.reason.value
    if isinstance(verdict, Refuse):
        expired = verdict.reason == Reason.EXPIRED
        return (Status.EXPIRED if expired else Status.SUPPRESSED).value, None, verdict.reason.value
    raise TypeError(verdict)


def _send(
    account: ChannelAccount, going: Sequence[Ready], tries: dict[UUID, int], committed: float, clock: Clock
) -> list[Record]:
    """Hand them to the provider concurrently. No transaction is open here."""
    adapter = outbound_adapter(account.channel)
    records: list[Record] = []

    def note(item: Ready, answer: SendAnswer) -> None:
        count = tries.get(item.message.id, 0) + 1
        record = outcome(item.message, answer, tries=count, other_address=item.other_address, now=clock())
        records.append(replace(record, to=AddressRef(item.to.kind, item.to.value)) if record.error else record)

    def done(item: Ready, answer: Answer) -> None:
        if not answer.written:
            note(item, _not_written(answer))
        else:
            note(item, adapter.read_answer(status=answer.status, headers=answer.headers, body=answer.body))

    try:
        credentials = credentials_for_sending(account)
    except CredentialsUnreadableError as error:
        for item in going:
            note(item, _refusal("credentials", str(error), ErrorClass.AUTH, Scope.NUMBER))
        return records

    def rendered() -> Iterator[tuple[Any, OutboundRequest]]:
        for item in going:
            to = AddressRef(item.to.kind, item.to.value)
            try:
                request = adapter.render(
                    account=account, credentials=credentials, to=to, content=_content(item), ref=item.message.ref
                )
            except Exception as error:  # noqa: BLE001 - one message that cannot be put into words stops no other
                note(item, _refusal("content", type(error).__name__, ErrorClass.FIX_MESSAGE, Scope.MESSAGE))
                continue
            yield item, request

    transport().post_all(rendered(), done, fresh_until=committed + FRESH_SECONDS)
    return records


def _content(item: Ready) -> Content:
    if item.verdict.content == "free":
        free = item.message.content_free or {}
        buttons = tuple(Button(button["id"], button["title"]) for button in free.get("buttons") or ())
        return FreeForm(free["text"], buttons)
    filled = item.message.content_template or {}
    return TemplateContent(
        filled["name"], filled["language"], filled.get("values") or {}, filled.get("parameter_format") or "POSITIONAL"
    )


def _not_written(answer: Answer) -> SendAnswer:
    code, title = ("late", "not written in time") if answer.late else ("connection", "no connection")
    return _refusal(code, title, ErrorClass.RETRY, Scope.NUMBER)


def _refusal(code: str, title: str, kind: ErrorClass, scope: Scope) -> SendAnswer:
    """A refusal of our own: nothing left this machine."""
    return SendAnswer(Outcome.REFUSED, error=ProviderError(code, title, "", kind, scope))
