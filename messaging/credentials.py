"""Provider credentials: encrypted at rest, never in a log or a repr.

`FIELD_ENCRYPTION_KEYS` may hold several keys: the first encrypts, all decrypt. To rotate, put a new key in front,
restart, run `manage.py rotate_keys`, then remove the old one. An account may have several app secrets, so that
webhooks signed with the old and the new one are both believed while the provider's secret is being exchanged.

An access token belongs to the API address for which it was entered: whoever may change an account's address may not
thereby have its token sent somewhere else. After such a change the token has to be entered again.
"""

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from access.errors import DomainError
from messaging.errors import CredentialsUnreadableError
from messaging.models import ChannelAccount


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one account needs to speak to its provider. Every field stays out of `repr`."""

    access_token: str = field(default="", repr=False)
    app_secrets: tuple[str, ...] = field(default=(), repr=False)
    verify_token: str = field(default="", repr=False)


def credentials_read(account: ChannelAccount) -> Credentials:
    """The account's credentials; all empty when none were stored. CredentialsUnreadableError when no key fits.

    The access token is empty, too, when the account's API address is no longer the one it was entered for.
    """
    if not account.credentials_encrypted:
        return Credentials()
    credentials, address = _decrypt(account.credentials_encrypted, tuple(settings.FIELD_ENCRYPTION_KEYS))
    return credentials if address == account.base_url else replace(credentials, access_token="")


def credentials_for_sending(account: ChannelAccount) -> Credentials:
    """As `credentials_read`, but CredentialsUnreadableError without an access token: then nothing leaves the house."""
    credentials = credentials_read(account)
    if not credentials.access_token:
        raise CredentialsUnreadableError(_("The account has no access token for its API address."))
    return credentials


def credentials_write(account: ChannelAccount, credentials: Credentials) -> None:
    """Encrypt and store. DomainError when a value could not travel in an HTTP header."""
    values = {
        "access_token": credentials.access_token.strip(),
        "app_secrets": [secret.strip() for secret in credentials.app_secrets if secret.strip()],
        "verify_token": credentials.verify_token.strip(),
        "address": account.base_url,
    }
    token = values["access_token"]
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        raise DomainError(_("The access token contains characters that no token has."), field="access_token")
    account.credentials_encrypted = (
        _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS)).encrypt(json.dumps(values).encode()).decode()
    )
    account.save(update_fields=["credentials_encrypted"])


@transaction.atomic
def credentials_rotate() -> int:
    """Encrypt every account's credentials again with the first key. Returns how many; nothing changes on an error."""
    fernet = _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS))
    accounts = list(
        ChannelAccount.objects.select_for_update().exclude(credentials_encrypted="").only("id", "credentials_encrypted")
    )
    for account in accounts:
        try:
            account.credentials_encrypted = fernet.rotate(account.credentials_encrypted.encode()).decode()
        except InvalidToken as error:
            raise CredentialsUnreadableError(
                _("No key in FIELD_ENCRYPTION_KEYS decrypts the credentials of account %s.") % account.id
            ) from error
    ChannelAccount.objects.bulk_update(accounts, ["credentials_encrypted"], batch_size=200)
    return len(accounts)


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


@lru_cache(maxsize=1024)
def _decrypt(ciphertext: str, keys: tuple[str, ...]) -> tuple[Credentials, str]:
    """Credentials, and the API address of their token.

    Cached by ciphertext: the webhook door reads the credentials of every account for every request.
    """
    try:
        values = json.loads(_fernet(keys).decrypt(ciphertext.encode()))
    except InvalidToken as error:
        raise CredentialsUnreadableError(
            _("No key in FIELD_ENCRYPTION_KEYS decrypts the stored credentials.")
        ) from error
    credentials = Credentials(values["access_token"], tuple(values["app_secrets"]), values["verify_token"])
    return credentials, values["address"]
