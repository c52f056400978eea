"""What an API key may be allowed to do, scope by scope. A key has exactly the scopes it was given, no more."""

from collections.abc import Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.errors import DomainError

PERSONAL_DATA = "personal_data:read"

SCOPES: Mapping[str, Promise] = {
    "contacts:read": gettext_lazy("See contacts, their consent and suppressions"),
    "contacts:write": gettext_lazy("Create and change contacts, record consent, suppress addresses"),
    "campaigns:read": gettext_lazy("See campaigns, entry points, policies and callbacks"),
    "campaigns:write": gettext_lazy("Create and change campaigns, entry points and policies; submit for approval"),
    "campaigns:approve": gettext_lazy("Approve or reject a campaign that others changed"),
    "campaigns:run": gettext_lazy("Start, pause, resume and end an approved campaign"),
    "messages:read": gettext_lazy("See conversations and messages"),
    "messages:write": gettext_lazy("Take over, answer, hand back and close conversations"),
    "conversions:read": gettext_lazy("See conversions"),
    "conversions:write": gettext_lazy("Report conversions"),
    "decisions:read": gettext_lazy("See why a message was, or was not, sent"),
    "reports:read": gettext_lazy("Read the funnel"),
    "accounts:read": gettext_lazy("See channel accounts and templates"),
    "accounts:write": gettext_lazy("Fetch templates from the provider"),
    PERSONAL_DATA: gettext_lazy("See full phone numbers, names and texts instead of masked ones"),
}


def scopes_check(scopes: Iterable[str]) -> list[str]:
    """The scopes, sorted and each once. Raises DomainError for none at all or one that does not exist."""
    wanted = sorted(set(scopes))
    if not wanted:
        raise DomainError(_("Give the key at least one scope."), field="scopes")
    if unknown := [scope for scope in wanted if scope not in SCOPES]:
        raise DomainError(
            _("There is no scope “%(scope)s”. Scopes: %(all)s")
            % {"scope": unknown[0], "all": ", ".join(sorted(SCOPES))},
            field="scopes",
        )
    return wanted
