import pytest
import redis
from django.conf import settings

from conversations.webhooks import secrets_forget
from messaging.credentials import Credentials, credentials_write
from tests.builders.messaging import AccountBuilder
from tests.builders.webhooks import SECRET
from tests.flows.world import World
from tests.sandbox_process import start_sandbox


@pytest.fixture(autouse=True)
def _fresh_secrets():
    """Accounts come and go between tests faster than the door's memory fades."""
    secrets_forget()
    yield
    secrets_forget()


@pytest.fixture
def account(db):
    """A shop whose webhooks are signed with SECRET."""
    account = AccountBuilder()
    credentials_write(account, Credentials(access_token="token", app_secrets=(SECRET,), verify_token="handshake-me"))
    return account


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
    world = World(sandbox_process, live_server.url)
    yield world
    world.check_record()
    sandbox_process.reset()  # nothing may knock at a server that is gone
