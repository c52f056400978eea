from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from access.errors import DomainError
from messaging.credentials import Credentials, credentials_read, credentials_write
from messaging.errors import CredentialsUnreadableError
from messaging.models import ChannelAccount
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRET = Credentials("EAAB-token", ("app-secret-1", "app-secret-2"), "verify-me")


@pytest.fixture
def account(settings):
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    account = AccountBuilder()
    credentials_write(account, SECRET)
    return account


def stored(account):
    return ChannelAccount.objects.get(id=account.id)


def test_they_come_back_as_they_went_in(account):
    assert credentials_read(stored(account)) == SECRET


def test_the_database_holds_none_of_them(account):
    for value in ("EAAB-token", "app-secret-1", "verify-me"):
        assert value not in stored(account).credentials_encrypted


def test_no_repr_and_no_text_shows_them():
    assert repr(SECRET) == str(SECRET) == "Credentials()"


def test_an_account_without_credentials_has_empty_ones():
    assert credentials_read(AccountBuilder()) == Credentials()


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "é"])
def test_a_token_that_cannot_travel_in_a_header_is_refused(account, token):
    with pytest.raises(DomainError):
        credentials_write(account, Credentials(token))
    assert credentials_read(stored(account)) == SECRET


def test_a_pasted_token_loses_its_surrounding_space(account):
    credentials_write(account, Credentials(" token\n", (" s ", ""), "v "))
    assert credentials_read(stored(account)) == Credentials("token", ("s",), "v")


def test_rotation_needs_no_moment_without_service(account, settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert credentials_read(stored(account)) == SECRET
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    assert out.getvalue().startswith("1 account(s)")
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert credentials_read(stored(account)) == SECRET
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    with pytest.raises(CredentialsUnreadableError):
        credentials_read(stored(account))


def test_a_rotation_without_the_right_key_changes_nothing_and_says_so(account, settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    before = stored(account).credentials_encrypted
    with pytest.raises(CommandError, match=str(account.id)):
        call_command("rotate_keys")
    assert stored(account).credentials_encrypted == before


def test_a_generated_key_can_encrypt():
    out = StringIO()
    call_command("generate_key", stdout=out)
    Fernet(out.getvalue().strip())


def test_a_token_is_never_sent_to_another_address_than_the_one_it_was_entered_for(account):
    moved = stored(account)
    moved.base_url = "https://graph.facebook.example"
    moved.save()
    assert credentials_read(stored(account)).access_token == ""
    assert credentials_read(stored(account)).app_secrets == SECRET.app_secrets
    credentials_write(stored(account), SECRET)
    assert credentials_read(stored(account)) == SECRET
