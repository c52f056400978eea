"""What happens while the crowd is at work: a bot answers, an agent takes over, late messages arrive, sales come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q

from campaigns.models import Campaign
from contacts.addresses import contact_find
from conversations.models import Conversation, Message
from delivery.gate import WINDOW_MARGIN
from delivery.models import Attempt
from demo.client import CallError, JsonClient
from demo.shops import PATIENCE, Shop
from messaging.models import WebhookReceipt

PENDING = (Message.Status.SCHEDULED, Message.Status.CLAIMED, Message.Status.INFLIGHT)
LATE_WRITERS = 10


@dataclass(slots=True)
class Story:
    """One run. `tick` does what is due: call it about once a second."""

    run: str
    shops: Sequence[tuple[Shop, Campaign]]
    api: JsonClient
    sandbox: JsonClient
    speed: float
    purchases_seen: int = 0
    purchases: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    helped: set[int] = field(default_factory=set)
    answered: set[tuple[UUID, int]] = field(default_factory=set)

    def tick(self) -> None:
        self._sales_report()
        self._bot_answer()
        self._agent_help()

    def _attempt(self, method: str, path: str, body: Any, key: str) -> Any:
        """A call as a careful client makes it: with an Idempotency-Key. A refusal is noted, the story goes on."""
        try:
            return self.api.call(method, path, body, **{"Idempotency-Key": key})
        except CallError as error:
            self.problems.append(str(error))
            return None

    def _sales_report(self) -> None:
        """The shop's till reports each sale to Rekindle, twice, because tills do."""
        for sale in self.sandbox.get("/_sandbox/purchases", after=self.purchases_seen)["purchases"]:
            self.purchases_seen = max(self.purchases_seen, sale["seq"])
            who = (
                {"phone": sale["phone"]}
                if sale["phone"]
                else {"bsuid": sale["user_id"], "portfolio_id": sale["portfolio_id"]}
            )
            body = {
                "external_id": f"{self.run}-{sale['id']}",
                "kind": sale["kind"],
                "value": str(sale["amount"]),
                "currency": sale["currency"],
                "occurred_at": sale["at"],
                **who,
            }
            self.purchases.append(sale)
            for copy in ("till", "till-again"):
                self._attempt("POST", "/api/v1/conversions/", body, f"{copy}-{body['external_id']}")

    def _bot_answer(self) -> None:
        """Who wrote after the greeting gets the shop's own bot, through the API. It does not argue with opt-outs."""
        campaigns = {campaign.pk: shop for shop, campaign in self.shops}
        waiting = (
            Conversation.objects.filter(
                campaign__in=campaigns,
                status=Conversation.Status.OPEN,
                handler=Conversation.Handler.AUTOMATION,
                turn__gte=2,
                last_inbound_at__gt=F("last_outbound_at"),
                converted_at=None,
            )
            .exclude(contact__consent_withdrawn__contains=["whatsapp:marketing"])
            .exclude(contact__reviews_open__gt=0)
            .exclude(Q(messages__direction=Message.Direction.OUT) & Q(messages__status__in=PENDING))
            .select_related("contact")
        )
        for conversation in waiting:
            turn = (conversation.pk, conversation.turn)
            if turn not in self.answered and conversation.campaign_id:
                self.answered.add(turn)
                words = campaigns[conversation.campaign_id].bot
                text = words.get(conversation.contact.language.split("-")[0]) or next(iter(words.values()))
                path = f"/api/v1/conversations/{conversation.pk}/reply/"
                self._attempt("POST", path, {"text": text}, f"bot-{conversation.pk}-{conversation.turn}")

    def _agent_help(self) -> None:
        """Who asked for a person gets one: from then on no callback disturbs the two."""
        by_number = {shop.account["sender_id"]: (shop, campaign) for shop, campaign in self.shops}
        for persona in self.sandbox.get("/_sandbox/personas")["personas"]:
            if persona["state"] != "human" or persona["persona"] in self.helped:
                continue
            shop, campaign = by_number[persona["number"]]
            conversation = self._conversation(persona, campaign)
            if conversation is None or conversation.turn < 2:
                continue
            self.helped.add(persona["persona"])
            path = f"/api/v1/conversations/{conversation.pk}"
            self._attempt("POST", f"{path}/take-over/", {}, f"take-{conversation.pk}")
            text = shop.agent.get(persona["language"]) or next(iter(shop.agent.values()))
            self._attempt("POST", f"{path}/reply/", {"text": text}, f"agent-{conversation.pk}")

    def _conversation(self, persona: dict[str, Any], campaign: Campaign) -> Conversation | None:
        addresses = [("phone", persona["phone"])] if persona["phone"] else []
        contact = contact_find(
            channel="whatsapp",
            portfolio_id=campaign.account.portfolio_id,
            addresses=[*addresses, ("bsuid", persona["user_id"])],
        )
        return (
            Conversation.objects.filter(
                contact=contact, account=campaign.account, status=Conversation.Status.OPEN
            ).first()
            if contact
            else None
        )

    def late_writers_arrive(self) -> list[dict[str, Any]]:
        """Messages that the provider delivers to us almost a day late: the window is about to close.

        The greeting still goes out as free text; when patience is over, only a template can, and to a number in
        the United States not even that. Their crowd never arrives by itself (`over`): only their messages do.
        """
        closes_in = WINDOW_MARGIN + PATIENCE - timedelta(seconds=1)
        wrote_at = datetime.now(UTC) - timedelta(hours=24) + closes_in
        written = []
        for shop, campaign in self.shops:
            crowd = self.sandbox.post(
                "/_sandbox/personas",
                {"count": LATE_WRITERS, "seed": int(self.run, 36) + 7, "market": shop.market,
                 "number": shop.account["sender_id"], "ads": ["unused"], "speed": self.speed, "over": 10**9,
                 "shares": {"night": 0.5, "username": 0}},
            )["personas"]  # fmt: skip
            ad = campaign.entry_points.get(kind="ad").ad_id
            for persona in crowd:
                written.append(persona)
                self.sandbox.post(
                    "/_sandbox/inbound",
                    {"number": shop.account["sender_id"], "from": persona["phone"], "user_id": persona["user_id"],
                     "name": persona["name"], "text": shop.late_text, "at": wrote_at.isoformat(),
                     "referral": {"source_type": "ad", "source_id": ad, "source_url": f"https://fb.me/{ad}",
                                  "ctwa_clid": persona["click_id"]}},
                )  # fmt: skip
        return written

    def ad_platform_reports(self, personas: Sequence[dict[str, Any]]) -> None:
        """What the ad platform says of the day: the only trace a click on an ad leaves before the first message."""
        for shop, campaign in self.shops:
            ad = campaign.entry_points.get(kind="ad")
            clicks = sum(p["source"] == "ad" and p["number"] == shop.account["sender_id"] for p in personas)
            body = {
                "impressions": clicks * 40,
                "clicks": clicks + clicks // 4,
                "amount": "1250000" if campaign.currency == "VND" else "84.50",
                "currency": campaign.currency,
            }
            day = datetime.now(UTC).date().isoformat()
            self._attempt("PUT", f"/api/v1/entry-points/{ad.pk}/spend/{day}/", body, f"spend-{ad.pk}-{day}")

    def busy(self) -> bool:
        """Whether anything is on its way to the provider, or due in a moment, or received and not yet processed."""
        campaigns = [campaign.pk for _shop, campaign in self.shops]
        soon = datetime.now(UTC) + timedelta(seconds=1)
        return (
            Message.objects.filter(campaign__in=campaigns, status__in=PENDING, due_at__lt=soon).exists()
            or Attempt.objects.filter(state=Attempt.State.OPEN).exists()
            or WebhookReceipt.objects.filter(state=WebhookReceipt.State.PENDING).exists()
        )
