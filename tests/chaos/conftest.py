from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from tests.delivery.provider import Provider


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    client = redis.Redis.from_url(settings.REDIS_URL)
    for key in client.scan_iter("gov:*"):
        client.delete(key)
    client.close()
