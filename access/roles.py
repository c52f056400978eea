"""The five roles, as code: `manage.py migrate` creates these groups and gives each exactly the permissions named here.

A role group is owned by this file: a permission added to it by hand is gone after the next `migrate`. A business that
needs another mix makes a group of its own. Who belongs to which group is data and is never touched.
"""

from collections.abc import Iterable, Mapping

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, Permission
from django.db import transaction

MARKETER = "marketer"
APPROVER = "approver"
ANALYST = "analyst"
AGENT = "agent"
ADMINISTRATOR = "administrator"

PERSONAL_DATA = "contacts.view_personal_data"
ROOMS = ("access", "contacts", "messaging", "campaigns", "conversations", "delivery", "callbacks")


def _all(room: str, models: Iterable[str], *verbs: str) -> set[str]:
    return {f"{room}.{verb}_{model}" for model in models for verb in verbs}


_SEE = (
    _all("campaigns", ("campaign", "campaignevent", "entrypoint", "adclick", "adspend"), "view")
    | _all("callbacks", ("callbackpolicy", "callbackstep", "callback"), "view")
    | _all("contacts", ("contact", "address", "consentevent", "suppression", "optoutreview"), "view")
    | _all("conversations", ("conversation", "dropout", "message", "messagestatus", "conversion"), "view")
    | _all("delivery", ("decision", "attempt", "compliancerule"), "view")
    | _all("messaging", ("channelaccount", "template", "providerevent"), "view")
)

ROLES: Mapping[str, frozenset[str]] = {
    # Sets campaigns up and runs what was approved; never approves.
    MARKETER: frozenset(
        _SEE
        | {PERSONAL_DATA, "campaigns.submit_campaign", "campaigns.run_campaign", "conversations.add_conversion"}
        | _all("campaigns", ("campaign", "entrypoint", "adspend"), "add", "change")
        | _all("callbacks", ("callbackpolicy",), "add", "change")
        | _all("callbacks", ("callbackstep",), "add", "change", "delete")
    ),
    # Approves what another person set up, and may stop it.
    APPROVER: frozenset(_SEE | {PERSONAL_DATA, "campaigns.approve_campaign", "campaigns.run_campaign"}),
    # Reads everything with names and numbers masked.
    ANALYST: frozenset(_SEE),
    # Speaks with people, and hears what they want.
    AGENT: frozenset(
        _SEE
        | {
            PERSONAL_DATA,
            "conversations.take_over_conversation",
            "conversations.close_conversation",
            "conversations.reply_conversation",
            "conversations.add_conversion",
            "conversations.resolve_message",
            "contacts.change_contact",
            "contacts.add_consentevent",
            "contacts.add_suppression",
            "contacts.change_optoutreview",
            "contacts.view_addressconflict",
            "contacts.change_addressconflict",
        }
    ),
    # Everything of the product, and who may use it.
    ADMINISTRATOR: frozenset(),  # filled below: every permission of our rooms, users and groups
}
_ADMINISTERS = {"auth.user", "auth.group"}


def roles_sync() -> None:
    """Bring the five groups to exactly the permissions of `ROLES`. Idempotent; run after every migrate."""
    for room in ROOMS:
        # After a room's own post_migrate its permissions exist; ours may run before it.
        create_permissions(apps.get_app_config(room), verbosity=0)
    create_permissions(apps.get_app_config("auth"), verbosity=0)
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    everything = {
        name
        for name, permission in known.items()
        if permission.content_type.app_label in ROOMS
        or f"{permission.content_type.app_label}.{permission.content_type.model}" in _ADMINISTERS
    }
    with transaction.atomic():
        for role, names in ROLES.items():
            group, _created = Group.objects.get_or_create(name=role)
            wanted = everything if role == ADMINISTRATOR else names
            group.permissions.set([known[name] for name in sorted(wanted)])


def roles_sync_after_migrate(sender: AppConfig, **_kwargs: object) -> None:
    """The post_migrate receiver of access.apps."""
    roles_sync()


def may_see_personal_data(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether full names, numbers and message texts may be shown to this user."""
    return bool(getattr(user, "has_perm", lambda _name: False)(PERSONAL_DATA))
