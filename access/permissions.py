"""One scope per action; an action without one is refused to everybody."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from access.models import ApiKey
from access.scopes import PERSONAL_DATA


def may_see_personal_data(request: Request) -> bool:
    """Whether full numbers, names and texts may be answered to this request."""
    return isinstance(request.auth, ApiKey) and PERSONAL_DATA in request.auth.scopes


class HasScope(BasePermission):
    """Reads `view.scopes`: the action's name -> the scope it needs."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            return False
        if view.action is None:
            return True  # a method this resource does not have: 405, not 403
        scope = view.scopes.get(view.action)
        if scope is None:
            return False
        if scope not in request.auth.scopes:
            raise PermissionDenied(_("This API key lacks the scope %(scope)s.") % {"scope": scope})
        return True
