from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError

from contacts.models import Contact
from conversations.models import Conversation, Message
from delivery.dispatch import dispatch_due
from delivery.errors import NotSendableError
from delivery.facts import Planned, facts_planned
from delivery.gate import Reason, Refuse, Send, decide
from delivery.models import ComplianceRule, Decision
from delivery.rules import rule_read, rules_load
from delivery.services import Decided, decision_explain, decision_record
from delivery.services import test_send as send_a_test
from tests.builders.contacts import NOW, PhoneBuilder
from tests.builders.conversations import ConversationBuilder, OutboundBuilder
from tests.builders.messaging import AccountBuilder, TemplateBuilder

pytestmark = pytest.mark.django_db


def reachable() -> Conversation:
    conversation = ConversationBuilder()
    PhoneBuilder(contact=conversation.contact)
    return conversation


def test_a_decision_is_kept_with_what_it_saw_and_can_be_asked_for():
    conversation = reachable()
    facts = facts_planned([Planned(conversation, has_free=False)], now=NOW)[0]
    verdict = decide(facts, NOW, rules_load(now=NOW))
    [key] = decision_record(decided=[Decided(facts, verdict, conversation.pk)], stage=Decision.Stage.PLAN, now=NOW)
    [decision] = decision_explain(conversation.contact)
    assert decision.pk == key
    assert (decision.verdict, decision.reason) == ("refuse", "window_closed")
    assert decision.rule_version
    assert decision.facts["country"] == "VN"
    assert decision.facts["window_ends_at"] == conversation.service_window_ends_at.isoformat()


def test_a_messages_decisions_come_newest_first(provider):
    conversation = ConversationBuilder(campaign__account=AccountBuilder(token="t", base_url=provider.url))
    PhoneBuilder(contact=conversation.contact)
    message = OutboundBuilder(conversation=conversation, expires_at=NOW + timedelta(days=3))
    Contact.objects.filter(pk=message.contact_id).update(deferred_until=NOW + timedelta(hours=1))
    dispatch_due(clock=lambda: NOW, seconds=0)
    dispatch_due(clock=lambda: NOW + timedelta(hours=1), seconds=0)
    found = [(d.verdict, d.reason) for d in decision_explain(message)]
    assert found == [("send", ""), ("wait", "provider_limit")]


def test_facts_of_many_plans_come_in_their_order():
    conversations = [reachable() for _ in range(3)]
    planned = [Planned(c, has_free=True) for c in conversations]
    assert [facts.contact_id for facts in facts_planned(planned, now=NOW)] == [c.contact_id for c in conversations]


def test_a_test_message_goes_through_the_outbox_like_any_other(provider):
    account = AccountBuilder(token="t", base_url=provider.url)
    template = TemplateBuilder(account=account, category="UTILITY")
    message = send_a_test(
        account=account, to="+84901234567", actor=None, now=NOW, dedupe_key="t1", template=template,
        values={"body.1": "Lan"},
    )  # fmt: skip
    again = send_a_test(
        account=account, to="+84901234567", actor=None, now=NOW, dedupe_key="t1", template=template,
        values={"body.1": "Lan"},
    )  # fmt: skip
    assert again == message
    dispatch_due(clock=lambda: NOW, seconds=0)
    assert [body["to"] for body in provider.received] == ["+84901234567"]


def test_a_test_message_with_missing_values_is_not_even_queued():
    template = TemplateBuilder()
    with pytest.raises(NotSendableError):
        send_a_test(
            account=template.account, to="+84901234567", actor=None, now=NOW, dedupe_key="t1", template=template
        )  # fmt: skip
    assert not Message.objects.exists()


def test_free_words_to_somebody_who_never_wrote_are_refused_by_the_gate(provider):
    account = AccountBuilder(token="t", base_url=provider.url)
    message = send_a_test(account=account, to="+84901234567", actor=None, now=NOW, dedupe_key="t1", text="Hi")
    dispatch_due(clock=lambda: NOW, seconds=0)
    message.refresh_from_db()
    assert (message.status, message.reason, provider.received) == ("suppressed", "window_closed", [])


def test_an_edited_rule_binds_from_its_day_on():
    conversation = reachable()
    facts = facts_planned([Planned(conversation, has_free=True)], now=NOW)[0]
    assert isinstance(decide(facts, NOW, rules_load(now=NOW)), Send)
    ComplianceRule.objects.create(
        kind="hours", jurisdiction="VN", value={"from": "12:00", "to": "13:00"}, source="ours", version="2",
        valid_from=date(2026, 11, 18),
    )  # fmt: skip
    assert not isinstance(decide(facts, NOW, rules_load(now=NOW)), Send)
    assert isinstance(decide(facts, NOW - timedelta(days=1), rules_load(now=NOW - timedelta(days=1))), Send)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("hours", {"from": "21:00", "to": "08:00"}), ("cap", {"count": 0, "hours": 24}), ("template_ban", {})],
)
def test_a_rule_that_makes_no_sense_is_named(kind, value):
    with pytest.raises(ValidationError):
        rule_read(ComplianceRule(kind=kind, jurisdiction="VN", value=value, version="1", valid_from=date(2026, 1, 1)))


def test_a_user_id_of_the_us_gets_no_marketing_template_whatever_the_contact_says():
    conversation = ConversationBuilder(service_window_ends_at=None)
    PhoneBuilder(contact=conversation.contact, kind="bsuid", value="US.abc123", scope=conversation.account.portfolio_id)
    template = TemplateBuilder(account=conversation.account)
    facts = facts_planned([Planned(conversation, has_free=False, template=template)], now=NOW)[0]
    verdict = decide(facts, NOW, rules_load(now=NOW))
    assert isinstance(verdict, Refuse)
    assert verdict.reason == Reason.COUNTRY_BLOCKED


def test_canada_shares_the_us_calling_code_and_not_its_ban():
    conversation = ConversationBuilder(service_window_ends_at=None)
    PhoneBuilder(contact=conversation.contact, value="+14165550123")
    template = TemplateBuilder(account=conversation.account)
    facts = facts_planned([Planned(conversation, has_free=False, template=template)], now=NOW)[0]
    assert facts.address_countries == ("CA",)
    assert isinstance(decide(facts, NOW, rules_load(now=NOW)), Send)


def test_every_shipped_rule_can_be_read_and_names_its_source():
    rules = rules_load(now=NOW)
    assert len(rules.hours) > 15
    assert {ban.jurisdiction for ban in rules.bans} == {"US"}
    assert not ComplianceRule.objects.filter(source="").exists()
