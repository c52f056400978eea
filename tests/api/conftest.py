from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from access.keys import api_key_create
from access.scopes import SCOPES


def now():
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def _fresh_rates():
    cache.clear()


@pytest.fixture
def make_key(db):
    """Issue a key: `make_key("contacts:read")` -> (its row, its text). Without scopes: all of them."""

    def make(*scopes, created_by=None, name="Shop backend", days=1):
        return api_key_create(
            name=name,
            scopes=scopes or list(SCOPES),
            created_by=created_by,
            now=now(),
            expires_at=now() + timedelta(days=days),
        )

    return make


@pytest.fixture
def client_of(make_key):
    """An API client whose key has these scopes."""

    def client(*scopes, **kwargs):
        _row, key = make_key(*scopes, **kwargs)
        api = APIClient(HTTP_AUTHORIZATION=f"Api-Key {key}")
        api.default_format = "json"
        return api

    return client


@pytest.fixture
def api(client_of):
    """A client with every scope."""
    return client_of()
