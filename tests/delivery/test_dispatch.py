from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Contact, consent_key
from conversations.models import Conversation, Message
from delivery.dispatch import dispatch_due
from delivery.facts import facts_load
from delivery.models import Attempt, Decision
from messaging.credentials import Credentials, credentials_write
from messaging.models import ChannelAccount
from tests.builders.campaigns import CampaignBuilder
from tests.builders.contacts import NOW, PhoneBuilder
from tests.builders.conversations import ConversationBuilder, OutboundBuilder
from tests.builders.messaging import AccountBuilder, TemplateBuilder
from tests.delivery.provider import Provider

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
Status = Message.Status


def due_message(provider: Provider, *, campaign=None, **given) -> Message:
    """A callback to a reachable person in an open window of a running campaign."""
    conversation = given.pop("conversation", None)
    if conversation is None:
        campaign = campaign or CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url))
        conversation = ConversationBuilder(campaign=campaign)
        PhoneBuilder(contact=conversation.contact)
    return OutboundBuilder(conversation=conversation, **given)


def templated(message: Message, **given) -> Message:
    """The same message with a template beside its words, its window long closed."""
    template = TemplateBuilder(account=message.account, **given)
    message.template = template
    message.content_template = {
        "name": template.name, "language": template.language, "values": {"body.1": "Lan"},
        "parameter_format": "POSITIONAL",
    }  # fmt: skip
    message.save()
    Conversation.objects.filter(pk=message.conversation_id).update(service_window_ends_at=NOW - timedelta(hours=1))
    return message


def dispatch(at=NOW, **given):
    return dispatch_due(clock=lambda: at, **given)


def test_a_due_callback_goes_out_once_and_is_written_down(provider):
    message = due_message(provider)
    dispatch()
    dispatch()
    message.refresh_from_db()
    assert len(provider.received) == 1
    body = provider.received[0]
    assert body["text"]["body"] == "Chào bạn!"
    assert (message.status, message.sent_at) == (Status.ACCEPTED, NOW)
    assert message.provider_message_id == "wamid." + body["biz_opaque_callback_data"]
    attempt = Attempt.objects.get(message=message)
    assert (attempt.state, attempt.ref) == (Attempt.State.ACCEPTED, body["biz_opaque_callback_data"])
    decision = Decision.objects.get(message=message)
    assert (decision.verdict, decision.basis, decision.facts["consent"]) == ("send", "window", "granted")
    assert Conversation.objects.get(pk=message.conversation_id).last_outbound_at == NOW


def test_nothing_goes_out_before_it_is_due(provider):
    due_message(provider, due_at=NOW + timedelta(seconds=1))
    assert dispatch().claimed == 0
    assert provider.received == []


def test_an_opted_out_person_is_refused_with_the_reason(provider):
    message = due_message(provider)
    Contact.objects.filter(pk=message.contact_id).update(
        consent_granted=[], consent_withdrawn=[consent_key("whatsapp", "marketing")]
    )
    dispatch()
    message.refresh_from_db()
    assert (message.status, message.reason, provider.received) == (Status.SUPPRESSED, "opted_out", [])


def test_outside_the_window_the_template_speaks_and_its_words_are_kept(provider):
    message = templated(due_message(provider))
    dispatch()
    message.refresh_from_db()
    assert provider.received[0]["type"] == "template"
    assert (message.kind, message.text) == ("template", "Chào Lan, quay lại nhé!")


def test_two_marketing_messages_to_one_person_do_not_share_a_day(provider):
    first = due_message(provider, priority=5)
    second = due_message(provider, conversation=first.conversation, expires_at=NOW + timedelta(days=3))
    dispatch()
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.status == Status.ACCEPTED
    assert (second.status, second.waiting_for) == (Status.SCHEDULED, "frequency_cap")
    assert second.due_at == NOW + timedelta(days=1)


def test_a_lost_answer_leaves_it_unknown_and_is_never_repeated(provider):
    """Even over a kept-alive connection that dies: libcurl would send the request a second time by itself."""
    campaign = CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url))
    for _ in range(3):
        due_message(provider, campaign=campaign)
        dispatch()
    provider.answer = lambda _body: (0, {})
    before = len(provider.received)
    message = due_message(provider, campaign=campaign)
    dispatch()
    dispatch(NOW + timedelta(hours=1))
    message.refresh_from_db()
    assert len(provider.received) == before + 1
    assert message.status == Status.UNKNOWN
    assert Attempt.objects.get(message=message).state == Attempt.State.UNKNOWN


