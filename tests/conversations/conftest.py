import pytest

from conversations.webhooks import secrets_forget
from messaging.credentials import Credentials, credentials_write
from tests.builders.messaging import AccountBuilder
from tests.builders.webhooks import SECRET


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
