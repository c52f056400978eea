"""Sets the stage: numbers and templates at the provider, accounts, people and campaigns at Rekindle."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from access.models import ApiKey
from callbacks.services import policy_save
from campaigns.entry_points import entry_point_create
from campaigns.links import entry_point_url
from campaigns.models import Campaign, EntryPoint
from campaigns.services import campaign_approve, campaign_create, campaign_end, campaign_start, campaign_submit
from delivery.models import ComplianceRule
from demo.client import JsonClient
from demo.shops import Shop
from messaging.accounts import templates_sync
from messaging.credentials import Credentials, credentials_write
from messaging.models import ChannelAccount

SCOPES = [
    "contacts:read", "campaigns:read", "campaigns:write", "messages:read", "messages:write", "conversions:read",
    "conversions:write", "decisions:read", "reports:read", "personal_data:read",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Company:
    """The people of the demo and the key of their growth engineer."""

    marketer: User
    approver: User
    agent: User
    api_key: str
    password: str | None  # the administrator's; None: made by an earlier run


def company_set_up() -> Company:
    """Users in their roles and a fresh API key. What an earlier run made is used again."""
    people = {}
    for name, role in (("mai.marketer", "marketer"), ("an.approver", "approver"), ("huong.agent", "agent")):
        user, made = User.objects.get_or_create(username=name, defaults={"is_staff": True})
        if made:
            user.set_unusable_password()
            user.save()
        user.groups.add(Group.objects.get(name=role))
        people[role] = user
    password = None
    if not User.objects.filter(username="admin").exists():
        password = secrets.token_urlsafe(9)
        User.objects.create_superuser("admin", password=password)
    ApiKey.objects.filter(name="demo").delete()
    _, key = ApiKey.objects.create_key(name="demo", scopes=SCOPES, created_by=people["marketer"])
    return Company(people["marketer"], people["approver"], people["agent"], key, password)


def rules_shorten() -> None:
    """The house's own cap allows one marketing message a day; the story's two steps need a few. Law stays as it is."""
    for rule in ComplianceRule.objects.filter(kind=ComplianceRule.Kind.CAP, jurisdiction="*"):
        rule.value = {**rule.value, "count": max(int(rule.value["count"]), 10)}
        rule.version = rule.version if rule.version.endswith("-demo") else f"{rule.version}-demo"
        rule.save()


def account_set_up(shop: Shop, sandbox: JsonClient, *, web: str, now: datetime) -> ChannelAccount:
    """The number at the provider and at Rekindle, with the same secrets and the provider's templates."""
    given = shop.account
    token, secret, verify = (f"{kind}-{secrets.token_hex(8)}" for kind in ("token", "secret", "verify"))
    sandbox.post(
        "/_sandbox/numbers",
        {
            "phone_number_id": given["sender_id"],
            "waba_id": given["business_account_id"],
            "portfolio_id": given["portfolio_id"],
            "display_phone_number": given["display_number"],
            "access_token": token,
            "app_secret": secret,
            "verify_token": verify,
            "webhook_url": f"{web}/webhooks/whatsapp/",
        },
    )
    for template in shop.templates:
        sandbox.post("/_sandbox/templates", {"waba_id": given["business_account_id"], **template})
    account, _ = ChannelAccount.objects.update_or_create(
        channel="whatsapp", sender_id=given["sender_id"], defaults={**given, "base_url": sandbox.base}
    )
    ChannelAccount.objects.filter(pk=account.pk).update(status=ChannelAccount.Status.ACTIVE, pause_reason="")
    credentials_write(account, Credentials(access_token=token, app_secrets=(secret,), verify_token=verify))
    templates_sync(account=account, now=now)
    return account


def campaign_set_up(shop: Shop, account: ChannelAccount, company: Company, *, run: str) -> Campaign:
    """Made by the marketer, approved by somebody else, started. Earlier runs' campaigns end first."""
    for old in Campaign.objects.filter(account=account).exclude(status=Campaign.Status.ENDED):
        campaign_end(campaign_id=old.pk, actor=company.approver, now=timezone.now(), note="A new run of the demo")
    now = timezone.now()
    fields: dict[str, Any] = {**shop.campaign, "name": f"{shop.campaign['name']} ({run})"}
    for name in ("budget", "holdout_percent"):
        fields[name] = Decimal(fields[name])
    campaign = campaign_create(actor=company.marketer, now=now, account=account, **fields)
    for door in shop.doors:
        given = dict(door)
        kind = given.pop("kind")
        if kind == EntryPoint.Kind.AD:
            given["ad_id"] = f"1202{int(now.timestamp())}{account.sender_id[-1]}"
        entry_point_create(campaign_id=campaign.pk, actor=company.marketer, now=now, kind=kind, **given)
    steps: list[Any] = list(shop.steps)
    policy_save(campaign_id=campaign.pk, actor=company.marketer, now=now, steps=steps, **shop.policy)
    campaign_submit(campaign_id=campaign.pk, actor=company.marketer, now=now)
    campaign_approve(campaign_id=campaign.pk, actor=company.approver, now=now)
    return campaign_start(campaign_id=campaign.pk, actor=company.approver, now=now)


def crowd_invite(shop: Shop, campaign: Campaign, sandbox: JsonClient, *, people: int, seed: int, speed: float) -> None:
    """Let the market's people loose on the campaign's doors."""
    doors: dict[str, list[str]] = {"ads": [], "links": [], "qrs": []}
    for entry_point in campaign.entry_points.all():
        doors[f"{entry_point.kind}s"].append(entry_point.ad_id or entry_point_url(entry_point))
    sandbox.post(
        "/_sandbox/personas",
        {"count": people, "seed": seed, "market": shop.market, "number": shop.account["sender_id"],
         "speed": speed, "over": 20 * speed, **doors},
    )  # fmt: skip
