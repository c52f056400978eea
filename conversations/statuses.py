"""What the provider says of our messages: set-based, because one body may carry a thousand of them.

Statuses only move a message forward: (held) < accepted < sent < failed < delivered < read. So they may come twice, in
any order, before the answer to the send, or (by the `ref` that travels with every send) for a message whose answer was
lost. A status that names no message of ours yet is kept and tried again for ten minutes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from contacts.addresses import contact_find
from conversations.failures import Failure, failures_apply, provider_optout
from conversations.models import Message, MessageStatus
from conversations.services import conversations_note_sent
from messaging.events import AddressRef, DeliveryStatus, ErrorClass, ProviderError, Scope, StatusUpdate
from messaging.models import ChannelAccount

ORPHAN_PATIENCE = timedelta(minutes=10)
ORPHAN_BATCH = 1000


def statuses_apply(*, account: ChannelAccount, updates: Sequence[StatusUpdate], now: datetime) -> int:
    """Store the statuses of one account and move their messages forward; how many were new. All or nothing."""
    if not updates:
        return 0
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                INSERT,
                [
                    [update.message_id for update in updates],
                    [update.ref[:80] for update in updates],
                    [update.status.value for update in updates],
                    [_errors_json(update) for update in updates],
                    [update.price_category[:30] for update in updates],
                    [update.price_type[:30] for update in updates],
                    [update.occurred_at for update in updates],
                    [update.dedupe_key for update in updates],
                    account.id,
                    now,
                ],
            )
            stored = cursor.fetchall()
        matched = [row[0] for row in stored if row[1]]
        statuses_advance(status_ids=matched, now=now)
        if matched and len(matched) < len(stored):
            _siblings_advance([row[0] for row in stored if not row[1]], now)
        _orphaned_optouts(account, updates, {row[2] for row in stored if not row[1]})
    return len(stored)


def _siblings_advance(orphans: Sequence[int], now: datetime) -> None:
    """One status of this batch may have taught us a message's provider id (by its ref) that another one goes by."""
    with connection.cursor() as cursor:
        cursor.execute(MATCH_SIBLINGS, [list(orphans)])
        matched = [row[0] for row in cursor.fetchall()]
    statuses_advance(status_ids=matched, now=now)


def orphan_statuses_apply(*, now: datetime) -> int:
    """Match statuses that came before we knew their message; how many found theirs. Older ones stay as they are."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(MATCH_ORPHANS, [now - ORPHAN_PATIENCE, ORPHAN_BATCH])
            matched = [row[0] for row in cursor.fetchall()]
        statuses_advance(status_ids=matched, now=now)
    return len(matched)


def statuses_advance(*, status_ids: Sequence[int], now: datetime) -> None:
    """Let stored, matched statuses move their messages, conversations, and (failures) people and accounts."""
    if not status_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(ADVANCE, [list(status_ids)])
        newly_sent: list[tuple[UUID, datetime]] = [(row[0], row[1]) for row in cursor.fetchall() if row[2]]
    conversations_note_sent(sent=newly_sent)
    failed = (
        MessageStatus.objects.filter(id__in=status_ids, status=DeliveryStatus.FAILED, message__isnull=False)
        .select_related("message", "account")
        .order_by("account_id", "id")
    )
    for account, rows in groupby(failed, key=lambda row: row.account):
        failures_apply(account=account, failures=[f for row in rows for f in _failures(row)], now=now)


def _failures(row: MessageStatus) -> list[Failure]:
    """The consequences of a failure; of one that came too late to matter (after `delivered`), only an opt-out."""
    message = row.message
    if message is None:  # the query asked for matched ones
        return []
    errors = [_error(item) for item in row.errors]
    return [
        Failure(
            message=message,
            error=error,
            occurred_at=row.occurred_at,
            key=row.dedupe_key,
            addresses=tuple(AddressRef(a["kind"], a["value"]) for a in item.get("addresses", [])),
        )
        for item, error in zip(row.errors, errors, strict=True)
        if message.status == Message.Status.FAILED or error.error_class == ErrorClass.SUPPRESS
    ]


def _orphaned_optouts(account: ChannelAccount, updates: Sequence[StatusUpdate], orphans: set[str]) -> None:
    """An opt-out does not wait until its message is found."""
    for update in updates:
        for error in update.errors:
            if error.error_class != ErrorClass.SUPPRESS or update.dedupe_key not in orphans or not update.person:
                continue
            contact = contact_find(
                channel=account.channel,
                portfolio_id=account.portfolio_id,
                addresses=[(a.kind, a.value) for a in update.person.addresses],
            )
            if contact:
                provider_optout(
                    contact_id=contact.id,
                    account=account,
                    error=error,
                    occurred_at=update.occurred_at,
                    key=update.dedupe_key,
                )


def _errors_json(update: StatusUpdate) -> str:
    if not update.errors:
        return "[]"
    addresses = [asdict(address) for address in update.person.addresses] if update.person else []
    return json.dumps([asdict(error) | {"addresses": addresses} for error in update.errors])


def _error(item: dict[str, Any]) -> ProviderError:
    return ProviderError(
        code=item["code"],
        title=item["title"],
        detail=item["detail"],
        error_class=ErrorClass(item["error_class"]),
        scope=Scope(item["scope"]),
    )


# The message a status names: by the provider's id, else by our ref (conversations.refs).
BY_ID = """
    by_id.account_id = s.account_id AND by_id.provider_message_id = s.provider_message_id
    AND by_id.provider_message_id <> '' AND by_id.direction = 'out'
