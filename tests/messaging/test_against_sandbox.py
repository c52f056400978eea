"""The adapter and the sandbox, over HTTP: two readings of the same documents must agree."""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest

from messaging.accounts import account_health, account_refresh, templates_sync
from messaging.adapters import inbound_adapter
from messaging.adapters.outbound import outbound_adapter
from messaging.credentials import Credentials, credentials_read, credentials_write
from messaging.events import AddressRef, Button, ErrorClass, FreeForm, InboundMessage, Outcome, TemplateContent
from messaging.models import Template
from messaging.templates import content_problems
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder
from tests.messaging.provider import provider
from tests.sandbox_process import NUMBER, start_sandbox

pytestmark = pytest.mark.django_db
PERSON = AddressRef("phone", "+84900000001")
COMPONENTS = [
    {"type": "HEADER", "format": "TEXT", "text": "Tết {{1}}", "example": {"header_text": ["2027"]}},
    {"type": "BODY", "text": "Chào {{1}}, {{2}} còn đây nhé.", "example": {"body_text": [["Lan", "nhẫn"]]}},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Gọi tôi"},
            {"type": "URL", "text": "Xem", "url": "https://shop.example/{{1}}", "example": ["https://shop.example/a"]},
        ],
    },
]
VALUES = {"header.1": "2027", "body.1": "Ánh", "body.2": "nhẫn", "button.0.payload": "CALL", "button.1.1": "a-7f"}


@pytest.fixture(scope="module")
def sandbox():
    with start_sandbox() as running:
        running.number()
        running.template("come_back", "", components=COMPONENTS)
        running.template("promo", "Chào {{first_name}}!", parameter_format="NAMED")
        running.inbound("chào", wait=0, phone=PERSON.value)  # opens the window
        yield running


@pytest.fixture
def account(sandbox):
    account = AccountBuilder(
        base_url=sandbox.url,
        sender_id=NUMBER["phone_number_id"],
        business_account_id=NUMBER["waba_id"],
        portfolio_id=NUMBER["portfolio_id"],
    )
    credentials_write(account, Credentials(NUMBER["access_token"], (NUMBER["app_secret"],), NUMBER["verify_token"]))
    return account


@pytest.fixture
def send(account):
    def run(content, to=PERSON, ref="ref-1"):
        adapter = outbound_adapter("whatsapp")
        request = adapter.render(
            account=account, credentials=credentials_read(account), to=to, content=content, ref=ref
        )
        call = urllib.request.Request(request.url, data=request.body, headers=dict(request.headers))  # noqa: S310
        try:
            with urllib.request.urlopen(call, timeout=5) as answer:  # noqa: S310 - our own process
                status, headers, body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, headers, body = error.code, error.headers, error.read()
        return adapter.read_answer(status=status, headers=dict(headers), body=body)

    return run


@pytest.mark.parametrize(
    "content",
    [
        FreeForm("Chào bạn!"),
        FreeForm("Bạn còn quan tâm?", (Button("yes", "Còn"), Button("no", "Thôi"))),
        TemplateContent("come_back", "vi", VALUES),
        TemplateContent("promo", "vi", {"body.first_name": "Ánh"}, "NAMED"),
    ],
)
def test_it_accepts_what_we_render(content, send):
    answer = send(content)
    assert answer.outcome is Outcome.ACCEPTED, answer
    assert answer.message_id.startswith("wamid.")


