"""A whole small world around the product: a shop, its provider, its people, and one clock for all of them.

Everything is real: the provider's sandbox is a process of its own, webhooks and tracked links travel over HTTP to a
live server, the outbox is PostgreSQL's. Only time is ours: `beat` wakes the sweeps that Celery's schedule wakes, and
`pass_time` goes from one moment at which something is due to the next.
"""

import http.client
from datetime import timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

from django.contrib.auth.models import User
from django.db.models import F, Min

from access.keys import api_key_create
from access.scopes import SCOPES
from callbacks.models import Callback
from callbacks.planner import callbacks_cancel_stopped, callbacks_plan, dropouts_detect
from callbacks.planning import UNDECIDED
from callbacks.services import policy_save
from campaigns.entry_points import entry_point_create
from campaigns.models import Campaign
from campaigns.services import (
    campaign_approve,
    campaign_create,
    campaign_start,
    campaign_submit,
    campaigns_by_date,
)
from contacts.models import Contact
from conversations.models import Conversation, DropOut, Message
from conversations.receipts import receipts_process
from conversations.refs import ref_parse
from conversations.statuses import orphan_statuses_apply
from delivery.dispatch import dispatch_due
from delivery.models import Attempt
from delivery.settle import attempts_reap, attempts_reconcile
from messaging.accounts import templates_sync
from messaging.credentials import Credentials, credentials_write
from reports.funnel import funnel
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder
from tests.sandbox_process import Sandbox

LAN = "+84912345678"
AD = "120210000000001"
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
PATIENCE = 2 * HOUR
WORDING = "Khi nhắn tin, bạn đồng ý nhận ưu đãi qua WhatsApp."
BUTTONS = [{"id": "yes", "title": "Còn quan tâm"}, {"id": "later", "title": "Để sau"}]
COME_BACK = {
    "template_name": "come_back",
    "template_language": "vi",
    "template_values": {"body.1": "{{ contact.first_name }}", "body.2": "mẫu nhẫn"},
}
BROWSER = {"User-Agent": "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140 Mobile Safari/537.36"}


def step(**given):
    """One hour after the drop-out, with buttons; words for inside the window only, unless COME_BACK is added."""
    return {
        "delay": HOUR, "text": "{{ contact.first_name }} ơi, bạn còn quan tâm không?", "buttons": BUTTONS,
        "useful_for": timedelta(days=3),
    } | given  # fmt: skip


