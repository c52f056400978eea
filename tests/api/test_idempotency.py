"""Concurrent twins need real transactions, so these tests commit."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from rest_framework.test import APIClient

from access.idempotency import KEPT, LEASE, idempotency_clean
from access.models import IdempotencyRecord
from access.tasks import idempotency_clean_task
from campaigns.models import Campaign
from tests.api.conftest import now
from tests.builders.campaigns import CampaignBuilder
from tests.builders.messaging import AccountBuilder

CAMPAIGNS = "/api/v1/campaigns"


def body(**fields):
    return {"name": "Tết", "account": str(AccountBuilder().pk), **fields}


def test_a_repeated_post_is_done_once_and_answered_alike(db, api):
    given = body()
    first = api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a")
    again = api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first["Content-Type"] == again["Content-Type"]
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert Campaign.objects.count() == 1


def test_without_a_key_a_repeated_post_is_done_again(db, api):
    given = body()
    api.post(CAMPAIGNS, given)
    api.post(CAMPAIGNS, given)
    assert Campaign.objects.count() == 2


def test_a_key_used_for_another_body_or_path_is_422(db, api):
    given = body()
    api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a")
    campaign = CampaignBuilder()
    for answer in (
        api.post(CAMPAIGNS, {**given, "name": "Other"}, HTTP_IDEMPOTENCY_KEY="a"),
        api.post(f"{CAMPAIGNS}/{campaign.pk}/pause", given, HTTP_IDEMPOTENCY_KEY="a"),
    ):
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:rekindle:problem:idempotency-mismatch"
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.RUNNING


def test_a_refusal_is_replayed_too(db, api):
    given = body(currency="QQQ")
    first = api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a")
    again = api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a")
    assert first.status_code == again.status_code == 422
    assert first.content == again.content
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotent-Replayed"] == "true"


def test_two_keys_do_not_share_their_idempotency_keys(db, client_of):
    given = body()
    for api in (client_of(), client_of()):
        assert api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a").status_code == 201
    assert Campaign.objects.count() == 2


def test_an_error_on_our_side_leaves_the_key_free(db, api, monkeypatch):
    given = body()
    api.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr("campaigns.services.campaign_create", lambda **kwargs: 1 / 0)
        assert api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a").status_code == 500
    assert api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a").status_code == 201


def test_a_request_that_died_holds_its_key_only_for_the_lease(db, api):
    given = body()
    api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a")
    Campaign.objects.all().delete()
    # As a process leaves it that was killed before its transaction was committed.
    IdempotencyRecord.objects.update(status_code=None, body=None, started_at=now())
    waiting = api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a")
    assert waiting.status_code == 409
    assert waiting["Retry-After"] == "1"
    assert waiting.json()["type"] == "urn:rekindle:problem:idempotency-in-progress"
    IdempotencyRecord.objects.update(started_at=now() - LEASE)
    assert api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a").status_code == 201
    assert Campaign.objects.count() == 1


def test_work_that_went_on_beyond_its_lease_is_undone_when_another_took_over(db, api, monkeypatch):
    from campaigns import services

    create = services.campaign_create

    def taken_over_meanwhile(**kwargs):
        campaign = create(**kwargs)
        IdempotencyRecord.objects.update(started_at=now() + LEASE)
        return campaign

    given = body()
    with monkeypatch.context() as slow:
        slow.setattr("campaigns.services.campaign_create", taken_over_meanwhile)
        assert api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a").status_code == 409
    assert Campaign.objects.count() == 0


def test_after_24_hours_a_key_is_forgotten(db, api):
    given = body()
    api.post(CAMPAIGNS, given, HTTP_IDEMPOTENCY_KEY="a")
    assert idempotency_clean(now=now()) == 0
    IdempotencyRecord.objects.update(created_at=now() - KEPT)
    # Not yet swept, and forgotten all the same.
    assert api.post(CAMPAIGNS, {**given, "name": "New"}, HTTP_IDEMPOTENCY_KEY="a").status_code == 201
    IdempotencyRecord.objects.update(created_at=now() - KEPT - timedelta(seconds=1))
    idempotency_clean_task()
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize("key", ["x" * 256, "tab\there"])
def test_an_impossible_key_is_refused(db, api, key):
    answer = api.post(CAMPAIGNS, body(), HTTP_IDEMPOTENCY_KEY=key)
    assert answer.status_code == 422
    assert Campaign.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_twins_one_works_and_the_others_are_told_to_wait(make_key, monkeypatch):
    from campaigns import services

    _row, key = make_key()
    given = body()
    began, go_on = threading.Event(), threading.Event()
    create = services.campaign_create

    def slowly(**kwargs):
        began.set()
        assert go_on.wait(10)
        return create(**kwargs)

    monkeypatch.setattr("campaigns.services.campaign_create", slowly)
    answers = []

    def send():
        try:
            client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {key}")
            answers.append(client.post(CAMPAIGNS, given, format="json", HTTP_IDEMPOTENCY_KEY="twin"))
        finally:
            connection.close()

    first = threading.Thread(target=send)
    first.start()
    assert began.wait(10)
    twins = [threading.Thread(target=send) for _ in range(5)]
    for twin in twins:
        twin.start()
    for twin in twins:
        twin.join(10)
    go_on.set()
    first.join(10)
    send()
    assert [answer.status_code for answer in answers] == [409] * 5 + [201, 201]
    assert answers[-1]["Idempotent-Replayed"] == "true"
    assert Campaign.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_burst_of_twins_makes_one_thing(make_key):
    _row, key = make_key()
    given = body()
    start = threading.Barrier(8)
    codes = []

    def send():
        try:
            client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {key}")
            start.wait(10)
            codes.append(client.post(CAMPAIGNS, given, format="json", HTTP_IDEMPOTENCY_KEY="b").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(codes) == 8
    assert set(codes) <= {201, 409}
    assert 201 in codes
    assert Campaign.objects.count() == 1
