"""What every admin screen shares: masking, empty states, actions that call one service and show its error plainly."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import messages
from django.contrib.admin.checks import ModelAdminChecks
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.forms import Form, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from unfold import decorators as unfold_decorators
from unfold.enums import ActionVariant

from access.errors import DomainError
from access.masking import mask_name
from access.roles import may_see_personal_data

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, StackedInline, TabularInline

    _Admin = ModelAdmin[Any]
    _Tabular = TabularInline[Any, Any]
    _Stacked = StackedInline[Any, Any]
    _Dialog = Form
    _ModelForm = ModelForm[Any]
    ChangeList = DjangoChangeList
else:
    from unfold.admin import ModelAdmin as _Admin
    from unfold.admin import StackedInline as _Stacked
    from unfold.admin import TabularInline as _Tabular
    from unfold.forms import BaseDialogForm as _Dialog
    from unfold.views import ChangeList

    _ModelForm = ModelForm

Text = str | Promise
Function = TypeVar("Function", bound=Callable[..., Any])

PRIMARY = ActionVariant.PRIMARY
DANGER = ActionVariant.DANGER
# unfold writes white on orange and green, which is too faint to read (below 4.5 : 1).
WARNING = ActionVariant.DEFAULT
SUCCESS = ActionVariant.PRIMARY


class Labelled(tuple[str, str]):
    """A state with its colour's key: a coloured label in lists, its words on a record's page."""

    __slots__ = ()

    def __str__(self) -> str:
        return self[1]


def display(
    *,
    description: Text,
    ordering: str | None = None,
    label: bool | dict[str, str] | None = None,
    boolean: bool | None = None,
    header: bool | None = None,
) -> Callable[[Function], Function]:
    """A column or read-only field; unfold's decorator with types. With colours the function returns (key, words)."""

    def decorate(function: Function) -> Function:
        shown = unfold(function)
        if not isinstance(label, dict):
            return shown

        @functools.wraps(shown)
        def labelled(*args: Any) -> Labelled:
            return Labelled(shown(*args))

        return cast("Function", labelled)

    unfold = cast(
        "Callable[[Function], Function]",
        unfold_decorators.display(
            description=description, ordering=ordering, label=label, boolean=boolean, header=header
        ),
    )
    return decorate


def _labels_begin_large(form: Any) -> None:
    for field in form.fields.values():
        field.label = capfirst(field.label)


class RoomForm(_ModelForm):
    """A record's form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _labels_begin_large(self)


class DialogForm(_Dialog):
    """The form in an action's dialog. An error that belongs to no field is shown above the fields."""

    object_id: str | None  # the record the dialog is about

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _labels_begin_large(self)

    def render_before_template(self) -> str:
        errors = self.non_field_errors()
        if not errors:
            return ""
        lines = format_html_join("", "<p>{}</p>", ((error,) for error in errors))
        return format_html('<div class="rk-error" role="alert">{}</div>', lines)


def service_action(
    *,
    title: Text,
    permission: str,
    description: Text = "",
    form: type[Form] = DialogForm,
    icon: str = "",
    variant: ActionVariant = ActionVariant.DEFAULT,
    to: str = "",
) -> Callable[[Callable[..., Text]], Any]:
    """A button on a record (or on a list: then `object_id` is None): a dialog, one POST, one service call.

    The decorated function gets `(self, request, form, object_id, now)`, calls one service and returns what to say
    when it worked. A DomainError is shown in the dialog, beside its field where it names one. `to` is the URL name
    to go to afterwards (default: the record). Nothing ever changes by GET.
    """
    dialog = {"title": title, "description": description, "form_class": form, "form_submit_text": title}

    def decorate(function: Callable[..., Text]) -> Any:
        @functools.wraps(function)
        def run(self: RoomAdmin, request: HttpRequest, dialog_form: Form, object_id: str | None = None) -> HttpResponse:
            try:
                done = function(self, request, dialog_form, object_id, timezone.now())
            except DomainError as error:
                dialog_form.add_error(error.field if error.field in dialog_form.fields else None, error.message)
            except ObjectDoesNotExist:
                dialog_form.add_error(None, gettext("This record is gone. Go back to the list."))
            else:
                messages.success(request, str(done))
                screen = f"admin:{self.opts.app_label}_{self.opts.model_name}"
                if object_id is None:
                    return _leave(request, reverse(f"{screen}_changelist"))
                return _leave(request, reverse(to or f"{screen}_change", args=[object_id]))
            context = {"dialog": dialog, "form": dialog_form, "form_submit_text": title}
            return render(request, "unfold/helpers/dialog.html", context)

        return unfold_decorators.action(
            description=title, permissions=[permission], dialog=dialog, icon=icon or None, variant=variant
        )(run)

    return decorate


def _leave(request: HttpRequest, url: str) -> HttpResponse:
    """Leave a dialog: htmx must be told, or it would put the page into the dialog."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


class MaskingChangeList(ChangeList):
    """Masks names in the page's rows for people who may not see them."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.masks = not may_see_personal_data(request.user)
        super().__init__(request, *args, **kwargs)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.masks:
            self.result_list = list(self.result_list)
            for row in self.result_list:
                cast("RoomAdmin", self.model_admin).mask(row)


