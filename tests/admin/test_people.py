import pytest
from django.urls import reverse

from access.roles import ADMINISTRATOR, AGENT, ANALYST, MARKETER
from contacts.models import AddressConflict, ConsentEvent, Contact, OptOutReview, Suppression
from contacts.optout import review_decide, review_raise
from tests.builders.contacts import NOW, ContactBuilder

pytestmark = pytest.mark.django_db
YES = {"_form_submitted": "True"}


@pytest.fixture
def review(shop):
    return review_raise(
        contact_id=shop.contact.pk, channel="whatsapp", text="dung", matched="dung", message_key="m1", now=NOW
    )


def test_an_analyst_sees_masked_names_and_numbers_everywhere(member, shop, review):
    client = member(ANALYST)
    pages = [
        reverse("admin:contacts_contact_changelist"),
        reverse("admin:contacts_contact_change", args=[shop.contact.pk]),
        reverse("admin:contacts_contact_history", args=[shop.contact.pk]),
        reverse("contact-timeline", args=[shop.contact.pk]),
        reverse("conversation-thread", args=[shop.conversation.pk]),
        reverse("message-why", args=[shop.outbound.pk]),
        reverse("admin:contacts_optoutreview_changelist"),
        reverse("admin:contacts_optoutreview_change", args=[review.pk]),
    ]
    for url in pages:
        text = client.get(url).content.decode()
        assert "N•••" in text or "Change history" in text, url
        assert "Nguyễn" not in text, url
        assert "90123" not in text, url
        assert "Chị Lan" not in text, url


def test_what_a_person_wrote_is_masked_in_the_ledger_too(member, shop):
    said = "stop, says Chị Lan of 12 Hàng Bạc"
    raised = review_raise(
        contact_id=shop.contact.pk, channel="whatsapp", text=said, matched="stop", message_key="m2", now=NOW
    )
    review_decide(review_id=raised.pk, verdict="opt_out", actor=None, now=NOW)
    for url in (
        reverse("admin:contacts_contact_change", args=[shop.contact.pk]),
        reverse("contact-timeline", args=[shop.contact.pk]),
    ):
        assert "Hàng Bạc" not in member(ANALYST).get(url).content.decode(), url
        assert "Hàng Bạc" in member(AGENT).get(url).content.decode(), url


def test_an_agent_sees_them_in_full(member, shop):
    text = member(AGENT).get(reverse("admin:contacts_contact_changelist")).content.decode()
    assert "Nguyễn Thị Lan" in text
    assert "+84901234567" in text


@pytest.mark.parametrize(
    "query", ["q=Nguy", "display_name__startswith=N", "addresses__value=%2B84901234567", "attributes__has_key=x"]
)
def test_an_analyst_cannot_find_out_a_name_by_searching(member, shop, query):
    response = member(ANALYST).get(reverse("admin:contacts_contact_changelist") + "?" + query)
    if query.startswith("q="):
        assert "N•••" in response.content.decode()  # the search is ignored: everybody is listed
    else:
        assert response.status_code == 400


def test_an_analyst_cannot_find_out_a_name_by_completion(member, shop):
    url = reverse("admin:autocomplete")
    query = {"app_label": "conversations", "model_name": "conversation", "field_name": "contact", "term": "Ng"}
    response = member(ANALYST).get(url, query)
    assert response.status_code in (403, 404)


def test_consent_is_recorded_with_its_wording(member, shop):
    client = member(AGENT)
    data = YES | {"purpose": "service", "wording": "Đồng ý nhận tin", "wording_language": "vi"}
    response = client.post(reverse("admin:contacts_contact_grant", args=[shop.contact.pk]), data)
    assert response.status_code == 302
    event = ConsentEvent.objects.get(purpose="service")
    assert (event.action, event.source, event.actor, event.wording) == (
        "granted", "admin", client.user, "Đồng ý nhận tin",
    )  # fmt: skip


def test_consent_without_its_wording_is_refused(member, shop):
    data = YES | {"purpose": "service", "wording_language": "vi"}
    member(AGENT).post(reverse("admin:contacts_contact_grant", args=[shop.contact.pk]), data)
    assert not ConsentEvent.objects.exists()


def test_a_withdrawal_takes_marketing_away(member, shop):
    data = YES | {"purpose": "marketing", "wording": "dừng lại", "wording_language": "vi"}
    member(AGENT).post(reverse("admin:contacts_contact_withdraw", args=[shop.contact.pk]), data)
    shop.contact.refresh_from_db()
    assert shop.contact.consent_withdrawn == ["whatsapp:marketing"]


