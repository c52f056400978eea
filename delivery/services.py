"""Decisions as they are kept, and sending a test message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from uuid_utils.compat import uuid7

from contacts.addresses import contact_identify
from contacts.models import Address, Contact, Purpose
from contacts.phones import phone_normalise
from conversations.models import Conversation, Message
from conversations.services import message_schedule
from delivery.errors import NotSendableError
from delivery.gate import Facts, Refuse, Send, Verdict, Wait
from delivery.models import Decision
from messaging.events import FreeForm, TemplateContent
from messaging.models import ChannelAccount, Template
from messaging.templates import content_problems

_LEFT_OUT = {"contact_id", "message_id"}  # the decision names them itself
_NAMES = [field.name for field in fields(Facts) if field.name not in _LEFT_OUT]
_COLUMNS = (
    "id, contact_id, conversation_id, message_id, stage, verdict, reason, rule, rule_version, basis, until, facts, "
    "decided_at"
)


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict and what it is about."""

    facts: Facts
    verdict: Verdict
    conversation_id: UUID | None = None


def decision_record(*, decided: Sequence[Decided], stage: str, now: datetime) -> list[UUID]:
    """Keep verdicts with the facts they saw; one COPY for the batch. Returns the decisions' ids in order."""
    ids = [uuid7() for _ in decided]
    if not decided:
        return ids
    with (
        transaction.atomic(),
        connection.cursor() as cursor,
        cursor.copy(f"COPY delivery_decision ({_COLUMNS}) FROM STDIN") as copy,
    ):
        for key, item in zip(ids, decided, strict=True):
            copy.write_row(_row(key, item, stage, now))
    return ids


def _row(key: UUID, item: Decided, stage: str, now: datetime) -> tuple[Any, ...]:
    facts, verdict = item.facts, item.verdict
    return (
        key, facts.contact_id, item.conversation_id, facts.message_id, stage,
        "send" if isinstance(verdict, Send) else "wait" if isinstance(verdict, Wait) else "refuse",
        "" if isinstance(verdict, Send) else verdict.reason.value,
        verdict.rule[:80], verdict.rule_version[:40],
        verdict.basis if isinstance(verdict, Send) else "",
        verdict.until if isinstance(verdict, Wait) else None,
        json.dumps(facts_as_json(facts) | ({"rule": verdict.values} if verdict.values else {}), default=_plain),
        now,
    )  # fmt: skip


def facts_as_json(facts: Facts) -> dict[str, Any]:
    """The facts as they are stored and shown; what is empty is left out."""
    return {name: value for name in _NAMES if (value := getattr(facts, name)) not in ("", None, ())}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def decision_explain(about: Message | Contact) -> list[Decision]:
    """Every decision about a message, or the latest hundred about a person, newest first: "why (not)?"."""
    about_it = {"message": about} if isinstance(about, Message) else {"contact": about}
    return list(Decision.objects.filter(**about_it).order_by("-decided_at", "-id")[:100])


def test_send(
    *,
    account: ChannelAccount,
    to: str,
    actor: User | None,
    now: datetime,
    dedupe_key: str,
    text: str = "",
    template: Template | None = None,
    values: dict[str, str] | None = None,
) -> Message:
    """Send one message to a phone number to see how it looks. It goes through the gate and the outbox like any other:
    free text needs an open window, a template must be approved. NotSendableError when the words do not fit."""
    phone = phone_normalise(to)
    content_free = content_template = None
    problems: list[str]
    if template is not None:
        filled = TemplateContent(template.name, template.language, values or {}, template.parameter_format)
        problems = content_problems(filled, template.parameters())
        content_template = {
            "name": filled.name, "language": filled.language, "values": filled.values,
            "parameter_format": filled.parameter_format,
        }  # fmt: skip
    else:
        problems = content_problems(FreeForm(text), None)
        content_free = {"text": text, "buttons": []}
    if problems:
        raise NotSendableError(" ".join(problems), field="template" if template else "text")
    contact = contact_identify(
        channel=account.channel,
        portfolio_id=account.portfolio_id,
        addresses=[(Address.Kind.PHONE, phone)],
        name="",
        now=now,
    )
    conversation = Conversation.objects.filter(
        contact=contact, account=account, status=Conversation.Status.OPEN
    ).first()
    return message_schedule(
        contact=contact, account=account, conversation=conversation, origin=Message.Origin.TEST,
        purpose=Purpose.SERVICE, dedupe_key=dedupe_key, due_at=now, expires_at=None, now=now,
        content_free=content_free, content_template=content_template, template=template, text=text,
        priority=10, author=actor,
    )  # fmt: skip


__all__ = ["Decided", "Refuse", "decision_explain", "decision_record", "facts_as_json", "test_send"]
