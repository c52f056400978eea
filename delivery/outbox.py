"""The outbox's SQL: claiming, flipping, recording. Set-based, on the database's clock where leases are concerned.

A lease outlives the longest send (connect 3 s, answer 15 s) several times over, so that a slow answer is never
mistaken for a lost one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from uuid_utils.compat import uuid7

from access.lookups import array_literal
from conversations.refs import ref_make
from messaging.events import AddressRef, ProviderError

LEASE_SECONDS = 60

# Highest priority first, oldest first within it; a loose scan over the few priorities keeps this one index probe each
# however many messages wait for a later time.
_CLAIM = """
WITH RECURSIVE levels AS (
    (SELECT priority FROM conversations_message WHERE account_id = %(account)s AND status = 'scheduled'
     ORDER BY priority DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT m.priority FROM conversations_message m
            WHERE m.account_id = %(account)s AND m.status = 'scheduled' AND m.priority < levels.priority
            ORDER BY m.priority DESC LIMIT 1)
    FROM levels WHERE levels.priority IS NOT NULL
), due AS (
    SELECT found.id FROM levels, LATERAL (
        SELECT m.id FROM conversations_message m
        WHERE m.account_id = %(account)s AND m.status = 'scheduled' AND m.priority = levels.priority
          AND m.due_at <= %(now)s
        ORDER BY m.due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) found LIMIT %(limit)s
)
"""
# Answers have an index of their own (message_due_urgent), so that a million due callbacks do not stand in their way.
_IS_URGENT = "m.origin IN ('optout_confirmation', 'greeting', 'reply')"
_CLAIM_URGENT = f"""
WITH due AS (
    SELECT m.id FROM conversations_message m
    WHERE m.account_id = %(account)s AND m.status = 'scheduled' AND {_IS_URGENT} AND m.due_at <= %(now)s
    ORDER BY m.due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 - constants only
_TAKE = """
UPDATE conversations_message m
SET status = 'claimed', fence = m.fence + 1, lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
FROM due WHERE m.id = due.id
RETURNING m.id, m.fence, m.contact_id, m.conversation_id, m.campaign_id, m.template_id, m.origin, m.priority, m.due_at,
          m.content_free, m.content_template
"""
_ACCOUNTS = """
SELECT a.id FROM messaging_channelaccount a
WHERE a.status = 'active' AND EXISTS (
    SELECT 1 FROM conversations_message m WHERE m.account_id = a.id AND m.status = 'scheduled')
ORDER BY a.id
"""
_URGENT_ACCOUNTS = f"""
SELECT a.id FROM messaging_channelaccount a
WHERE a.status = 'active' AND EXISTS (
    SELECT 1 FROM conversations_message m
    WHERE m.account_id = a.id AND m.status = 'scheduled' AND {_IS_URGENT} AND m.due_at <= %(now)s)
ORDER BY a.id
"""  # noqa: S608 - constants only
# A row's xmin changes with every update of it: equal before and after means that nothing we decided on has changed.
_VERSIONS = """
SELECT m.id, c.xmin::text, v.xmin::text, g.xmin::text, a.xmin::text, t.xmin::text
FROM conversations_message m
JOIN contacts_contact c ON c.id = m.contact_id
JOIN messaging_channelaccount a ON a.id = m.account_id
LEFT JOIN conversations_conversation v ON v.id = m.conversation_id
LEFT JOIN campaigns_campaign g ON g.id = m.campaign_id
LEFT JOIN messaging_template t ON t.id = m.template_id
WHERE m.id = ANY(%s::uuid[])
"""
_FLIP = """
UPDATE conversations_message m
SET status = 'inflight', occurred_at = %s, waiting_for = '', reason = '',
    kind = v.kind, text = v.said, lease_until = clock_timestamp() + make_interval(secs => %s)
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[]) AS v(id, fence, kind, said)
WHERE m.id = v.id AND m.fence = v.fence AND m.status = 'claimed' AND m.lease_until > clock_timestamp()
RETURNING m.id
"""
_ATTEMPTS = """
INSERT INTO delivery_attempt
    (id, message_id, fence, ref, state, started_at, error_code, error_class, error_detail)
SELECT v.id, v.message_id, v.fence, v.ref, 'open', %s, '', '', ''
FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::text[]) AS v(id, message_id, fence, ref)
"""
_PUT_BACK = """
UPDATE conversations_message m
SET status = CASE WHEN v.status = 'scheduled' AND m.expires_at <= v.due_at AND v.reason = '' THEN 'expired'
                  ELSE v.status END,
    due_at = CASE WHEN v.status = 'scheduled' THEN v.due_at ELSE m.due_at END,
    waiting_for = CASE WHEN v.status = 'scheduled' THEN v.reason ELSE '' END,
    reason = CASE WHEN v.status <> 'scheduled' THEN v.reason
                  WHEN m.expires_at <= v.due_at AND v.reason = '' THEN 'expired' ELSE '' END,
    lease_until = NULL
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::timestamptz[], %s::text[]) AS v(id, fence, status, due_at, reason)
WHERE m.id = v.id AND m.fence = v.fence AND m.status = 'claimed'
RETURNING m.id
"""
# A status may have come before the answer: what it said stands, the answer only adds the provider's id.
_RECORD = """
UPDATE conversations_message m
SET status = CASE WHEN m.status IN ('inflight', 'unknown') THEN v.status ELSE m.status END,
    provider_message_id = CASE WHEN m.provider_message_id = '' THEN v.provider_id ELSE m.provider_message_id END,
    sent_at = CASE WHEN v.status IN ('accepted', 'held') THEN coalesce(m.sent_at, v.at) ELSE m.sent_at END,
    failed_at = CASE WHEN v.status = 'failed' AND m.status IN ('inflight', 'unknown') THEN v.at ELSE m.failed_at END,
    due_at = CASE WHEN v.status = 'scheduled' THEN v.due_at ELSE m.due_at END,
    waiting_for = CASE WHEN v.status = 'scheduled' THEN v.reason ELSE '' END,
    reason = CASE WHEN v.status = 'failed' AND m.status IN ('inflight', 'unknown') THEN v.reason ELSE m.reason END,
    error_code = v.error_code, error_detail = v.error_detail,
    lease_until = CASE WHEN v.status = 'unknown' THEN m.lease_until ELSE NULL END
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[],
            %s::text[], %s::text[])
     AS v(id, fence, status, provider_id, at, due_at, reason, error_code, error_detail)
WHERE m.id = v.id AND m.fence = v.fence AND m.status NOT IN ('scheduled', 'claimed', 'cancelled')
RETURNING m.id
"""
_ANSWERED = """
UPDATE delivery_attempt a
SET state = CASE WHEN a.state IN ('open', 'unknown') THEN v.state ELSE a.state END, answered_at = v.at,
    http_status = nullif(v.http_status, 0), error_code = v.error_code, error_class = v.error_class,
    error_detail = v.error_detail
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::timestamptz[], %s::int[], %s::text[], %s::text[], %s::text[])
     AS v(message_id, fence, state, at, http_status, error_code, error_class, error_detail)
WHERE a.message_id = v.message_id AND a.fence = v.fence
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One message this dispatcher holds until its lease ends."""

    id: UUID
    fence: int
    contact_id: UUID
    conversation_id: UUID | None
    campaign_id: UUID | None
    template_id: int | None
    origin: str
    priority: int
    due_at: datetime
    content_free: dict[str, Any] | None
    content_template: dict[str, Any] | None

    @property
    def ref(self) -> str:
        return ref_make(self.id, self.fence)


@dataclass(frozen=True, slots=True)
class Record:
    """What one attempt came to: the message's and the attempt's new state."""

    message: Claimed
    status: str
    state: str
    at: datetime
    due_at: datetime | None = None
    provider_id: str = ""
    http_status: int = 0
    reason: str = ""
    error_code: str = ""
    error_class: str = ""
    error_detail: str = ""
    error: ProviderError | None = None
    to: AddressRef | None = None


def _rows(sql: str, arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall() if cursor.description else []


def accounts_due(*, now: datetime, urgent: bool) -> list[UUID]:
    """Active accounts to look at: with an answer that is due, else with anything planned; one index probe each."""
    rows = _rows(_URGENT_ACCOUNTS, {"now": now}) if urgent else _rows(_ACCOUNTS, None)
    return [row[0] for row in rows]


def claim(*, account_id: UUID, limit: int, now: datetime, urgent: bool) -> list[Claimed]:
    """Take up to `limit` due messages of one account; other dispatchers pass over them. Commits by itself."""
    arguments = {"account": account_id, "now": now, "limit": limit, "lease": LEASE_SECONDS}
    claimed = [
        Claimed(*row[:9], *(json.loads(value) if isinstance(value, str) else value for value in row[9:]))
        for row in _rows((_CLAIM_URGENT if urgent else _CLAIM) + _TAKE, arguments)
    ]
    return sorted(claimed, key=lambda item: (-item.priority, item.due_at, item.id))


def versions(message_ids: Sequence[UUID]) -> dict[UUID, tuple[str | None, ...]]:
    """The row versions of everything a decision about each message rests on."""
    return {row[0]: row[1:] for row in _rows(_VERSIONS, [array_literal(message_ids)])}


def lock_grounds(messages: Sequence[Claimed], *, account_id: UUID) -> None:
    """Hold still what the decisions rest on, in the house's order: contacts, conversations, campaigns, account.

    Contacts are locked one step harder than FOR SHARE: two accounts may not fill the same person's cap at once.
    """
    for sql, ids in (
        ("SELECT 1 FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
         {item.contact_id for item in messages}),
        ("SELECT 1 FROM conversations_conversation WHERE id = ANY(%s) ORDER BY id FOR SHARE",
         {item.conversation_id for item in messages if item.conversation_id}),
        ("SELECT 1 FROM campaigns_campaign WHERE id = ANY(%s) ORDER BY id FOR SHARE",
         {item.campaign_id for item in messages if item.campaign_id}),
        ("SELECT 1 FROM messaging_template WHERE id = ANY(%s) ORDER BY id FOR SHARE",
         {item.template_id for item in messages if item.template_id}),
        ("SELECT 1 FROM messaging_channelaccount WHERE id = ANY(%s) FOR SHARE", {account_id}),
    ):  # fmt: skip
        if ids:
            _rows(sql, [list(ids)])


def flip(messages: Sequence[tuple[Claimed, str, str]], *, now: datetime) -> set[UUID]:
    """`claimed -> inflight` for (message, kind, the words that go out) whose fence and lease still hold, with attempts.

    Call it inside the transaction that holds the locks."""
    rows = _rows(
        _FLIP,
        [
            now,
            LEASE_SECONDS,
            array_literal(item.id for item, _kind, _text in messages),
            array_literal(item.fence for item, _kind, _text in messages),
            [kind for _item, kind, _text in messages],
            [text for _item, _kind, text in messages],
        ],
    )
    flipped = {row[0] for row in rows}
    going = [item for item, _kind, _text in messages if item.id in flipped]
    if going:
        _rows(
            _ATTEMPTS,
            [
                now,
                array_literal(uuid7() for _ in going),
                array_literal(item.id for item in going),
                array_literal(item.fence for item in going),
                [item.ref for item in going],
            ],
        )
    return flipped


def put_back(items: Sequence[tuple[Claimed, str, datetime | None, str]]) -> None:
    """(message, new status, due, reason) for messages that are not sent now: scheduled, suppressed or expired."""
    if items:
        _rows(
            _PUT_BACK,
            [
                array_literal(item.id for item, *_rest in items),
                array_literal(item.fence for item, *_rest in items),
                [status for _item, status, _due, _reason in items],
                [due for _item, _status, due, _reason in items],
                [reason for *_rest, reason in items],
            ],
        )


def record(records: Sequence[Record]) -> set[UUID]:
    """Write the outcomes down by fence; which messages were still ours to change."""
    if not records:
        return set()
    rows = _rows(
        _RECORD,
        [
            array_literal(r.message.id for r in records),
            array_literal(r.message.fence for r in records),
            [r.status for r in records],
            [r.provider_id for r in records],
            [r.at for r in records],
            [r.due_at for r in records],
            [r.reason[:40] for r in records],
            [r.error_code[:20] for r in records],
            [r.error_detail[:300] for r in records],
        ],
    )
    _rows(
        _ANSWERED,
        [
            array_literal(r.message.id for r in records),
            array_literal(r.message.fence for r in records),
            [r.state for r in records],
            [r.at for r in records],
            array_literal(r.http_status for r in records),
            [r.error_code[:20] for r in records],
            [r.error_class for r in records],
            [r.error_detail[:300] for r in records],
        ],
    )
    return {row[0] for row in rows}
