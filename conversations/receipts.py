"""From stored bytes to what happened.

Receipts are taken in the order in which they came, several workers side by side (`SKIP LOCKED`). Of everything at
hand, opt-outs are applied and committed first. Next come the receipts that only report statuses, all in one
transaction: they are most of the traffic (about three for each message sent), and one by one they would hold up the
people who write. Then each receipt is one transaction with a savepoint around every item: an item that fails is
written down as a fault and takes no other item with it. A crash in the middle rolls the
receipt back, and the next round does it again; every consequence has a unique key, so nothing happens twice.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import Error as DatabaseFailure
from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _

from conversations.apply import disbelieved_keep, event_apply, optout_apply, optouts
from conversations.errors import ReceiptUnknownError
from conversations.statuses import statuses_apply
from messaging.accounts import accounts_match
from messaging.adapters import inbound_adapter
from messaging.events import Event, Fault, Parsed, StatusUpdate
from messaging.models import ChannelAccount, WebhookReceipt

log = structlog.get_logger(__name__)

BATCH_BYTES = 8 * 1024 * 1024  # of bodies held in memory at once
ATTEMPTS = 5  # rounds in which a receipt may fail as a whole before a person has to look
FAULTS_KEPT = 100

_Item = tuple[int, Event, ChannelAccount]


def receipts_process(*, now: datetime, limit: int = 200) -> int:
    """Process up to `limit` pending receipts; how many were finished (with or without faults)."""
    with connection.cursor() as cursor:
        cursor.execute(PENDING, [limit, BATCH_BYTES])
        pending = [row[0] for row in cursor.fetchall()]
    return _process(pending, now) if pending else 0


def receipt_replay(*, receipt_id: int, now: datetime) -> WebhookReceipt:
    """Process a stored receipt again, at once. What it caused before is recognised and not caused again."""
    updated = WebhookReceipt.objects.filter(pk=receipt_id).update(state=WebhookReceipt.State.PENDING, attempts=0)
    if not updated:
        raise ReceiptUnknownError(_("There is no stored webhook with this number."))
    _process([receipt_id], now)
    return WebhookReceipt.objects.defer("body").get(pk=receipt_id)


# The oldest pending ones, together not larger than we want to hold (always at least one). One that has failed before
# goes behind the others: whatever is wrong with it must not hold up the rest of the world.
PENDING = """
SELECT id FROM (
    SELECT id, attempts, sum(octet_length(body)) OVER (ORDER BY attempts, id) - octet_length(body) AS bytes_before
    FROM (
        SELECT id, attempts, body FROM messaging_webhookreceipt WHERE state = 'pending' ORDER BY attempts, id LIMIT %s
    ) oldest
) sized
WHERE bytes_before < %s
ORDER BY attempts, id
"""


def _process(receipt_ids: Iterable[int], now: datetime) -> int:
    receipts = list(WebhookReceipt.objects.filter(pk__in=receipt_ids).order_by("id"))
    parsed = {receipt.id: _parse(receipt) for receipt in receipts}
    accounts = _Accounts.load({receipt.channel for receipt in receipts})
    for receipt in receipts:
        _optouts_first(receipt, parsed[receipt.id], accounts, now)
    finished = _process_statuses(receipts, parsed, accounts, now)
    rest = [receipt for receipt in receipts if receipt.id not in finished]
    return len(finished) + sum(_process_one(receipt.id, parsed[receipt.id], accounts, now) for receipt in rest)


def _process_statuses(
    receipts: Sequence[WebhookReceipt], parsed: Mapping[int, Parsed], accounts: "_Accounts", now: datetime
) -> set[int]:
    """The receipts that report nothing but statuses we believe, in a handful of queries; which ones were finished.

    When anything is wrong with any of them, none is finished here: one by one, the bad item is found.
    """
    statuses = {
        receipt.id: items
        for receipt in receipts
        if (items := _only_statuses(receipt, parsed[receipt.id], accounts)) is not None
    }
    if len(statuses) < 2:
        return set()
    try:
        with transaction.atomic():
            held = (
                WebhookReceipt.objects.select_for_update(skip_locked=True)
                .filter(pk__in=statuses, state=WebhookReceipt.State.PENDING)
                .order_by("id")
            )
            mine = list(held.only("id"))
            by_account: dict[ChannelAccount, list[StatusUpdate]] = {}
            for receipt in mine:
                for account, event in statuses[receipt.id]:
                    by_account.setdefault(account, []).append(event)
                receipt.state, receipt.processed_at = WebhookReceipt.State.PROCESSED, now
                receipt.item_count, receipt.faults = parsed[receipt.id].item_count, []
            for account in sorted(by_account, key=lambda account: account.id):
                statuses_apply(account=account, updates=by_account[account], now=now)
            WebhookReceipt.objects.bulk_update(mine, ["state", "processed_at", "item_count", "faults"])
    except Exception as error:  # noqa: BLE001 - whichever of them it is, it must not hold up the others
        log.warning("statuses_one_by_one", receipts=len(statuses), error=type(error).__name__)
        return set()
    log.info("status_receipts_processed", receipts=len(mine))
    return {receipt.id for receipt in mine}


def _only_statuses(
    receipt: WebhookReceipt, parsed: Parsed, accounts: "_Accounts"
) -> list[tuple[ChannelAccount, StatusUpdate]] | None:
    if parsed.faults or not parsed.events:
        return None
    found = []
    for event in parsed.events:
        believed = accounts.believed(event, receipt)
        if not isinstance(event, StatusUpdate) or not believed:
            return None
        found += [(account, event) for account in believed]
    return found


def _parse(receipt: WebhookReceipt) -> Parsed:
    try:
        return inbound_adapter(receipt.channel).parse(bytes(receipt.body), received_at=receipt.received_at)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with these bytes, the other receipts must go on
        return Parsed((), (Fault(0, type(error).__name__),), 1)


def _optouts_first(receipt: WebhookReceipt, parsed: Parsed, accounts: "_Accounts", now: datetime) -> None:
    for event in optouts(parsed.events):
        for account in accounts.believed(event, receipt) or accounts.of_the_business(event, receipt):
            try:
                with transaction.atomic():
                    optout_apply(event=event, account=account, now=now)
            except Exception as error:  # noqa: BLE001 - it comes again as an item, where its fault is written down
                log.warning("optout_delayed", receipt=receipt.id, error=type(error).__name__)


def _process_one(receipt_id: int, parsed: Parsed, accounts: "_Accounts", now: datetime) -> bool:
    """Whether this call finished the receipt (another worker may hold it, or may have finished it)."""
    started = time.monotonic()
    try:
        if not _begin(receipt_id, now):
            return False
        with transaction.atomic():
            receipt = _held(receipt_id)
            if receipt is None:
                return False
            faults = [*parsed.faults, *_apply(receipt, parsed, accounts, now)]
            _finish(receipt, parsed.item_count, faults, now)
    except Exception as error:  # noqa: BLE001 - a receipt that fails as a whole must not stop the others
        return _failed_as_a_whole(receipt_id, error, now)
    log.info(
        "receipt_processed",
        receipt=receipt.id,
        state=receipt.state,
        items=receipt.item_count,
        faults=len(faults),
        milliseconds=round((time.monotonic() - started) * 1000),
    )
    return True


def _held(receipt_id: int) -> WebhookReceipt | None:
    """The receipt, locked, unless another worker holds or has finished it."""
    return (
        WebhookReceipt.objects.select_for_update(skip_locked=True)
        .defer("body")
        .filter(pk=receipt_id, state=WebhookReceipt.State.PENDING)
        .first()
    )


def _begin(receipt_id: int, now: datetime) -> bool:
    """Count the attempt before it is made: a worker that is killed half-way can count nothing any more.

    False when there is nothing to do, or when this receipt has ended too many workers: then a person has to look.
    """
    with transaction.atomic():
        receipt = _held(receipt_id)
        if receipt is None:
            return False
        if receipt.attempts >= ATTEMPTS:
            log.error("receipt_given_up", receipt=receipt_id, attempts=receipt.attempts)
            _finish(receipt, receipt.item_count, [Fault(0, "gave up: its worker was ended, several times")], now)
            return False
        receipt.attempts += 1
        receipt.save(update_fields=["attempts"])
    return True


def _finish(receipt: WebhookReceipt, item_count: int, faults: list[Fault], now: datetime) -> None:
    receipt.state = WebhookReceipt.State.PARTIAL if faults else WebhookReceipt.State.PROCESSED
    receipt.processed_at = now
    receipt.item_count = item_count
    receipt.faults = [{"item": fault.item, "error": fault.error[:300]} for fault in faults[:FAULTS_KEPT]]
    receipt.save(update_fields=["state", "processed_at", "item_count", "faults"])


def _failed_as_a_whole(receipt_id: int, error: Exception, now: datetime) -> bool:
    """Leave it pending for the next round; after some rounds, for a person. With the database gone, let it out."""
    log.warning("receipt_failed", receipt=receipt_id, error=type(error).__name__)
    with transaction.atomic():  # raises by itself when there is no database to write to
        receipt = WebhookReceipt.objects.select_for_update().defer("body").get(pk=receipt_id)
        if receipt.state != WebhookReceipt.State.PENDING:
            return False
        if receipt.attempts < ATTEMPTS:
            return False
        _finish(receipt, receipt.item_count, [Fault(0, f"gave up: {type(error).__name__}")], now)
    return True


def _apply(receipt: WebhookReceipt, parsed: Parsed, accounts: "_Accounts", now: datetime) -> list[Fault]:
    numbers = _item_numbers(parsed)
    statuses: dict[UUID, list[_Item]] = {}
    others: list[_Item] = []
    for number, event in zip(numbers, parsed.events, strict=True):
        believed = accounts.believed(event, receipt)
        if not believed:
            why = "unverified" if accounts.named(event, receipt.channel) else "unknown_account"
            disbelieved_keep(event=event, why=why, receipt=receipt)
        for account in believed:
            if isinstance(event, StatusUpdate):
                statuses.setdefault(account.id, []).append((number, event, account))
            else:
                others.append((number, event, account))
    faults: list[Fault] = []
    # Failures among the statuses may be opt-outs, so they go before everything that could cause a message.
    for items in statuses.values():
        faults += _apply_statuses(items, now)
    for item in others:
        faults += _apply_event(item, receipt, now)
    return faults


def _apply_event(item: _Item, receipt: WebhookReceipt, now: datetime) -> list[Fault]:
    number, event, account = item
    try:
        with transaction.atomic():
            event_apply(event=event, account=account, receipt=receipt, now=now)
    except OperationalError:
        raise  # a deadlock or a lost connection says nothing about the item: the whole receipt comes again
    except Exception as error:  # noqa: BLE001 - one bad item never loses the others
        return [_fault(number, event, error)]
    return []


def _apply_statuses(items: list[_Item], now: datetime) -> list[Fault]:
    """All at once; when that fails, halves, until the bad ones are alone."""
    account = items[0][2]
    updates = [event for _number, event, _account in items if isinstance(event, StatusUpdate)]
    try:
        statuses_apply(account=account, updates=updates, now=now)
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        if len(items) == 1:
            return [_fault(items[0][0], items[0][1], error)]
        half = len(items) // 2
        return _apply_statuses(items[:half], now) + _apply_statuses(items[half:], now)
    return []


def _fault(number: int, event: Event, error: Exception) -> Fault:
    """Only the error's class for errors of the database and of others: their messages may quote what a person wrote."""
    words = "" if isinstance(error, DatabaseFailure) or not isinstance(error, ValueError) else f": {error}"
    log.warning("item_failed", kind=type(event).__name__, error=type(error).__name__)
    return Fault(number, f"{type(event).__name__}: {type(error).__name__}{words}")