def test_a_marketer_cannot_record_consent(member, shop):
    url = reverse("admin:contacts_contact_grant", args=[shop.contact.pk])
    assert member(MARKETER).post(url, YES | {"purpose": "marketing", "wording": "x"}).status_code == 403


def test_a_contact_is_suppressed_with_all_addresses(member, shop):
    client = member(AGENT)
    client.post(reverse("admin:contacts_contact_suppress", args=[shop.contact.pk]), YES | {"reason": "Asked by phone"})
    row = Suppression.objects.get()
    assert (row.reason, row.created_by) == ("Asked by phone", client.user)


def test_suppressing_somebody_without_an_address_says_so(member, shop):
    shop.phone.delete()
    url = reverse("admin:contacts_contact_suppress", args=[shop.contact.pk])
    page = member(AGENT).post(url, YES | {"reason": "x"}).content.decode()
    assert "no address to suppress" in page


def test_a_number_is_suppressed_and_a_bad_one_refused_beside_its_field(member):
    client = member(AGENT)
    url = reverse("admin:contacts_suppression_add_address")
    page = client.post(url, YES | {"kind": "phone", "value": "12", "reason": "x"})
    assert page.status_code == 200
    assert not Suppression.objects.exists()
    assert client.post(url, YES | {"kind": "phone", "value": "0901 234 567", "reason": "x"}).status_code == 302
    assert Suppression.objects.get().hint


def test_only_an_administrator_lifts_a_suppression(member):
    row = Suppression.objects.create(channel="whatsapp", kind="phone", value_hash="x", reason="y")
    url = reverse("admin:contacts_suppression_lift", args=[row.pk])
    assert member(AGENT).post(url, YES).status_code == 403
    member(ADMINISTRATOR).post(url, YES)
    assert not Suppression.objects.exists()


def test_the_review_queue_has_two_buttons_for_those_who_decide(member, review):
    url = reverse("admin:contacts_optoutreview_changelist")
    assert "It is an opt-out" in member(AGENT).get(url).content.decode()
    assert reverse("admin:contacts_optoutreview_is_opt_out", args=[review.pk]) not in (
        member(ANALYST).get(url).content.decode()
    )


@pytest.mark.parametrize(("action", "verdict"), [("is_opt_out", "opt_out"), ("is_not_opt_out", "not_opt_out")])
def test_a_review_is_decided_once(member, review, action, verdict):
    client = member(AGENT)
    url = reverse(f"admin:contacts_optoutreview_{action}", args=[review.pk])
    assert client.post(url, YES).status_code == 302
    review.refresh_from_db()
    assert (review.verdict, review.decided_by) == (verdict, client.user)
    again = client.post(url, YES)
    assert again.status_code == 200
    assert "rk-error" in again.content.decode()


def test_an_analyst_cannot_decide_a_review(member, review):
    url = reverse("admin:contacts_optoutreview_is_opt_out", args=[review.pk])
    assert member(ANALYST).post(url, YES).status_code == 403
    assert OptOutReview.objects.get().verdict == ""


def test_a_conflict_is_marked_as_looked_at(member, shop):
    other = ContactBuilder(display_name="Minh")
    conflict = AddressConflict.objects.create(
        channel="whatsapp", routed_to=shop.contact, also_named=other, seen_at=NOW, detail={}
    )
    client = member(AGENT)
    url = reverse("admin:contacts_addressconflict_resolve", args=[conflict.pk])
    client.post(url, YES)
    conflict.refresh_from_db()
    assert conflict.resolved_by == client.user
    assert "looked at this already" in client.post(url, YES).content.decode()


def test_saving_a_contact_keeps_an_optout_that_came_meanwhile(member, shop):
    client = member(AGENT)
    url = reverse("admin:contacts_contact_change", args=[shop.contact.pk])
    form = client.get(url).context["adminform"].form
    data = {name: form.initial.get(name) or "" for name in form.fields} | {
        "language": "en",
        "time_zones": "Asia/Ho_Chi_Minh",
    }
    for prefix in ("addresses", "consent_events"):
        data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    Contact.objects.filter(pk=shop.contact.pk).update(consent_granted=[], consent_withdrawn=["whatsapp:marketing"])
    assert client.post(url, data).status_code == 302
    shop.contact.refresh_from_db()
    assert shop.contact.language == "en"
    assert shop.contact.consent_withdrawn == ["whatsapp:marketing"]
