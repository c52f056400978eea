"""Accounts and templates: pausing, and taking over what the provider says of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from messaging.adapters import management_adapter
from messaging.adapters.base import AccountHealth, RemoteTemplate
from messaging.credentials import credentials_read
from messaging.errors import CredentialsUnreadableError, NotPausedError, ProviderRefusedError
from messaging.events import AccountChanged, Event, ProviderError, Scope, TemplateChanged, UnknownEvent
from messaging.models import ChannelAccount, ProviderEvent, Template, WebhookReceipt

log = structlog.get_logger(__name__)

# The provider's clock and ours may differ by this much when a webhook is compared with a fetched list.
GRACE = timedelta(seconds=60)


def account_pause(*, account_id: UUID, reason: str, now: datetime, scope: Scope = Scope.NUMBER) -> int:
    """Stop sending until a person resumes. Returns how many accounts were newly paused; pausing twice is harmless.

    `scope` ACCOUNT pauses every number of the same business account, PORTFOLIO every one of the portfolio.
    """
    account = ChannelAccount.objects.get(id=account_id)
    accounts = _in_scope(account, scope).filter(status=ChannelAccount.Status.ACTIVE)
    count = accounts.update(status=ChannelAccount.Status.PAUSED, pause_reason=reason[:300], paused_at=now)
    if count:
        log.warning("account_paused", account_id=str(account_id), scope=str(scope), accounts=count)
    return count


def account_resume(*, account_id: UUID, actor: AbstractBaseUser | None, now: datetime) -> ChannelAccount:
    """Send again. NotPausedError when the account is not paused."""
    count = ChannelAccount.objects.filter(id=account_id, status=ChannelAccount.Status.PAUSED).update(
        status=ChannelAccount.Status.ACTIVE, pause_reason="", paused_at=None
    )
    if not count:
        raise NotPausedError(_("This channel account is not paused."))
    log.info("account_resumed", account_id=str(account_id), actor_id=actor.pk if actor else None, at=now.isoformat())
    return ChannelAccount.objects.get(id=account_id)


def account_health(account: ChannelAccount) -> AccountHealth:
    """Ask the provider whether the account can send. ProviderRefusedError when it does not say."""
    return management_adapter(account.channel).health(account, credentials_read(account))


def account_refresh(*, account: ChannelAccount) -> None:
    """Take over the number's quality and limits as the provider has them now. ProviderRefusedError."""
    state = management_adapter(account.channel).number_state(account, credentials_read(account))
    changes: dict[str, Any] = {}
    if state.quality:
        changes["quality_rating"] = state.quality
    if state.fixed_throughput:
        changes["throughput_per_second"] = state.fixed_throughput
    if changes:
        ChannelAccount.objects.filter(id=account.id).update(**changes)
    if state.messaging_limit is not None or state.unlimited:
        _in_scope(account, Scope.PORTFOLIO).update(messaging_limit=state.messaging_limit)


def accounts_match(*, event: Event, accounts: Iterable[ChannelAccount]) -> list[ChannelAccount]:
    """Those of `accounts` (one channel's, each believed for this receipt) that `event` speaks of.

    By number id; else by display number within the business account; else all of the business account, or of the
    portfolio for the few fields whose entry names the portfolio. What a person did belongs to one number: when the
    provider does not say to which, it is believed only where the business account has a single one.
    """
    candidates = list(accounts)
    if event.sender_id:
        return [account for account in candidates if account.sender_id == event.sender_id]
    owner = event.business_account_id
    found = [account for account in candidates if owner and account.business_account_id == owner]
    found = found or [account for account in candidates if owner and account.portfolio_id == owner]
    digits = _digits(event.display_number) if isinstance(event, AccountChanged) else ""
    if digits:
        return [account for account in found or candidates if _digits(account.display_number) == digits]
    of_everybody = isinstance(event, AccountChanged | TemplateChanged | UnknownEvent)
    return found if of_everybody or len(found) == 1 else []


