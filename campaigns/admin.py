"""What marketers set up: campaigns, their doors into the chat, and what the ads cost."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from access.screens import (
    DANGER,
    PRIMARY,
    SUCCESS,
    WARNING,
    DialogForm,
    ReadOnlyInline,
    RoomAdmin,
    RoomStackedInline,
    actor,
    display,
    link,
    moment,
    service_action,
)
from campaigns.entry_points import SpendRow, ad_spend_record, entry_point_create, entry_point_update
from campaigns.links import entry_point_url, qr_image
from campaigns.models import AdSpend, Campaign, CampaignEvent, EntryPoint
from campaigns.services import (
    CampaignFields,
    campaign_approve,
    campaign_create,
    campaign_end,
    campaign_pause,
    campaign_reject,
    campaign_resume,
    campaign_start,
    campaign_submit,
    campaign_update,
)

CAMPAIGN_COLOURS = {
    "draft": "info", "submitted": "warning", "approved": "info", "running": "success", "paused": "warning",
}  # fmt: skip
S = Campaign.Status
EDITABLE = CampaignFields.__annotations__.keys()


class ApproveForm(DialogForm):
    """Carries the revision that was on the screen: a later edit refuses the approval."""

    revision = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["revision"].initial = (
            Campaign.objects.filter(pk=self.object_id or "").values_list("revision", flat=True).first()
        )


class NoteForm(DialogForm):
    note = forms.CharField(label=_("why"), max_length=300, widget=UnfoldAdminTextInputWidget)


class EntryPointInline(RoomStackedInline):
    model = EntryPoint
    fields = (
        "kind",
        "name",
        "ad_id",
        "prefilled_text",
        "consent_wording",
        "consent_version",
        "consent_per_week",
        "door",
    )
    readonly_fields = ("door",)
    verbose_name_plural = _("Entry points")
    can_delete = False

    @display(description=_("link and QR code"))
    def door(self, entry_point: EntryPoint) -> SafeString | str:
        return door(entry_point)


class CampaignEventInline(ReadOnlyInline):
    model = CampaignEvent
    fields = ("at", "what", "revision", "actor", "note")
    readonly_fields = fields
    verbose_name_plural = _("Who did what")

    @display(description=_("action"))
    def what(self, event: CampaignEvent) -> str:
        return str(ACTIONS.get(event.action, event.action))


ACTIONS = {
    "created": _("created"),
    "edited": _("edited"),
    "submitted": _("submitted"),
    "approved": _("approved"),
    "rejected": _("rejected"),
    "started": _("started"),
    "paused": _("paused"),
    "resumed": _("resumed"),
    "ended": _("ended"),
}


def door(entry_point: EntryPoint) -> SafeString | str:
    """What a marketer takes away from an entry point: a link to copy, a QR code to print, or what the ad needs."""
    if entry_point._state.adding:
        return gettext("Save first; the link and the QR code then appear here.")
    if entry_point.kind == EntryPoint.Kind.AD:
        return gettext(
            "The ad platform opens the chat itself. People who come through this ad are recognised by its id."
        )
    url = entry_point_url(entry_point)
    qr = reverse("admin:campaigns_entrypoint_qr", args=[entry_point.pk, "svg"])
    png = reverse("admin:campaigns_entrypoint_qr", args=[entry_point.pk, "png"])
    return format_html(
        '<div class="rk-door"><div class="rk-door-link"><code class="rk-copyable">{url}</code>'
        '<button type="button" class="rk-button" data-copy="{url}" data-copied="{copied}">{copy}</button></div>'
        '<img class="rk-qr" src="{qr}" alt="{alt}" width="160" height="160">'
        '<div><a class="rk-button" href="{qr}?download=1">SVG</a> <a class="rk-button" href="{png}?download=1">PNG</a>'
        "</div></div>",
        url=url,
        copied=gettext("Copied"),
        copy=gettext("Copy"),
        qr=qr,
        png=png,
        alt=gettext("QR code of %(name)s") % {"name": entry_point.name},
    )


@admin.register(Campaign)
class CampaignAdmin(RoomAdmin):
    """A campaign, its doors and its history; everything that changes it goes through a service."""

    list_display = ("name", "state", "account", "starts_at", "ends_at", "holdout_percent", "created_by")
    list_filter = (("status", ChoicesDropdownFilter), ("account", RelatedDropdownFilter))
    list_select_related = ("account", "created_by")
    search_fields = ("name", "goal")
    readonly_fields = ("state", "approval", "policy_link", "results")
    inlines = (EntryPointInline, CampaignEventInline)
    actions_detail = ("submit", "approve", "reject", "start", "pause", "resume", "end")
    possible = {
        "submit": lambda row: (
            row.status == S.DRAFT or (row.status == S.PAUSED and row.approved_revision != row.revision)
        ),
        "approve": lambda row: row.status == S.SUBMITTED,
        "reject": lambda row: row.status == S.SUBMITTED,
        "start": lambda row: row.status == S.APPROVED,
        "pause": lambda row: row.status == S.RUNNING,
        "resume": lambda row: row.status == S.PAUSED and row.approved_revision == row.revision,
        "end": lambda row: row.status in (S.RUNNING, S.PAUSED),
    }
    empty_hint = _(
        "Add your first campaign: a goal, a channel account, a first answer; then entry points and a policy."
    )
    fieldsets = (
        (None, {"fields": ("name", "goal", "state", "approval", "policy_link", "results")}),
        (
            _("Chat"),
            {"classes": ["tab"], "fields": ("account", "language", "greeting")},
        ),
        (
            _("Time and money"),
            {"classes": ["tab"], "fields": (("starts_at", "ends_at"), "time_zone", ("budget", "currency"))},
        ),
        (_("Measurement"), {"classes": ["tab"], "fields": ("holdout_percent", "attribution_window")}),
    )

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else (EntryPointInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        if obj is not None and obj.status == S.ENDED:
            return [
                *self.readonly_fields,
                *(field.name for field in obj._meta.fields if field.editable and field.name in EDITABLE),
            ]
        return self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # what it caused refers to it; end it instead

    @display(description=_("state"), label=CAMPAIGN_COLOURS)
    def state(self, campaign: Campaign) -> tuple[str, str]:
        return campaign.status, campaign.get_status_display()

    @display(description=_("approval"))
    def approval(self, campaign: Campaign) -> str:
        if campaign._state.adding:
            return gettext("Save the campaign, then submit it; another person approves it.")
        if campaign.approved_revision is None:
            return gettext("Not approved yet.")
        if campaign.approved_revision != campaign.revision:
            return gettext("It was changed after its approval: the approval is void. Submit it again.")
        return gettext("Approved by %(who)s on %(when)s.") % {
            "who": campaign.approved_by or "–",
            "when": moment(campaign.approved_at),
        }

    @display(description=_("callback policy"))
    def policy_link(self, campaign: Campaign) -> SafeString | str:
        if campaign._state.adding:
            return gettext("Save the campaign first.")
        # Policies live in a room above this one: known by the name of its page only.
        try:
            policy = getattr(campaign, "policy", None)
            if policy is not None:
                url = reverse("admin:callbacks_callbackpolicy_change", args=[policy.pk])
                return link(url, gettext("Patience, steps and words of its warm callbacks"))
            url = reverse("admin:callbacks_callbackpolicy_add")
        except NoReverseMatch:  # pragma: no cover - the room is always installed
            return "–"
        return link(f"{url}?campaign={campaign.pk}", gettext("None yet: nobody is called back. Add one."))

    @display(description=_("results"))
    def results(self, campaign: Campaign) -> SafeString | str:
        if campaign._state.adding:
            return "–"
        return link(f"{reverse('admin:index')}?campaign={campaign.pk}", gettext("Funnel of this campaign"))

    # -- saving is a service ---------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        now = timezone.now()
        if not change:
            created = campaign_create(actor=actor(request), now=now, **form.cleaned_data)
            obj.pk = created.pk
            obj._state.adding = False
            obj.refresh_from_db()
            return
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        if fields:
            approved = obj.approved_revision is not None
            campaign_update(campaign_id=obj.pk, actor=actor(request), now=now, **fields)
            obj.refresh_from_db()
            _say_voided(request, approved=approved, campaign=obj)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        if formset.model is not EntryPoint:
            return
        now, campaign = timezone.now(), form.instance
        approved = campaign.approved_revision is not None and campaign.approved_revision == campaign.revision
        for row in formset.forms:
            if not row.has_changed():
                continue
            entry_point_save(row, campaign_id=campaign.pk, actor=actor(request), now=now)
        campaign.refresh_from_db()
        _say_voided(request, approved=approved, campaign=campaign)

    # -- actions ---------------------------------------------------------------------------------------------------

    @service_action(
        title=_("Submit for approval"),
        description=_("Another person reads it and approves it."),
        permission="campaigns.submit_campaign",
        icon="outgoing_mail",
        variant=PRIMARY,
    )
    def submit(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        campaign_submit(campaign_id=UUID(object_id), actor=actor(request), now=now)
        return _("Submitted: it now waits for another person's approval.")

    @service_action(
        title=_("Approve"),
        description=_("You have read its words, its entry points and its policy, and they may go out."),
        permission="campaigns.approve_campaign",
        form=ApproveForm,
        icon="check",
        variant=SUCCESS,
    )
    def approve(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        campaign_approve(
            campaign_id=UUID(object_id), actor=actor(request), now=now, revision=form.cleaned_data["revision"]
        )
        return _("Approved: it may be started.")

    @service_action(
        title=_("Reject"),
        description=_("It goes back to draft with your reason."),
        permission="campaigns.approve_campaign",
        form=NoteForm,
        icon="close",
        variant=DANGER,
    )
    def reject(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        campaign_reject(campaign_id=UUID(object_id), actor=actor(request), now=now, note=form.cleaned_data["note"])
        return _("Rejected: it is a draft again.")

    @service_action(
        title=_("Start"), permission="campaigns.run_campaign", icon="play_arrow", variant=SUCCESS,
        description=_("Greetings and callbacks go out from now on, between its dates."),
    )  # fmt: skip
    def start(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        campaign_start(campaign_id=UUID(object_id), actor=actor(request), now=now)
        return _("The campaign is running.")

    @service_action(
        title=_("Pause"),
        description=_("What was planned is cancelled at once; nothing new is planned until it is resumed."),
        permission="campaigns.run_campaign",
        form=NoteForm,
        icon="pause",
        variant=WARNING,
    )
    def pause(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        campaign_pause(campaign_id=UUID(object_id), actor=actor(request), now=now, reason=form.cleaned_data["note"])
        return _("The campaign is paused.")

    @service_action(
        title=_("Resume"), permission="campaigns.run_campaign", icon="play_arrow", variant=SUCCESS,
        description=_("Callbacks are planned again for people who are still silent."),
    )  # fmt: skip
    def resume(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        campaign_resume(campaign_id=UUID(object_id), actor=actor(request), now=now)
        return _("The campaign is running again.")

    @service_action(
        title=_("End"), permission="campaigns.run_campaign", icon="stop", variant=DANGER,
        description=_("For good: what was planned is cancelled, and an ended campaign cannot be started again."),
    )  # fmt: skip
    def end(self, request: HttpRequest, form: Any, object_id: str, now: datetime) -> Any:
        campaign_end(campaign_id=UUID(object_id), actor=actor(request), now=now)
        return _("The campaign is ended.")


def _say_voided(request: HttpRequest, *, approved: bool, campaign: Campaign) -> None:
    if approved and campaign.approved_revision != campaign.revision:
        messages.warning(request, gettext("Your change voided the approval. Submit the campaign again."))


def entry_point_save(row: Any, *, campaign_id: UUID, actor: Any, now: datetime) -> EntryPoint:
    """Create or update the entry point of one form through its service."""
    data = {
        name: value
        for name, value in row.cleaned_data.items()
        if name not in ("id", "campaign", "DELETE") and name in row.fields
    }
    if row.instance._state.adding:
        return entry_point_create(campaign_id=campaign_id, actor=actor, now=now, **data)
    changed = {name: value for name, value in data.items() if name in row.changed_data}
    return entry_point_update(entry_point_id=row.instance.pk, actor=actor, now=now, **changed)


@admin.register(EntryPoint)
class EntryPointAdmin(RoomAdmin):
    """A door into a chat, with what a marketer takes away from it."""

    list_display = ("name", "kind", "campaign", "where", "created_at")
    list_filter = (("kind", ChoicesDropdownFilter), ("campaign", RelatedDropdownFilter))
    list_select_related = ("campaign",)
    search_fields = ("name", "ad_id", "token")
    autocomplete_fields = ("campaign",)
    readonly_fields = ("door",)
    fieldsets = (
        (None, {"fields": ("campaign", "kind", "name", "ad_id", "prefilled_text", "door")}),
        (_("Consent this door takes"), {"fields": ("consent_wording", "consent_version", "consent_per_week")}),
    )
    empty_hint = _("An ad, a tracked link or a QR code: add one here or on the page of a campaign.")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: EntryPoint | None = None) -> Any:
        return ("campaign", "kind", "door") if obj else ("door",)

    @display(description=_("link and QR code"))
    def door(self, entry_point: EntryPoint) -> SafeString | str:
        return door(entry_point)

    @display(description=_("address"))
    def where(self, entry_point: EntryPoint) -> str:
        if entry_point.kind == EntryPoint.Kind.AD:
            return gettext("Ad %(id)s") % {"id": entry_point.ad_id}
        return entry_point_url(entry_point)

    def save_model(self, request: HttpRequest, obj: EntryPoint, form: Any, change: bool) -> None:
        campaign = obj.campaign
        approved = campaign.approved_revision is not None and campaign.approved_revision == campaign.revision
        saved = entry_point_save(form, campaign_id=campaign.pk, actor=actor(request), now=timezone.now())
        obj.pk = saved.pk
        obj._state.adding = False
        obj.refresh_from_db()
        campaign.refresh_from_db()
        _say_voided(request, approved=approved, campaign=campaign)

    def get_urls(self) -> list[Any]:
        qr = self.admin_site.admin_view(self.qr_view)
        return [path("<uuid:pk>/qr.<str:kind>", qr, name="campaigns_entrypoint_qr"), *super().get_urls()]

    def qr_view(self, request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
        """The QR code of a link as SVG or PNG."""
        entry_point = self.get_object(request, str(pk))
        if entry_point is None or not entry_point.token or kind not in ("svg", "png"):
            return HttpResponse(status=404)
        if not self.has_view_permission(request, entry_point):
            return HttpResponse(status=403)
        types = {"svg": "image/svg+xml", "png": "image/png"}
        answer = HttpResponse(qr_image(entry_point, kind=kind), content_type=types[kind])
        if "download" in request.GET:
            answer["Content-Disposition"] = f'attachment; filename="qr-{entry_point.token}.{kind}"'
        return answer


@admin.register(AdSpend)
class AdSpendAdmin(RoomAdmin):
    """What an ad cost and brought on one day, as its platform reports it."""

    list_display = ("day", "entry_point", "impressions", "clicks", "amount", "currency")
    list_filter = (("entry_point__campaign", RelatedDropdownFilter), "day")
    list_select_related = ("entry_point",)
    autocomplete_fields = ("entry_point",)
    fields = ("entry_point", "day", "impressions", "clicks", "amount", "currency")
    empty_hint = _(
        "Add what the ad platform reports per day: impressions, clicks and cost. Rates are computed from it."
    )

    def get_readonly_fields(self, request: HttpRequest, obj: AdSpend | None = None) -> Any:
        return ("entry_point", "day") if obj else ()

    def save_model(self, request: HttpRequest, obj: AdSpend, form: Any, change: bool) -> None:
        ad_spend_record(
            rows=[
                SpendRow(
                    entry_point_id=obj.entry_point_id,
                    day=obj.day,
                    impressions=obj.impressions,
                    clicks=obj.clicks,
                    amount=obj.amount,
                    currency=obj.currency.upper(),
                )
            ]
        )
        saved = AdSpend.objects.get(entry_point_id=obj.entry_point_id, day=obj.day)
        obj.pk = saved.pk
        obj._state.adding = False
