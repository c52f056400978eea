"""Users, groups and API keys."""

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import APIKey as LibraryKey
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from access.keys import api_key_create
from access.models import ApiKey
from access.roles import ROLES
from access.scopes import SCOPES
from access.screens import (
    DANGER,
    PRIMARY,
    DialogForm,
    ReadOnlyAdmin,
    RoomAdmin,
    actor,
    display,
    service_action,
)

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
        return [gettext("superuser"), *names] if user.is_superuser else names

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
        return gettext("role, set up by Rekindle") if group.name in ROLES else gettext("your own")

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return (obj is None or obj.name not in ROLES) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return (obj is None or obj.name not in ROLES) and bool(super().has_delete_permission(request, obj))


class ApiKeyForm(DialogForm):
    name = forms.CharField(label=_("name"), max_length=50, widget=UnfoldAdminTextInputWidget)
    scopes = forms.MultipleChoiceField(
        label=_("scopes"),
        choices=[(scope, f"{scope} – {words}") for scope, words in SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("What a program with this key may do; give it no more than it needs."),
    )
    expires_on = forms.DateField(
        label=_("valid until"), required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=_("Empty: until it is revoked."),
    )  # fmt: skip


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """A key is shown once, when it is made: only its hash is kept."""

    list_display = ("name", "prefix", "scope_list", "state", "last_used_at", "expiry_date")
    search_fields = ("name", "prefix")
    list_filter = ("revoked",)
    fields = ("name", "prefix", "scope_list", "state", "expiry_date", "created_by", "last_used_at")
    readonly_fields = fields
    actions_list = ("add_key",)
    actions_detail = ("revoke",)
    possible = {"revoke": lambda key: not key.revoked}
    empty_hint = _("A program that talks to Rekindle needs a key. Add one; it is shown once.")

    @display(description=_("scopes"))
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes) or "–"

    @display(description=_("state"), label={"valid": "success", "revoked": "danger", "expired": "warning"})
    def state(self, key: ApiKey) -> tuple[str, str]:
        if key.revoked:
            return "revoked", gettext("revoked")
        if key.expiry_date and key.expiry_date < timezone.now():
            return "expired", gettext("expired")
        return "valid", gettext("valid")

    @service_action(
        title=_("Add a key"),
        description=_("The key is shown once, right after this."),
        permission="access.add_apikey",
        form=ApiKeyForm,
        icon="add",
        variant=PRIMARY,
    )
    def add_key(self, request: HttpRequest, form: Any, object_id: None, now: datetime) -> Any:
        day = form.cleaned_data["expires_on"]
        _row, key = api_key_create(
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            created_by=actor(request),
            now=now,
            expires_at=datetime.combine(day, time.max, tzinfo=UTC) if day else None,
        )
        return format_html(
            '{} <code class="rk-secret">{}</code>', gettext("Copy this key now: it is not shown again."), key
        )

    @service_action(
        title=_("Revoke"),
        description=_("Programs that use this key are refused from now on. This cannot be undone."),
        permission="access.change_apikey",
        variant=DANGER,
    )
    def revoke(self, request: HttpRequest, form: Any, object_id: str, now: Any) -> Any:
        key = ApiKey.objects.get(pk=object_id)
        key.revoked = True
        key.save(update_fields=["revoked"])
        return _("The key is revoked.")
