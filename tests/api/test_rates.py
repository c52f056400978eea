import pytest

from access.throttles import KeyThrottle

CAMPAIGNS = "/api/v1/campaigns"


@pytest.fixture(autouse=True)
def _a_still_minute(settings, monkeypatch):
    settings.API_REQUESTS_PER_MINUTE = 3
    monkeypatch.setattr(KeyThrottle, "timer", lambda self: 1_000_000_035.0)  # 15 s into its minute


def test_a_key_has_so_many_requests_a_minute(db, client_of):
    api, other = client_of(), client_of()
    assert [api.get(CAMPAIGNS).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = api.get(CAMPAIGNS)
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:rekindle:problem:throttled"
    assert refused["Retry-After"] == "45"
    assert other.get(CAMPAIGNS).status_code == 200


def test_the_next_minute_starts_anew(db, client_of, monkeypatch):
    api = client_of()
    assert [api.get(CAMPAIGNS).status_code for _ in range(4)][-1] == 429
    monkeypatch.setattr(KeyThrottle, "timer", lambda self: 1_000_000_080.0)
    assert api.get(CAMPAIGNS).status_code == 200


def test_without_redis_each_process_counts_for_itself(db, client_of, settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    api = client_of()
    assert [api.get(CAMPAIGNS).status_code for _ in range(4)] == [200, 200, 200, 429]
