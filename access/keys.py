"""Issue API keys, and tell whose a presented key is."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from access.errors import DomainError
from access.models import ApiKey
from access.scopes import scopes_check

# "Last used" is for spotting forgotten keys; a write per request would cost more than the requests themselves.
LAST_USED_STEP = timedelta(minutes=1)
NAME_LIMIT = 50


@transaction.atomic
def api_key_create(
    *, name: str, scopes: Iterable[str], created_by: User | None, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key and its secret text, which is shown once and never stored. Raises DomainError, naming the field."""
    if not name.strip() or len(name) > NAME_LIMIT:
        raise DomainError(_("A key needs a name of at most 50 characters."), field="name")
    if expires_at is not None and expires_at <= now:
        raise DomainError(_("The expiry must be in the future."), field="expires_at")
    api_key = ApiKey(name=name.strip(), scopes=scopes_check(scopes), created_by=created_by, expiry_date=expires_at)
    key = ApiKey.objects.assign_key(api_key)
    api_key.save()
    return api_key, key


def api_key_find(*, key: str) -> ApiKey | None:
    """The key row this text belongs to, whatever its state, or None. One query."""
    prefix, dot, _secret = key.partition(".")
    if not dot or "\x00" in key:
        return None
    api_key = ApiKey.objects.select_related("acts_as").filter(prefix=prefix).first()
    return api_key if api_key is not None and api_key.is_valid(key) else None


def api_key_used(*, api_key: ApiKey, now: datetime) -> None:
    """Note the use, at most once a minute per key."""
    if api_key.last_used_at is None or api_key.last_used_at <= now - LAST_USED_STEP:
        ApiKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=now), pk=api_key.pk).update(last_used_at=now)


def is_api_key(user: User) -> bool:
    """Whether this user is the actor of an API key."""
    return ApiKey.objects.filter(acts_as=user).exists()


def same_hands(user: User) -> set[int]:
    """The ids of all users behind whom the same person stands: the person, and the keys that person issued.

    A key that nobody issued (from the command line) stands for itself. For rules that ask for another person.
    """
    issuer = ApiKey.objects.filter(acts_as=user).values_list("created_by_id", flat=True).first()
    person = issuer or user.pk
    keys = ApiKey.objects.filter(created_by_id=person).values_list("acts_as_id", flat=True)
    return {user.pk, person, *keys}
