"""The whole product against the sandbox; an account and its secrets as in tests/conversations."""

import pytest
import redis
from django.conf import settings

from messaging.governor import governor_at
from tests.conversations.conftest import _fresh_secrets, account
from tests.flows.world import World
from tests.sandbox_process import start_sandbox

__all__ = ["_fresh_secrets", "account", "redis_client", "sandbox_process", "world"]


@pytest.fixture(scope="session")
def sandbox_process():
    with start_sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def redis_client():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield client


@pytest.fixture
def world(transactional_db, live_server, sandbox_process, redis_client):
    """See tests/flows/world.py. Tests that use it need `django_db(transaction=True, serialized_rollback=True)`."""
    for key in redis_client.scan_iter("gov:*"):
        redis_client.delete(key)
    governor_at.cache_clear()  # one that met an absent Redis would keep away from it for seconds of real time
    world = World(sandbox_process, live_server.url)
    yield world
    world.check_record()
    sandbox_process.reset()  # nothing may knock at a server that is gone