def move(account, url):
    """The operator enters another address, and the token for it."""
    account.base_url = url
    account.save()
    credentials_write(account, Credentials(access_token="t"))


def test_a_token_does_not_follow_its_account_to_another_address(provider):
    message = due_message(provider)
    ChannelAccount.objects.update(base_url="http://127.0.0.1:1")
    dispatch()
    message.refresh_from_db()
    assert message.status == Status.SCHEDULED
    assert ChannelAccount.objects.get().status == ChannelAccount.Status.PAUSED
    assert not provider.received


def test_a_provider_that_cannot_be_reached_proves_that_nothing_was_sent(provider):
    message = due_message(provider)
    move(message.account, "http://127.0.0.1:1")
    dispatch()
    message.refresh_from_db()
    assert (message.status, message.due_at) == (Status.SCHEDULED, NOW + timedelta(seconds=2))
    move(message.account, provider.url)
    dispatch(NOW + timedelta(seconds=7))
    message.refresh_from_db()
    assert message.status == Status.ACCEPTED
    assert len(provider.received) == 1


def test_a_server_error_is_unknown_because_it_may_have_been_sent(provider):
    provider.answer = lambda _body: (500, {})
    message = due_message(provider)
    dispatch()
    message.refresh_from_db()
    assert message.status == Status.UNKNOWN


@pytest.mark.parametrize(("code", "status"), [(131009, Status.FAILED), (131050, Status.FAILED), (131056, "scheduled")])
def test_an_error_does_what_its_class_says(provider, code, status):
    provider.refuse(code)
    message = due_message(provider)
    dispatch()
    message.refresh_from_db()
    assert (message.status, message.error_code) == (status, str(code))


def test_a_provider_stop_of_the_person_withdraws_their_consent(provider):
    provider.refuse(131050)
    message = due_message(provider)
    dispatch()
    assert consent_key("whatsapp", "marketing") in Contact.objects.get(pk=message.contact_id).consent_withdrawn


def test_trouble_with_the_payment_pauses_the_account_and_keeps_the_queue(provider):
    provider.refuse(131042)
    message = due_message(provider)
    dispatch()
    message.refresh_from_db()
    assert message.status == Status.SCHEDULED
    assert ChannelAccount.objects.get(pk=message.account_id).status == ChannelAccount.Status.PAUSED
    assert dispatch(NOW + timedelta(minutes=5)).claimed == 0


def test_a_window_closed_early_lets_the_template_speak(provider):
    message = templated(due_message(provider))
    Conversation.objects.filter(pk=message.conversation_id).update(service_window_ends_at=NOW + timedelta(hours=5))
    provider.refuse(131047)
    dispatch()
    provider.answer = provider.accept
    dispatch(NOW + timedelta(seconds=7))
    assert [body["type"] for body in provider.received] == ["text", "template"]


def test_an_unreachable_address_is_marked_and_not_tried_again(provider):
    provider.refuse(131026)
    message = due_message(provider)
    dispatch()
    message.refresh_from_db()
    assert message.status == Status.FAILED
    again = due_message(provider, conversation=message.conversation)
    dispatch(NOW + timedelta(days=1, seconds=-1))
    again.refresh_from_db()
    assert (again.status, again.reason) in {(Status.SUPPRESSED, "no_address"), (Status.EXPIRED, "expired")}
    assert len(provider.received) == 1


def test_the_opt_out_confirmation_goes_although_the_person_opted_out(provider):
    message = due_message(provider, origin=Message.Origin.OPTOUT_CONFIRMATION, purpose="service", priority=100)
    Contact.objects.filter(pk=message.contact_id).update(
        consent_granted=[], consent_withdrawn=[consent_key("whatsapp", "marketing")]
    )
    dispatch(urgent=True)
    assert len(provider.received) == 1


def test_the_urgent_dispatcher_leaves_callbacks_to_the_other(provider):
    due_message(provider)
    assert dispatch(urgent=True).claimed == 0


