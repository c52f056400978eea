import json

from messaging.credentials import Credentials, credentials_write
from messaging.models import Template
from tests.builders.messaging import AccountBuilder, TemplateBuilder
from tests.messaging.provider import provider

ACCOUNTS, TEMPLATES = "/api/v1/accounts", "/api/v1/templates"


def test_accounts_are_shown_without_their_credentials(db, api):
    account = AccountBuilder()
    credentials_write(account, Credentials("token-1", ("secret-1",), "verify-1"))
    account.refresh_from_db()
    for path in (ACCOUNTS, f"{ACCOUNTS}/{account.pk}"):
        body = api.get(path).content.decode()
        assert account.display_number in body
        for secret in ("token-1", "secret-1", "verify-1", account.credentials_encrypted):
            assert secret not in body
    assert api.patch(f"{ACCOUNTS}/{account.pk}", {"name": "x"}).status_code == 405


def test_templates_are_filtered(db, api):
    approved, paused = TemplateBuilder(), TemplateBuilder(status="PAUSED")
    for query, expected in {
        "": [paused, approved],
        "status=PAUSED": [paused],
        f"account={approved.account_id}": [approved],
        f"name={paused.name}&language=vi": [paused],
    }.items():
        rows = api.get(f"{TEMPLATES}?{query}").json()["results"]
        assert [row["id"] for row in rows] == [row.pk for row in expected], query
    assert api.get(f"{TEMPLATES}/{approved.pk}").json()["components"] == approved.components


def test_templates_are_fetched_on_request_and_a_provider_that_refuses_is_said(db, api, client_of):
    template = {"id": "1", "name": "hello", "language": "vi", "status": "APPROVED", "category": "UTILITY"}
    answers = [
        (200, {}, json.dumps({"data": [{**template, "components": []}]}).encode()),
        (401, {}, b'{"error": {"code": 190, "message": "token"}}'),
    ]
    with provider(lambda *_: answers.pop(0)) as (url, _calls):
        account = AccountBuilder(base_url=url)
        credentials_write(account, Credentials("token-1"))
        path = f"{ACCOUNTS}/{account.pk}/sync-templates"
        assert client_of("accounts:read").post(path).status_code == 403
        assert api.post(path, HTTP_IDEMPOTENCY_KEY="s1").json() == {"templates": 1}
        assert api.post(path, HTTP_IDEMPOTENCY_KEY="s1")["Idempotent-Replayed"] == "true"
        assert Template.objects.get().name == "hello"
        refused = api.post(path)
        assert refused.status_code == 422
        assert refused.json()["type"] == "urn:rekindle:problem:provider-refused"