@transaction.atomic
def provider_event_apply(
    *,
    event: AccountChanged | TemplateChanged | UnknownEvent,
    account: ChannelAccount | None,
    receipt: WebhookReceipt | None,
    now: datetime,
) -> ProviderEvent | None:
    """Keep what the provider said and do what it asks for, once. None when it was already applied (a duplicate)."""
    owner = str(account.id) if account else "none"
    row, created = ProviderEvent.objects.get_or_create(
        dedupe_key=f"{owner}:{event.dedupe_key}"[:200],
        defaults={
            "account": account,
            "receipt": receipt,
            "kind": _kind(event)[:80],
            "known": not isinstance(event, UnknownEvent),
            "summary": _summary(event)[:300],
            "payload": event.raw,
            "occurred_at": event.occurred_at,
        },
    )
    if not created:
        return None
    if account is not None and isinstance(event, AccountChanged):
        _account_changed(event, account, now)
    if account is not None and isinstance(event, TemplateChanged):
        _template_changed(event, account)
    return row


@transaction.atomic
def template_stop(
    *, account_id: UUID, name: str, language: str, status: str, reason: str, now: datetime
) -> Template | None:
    """A send was refused because of its template: send nothing more with it. None when we do not know the template.

    PAUSED ends as soon as the provider's list says APPROVED again; any other status stays until the template is
    edited at the provider or a person releases it (`template_release`), because its list will not show the trouble.
    `template_stop_status` chooses by the provider's error.
    """
    template = _templates_of(account_id).select_for_update().filter(name=name, language=language).first()
    if template is None:
        return None
    template.status, template.status_reason, template.stopped_at = status, reason[:300], now
    template.synced_at = max(template.synced_at, now)
    template.save(update_fields=["status", "status_reason", "stopped_at", "synced_at"])
    log.warning("template_stopped", template_id=template.pk, account_id=str(account_id), status=status)
    return template


def template_stop_status(error: ProviderError) -> str:
    """The status for `template_stop`: a pause that ends by itself, or a stop until somebody mends the template."""
    return Template.Status.DISABLED if error.lasting else Template.Status.PAUSED


@transaction.atomic
def template_release(*, template_id: int, actor: AbstractBaseUser | None, now: datetime) -> Template:
    """A person mended what made us stop the template. NotPausedError when we had not stopped it."""
    template = Template.objects.select_for_update().get(pk=template_id)
    if template.stopped_at is None:
        raise NotPausedError(_("This template was not stopped by Rekindle."))
    template.status, template.status_reason, template.stopped_at = Template.Status.APPROVED, "", None
    template.save(update_fields=["status", "status_reason", "stopped_at"])
    log.info("template_released", template_id=template.pk, actor_id=actor.pk if actor else None, at=now.isoformat())
    return template


def templates_sync(*, account: ChannelAccount, now: datetime) -> int:
    """Take over the provider's list of templates; returns its length. ProviderRefusedError leaves all as it was.

    `now` is when the fetch starts: what a webhook or a refused send taught us since is newer and stays. A template
    that is no longer listed becomes DELETED and keeps its row, since messages point to it.
    """
    remote = management_adapter(account.channel).templates_list(account, credentials_read(account))
    with transaction.atomic():
        held = {(t.name, t.language): t for t in _templates_of(account.id).select_for_update().order_by("pk")}
        created, changed, seen = [], [], set()
        for item in remote:
            key = (item.name, item.language)
            if not item.name or not item.language or key in seen:
                continue
            seen.add(key)
            template = held.get(key)
            if template is None:
                created.append(_taken(Template(account=account, name=item.name, language=item.language), item, now))
            elif template.synced_at <= now:
                changed.append(_taken(template, item, now))
        for key, template in held.items():
            if key not in seen and template.synced_at <= now:
                template.status, template.status_reason, template.synced_at = Template.Status.DELETED, "", now
                changed.append(template)
        Template.objects.bulk_create(created)
        Template.objects.bulk_update(changed, _SYNCED, batch_size=500)
    return len(seen)


