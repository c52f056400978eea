import pytest

from contacts.consent import consent_record
from contacts.models import ConsentEvent, Contact, Suppression
from tests.builders.contacts import NOW, ContactBuilder, PhoneBuilder
from tests.builders.conversations import OutboundBuilder

CONTACTS, SUPPRESSIONS = "/api/v1/contacts", "/api/v1/suppressions"
PHONE = "+84901234567"


@pytest.fixture
def lan(db):
    return PhoneBuilder(
        value=PHONE, contact__display_name="Lan Anh", contact__attributes={"crm_id": 42, "tier": "gold"}
    ).contact


def test_a_person_is_created_once_and_found_by_any_spelling_of_the_number(db, api):
    first = api.post(
        CONTACTS, {"phone": "+84 90 123 45 67", "name": "Lan", "language": "vi", "attributes": {"crm_id": 42}}
    )
    assert first.status_code == 201, first.content
    again = api.post(CONTACTS, {"phone": PHONE, "attributes": {"tier": "gold"}})
    assert again.status_code == 200
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["attributes"] == {"crm_id": 42, "tier": "gold"}
    assert (again.json()["country"], again.json()["language"]) == ("VN", "vi")
    assert again.json()["addresses"][0]["value"] == PHONE
    assert Contact.objects.count() == 1