"""
BY_REF = r"""
    by_ref.id = CASE WHEN s.ref ~ '^[0-9a-f]{32}\.[0-9]{1,9}$' THEN substring(s.ref, 1, 32)::uuid END
    AND by_ref.account_id = s.account_id AND by_ref.direction = 'out'
"""

INSERT = f"""
WITH s AS (
    SELECT t.*, a.account_id, a.received_at
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
         AS t(provider_message_id, ref, status, errors, price_category, price_type, occurred_at, dedupe_key),
         (SELECT %s::uuid AS account_id, %s::timestamptz AS received_at) a
)
INSERT INTO conversations_messagestatus
    (account_id, message_id, provider_message_id, ref, status, errors, price_category, price_type,
     occurred_at, received_at, dedupe_key)
SELECT s.account_id, coalesce(by_id.id, by_ref.id), s.provider_message_id, s.ref, s.status, s.errors::jsonb,
       s.price_category, s.price_type, s.occurred_at, s.received_at, s.dedupe_key
FROM s
LEFT JOIN conversations_message by_id ON {BY_ID}
LEFT JOIN conversations_message by_ref ON by_id.id IS NULL AND {BY_REF}
ON CONFLICT (account_id, dedupe_key) DO NOTHING
RETURNING id, message_id, dedupe_key
"""  # noqa: S608 - put together from the constants above, values are parameters

MATCH_SIBLINGS = f"""
UPDATE conversations_messagestatus s SET message_id = by_id.id
FROM conversations_message by_id
WHERE s.id = ANY(%s) AND s.message_id IS NULL AND {BY_ID}
RETURNING s.id
"""  # noqa: S608 - put together from the constants above, values are parameters

MATCH_ORPHANS = f"""
WITH found AS (
    SELECT s.id, coalesce(by_id.id, by_ref.id) AS message_id
    FROM conversations_messagestatus s
    LEFT JOIN conversations_message by_id ON {BY_ID}
    LEFT JOIN conversations_message by_ref ON by_id.id IS NULL AND {BY_REF}
    WHERE s.message_id IS NULL AND s.received_at > %s AND coalesce(by_id.id, by_ref.id) IS NOT NULL
    ORDER BY s.received_at
    LIMIT %s
    FOR UPDATE OF s SKIP LOCKED
)
UPDATE conversations_messagestatus s SET message_id = found.message_id FROM found WHERE s.id = found.id
RETURNING s.id
"""  # noqa: S608 - as above

# Messages are locked in the order of their ids, so that two bodies about the same messages cannot wait for each other.
# A failure of an earlier attempt says nothing about the one that is planned or on its way now.
ADVANCE = r"""
WITH ranks(status, rank) AS (
    VALUES ('held', 1), ('accepted', 2), ('sent', 3), ('failed', 4), ('delivered', 5), ('read', 6)
), news AS (
    SELECT s.*, CASE WHEN s.ref ~ '^[0-9a-f]{32}\.[0-9]{1,9}$' THEN split_part(s.ref, '.', 2)::int END AS ref_fence
    FROM conversations_messagestatus s
    WHERE s.id = ANY(%s) AND s.message_id IS NOT NULL
), locked AS (
    SELECT m.id, m.status, m.fence, m.sent_at
    FROM conversations_message m
    WHERE m.id IN (SELECT message_id FROM news)
    ORDER BY m.id
    FOR NO KEY UPDATE
), best AS (
    SELECT n.message_id, l.status AS old_status, l.sent_at AS old_sent_at,
        coalesce(max(old.rank), 0) AS old_rank,
        max(r.rank) AS rank,
        (array_agg(n.status ORDER BY r.rank DESC))[1] AS status,
        min(n.occurred_at) FILTER (WHERE n.status IN ('sent', 'delivered', 'read')) AS sent_at,
        min(n.occurred_at) FILTER (WHERE n.status IN ('delivered', 'read')) AS delivered_at,
        min(n.occurred_at) FILTER (WHERE n.status = 'read') AS read_at,
        min(n.occurred_at) FILTER (WHERE n.status = 'failed') AS failed_at,
        (array_agg(n.errors -> 0) FILTER (WHERE n.status = 'failed'))[1] AS error,
        max(n.provider_message_id) AS provider_message_id,
        (array_agg(n.price_category ORDER BY r.rank DESC) FILTER (WHERE n.price_category <> ''))[1] AS price_category,
        (array_agg(n.price_type ORDER BY r.rank DESC) FILTER (WHERE n.price_type <> ''))[1] AS price_type
    FROM news n
    JOIN locked l ON l.id = n.message_id
    JOIN ranks r ON r.status = n.status
    LEFT JOIN ranks old ON old.status = l.status
    WHERE n.status <> 'failed' OR (
        l.status IN ('inflight', 'unknown', 'unconfirmed', 'held', 'accepted', 'sent', 'expired')
        AND (n.ref_fence IS NULL OR n.ref_fence = l.fence)
    )
    GROUP BY n.message_id, l.status, l.sent_at
)
UPDATE conversations_message m SET
    status = CASE WHEN best.rank > best.old_rank THEN best.status ELSE m.status END,
    sent_at = coalesce(m.sent_at, best.sent_at),
    occurred_at = CASE WHEN m.sent_at IS NULL AND best.sent_at IS NOT NULL THEN best.sent_at ELSE m.occurred_at END,
    delivered_at = least(m.delivered_at, best.delivered_at),
    read_at = least(m.read_at, best.read_at),
    failed_at = CASE WHEN best.rank <= best.old_rank THEN m.failed_at
                     WHEN best.status = 'failed' THEN best.failed_at END,
    reason = CASE WHEN best.rank <= best.old_rank THEN m.reason
                  WHEN best.status = 'failed' AND best.error ->> 'error_class' = 'suppress' THEN 'opted_out'
                  WHEN best.status = 'failed' THEN left(coalesce(best.error ->> 'error_class', 'failed'), 40)
                  ELSE '' END,
    error_code = CASE WHEN best.rank <= best.old_rank THEN m.error_code
                      WHEN best.status = 'failed' THEN left(coalesce(best.error ->> 'code', ''), 20)
                      ELSE '' END,
    error_detail = CASE WHEN best.rank <= best.old_rank THEN m.error_detail
                        WHEN best.status = 'failed'
                        THEN left(coalesce(nullif(best.error ->> 'detail', ''), best.error ->> 'title', ''), 300)
                        ELSE '' END,
    provider_message_id = CASE WHEN m.provider_message_id = '' THEN best.provider_message_id
                               ELSE m.provider_message_id END,
    price_category = coalesce(best.price_category, m.price_category),
    price_type = coalesce(best.price_type, m.price_type),
    lease_until = CASE WHEN best.rank > best.old_rank THEN NULL ELSE m.lease_until END,
    waiting_for = CASE WHEN best.rank > best.old_rank THEN '' ELSE m.waiting_for END
FROM best
WHERE m.id = best.message_id
RETURNING m.id, m.sent_at, best.old_sent_at IS NULL AND m.sent_at IS NOT NULL
"""
