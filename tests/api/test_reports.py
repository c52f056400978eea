from datetime import timedelta

import pytest

from conversations.models import Conversion
from tests.builders.contacts import NOW, ContactBuilder, PhoneBuilder
from tests.builders.conversations import ConversationBuilder, DropOutBuilder

FUNNEL = "/api/v1/reports/funnel"
PERIOD = f"since={NOW - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}&until={NOW + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def conversation(db):
    """A conversation that fell silent and bought, beside another campaign's."""
    conversation = ConversationBuilder(contact__display_name="Lan Anh")
    PhoneBuilder(contact=conversation.contact, value="+84901234567")
    DropOutBuilder(conversation=conversation)
    Conversion.objects.create(
        external_id="o",
        contact=conversation.contact,
        kind="purchase",
        value="1250000",
        currency="VND",
        occurred_at=NOW,
        source="api",
        conversation=conversation,
        campaign=conversation.campaign,
    )
    ConversationBuilder()
    return conversation


def test_the_funnel_says_each_number_with_its_definition(api, conversation):
    answer = api.get(f"{FUNNEL}?campaign={conversation.campaign_id}&{PERIOD}")
    assert answer.status_code == 200, answer.content
    funnel = answer.json()
    assert funnel["campaign"] == str(conversation.campaign_id)
    counts = {row["key"]: row for row in funnel["counts"]}
    assert (counts["conversations_started"]["count"], counts["conversations_started"]["people"]) == (1, 1)
    assert counts["conversions"]["count"] == 1
    revenue = counts["revenue:VND"]
    assert (revenue["amount"], revenue["currency"], revenue["count"]) == ("1250000.00", "VND", None)
    assert counts["conversation_start_rate"]["share"] is None
    assert all(row["definition"] for row in funnel["counts"])
    everybody = {row["key"]: row for row in api.get(f"{FUNNEL}?{PERIOD}").json()["counts"]}
    assert everybody["conversations_started"]["count"] == 2


def test_the_people_behind_a_number_are_listed_and_masked(api, client_of, conversation):
    path = f"{FUNNEL}/contacts?key=dropouts&campaign={conversation.campaign_id}&{PERIOD}"
    people = api.get(path).json()["results"]
    assert [person["id"] for person in people] == [str(conversation.contact_id)]
    assert people[0]["addresses"][0]["value"] == "+84901234567"
    masked = client_of("reports:read").get(path).content.decode()
    assert str(conversation.contact_id) in masked
    assert "Lan Anh" not in masked
    assert "901234" not in masked


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("campaign=x", 400),
        ("since=yesterday", 400),
        ("since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", 400),
        ("campaign=0198c0de-0000-7000-8000-000000000000", 404),
    ],
)
def test_a_period_or_campaign_that_cannot_be_is_refused(db, api, query, status):
    assert api.get(f"{FUNNEL}?{query}").status_code == status


def test_reports_have_their_own_scope(client_of):
    assert client_of("campaigns:read").get(FUNNEL).status_code == 403
    reader = client_of("reports:read")
    for query in ("", "?key=impressions", "?key=nonsense"):
        assert reader.get(f"{FUNNEL}/contacts{query}").status_code == 400


def test_the_people_cost_the_same_queries_however_many(db, api, django_assert_num_queries):
    for contact in ContactBuilder.create_batch(3):
        ConversationBuilder(contact=contact)
    path = f"{FUNNEL}/contacts?key=conversations_started&{PERIOD}"
    api.get(path)
    with django_assert_num_queries(3):  # the key, the people, their addresses
        assert len(api.get(path).json()["results"]) == 3