def accounts_sync(*, now: datetime) -> int:
    """Templates, quality and limits of every account that has credentials; one account's trouble stops no other.

    Returns how many accounts were brought up to date.
    """
    done = 0
    for account in ChannelAccount.objects.exclude(credentials_encrypted="").order_by("id"):
        try:
            templates_sync(account=account, now=now)
            account_refresh(account=account)
        except (ProviderRefusedError, CredentialsUnreadableError) as error:
            log.warning("account_sync_failed", account_id=str(account.id), error=error.code)
        else:
            done += 1
    return done


_SYNCED = [
    "provider_id",
    "category",
    "status",
    "status_reason",
    "quality",
    "parameter_format",
    "components",
    "synced_at",
    "stopped_at",
]


def _taken(template: Template, item: RemoteTemplate, now: datetime) -> Template:
    edited = (template.components, template.parameter_format) != (item.components, item.parameter_format)
    mended = item.status != Template.Status.APPROVED or edited or template.status == Template.Status.PAUSED
    if template.stopped_at is None or mended:
        template.status = item.status if item.status in Template.Status.values else Template.Status.PENDING
        template.status_reason, template.stopped_at = item.reason, None
    template.provider_id, template.category, template.quality = item.provider_id, item.category, item.quality
    template.components, template.parameter_format = item.components, item.parameter_format
    template.synced_at = now
    return template


def _account_changed(event: AccountChanged, account: ChannelAccount, now: datetime) -> None:
    changes: dict[str, Any] = {}
    if event.quality:
        changes["quality_rating"] = event.quality
    if event.throughput_per_second:
        changes["throughput_per_second"] = event.throughput_per_second
    if changes:
        ChannelAccount.objects.filter(id=account.id).update(**changes)
    if event.messaging_limit is not None or event.unlimited:
        # The limit belongs to the portfolio and is shared by all its numbers.
        _in_scope(account, Scope.PORTFOLIO).update(messaging_limit=event.messaging_limit)
    if event.stop:
        account_pause(account_id=account.id, reason=event.summary or event.kind, now=now, scope=Scope.ACCOUNT)


def _template_changed(event: TemplateChanged, account: ChannelAccount) -> None:
    named = Q(name=event.name, language=event.language)
    if event.template_id:
        named |= Q(provider_id=event.template_id)
    template = _templates_of(account.id).select_for_update().filter(named).order_by("pk").first()
    # An old webhook must not undo a newer list, except to stop: the next list corrects a stop that was stale.
    stopping = event.status not in ("", Template.Status.APPROVED)
    if template is None or (event.occurred_at < template.synced_at - GRACE and not stopping):
        return
    if event.status in Template.Status.values:
        template.status, template.status_reason, template.stopped_at = event.status, event.reason, None
    elif event.reason:
        template.status_reason = event.reason
    template.quality = event.quality or template.quality
    if event.category in Template.Category.values:
        template.category = event.category
    template.synced_at = max(template.synced_at, event.occurred_at)
    template.save(update_fields=["status", "status_reason", "stopped_at", "quality", "category", "synced_at"])


def _templates_of(account_id: UUID) -> QuerySet[Template]:
    return Template.objects.filter(account_id=account_id)


def _in_scope(account: ChannelAccount, scope: Scope) -> QuerySet[ChannelAccount]:
    same = ChannelAccount.objects.filter(channel=account.channel)
    if scope is Scope.ACCOUNT:
        return same.filter(business_account_id=account.business_account_id)
    if scope is Scope.PORTFOLIO:
        return same.filter(portfolio_id=account.portfolio_id)
    return same.filter(id=account.id)


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isdecimal())


def _kind(event: AccountChanged | TemplateChanged | UnknownEvent) -> str:
    return "template" if isinstance(event, TemplateChanged) else event.kind


def _summary(event: AccountChanged | TemplateChanged | UnknownEvent) -> str:
    if isinstance(event, AccountChanged):
        return event.summary
    if isinstance(event, TemplateChanged):
        words = (f"{event.name} ({event.language})", event.status, event.category, event.quality, event.reason)
        return " ".join(word for word in words if word)
    return ""
