"""`Authorization: Api-Key <key>`."""

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_api_key.permissions import KeyParser

from access.keys import api_key_find, api_key_used
from access.models import ApiKey


class ApiKeyAuthentication(BaseAuthentication):
    """`request.user` becomes the key's actor, `request.auth` the key."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        key = KeyParser().get(request)
        if key is None:
            return None
        now = timezone.now()
        api_key = api_key_find(key=key.strip())
        if api_key is None or api_key.revoked:
            raise AuthenticationFailed(_("This API key is not valid."))
        if api_key.expiry_date is not None and api_key.expiry_date <= now:
            raise AuthenticationFailed(_("This API key has expired."))
        api_key_used(api_key=api_key, now=now)
        return api_key.acts_as, api_key

    def authenticate_header(self, request: Request) -> str:
        return "Api-Key"
