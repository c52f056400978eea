"""Users, groups and API keys."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import APIKey as LibraryKey
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from access.roles import ROLES
from access.screens import RoomAdmin, display

admin.site.unregister(User)
admin.site.unregister(Group)
admin.site.unregister(LibraryKey)  # ours carries scopes


@admin.register(User)
class UserAdmin(DjangoUserAdmin, RoomAdmin):  # type: ignore[misc, type-arg]  # the two stubs differ
    """People who may sign in. Only a superuser may make or edit one: an administrator must not rise by this form."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "roles", "is_active", "last_login")
    list_filter = ("is_active", "groups")
    filter_horizontal = ()
    empty_hint = _(
        "Add the people of your team and give each a role: marketer, approver, analyst, agent or administrator."
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    @display(description=_("name"), ordering="first_name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "–"

    @display(description=_("roles"), label=True)
    def roles(self, user: User) -> list[str]:
        names = [group.name for group in user.groups.all()]
        return [_t("superuser"), *names] if user.is_superuser else names

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return ((None, {"fields": ("username", "usable_password", "password1", "password2")}),)
        power: tuple[str, ...] = ("is_active", "is_staff", "groups")
        if _is_superuser(request):
            power = ("is_active", "is_staff", "is_superuser", "groups")
        return (
            (None, {"fields": ("username", "password")}),
            (_("Person"), {"fields": ("first_name", "last_name", "email")}),
            (_("What they may do"), {"fields": power}),
        )

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_superuser and not _is_superuser(request):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and (obj.is_superuser or obj.pk == request.user.pk):
            return False
        return bool(super().has_delete_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True  # who gets a user here is meant to sign in here
        super().save_model(request, obj, form, change)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, RoomAdmin):
    """Role groups are code (access.roles) and read-only here; further groups are the business's own."""

    list_display = ("name", "kind")

    @display(description=_("kind"))
    def kind(self, group: Group) -> str:
        return _t("role, set up by Rekindle") if group.name in ROLES else _t("your own")

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return (obj is None or obj.name not in ROLES) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return (obj is None or obj.name not in ROLES) and bool(super().has_delete_permission(request, obj))