def _item_numbers(parsed: Parsed) -> list[int]:
    """Which item of the body each event came from, for the faults: those that did not fail, in order."""
    bad = {fault.item for fault in parsed.faults}
    good = [number for number in range(parsed.item_count) if number not in bad]
    return good if len(good) == len(parsed.events) else list(range(len(parsed.events)))


@dataclass(frozen=True, slots=True)
class _Accounts:
    """Which accounts an event may speak of, looked up once per round."""

    by_sender: Mapping[tuple[str, str], ChannelAccount]
    all: tuple[ChannelAccount, ...]

    @classmethod
    def load(cls, channels: set[str]) -> "_Accounts":
        accounts = tuple(ChannelAccount.objects.filter(channel__in=channels).order_by("id"))
        return cls({(account.channel, account.sender_id): account for account in accounts}, accounts)

    def named(self, event: Event, channel: str) -> list[ChannelAccount]:
        """By the sending identity; what concerns a whole business account or portfolio names all its accounts."""
        exact = self.by_sender.get((channel, event.sender_id))
        if exact:
            return [exact]
        return accounts_match(event=event, accounts=[a for a in self.all if a.channel == channel])

    def believed(self, event: Event, receipt: WebhookReceipt) -> list[ChannelAccount]:
        """Of those, the ones whose secret made the signature."""
        vouched = set(receipt.verified_account_ids)
        return [account for account in self.named(event, receipt.channel) if account.id in vouched]

    def of_the_business(self, event: Event, receipt: WebhookReceipt) -> list[ChannelAccount]:
        """One that vouched, of the business an event without a number speaks of: an opt-out is the person's, for all
        numbers of the channel, so it need not wait for the number."""
        if event.sender_id or not event.business_account_id:
            return []
        vouched = set(receipt.verified_account_ids)
        return [
            account
            for account in self.all
            if account.channel == receipt.channel
            and account.business_account_id == event.business_account_id
            and account.id in vouched
        ][:1]
