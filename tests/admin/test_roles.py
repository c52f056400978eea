import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.urls import reverse

from access.models import ApiKey
from access.roles import ADMINISTRATOR, AGENT, ANALYST, APPROVER, MARKETER, PERSONAL_DATA, ROLES, roles_sync

pytestmark = pytest.mark.django_db


def test_migrating_creates_the_five_roles():
    assert set(Group.objects.values_list("name", flat=True)) >= {MARKETER, APPROVER, ANALYST, AGENT, ADMINISTRATOR}


def test_a_permission_added_to_a_role_by_hand_is_gone_after_the_next_migrate():
    analyst = Group.objects.get(name=ANALYST)
    analyst.permissions.add(Permission.objects.get(codename="approve_campaign"))
    roles_sync()
    assert not analyst.permissions.filter(codename="approve_campaign").exists()


def test_who_belongs_to_a_role_is_not_touched_by_migrating():
    user = User.objects.create(username="lan")
    user.groups.add(Group.objects.get(name=AGENT))
    roles_sync()
    assert user.groups.get().name == AGENT


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        ("campaigns.approve_campaign", {APPROVER, ADMINISTRATOR}),
        ("campaigns.submit_campaign", {MARKETER, ADMINISTRATOR}),
        ("conversations.reply_conversation", {AGENT, ADMINISTRATOR}),
        ("conversations.resolve_message", {AGENT, ADMINISTRATOR}),
        ("contacts.change_optoutreview", {AGENT, ADMINISTRATOR}),
        ("messaging.pause_channelaccount", {ADMINISTRATOR}),
        ("messaging.replay_webhookreceipt", {ADMINISTRATOR}),
        ("access.add_apikey", {ADMINISTRATOR}),
        ("auth.change_user", {ADMINISTRATOR}),
        (PERSONAL_DATA, {MARKETER, APPROVER, AGENT, ADMINISTRATOR}),
    ],
)
def test_only_these_roles_have_the_permission(permission, roles):
    room, codename = permission.split(".")
    holders = Group.objects.filter(permissions__content_type__app_label=room, permissions__codename=codename)
    assert set(holders.values_list("name", flat=True)) == roles


def test_every_action_asks_for_a_permission_that_exists():
    known = {f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.select_related("content_type")}
    asked = set()
    for model_admin in admin.site._registry.values():
        for name in (*getattr(model_admin, "actions_detail", ()), *getattr(model_admin, "actions_list", ())):
            asked |= {p for p in getattr(model_admin, name).allowed_permissions if "." in p}
    assert asked
    assert asked <= known


def test_an_administrator_cannot_make_a_superuser(member):
    client = member(ADMINISTRATOR)
    other = User.objects.create(username="minh", is_staff=True)
    page = client.get(reverse("admin:auth_user_change", args=[other.pk]))
    assert page.status_code == 200
    assert b"is_superuser" not in page.content
    client.post(
        reverse("admin:auth_user_change", args=[other.pk]),
        {"username": "minh", "is_superuser": "on", "is_staff": "on", "is_active": "on", "first_name": "Minh"},
    )
    other.refresh_from_db()
    assert other.first_name == "Minh"
    assert not other.is_superuser


def test_an_administrator_cannot_edit_a_superuser(member):
    root = User.objects.create_superuser("root", password="long-enough-secret")
    response = member(ADMINISTRATOR).post(reverse("admin:auth_user_change", args=[root.pk]), {"username": "mine"})
    assert response.status_code == 403


def test_role_groups_are_read_only(member):
    group = Group.objects.get(name=ANALYST)
    response = member(ADMINISTRATOR).post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "x"})
    assert response.status_code == 403
    assert set(ROLES) >= {ANALYST}


def test_an_api_key_is_shown_once(member):
    client = member(ADMINISTRATOR)
    url = reverse("admin:access_apikey_add_key")
    data = {"_form_submitted": "True", "name": "Shop", "scopes": ["contacts:read"]}
    shown = client.post(url, data, follow=True).content.decode()
    key = ApiKey.objects.get()
    assert key.created_by == client.user
    assert key.scopes == ["contacts:read"]
    secret = re.search(r'rk-secret">([^<]+)<', shown)[1]
    assert ApiKey.objects.get_from_key(secret) == key
    again = client.get(reverse("admin:access_apikey_change", args=[key.pk])).content.decode()
    assert secret not in again


def test_a_revoked_key_no_longer_works(member):
    key, secret = ApiKey.objects.create_key(name="Shop", scopes=[])
    assert ApiKey.objects.is_valid(secret)
    url = reverse("admin:access_apikey_revoke", args=[key.pk])
    client = member(ADMINISTRATOR)
    client.get(url)
    assert ApiKey.objects.is_valid(secret)  # a GET changes nothing
    client.post(url, {"_form_submitted": "True"})
    assert not ApiKey.objects.is_valid(secret)
