"""What a provider's refusal of one message means for the person, the address, the template or the account.

The adapter has classified the error (`messaging.events.ErrorClass`); here it takes effect. Retrying and slowing down
are the send path's business and change nothing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Greatest

from contacts.models import Address, ConsentEvent, Contact
from contacts.optout import optout_record
from conversations.models import Message
from conversations.services import contact_callbacks_stop
from messaging.accounts import account_pause, template_stop, template_stop_status
from messaging.events import AddressRef, ErrorClass, ProviderError
from messaging.models import ChannelAccount

# The provider did not deliver marketing to this person now (WhatsApp 131049: wait 24 hours or more, with growing gaps).
DEFER_FIRST = timedelta(hours=24)
DEFER_LONGEST = timedelta(days=7)
DEFER_MEMORY = timedelta(days=30)
STOPS = (ErrorClass.STOP_NUMBER, ErrorClass.STOP_ACCOUNT, ErrorClass.AUTH)


@dataclass(frozen=True, slots=True)
class Failure:
    """One refused message. `key` makes its effects happen once; `addresses` are what the provider named, if it did."""

    message: Message
    error: ProviderError
    occurred_at: datetime
    key: str
    addresses: tuple[AddressRef, ...] = ()


def failures_apply(*, account: ChannelAccount, failures: Sequence[Failure], now: datetime) -> None:
    """Let refused messages of one account take effect. Idempotent; call it in the transaction that records them."""
    for failure in failures:
        kind = failure.error.error_class
        if kind == ErrorClass.SUPPRESS:
            provider_optout(
                contact_id=failure.message.contact_id,
                account=account,
                error=failure.error,
                occurred_at=failure.occurred_at,
                key=failure.key,
            )
        elif kind == ErrorClass.DEFER:
            _defer(failure)
        elif kind == ErrorClass.ADDRESS:
            _unreachable(account, failure)
    _stop_templates(account, failures, now)
    _stop_accounts(account, failures, now)


def provider_optout(
    *, contact_id: UUID, account: ChannelAccount, error: ProviderError, occurred_at: datetime, key: str
) -> None:
    """The provider says the person stopped marketing from us: it is a withdrawal like any other."""
    optout_record(
        contact_id=contact_id,
        channel=account.channel,
        source=ConsentEvent.Source.PROVIDER_ERROR,
        occurred_at=occurred_at,
        dedupe_key=f"provider-error:{account.id}:{key}"[:200],
        wording="",
        evidence={"error_code": error.code, "title": error.title, "account": str(account.id)},
    )
    contact_callbacks_stop(contact_id=contact_id, channel=account.channel, at=occurred_at)


def _defer(failure: Failure) -> None:
    earlier = Message.objects.filter(
        contact_id=failure.message.contact_id,
        direction=Message.Direction.OUT,
        reason=ErrorClass.DEFER.value,
        failed_at__gt=failure.occurred_at - DEFER_MEMORY,
    ).exclude(pk=failure.message.pk)
    gap = min(DEFER_FIRST * 2 ** min(earlier.count(), 10), DEFER_LONGEST)
    until = failure.occurred_at + gap
    # greatest() of PostgreSQL passes over NULLs.
    Contact.objects.filter(pk=failure.message.contact_id).update(deferred_until=Greatest("deferred_until", until))


def _unreachable(account: ChannelAccount, failure: Failure) -> None:
    """The address the provider named, else every current one on the channel. The next inbound message clears it."""
    theirs = Address.objects.filter(
        contact_id=failure.message.contact_id,
        channel=account.channel,
        scope__in=["", account.portfolio_id],
        superseded_at=None,
        unreachable_since=None,
    )
    if failure.addresses:
        named = Q()
        for address in failure.addresses:
            named |= Q(kind=address.kind, value=address.value)
        theirs = theirs.filter(named)
    theirs.update(unreachable_since=failure.occurred_at)


def _stop_templates(account: ChannelAccount, failures: Sequence[Failure], now: datetime) -> None:
    stopped = {}
    for failure in failures:
        content = failure.message.content_template
        if failure.error.error_class == ErrorClass.STOP_TEMPLATE and content:
            stopped[content["name"], content["language"]] = failure.error
    for (name, language), error in stopped.items():
        template_stop(
            account_id=account.id,
            name=name,
            language=language,
            status=template_stop_status(error),
            reason=_reason(error),
            now=now,
        )


def _stop_accounts(account: ChannelAccount, failures: Sequence[Failure], now: datetime) -> None:
    stops = {f.error.scope: f.error for f in failures if f.error.error_class in STOPS}
    for scope, error in stops.items():
        account_pause(account_id=account.id, reason=_reason(error), now=now, scope=scope)


def _reason(error: ProviderError) -> str:
    return f"{error.code} {error.title}".strip()[:300]