def test_the_ref_arrives(sandbox, send):
    send(FreeForm("x"), ref="0190.7")
    assert [sent["text"] for sent in sandbox.sends(ref="0190.7")] == ["x"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (TemplateContent("come_back", "vi", {"body.1": "Ánh"}), ErrorClass.STOP_TEMPLATE),
        (TemplateContent("nowhere", "vi"), ErrorClass.STOP_TEMPLATE),
        (FreeForm("x" * 4097), ErrorClass.FIX_MESSAGE),
    ],
)
def test_what_it_refuses_is_provably_refused_and_found_beforehand(content, expected, send, account):
    answer = send(content)
    assert (answer.outcome, answer.error.error_class) == (Outcome.REFUSED, expected)
    templates_sync(account=account, now=NOW)
    template = Template.objects.filter(name=getattr(content, "name", "")).first()
    if template or isinstance(content, FreeForm):
        assert content_problems(content, template.parameters() if template else None)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"kind": "http"}, Outcome.UNKNOWN),
        ({"kind": "unreadable"}, Outcome.UNKNOWN),
        ({"kind": "held"}, Outcome.HELD),
        ({"kind": "error", "code": 130429, "retry_after": "7"}, Outcome.REFUSED),
        ({"kind": "error", "code": 131000}, Outcome.UNKNOWN),
    ],
)
def test_its_faults_prove_what_they_should(fault, outcome, sandbox, send):
    sandbox.fault(**fault)
    try:
        answer = send(FreeForm("x"))
    finally:
        sandbox.clear_faults()
    assert answer.outcome is outcome
    if "retry_after" in fault:
        assert answer.error.retry_after == 7


def test_templates_limits_and_health_are_read(account):
    assert templates_sync(account=account, now=NOW) == 2
    template = Template.objects.get(name="come_back")
    assert template.components == json.loads(json.dumps(COMPONENTS))
    assert content_problems(TemplateContent("come_back", "vi", VALUES), template.parameters()) == []
    account_refresh(account=account)
    account.refresh_from_db()
    assert account.quality_rating
    assert account_health(account).can_send == "AVAILABLE"


def test_its_signed_webhooks_are_believed_and_understood(sandbox):
    """Every kind that the sandbox can make, read without a fault and without an unknown."""
    bodies = []

    def door(path, raw, headers):
        bodies.append((raw, headers))
        return 200, {}, b""

    with provider(door) as (url, _calls):
        sandbox.number(url)
        who = {"from": "+84900000077", "wait": 10}
        ad = {"source_type": "ad", "source_id": "1202", "source_url": "https://fb.example", "ctwa_clid": "ARx"}
        sandbox.post("inbound", text="Chào, mình là Nguyễn Thị Ánh", name="Nguyễn Thị Ánh", referral=ad, **who)
        sandbox.post("inbound", type="button", button={"payload": "YES", "text": "Có"}, **who)
        sandbox.post("inbound", text="ẩn", **{"from": "+84900000078", "hidden": True, "wait": 10})
        for value in ("stop", "resume"):
            sandbox.post("preferences", value=value, **who)
        sandbox.post("identity-change", kind="user_changed_number", new_phone="+84900000079", **{"from": who["from"]})
        sandbox.post("template-status", name="promo", language="vi", event="PAUSED", title="FIRST_PAUSE")
        sandbox.post("template-status", name="promo", language="vi", event="APPROVED")
        assert sandbox.wait_webhooks()
        sandbox.post("numbers", phone_number_id=NUMBER["phone_number_id"], webhook_url="")
    adapter = inbound_adapter("whatsapp")
    assert all(adapter.signature_valid(NUMBER["app_secret"], headers, raw) for raw, headers in bodies)
    parsed = [adapter.parse(raw, received_at=datetime.now(UTC)) for raw, _headers in bodies]
    assert [fault for one in parsed for fault in one.faults] == []
    events = [event for one in parsed for event in one.events]
    kinds = {type(event).__name__ for event in events}
    assert kinds >= {"InboundMessage", "PreferenceChanged", "IdentityChanged", "TemplateChanged"}
    assert "UnknownEvent" not in kinds
    first = next(event for event in events if isinstance(event, InboundMessage) and event.referral)
    assert (first.person.name, first.referral.click_id) == ("Nguyễn Thị Ánh", "ARx")
    hidden = next(event for event in events if getattr(event, "text", "") == "ẩn")
    assert [address.kind for address in hidden.person.addresses] == ["bsuid"]