def test_a_person_without_a_phone_is_known_by_a_business_scoped_id(db, api):
    without = api.post(CONTACTS, {"bsuid": "US.123"})
    assert without.json()["errors"][0]["pointer"] == "#/portfolio_id"
    made = api.post(CONTACTS, {"bsuid": "US.123", "portfolio_id": "77"})
    assert made.status_code == 201, made.content
    assert api.get(f"{CONTACTS}?bsuid=US.123").json()["results"][0]["id"] == made.json()["id"]
    assert api.post(CONTACTS, {"name": "Nobody"}).status_code == 400


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"phone": "12"}, "#/phone"),
        ({"phone": PHONE, "language": "klingonish"}, "#/language"),
        ({"phone": PHONE, "country": "vn"}, "#/country"),
        ({"phone": PHONE, "time_zones": ["Mars/Olympus"]}, "#/time_zones"),
        ({"phone": PHONE, "attributes": {"note": "x" * 17_000}}, "#/attributes"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_kept(db, api, fields, pointer):
    answer = api.post(CONTACTS, fields)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert Contact.objects.count() == 0


def test_people_are_found_by_phone_attribute_country_and_consent(db, api, lan):
    other = ContactBuilder(country="US", language="es-US", consent_granted=[], attributes={"crm_id": "7"})
    for query, expected in {
        "": [other, lan],
        "phone=%2B84901234567": [lan],
        "attribute=crm_id:42": [lan],
        "attribute=crm_id:7": [other],
        "attribute=tier:gold": [lan],
        "country=US": [other],
        "language=es-US": [other],
        "granted=whatsapp:marketing": [lan],
        "phone=%2B84900000000": [],
    }.items():
        rows = api.get(f"{CONTACTS}?{query}").json()["results"]
        assert [row["id"] for row in rows] == [str(row.pk) for row in expected], query
    assert api.get(f"{CONTACTS}?phone=12").status_code == 422


def test_numbers_names_and_attributes_are_masked_without_the_scope(api, client_of, lan):
    masked = client_of("contacts:read")
    for path in (CONTACTS, f"{CONTACTS}/{lan.pk}"):
        full, blotted = api.get(path).content.decode(), masked.get(path).content.decode()
        for secret in (PHONE, "901234", "Lan Anh", "gold"):
            assert secret not in blotted
        assert PHONE in full
        assert "567" in blotted


def test_a_profile_is_patched_and_a_null_removes_an_attribute(api, lan):
    path = f"{CONTACTS}/{lan.pk}"
    changed = api.patch(path, {"name": "Lan", "attributes": {"tier": None, "vip": True}}).json()
    assert changed["name"] == "Lan"
    assert changed["attributes"] == {"crm_id": 42, "vip": True}
    assert api.patch(f"{CONTACTS}/0198c0de-0000-7000-8000-000000000000", {"name": "x"}).status_code == 404


def test_consent_is_recorded_with_its_words_and_withdrawn(api, lan):
    path = f"{CONTACTS}/{lan.pk}/consents"
    Contact.objects.update(consent_granted=[])
    wordless = api.post(path, {"action": "granted"})
    assert wordless.json()["errors"][0]["pointer"] == "#/wording"
    grant = {
        "action": "granted",
        "wording": "Tôi đồng ý nhận tin",
        "wording_language": "vi",
        "disclosed_per_week": 2,
        "occurred_at": "2026-11-01T00:00:00Z",
        "external_id": "form-1",
        "evidence": {"form": "tet"},
    }
    given = api.post(path, grant)
    assert given.status_code == 201, given.content
    assert api.post(path, grant).json()["id"] == given.json()["id"]
    assert given.json()["source"] == "api"
    assert api.get(path).json()["granted"] == ["whatsapp:marketing"]
    api.post(path, {"action": "withdrawn", "occurred_at": "2026-11-02T00:00:00Z"})
    shown = api.get(path).json()
    assert (shown["granted"], shown["withdrawn"]) == ([], ["whatsapp:marketing"])
    assert [event["action"] for event in shown["events"]] == ["withdrawn", "granted"]
    assert ConsentEvent.objects.filter(actor__username__startswith="api-").count() == 2


def test_a_withdrawal_cancels_what_was_planned_at_once(api, lan):
    callback = OutboundBuilder(conversation__contact=lan)
    late = {"action": "withdrawn", "occurred_at": "2026-01-01T00:00:00Z"}
    path = f"{CONTACTS}/{lan.pk}/consents"
    api.post(path, {"action": "granted", "wording": "Yes", "occurred_at": "2026-11-01T00:00:00Z"})
    api.post(path, late)  # older than the grant: it undoes nothing
    callback.refresh_from_db()
    assert callback.status == "scheduled"
    api.post(path, {"action": "withdrawn"})
    callback.refresh_from_db()
    assert (callback.status, callback.reason) == ("cancelled", "opted_out")


def test_an_address_is_suppressed_without_keeping_it_and_lifted(db, api):
    made = api.post(SUPPRESSIONS, {"value": "+84 90 123 45 67", "reason": "asked by letter"})
    assert made.status_code == 201, made.content
    stored = "".join(str(value) for value in Suppression.objects.values_list().get())
    assert "901234567" not in stored
    row = api.get(SUPPRESSIONS).json()["results"][0]
    assert (row["reason"], row["kind"]) == ("asked by letter", "phone")
    assert api.post(SUPPRESSIONS, {"value": PHONE, "reason": "again"}).json()["id"] == row["id"]
    assert api.delete(f"{SUPPRESSIONS}/{row['id']}").status_code == 204
    assert api.get(SUPPRESSIONS).json()["results"] == []
    assert api.delete(f"{SUPPRESSIONS}/{row['id']}").status_code == 404


def test_a_reader_of_contacts_cannot_write_them(client_of, lan):
    reader = client_of("contacts:read", "personal_data:read")
    for answer in (
        reader.post(CONTACTS, {"phone": PHONE}),
        reader.patch(f"{CONTACTS}/{lan.pk}", {"name": "x"}),
        reader.post(f"{CONTACTS}/{lan.pk}/consents", {"action": "withdrawn"}),
        reader.post(SUPPRESSIONS, {"value": PHONE, "reason": "x"}),
    ):
        assert answer.status_code == 403


def test_a_list_costs_the_same_queries_for_one_row_and_for_many(db, api, django_assert_num_queries):
    PhoneBuilder()
    api.get(CONTACTS)
    PhoneBuilder.create_batch(5)
    with django_assert_num_queries(3):  # the key, the people, their addresses
        assert len(api.get(CONTACTS).json()["results"]) == 6


def test_the_ledger_shows_a_persons_own_words_only_to_a_key_that_may_see_them(client_of, lan):
    ours, theirs = "You agree to offers.", "stop, says Lan of 12 Hang Bac"
    for action, source, wording in (("granted", "api", ours), ("withdrawn", "review", theirs)):
        consent_record(
            contact_id=lan.pk, channel="whatsapp", purpose="marketing", action=action, source=source,
            occurred_at=NOW, dedupe_key=source, wording=wording,
        )  # fmt: skip
    path = f"{CONTACTS}/{lan.pk}/consents"

    def shown(*scopes):
        return {event["wording"] for event in client_of(*scopes).get(path).json()["events"]}

    assert shown("contacts:read") == {ours, "•••"}
    assert shown("contacts:read", "personal_data:read") == {ours, theirs}