class RoomAdmin(_Admin):
    """A screen of ours. Rooms say which related contact a row shows (`contact_paths`), so that names can be masked."""

    #: Attribute paths to the contacts a row speaks of; "" is the row itself.
    contact_paths: Sequence[str] = ()
    #: What to do when the list is empty.
    empty_hint: Text = ""
    #: Which actions a record offers in its state: action name -> test.
    possible: dict[str, Callable[[Any], bool]] = {}
    # unfold's own checks ask the database for permissions, and the checks run before the first migration.
    checks_class = ModelAdminChecks
    list_per_page = 50
    show_full_result_count = False
    list_filter_sheet = True
    list_fullwidth = True
    compressed_fields = True
    warn_unsaved_form = True
    save_as_continue = False

    # -- masking -----------------------------------------------------------------------------------------------------

    def mask(self, row: Any) -> None:
        """Mask, in memory, the names of the contacts this row speaks of."""
        for path in self.contact_paths:
            person = row
            for part in filter(None, path.split("__")):
                person = getattr(person, part, None)
            if person is not None and not getattr(person, "is_masked", False):
                person.display_name = mask_name(person.display_name)
                person.is_masked = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:
        return MaskingChangeList if self.contact_paths else super().get_changelist(request, **kwargs)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None and self.contact_paths and not may_see_personal_data(request.user):
            self.mask(found)
        return found

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Searching by a name or number one may not see would tell whether it is there."""
        if self.contact_paths and not may_see_personal_data(request.user):
            return ()
        return super().get_search_fields(request)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The same for filters written into the address by hand: only those the screen offers."""
        if self.contact_paths and not may_see_personal_data(request.user):
            offered = {item[0] if isinstance(item, tuple) else item for item in self.get_list_filter(request)}
            # The links of the dashboard carry the primary keys they mean.
            names = {name if isinstance(name, str) else str(getattr(name, "parameter_name", "")) for name in offered}
            names = (names - {""}) | {"id", "pk"}
            if not any(lookup == name or lookup.startswith(f"{name}__") for name in names):
                return False
        return super().lookup_allowed(lookup, value, request)

    # -- saving ------------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save what the person changed and nothing else: a pause or an opt-out that came meanwhile must stand."""
        if not change:
            obj.save()
            return
        fields = {field.name for field in obj._meta.concrete_fields}
        changed = [name for name in form.changed_data if name in fields]
        if changed:
            obj.save(update_fields=[*changed, *(name for name in ("updated_at",) if name in fields)])

    # -- forms whose saving is a service -----------------------------------------------------------------------------

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """A service may refuse while a valid form is saved: show the same form again, with its words, inputs kept."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DomainError as error:  # the transaction around saving is rolled back
            request.refusal = error  # type: ignore[attr-defined]  # read by get_form in the second pass
            return super().changeform_view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        refusal: DomainError | None = getattr(request, "refusal", None)
        return form if refusal is None else _refused(form, refusal)

    # -- empty states and actions ------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"empty_hint": self.empty_hint, **(extra_context or {})})

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Only what the record's state allows; the service still decides."""
        actions = super().get_actions_detail(request, object_id)  # type: ignore[misc]  # unfold ships no types
        if not self.possible:
            return cast("list[Any]", actions)
        row = super().get_object(request, object_id)
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        return [
            action
            for action in actions
            if row is None or self.possible.get(action.action_name.removeprefix(prefix), lambda _row: True)(row)
        ]


def _refused(form: Any, refusal: DomainError) -> Any:
    class Refused(form):  # type: ignore[misc]  # the form class is made at run time
        def clean(self) -> Any:
            cleaned = super().clean()
            self.add_error(refusal.field if refusal.field in self.fields else None, refusal.message)
            return cleaned

    return Refused


class ReadOnlyAdmin(RoomAdmin):
    """A record that happened: nobody adds, edits or deletes it by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class RoomTabularInline(_Tabular):
    """An inline table."""

    extra = 0
    tab = True
    show_change_link = False


class RoomStackedInline(_Stacked):
    """An inline stack."""

    extra = 0
    tab = True


class ReadOnlyInline(RoomTabularInline):
    """Rows that happened."""

    can_delete = False
    per_page = 20

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


# -- what screens are made of ----------------------------------------------------------------------------------------


def definition_list(pairs: Iterable[tuple[Text, object]]) -> SafeString:
    """Names and values for a person to read: never raw JSON."""
    rows = format_html_join("", "<dt>{}</dt><dd>{}</dd>", ((str(name), plain(value)) for name, value in pairs))
    return format_html('<dl class="rk-facts">{}</dl>', rows) if rows else SafeString("–")


def plain(value: object) -> str | SafeString:
    """A value as a person would write it."""
    if value is None or value in ("", [], {}):
        return "–"
    if value is True:
        return gettext("yes")
    if value is False:
        return gettext("no")
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, dict):
        return definition_list(value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(plain(item)) for item in value)
    return str(value)


def moment(at: datetime | None) -> str:
    """A time as it is shown in lists, in the active time zone, which it names."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M %Z") if at else "–"


def link(url: str, text: Text) -> SafeString:
    return format_html('<a class="rk-link" href="{}">{}</a>', url, text)


def actor(request: HttpRequest) -> Any:
    """The signed-in person, as services want them."""
    return request.user


def link_action(*, title: Text, url_name: str, name: str, icon: str = "", permission: str = "") -> Any:
    """A button on a record that only leads to another page about it. `name` is the attribute it is assigned to."""

    def follow(self: RoomAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(reverse(url_name, args=[object_id]))

    follow.__name__ = name
    permissions = [permission] if permission else ["view"]
    return unfold_decorators.action(description=title, permissions=permissions, icon=icon or None)(follow)