def test_a_status_that_came_before_the_answer_stands(provider):
    message = due_message(provider)
    provider.before = lambda: Message.objects.filter(pk=message.pk).update(status=Status.DELIVERED, delivered_at=NOW)
    dispatch()
    message.refresh_from_db()
    assert message.status == Status.DELIVERED
    assert message.provider_message_id.startswith("wamid.")


def test_one_bad_provider_id_does_not_cost_the_others_their_answers(provider):
    campaign = CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url))
    messages = [due_message(provider, campaign=campaign) for _ in range(3)]
    provider.answer = lambda _body: (200, {"messages": [{"id": "wamid.same"}]})
    dispatch()
    assert {Message.objects.get(pk=m.pk).status for m in messages} == {Status.ACCEPTED}


def test_the_facts_of_a_whole_batch_take_ten_queries_at_most(provider):
    campaign = CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url))
    ids = [due_message(provider, campaign=campaign).pk for _ in range(20)]
    account = campaign.account
    with CaptureQueriesContext(
        connection,
    ) as queries:
        facts, _people = facts_load(ids, channel=account.channel, portfolio_id=account.portfolio_id, now=NOW)
    assert len(facts) == 20
    assert len(queries) <= 10


def test_messages_beyond_the_numbers_pace_stay_in_the_queue(provider):
    campaign = CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url, throughput_per_second=8))
    for _ in range(5):
        due_message(provider, campaign=campaign)
    assert dispatch(seconds=0).more  # a clock that stands still fills no bucket: a quarter of a second's worth goes
    assert len(provider.received) == 2
    assert Message.objects.filter(status=Status.SCHEDULED).count() == 3


def test_the_same_person_is_not_written_to_twice_within_six_seconds(provider):
    first = due_message(provider, origin=Message.Origin.REPLY, purpose="service")
    second = due_message(provider, conversation=first.conversation, origin=Message.Origin.REPLY, purpose="service")
    dispatch()
    states = sorted(Message.objects.values_list("status", "waiting_for"))
    assert states == [("accepted", ""), ("scheduled", "pair_rate")]
    dispatch(NOW + timedelta(seconds=7))
    assert Message.objects.filter(pk__in=[first.pk, second.pk], status=Status.ACCEPTED).count() == 2


def test_the_portfolios_daily_limit_counts_people_outside_windows(provider):
    account = AccountBuilder(token="t", base_url=provider.url, messaging_limit=1)
    campaign = CampaignBuilder(account=account)
    for _ in range(2):
        templated(due_message(provider, campaign=campaign))
    dispatch()
    assert len(provider.received) == 1
    waiting = Message.objects.get(status=Status.SCHEDULED)
    assert waiting.waiting_for == "provider_limit"


def test_answers_that_the_database_cannot_keep_do_not_cost_the_others_theirs(provider):
    campaign = CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url))
    messages = [due_message(provider, campaign=campaign) for _ in range(4)]
    odd = iter(["wamid.ok", "wamid." + "x" * 300, "wamid.\0", "wamid.\ud800"])
    provider.answer = lambda _body: (200, {"messages": [{"id": next(odd)}]})
    dispatch()
    assert {Message.objects.get(pk=m.pk).status for m in messages} == {Status.ACCEPTED}


def test_a_message_that_cannot_be_put_into_words_fails_alone(provider):
    campaign = CampaignBuilder(account=AccountBuilder(token="t", base_url=provider.url))
    broken = templated(due_message(provider, campaign=campaign))
    Contact.objects.update(consent_granted=[consent_key("whatsapp", "marketing")])
    broken.content_template |= {"values": {"header.image": 5}}
    broken.save()
    fine = [due_message(provider, campaign=campaign) for _ in range(2)]
    dispatch()
    broken.refresh_from_db()
    assert (broken.status, broken.error_code) == (Status.FAILED, "content")
    assert {Message.objects.get(pk=m.pk).status for m in fine} == {Status.ACCEPTED}


def test_a_refusal_is_not_written_down_without_the_opt_out_it_says(provider, monkeypatch):
    provider.refuse(131050)
    message = due_message(provider)

    def killed(**_given):
        raise KeyboardInterrupt

    monkeypatch.setattr("delivery.recording.failures_apply", killed)
    with pytest.raises(KeyboardInterrupt):
        dispatch()
    message.refresh_from_db()
    assert message.status == Status.INFLIGHT  # the reaper finds it, and a person is asked
