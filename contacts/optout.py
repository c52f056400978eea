"""Opting out, opting in, and the cases that only a person can decide."""

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from contacts.consent import consent_record, contact_lock
from contacts.errors import ReviewDecidedError
from contacts.models import ConsentEvent, Contact, OptOutReview, Purpose

log = structlog.get_logger(__name__)
Verdict = OptOutReview.Verdict


@transaction.atomic
def optout_record(
    *,
    contact_id: UUID,
    channel: str,
    source: str,
    occurred_at: datetime,
    dedupe_key: str,
    wording: str = "",
    evidence: dict[str, Any] | None = None,
    actor: User | None = None,
) -> ConsentEvent:
    """The person wants no more marketing on this channel.

    What they wrote before and nobody has read yet is thereby answered: those reviews close as opt-outs, so that the
    confirmation does not wait for them.
    """
    event = consent_record(
        contact_id=contact_id,
        channel=channel,
        purpose=Purpose.MARKETING,
        action=ConsentEvent.Action.WITHDRAWN,
        source=source,
        occurred_at=occurred_at,
        dedupe_key=dedupe_key,
        wording=wording,
        evidence=evidence,
        actor=actor,
    )
    waiting = OptOutReview.objects.filter(
        contact_id=contact_id, channel=channel, verdict=Verdict.OPEN, raised_at__lte=occurred_at
    )
    closed = waiting.update(verdict=Verdict.OPT_OUT, decided_at=occurred_at, decided_by=actor)
    if closed:
        Contact.objects.filter(pk=contact_id).update(reviews_open=Greatest(F("reviews_open") - closed, 0))
    return event


def optin_record(
    *,
    contact_id: UUID,
    channel: str,
    source: str,
    occurred_at: datetime,
    dedupe_key: str,
    wording: str = "",
    evidence: dict[str, Any] | None = None,
    actor: User | None = None,
) -> ConsentEvent:
    """The person wants marketing on this channel (again)."""
    return consent_record(
        contact_id=contact_id,
        channel=channel,
        purpose=Purpose.MARKETING,
        action=ConsentEvent.Action.GRANTED,
        source=source,
        occurred_at=occurred_at,
        dedupe_key=dedupe_key,
        wording=wording,
        evidence=evidence,
        actor=actor,
    )


@transaction.atomic
def review_raise(
    *, contact_id: UUID, channel: str, text: str, matched: str, message_key: str, now: datetime
) -> OptOutReview:
    """Ask a person whether this is an opt-out; nothing is sent to the contact until they have said.

    `now` is when it was written: should it be an opt-out, it counts from then.
    """
    contact_lock(contact_id)
    review, made = OptOutReview.objects.get_or_create(
        message_key=message_key,
        defaults={
            "contact_id": contact_id,
            "channel": channel,
            "text": text,
            "matched": matched[:60],
            "raised_at": now,
        },
    )
    if made:
        Contact.objects.filter(pk=contact_id).update(reviews_open=F("reviews_open") + 1)
        log.info("contacts.review_raised", contact_id=str(contact_id), review_id=review.pk)
    return review


@transaction.atomic
def review_decide(*, review_id: int, verdict: str, actor: User | None, now: datetime) -> OptOutReview:
    """`opt_out` withdraws marketing as of the message's time; `not_opt_out` lets messages go again.

    Raises ReviewDecidedError when somebody else was faster.
    """
    review = OptOutReview.objects.get(pk=review_id)
    contact_lock(review.contact_id)
    decided = OptOutReview.objects.filter(pk=review_id, verdict=Verdict.OPEN).update(
        verdict=Verdict(verdict), decided_at=now, decided_by=actor
    )
    if not decided:
        raise ReviewDecidedError(_("Somebody has decided this case already."))
    Contact.objects.filter(pk=review.contact_id, reviews_open__gt=0).update(reviews_open=F("reviews_open") - 1)
    if verdict == Verdict.OPT_OUT:
        optout_record(
            contact_id=review.contact_id,
            channel=review.channel,
            source=ConsentEvent.Source.REVIEW,
            occurred_at=review.raised_at,
            dedupe_key=f"review:{review.pk}",
            wording=review.text,
            evidence={"message": review.message_key},
            actor=actor,
        )
    review.refresh_from_db()
    return review


# Sent in the contact's own language, whatever language the admin speaks: product text, so not in the catalogue.
_CONFIRMATIONS = {
    "en": {
        "stop": "{business}: you will get no more offers from us. Reply START if you change your mind.",
        "start": "{business}: you will get our offers again. Reply STOP at any time to end them.",
        "help": "{business}: write to us here and a person will answer. Reply STOP to get no more offers.",
    },
    "vi": {
        "stop": "{business}: bạn sẽ không nhận tin ưu đãi từ chúng tôi nữa. Nhắn DK nếu bạn đổi ý.",
        "start": "{business}: bạn sẽ lại nhận tin ưu đãi. Nhắn TC bất cứ lúc nào để từ chối.",
        "help": "{business}: bạn cứ nhắn tại đây, nhân viên sẽ trả lời. Nhắn TC để không nhận tin ưu đãi.",
    },
    "es": {
        "stop": "{business}: no recibirás más ofertas nuestras. Responde ALTA si cambias de idea.",
        "start": "{business}: volverás a recibir nuestras ofertas. Responde BAJA cuando quieras dejarlas.",
        "help": "{business}: escríbenos aquí y te responderá una persona. Responde BAJA para no recibir ofertas.",
    },
    "pt": {
        "stop": "{business}: você não receberá mais ofertas nossas. Responda VOLTAR se mudar de ideia.",
        "start": "{business}: você voltará a receber nossas ofertas. Responda SAIR quando quiser parar.",
        "help": "{business}: escreva aqui e uma pessoa responderá. Responda SAIR para não receber ofertas.",
    },
    "fr": {
        "stop": "{business} : vous ne recevrez plus nos offres. Répondez DEBUT si vous changez d'avis.",
        "start": "{business} : vous recevrez de nouveau nos offres. Répondez ARRET pour les arrêter.",
        "help": "{business} : écrivez-nous ici, une personne vous répondra. Répondez ARRET pour ne plus en recevoir.",
    },
}


def confirmation_text(language: str, *, kind: str = "stop", business_name: str) -> str:
    """The one confirmation of an opt-out (`stop`), opt-in (`start`) or call for help (`help`), in BCP 47 `language`."""
    texts = _CONFIRMATIONS.get(language.split("-")[0].lower(), _CONFIRMATIONS["en"])
    return texts[kind].format(business=business_name)
