"""Provider credentials: encrypted at rest, never in a log or a repr.

`FIELD_ENCRYPTION_KEYS` may hold several keys: the first encrypts, all decrypt. To rotate, put a new key in front,
restart, run `manage.py rotate_keys`, then remove the old one. An account may have several app secrets, so that
webhooks signed with the old and the new one are both believed while the provider's secret is being exchanged.
"""

import json
from dataclasses import dataclass, field
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
    """The account's credentials; all empty when none were stored. CredentialsUnreadableError when no key fits."""
    if not account.credentials_encrypted:
        return Credentials()
    return _decrypt(account.credentials_encrypted, tuple(settings.FIELD_ENCRYPTION_KEYS))


def credentials_write(account: ChannelAccount, credentials: Credentials) -> None:
    """Encrypt and store. DomainError when a value could not travel in an HTTP header."""
    values = {
        "access_token": credentials.access_token.strip(),
        "app_secrets": [secret.strip() for secret in credentials.app_secrets if secret.strip()],
        "verify_token": credentials.verify_token.strip(),
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
def _decrypt(ciphertext: str, keys: tuple[str, ...]) -> Credentials:
    """Cached by ciphertext: the webhook door reads the credentials of every account for every request."""
    try:
        values = json.loads(_fernet(keys).decrypt(ciphertext.encode()))
    except InvalidToken as error:
        raise CredentialsUnreadableError(
            _("No key in FIELD_ENCRYPTION_KEYS decrypts the stored credentials.")
        ) from error
    return Credentials(values["access_token"], tuple(values["app_secrets"]), values["verify_token"])