class World:
    """10:00 on a Wednesday in Hà Nội. Nothing has happened yet."""

    def __init__(self, sandbox: Sandbox, url: str) -> None:
        self.sandbox, self.url, self.now, self.holding = sandbox, url, NOW, False
        sandbox.reset()
        self.clock(NOW)
        self.account = self.number()
        self.marketer = User.objects.create(username="marketer")
        self.manager = User.objects.create(username="manager")
        self.agent = User.objects.create(username="agent")
        sandbox.template(
            "come_back", "", category="MARKETING",
            components=[
                {"type": "BODY", "text": "Chào {{1}}, {{2}} còn chờ bạn nhé!",
                 "example": {"body_text": [["Lan", "nhẫn"]]}},
            ],
        )  # fmt: skip
        templates_sync(account=self.account, now=NOW)
        self._key = ""
        self.forget = lambda: None  # what happens before every sweep: Redis is emptied, say

    # -- the shop --------------------------------------------------------------------------------------------------

    def number(self, name="Kim Hoàn", **changes):
        """A WhatsApp number at the provider and its account here."""
        # Statuses leave at once: it is our clock that decides when things happen.
        given = self.sandbox.number(f"{self.url}/webhooks/whatsapp/", delivered_after=0, **changes)
        account = AccountBuilder(
            name=name,
            base_url=self.sandbox.url,
            sender_id=given["phone_number_id"],
            business_account_id=given["waba_id"],
            portfolio_id=given["portfolio_id"],
            display_number=given["display_phone_number"],
        )
        secrets = (given["app_secret"],)
        credentials_write(account, Credentials(given["access_token"], secrets, given["verify_token"]))
        return account

    def campaign(self, *steps, ad=AD, consent=True, greeting="Chào {{ contact.first_name }}!", holdout=0, **policy):
        """A running campaign with an ad: set up by a marketer, approved by another, as the services demand."""
        account = policy.pop("account", self.account)
        campaign = campaign_create(
            actor=self.marketer, now=self.now, name="Nhẫn cưới", account=account, greeting=greeting,
            holdout_percent=Decimal(holdout),
        )  # fmt: skip
        self.door(campaign, kind="ad", ad_id=ad, consent=consent)
        policy_save(
            campaign_id=campaign.pk, actor=self.marketer, now=self.now, steps=steps or [step()],
            **{"patience": PATIENCE} | policy,
        )  # fmt: skip
        self.approve(campaign)
        return campaign

    def door(self, campaign, *, kind, consent=True, **given):
        if consent:
            given |= {"consent_wording": WORDING, "consent_version": "vi-1"}
        door = entry_point_create(
            campaign_id=campaign.pk, actor=self.marketer, now=self.now, kind=kind, name=f"Door {kind}", **given
        )
        if campaign.status == Campaign.Status.RUNNING:
            self.approve(campaign)  # a new door voids the approval
        return door

    def approve(self, campaign):
        campaign_submit(campaign_id=campaign.pk, actor=self.marketer, now=self.now)
        campaign_approve(campaign_id=campaign.pk, actor=self.manager, now=self.now)
        campaign_start(campaign_id=campaign.pk, actor=self.manager, now=self.now)
        campaign.refresh_from_db()

    def api(self, method, path, body=None):
        """A call of the shop's own backend, over HTTP; (status, JSON)."""
        if not self._key:
            _row, self._key = api_key_create(name="Shop", scopes=list(SCOPES), created_by=None, now=self.now)
        headers = {"Authorization": f"Api-Key {self._key}"}
        return Sandbox(self.url).request(method, f"/api/v1/{path}", body, headers=headers)

    # -- time ------------------------------------------------------------------------------------------------------

    def clock(self, now):
        self.now = now
        self.sandbox.clock(now.isoformat())

    def hear(self):
        """What the provider has to say arrives and is processed."""
        if not self.holding:
            assert self.sandbox.wait_webhooks()
        while receipts_process(now=self.now):
            pass
        orphan_statuses_apply(now=self.now)

    def beat(self):
        """Everything the schedule wakes, once, in the order in which a message travels."""
        for sweep in (
            self.hear,
            lambda: campaigns_by_date(now=self.now),
            lambda: dropouts_detect(now=self.now),
            lambda: callbacks_plan(now=self.now),
            lambda: callbacks_cancel_stopped(now=self.now),
            self.dispatch,
            attempts_reap,
            lambda: attempts_reconcile(now=self.now),
            self.hear,
        ):
            self.forget()
            sweep()

    def dispatch(self):
        dispatch_due(clock=lambda: self.now, urgent=True)
        dispatch_due(clock=lambda: self.now)

    def pass_time(self, *, until=None, **by):
        end = until or self.now + timedelta(**by)
        self.beat()
        while due := self._next_due(end):
            self.clock(due)
            self.beat()
        self.clock(end)
        self.beat()

    def _next_due(self, end):
        """The next moment at which a sweep will find something, if it comes before `end`."""
        after = self.now
        silences = Conversation.objects.filter(
            turn__gt=F("dropout_turn"), last_inbound_at__lte=F("last_outbound_at"), converted_at=None
        ).values_list("last_outbound_at", "campaign__policy__patience")
        # While the step before is on its way, the planner only looks whether it has come to something.
        waiting = Callback.objects.filter(message__status__in=UNDECIDED).values("dropout")
        to_plan = DropOut.objects.filter(ended_at=None, plan_at__gt=after).exclude(pk__in=waiting)
        unclear = Attempt.objects.filter(state__in=["open", "unknown"]).values_list("started_at", flat=True)
        moments = [
            Message.objects.filter(status="scheduled", due_at__gt=after).aggregate(at=Min("due_at"))["at"],
            to_plan.aggregate(at=Min("plan_at"))["at"],
            *(at + patience + SECOND for at, patience in silences if at and patience),
            *(at + 10 * MINUTE + SECOND for at in unclear),
        ]
        return min((at for at in moments if at and after < at < end), default=None)

    def hold_webhooks(self, hold=True):
        self.sandbox.webhooks(hold=hold)
        self.holding = hold

    # -- people ----------------------------------------------------------------------------------------------------

    def click_ad(self, text="Tôi muốn biết thêm", *, phone=LAN, ad=AD, click_id="ARclick", **more):
        """Somebody taps the ad and sends the first message; the greeting goes out."""
        referral = {"source_type": "ad", "source_id": ad, "source_url": "https://fb.me/x", "ctwa_clid": click_id}
        return self.write(text, phone=phone, name="Lan", referral=referral, **more)

    def write(self, text="", *, phone=LAN, **more):
        written = self.sandbox.inbound(text, **({"phone": phone} if phone else {}), **more)
        self.beat()
        return written

    def tap(self, button, message_id, *, phone=LAN):
        """A quick reply under one of our messages."""
        reply = {"type": "button_reply", "button_reply": {"id": button["id"], "title": button["title"]}}
        return self.write(phone=phone, type="interactive", interactive=reply, reply_to=message_id)

    def open_link(self, link, *, method="GET", query="", headers=BROWSER):
        """A real request for a tracked link; (status, the text that the chat app would have prefilled)."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        try:
            connection.request(method, f"/c/{link.token}/{query}", headers=headers)
            answer = connection.getresponse()
            answer.read()
            target = urlsplit(answer.headers["Location"])
        finally:
            connection.close()
        assert (target.hostname, target.path) == ("wa.me", "/" + link.campaign.account.display_number.lstrip("+"))
        return answer.status, parse_qs(target.query)["text"][0]

    # -- what became of it -----------------------------------------------------------------------------------------

    @property
    def sent(self):
        """The sandbox's record of what it took from us, oldest first."""
        return [send for send in self.sandbox.sends() if send["accepted"]]

    @property
    def tried(self):
        """Every request that reached the provider, refused ones too."""
        return self.sandbox.sends()

    def check_record(self):
        """What must hold of any record, whatever the story: called at the end of every test."""
        refs = [send["ref"] for send in self.sent]
        assert len(refs) == len(set(refs)), "an attempt reached the provider twice"
        for send in self.sent:
            assert send["type"] == "template" or send["window_open"], "free text outside the window"
        messages = Message.objects.in_bulk([ref_parse(ref)[0] for ref in refs])
        for message in messages.values():
            taken = sum(ref_parse(ref)[0] == message.pk for ref in refs)
            assert taken == 1 or message.at_least_once, "a message was sent twice"

    @property
    def callbacks(self):
        return list(Message.objects.filter(origin="callback").order_by("created_at"))

    @property
    def callback(self):
        (callback,) = self.callbacks
        return callback

    @property
    def conversation(self):
        return Conversation.objects.get()

    @property
    def contact(self):
        return Contact.objects.get()

    def funnel(self, campaign):
        return funnel(campaign_id=campaign.pk, since=NOW - timedelta(days=2), until=NOW + timedelta(days=365))
