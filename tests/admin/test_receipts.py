import pytest
from django.urls import reverse

from access.roles import ADMINISTRATOR, AGENT
from messaging.models import WebhookReceipt
from tests.builders.contacts import NOW

pytestmark = pytest.mark.django_db
YES = {"_form_submitted": "True"}


@pytest.fixture
def receipt():
    return WebhookReceipt.objects.create(
        channel="whatsapp", digest=b"1" * 32, body=b'{"secret": "Lan"}', verified_account_ids=[], received_at=NOW,
        state="partial", faults=[{"item": 3, "error": "ValueError: no id"}],
    )  # fmt: skip


def test_a_receipt_shows_its_faults_and_never_its_body(member, receipt):
    page = member(ADMINISTRATOR).get(reverse("admin:messaging_webhookreceipt_change", args=[receipt.pk]))
    text = page.content.decode()
    assert "Item 3" in text
    assert "ValueError: no id" in text
    assert "secret" not in text


def test_a_receipt_is_processed_again_by_those_who_may(member, receipt):
    url = reverse("admin:messaging_webhookreceipt_replay", args=[receipt.pk])
    assert member(AGENT).post(url, YES).status_code == 403
    assert member(ADMINISTRATOR).post(url, YES).status_code == 302
    receipt.refresh_from_db()
    assert receipt.faults != [{"item": 3, "error": "ValueError: no id"}]  # it was read again
