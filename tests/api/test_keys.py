from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from rest_framework.test import APIClient

from access.errors import DomainError
from access.keys import api_key_create, same_hands
from access.models import ApiKey
from tests.api.conftest import now

CAMPAIGNS = "/api/v1/campaigns"


def get(key, path=CAMPAIGNS):
    return APIClient().get(path, HTTP_AUTHORIZATION=f"Api-Key {key}")


def test_a_key_opens_the_door_and_is_stored_only_as_a_hash(make_key):
    row, key = make_key("campaigns:read")
    assert get(key).status_code == 200
    stored = "".join(str(value) for value in ApiKey.objects.values_list().get())
    assert key not in stored
    assert key.partition(".")[2] not in stored
    assert key.startswith(row.prefix)


def test_no_key_a_wrong_key_and_another_scheme_are_401(make_key):
    _row, key = make_key()
    for headers in (
        {},
        {"HTTP_AUTHORIZATION": "Api-Key nonsense"},
        {"HTTP_AUTHORIZATION": f"Api-Key {key}x"},
        {"HTTP_AUTHORIZATION": f"Bearer {key}"},
        {"HTTP_AUTHORIZATION": "Api-Key \x00.x"},
    ):
        answer = APIClient().get(CAMPAIGNS, **headers)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Api-Key"
        assert answer["Content-Type"] == "application/problem+json"


def test_a_revoked_key_and_an_expired_key_are_401(make_key):
    revoked, revoked_key = make_key()
    ApiKey.objects.filter(pk=revoked.pk).update(revoked=True)
    expired, expired_key = make_key()
    ApiKey.objects.filter(pk=expired.pk).update(expiry_date=now() - timedelta(seconds=1))
    assert get(revoked_key).status_code == 401
    answer = get(expired_key)
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]


def test_a_key_may_do_what_its_scopes_say_and_nothing_else(client_of):
    reader = client_of("campaigns:read")
    assert reader.get(CAMPAIGNS).status_code == 200
    refused = reader.post(CAMPAIGNS, {})
    assert refused.status_code == 403
    assert "campaigns:write" in refused.json()["detail"]
    assert reader.get("/api/v1/messages").status_code == 403


def test_use_is_noted_once_a_minute(make_key):
    row, key = make_key()
    get(key)
    first = ApiKey.objects.get(pk=row.pk).last_used_at
    assert first is not None
    get(key)
    assert ApiKey.objects.get(pk=row.pk).last_used_at == first
    ApiKey.objects.filter(pk=row.pk).update(last_used_at=first - timedelta(minutes=2))
    get(key)
    assert ApiKey.objects.get(pk=row.pk).last_used_at >= first


def test_a_key_acts_as_an_actor_that_cannot_log_in(make_key):
    row, _key = make_key()
    actor = User.objects.get(username=f"api-{row.prefix}")
    assert actor == row.acts_as
    assert not actor.is_active
    assert not actor.has_usable_password()


def test_the_same_person_stands_behind_all_their_keys(make_key):
    lan = User.objects.create(username="lan")
    first, _key = make_key(created_by=lan)
    second, _key = make_key(created_by=lan)
    strange, _key = make_key()
    assert same_hands(lan) == same_hands(first.acts_as) == {lan.pk, first.acts_as_id, second.acts_as_id}
    assert same_hands(strange.acts_as) == {strange.acts_as_id}


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"scopes": ["contacts:own"]}, "scopes"), ({"scopes": []}, "scopes"), ({"name": " "}, "name")],
)
def test_a_key_without_sense_is_refused(db, fields, field):
    given = {"name": "x", "scopes": ["contacts:read"], "created_by": None, "now": now(), **fields}
    with pytest.raises(DomainError) as refusal:
        api_key_create(**given)
    assert refusal.value.field == field


def test_the_command_prints_a_key_that_works(db, capsys):
    call_command("create_api_key", "Trial", "--scope", "campaigns:read", "--days", "7")
    key = capsys.readouterr().out.strip()
    assert get(key).status_code == 200
    assert ApiKey.objects.get().expiry_date - now() < timedelta(days=7, minutes=1)
    with pytest.raises(CommandError):
        call_command("create_api_key", "Trial")
