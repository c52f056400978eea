"""REST: campaigns and the doors into them."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import ApiView
from access.fields import Seconds
from campaigns import services
from campaigns.entry_points import SpendRow, ad_spend_record, entry_point_create, entry_point_update
from campaigns.links import entry_point_url, qr_image
from campaigns.models import AdSpend, Campaign, CampaignEvent, EntryPoint


class CampaignSerializer(serializers.ModelSerializer[Campaign]):
    attribution_window = Seconds(required=False, help_text="In seconds; a conversion counts this long after a touch.")

    class Meta:
        model = Campaign
        fields: tuple[str, ...] = (
            "id",
            "name",
            "goal",
            "account",
            "status",
            "starts_at",
            "ends_at",
            "time_zone",
            "language",
            "budget",
            "currency",
            "holdout_percent",
            "greeting",
            "attribution_window",
            "revision",
            "approved_revision",
            "approved_at",
            "pause_reason",
            "created_at",
        )
        read_only_fields: tuple[str, ...] = (
            "id",
            "status",
            "revision",
            "approved_revision",
            "approved_at",
            "pause_reason",
            "created_at",
        )


class CampaignEventSerializer(serializers.ModelSerializer[CampaignEvent]):
    actor = serializers.CharField(source="actor.username", default="", read_only=True)

    class Meta:
        model = CampaignEvent
        fields: tuple[str, ...] = ("action", "revision", "actor", "note", "at")


class ApproveSerializer(serializers.Serializer[Any]):
    revision = serializers.IntegerField(help_text="The revision you read; a later edit refuses the approval.")
    note = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class RejectSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(max_length=300)


class PauseSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class EndSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class CampaignFilter(filters.FilterSet):
    name = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = Campaign
        fields: ClassVar = {"status": ["exact"], "account": ["exact"]}


class CampaignView(ApiView):
    """Campaigns. An edit of an approved campaign voids its approval; a running one pauses."""

    queryset = Campaign.objects.all()
    serializer_class = CampaignSerializer
    filterset_class = CampaignFilter
    scopes: ClassVar = {
        "list": "campaigns:read",
        "retrieve": "campaigns:read",
        "events": "campaigns:read",
        "create": "campaigns:write",
        "partial_update": "campaigns:write",
        "submit": "campaigns:write",
        "approve": "campaigns:approve",
        "reject": "campaigns:approve",
        "start": "campaigns:run",
        "pause": "campaigns:run",
        "resume": "campaigns:run",
        "end": "campaigns:run",
    }

    def _act(self, service: Any, pk: UUID, **fields: Any) -> Response:
        """Run one step of the life cycle as this key's actor."""
        get_object_or_404(Campaign, pk=pk)
        campaign = service(campaign_id=pk, actor=self.actor, now=self.now, **fields)
        return self.show(campaign, CampaignSerializer)

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), CampaignSerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self.show(get_object_or_404(Campaign, pk=pk), CampaignSerializer)

    def create(self, request: Request) -> Response:
        fields = self.validated(CampaignSerializer)
        campaign = services.campaign_create(actor=self.actor, now=self.now, **fields)
        return self.show(campaign, CampaignSerializer, status=201)

    def partial_update(self, request: Request, pk: UUID) -> Response:
        return self._act(services.campaign_update, pk, **self.validated(CampaignSerializer, partial_=True))

    @extend_schema(responses=CampaignEventSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def events(self, request: Request, pk: UUID) -> Response:
        """Who did what to the campaign, and when; the latest 200 lines."""
        campaign = get_object_or_404(Campaign, pk=pk)
        rows = campaign.events.select_related("actor")[:200]
        return Response(CampaignEventSerializer(rows, many=True).data)

    @extend_schema(request=None)
    @action(methods=["post"], detail=True)
    def submit(self, request: Request, pk: UUID) -> Response:
        """Ask for approval."""
        return self._act(services.campaign_submit, pk)

    @extend_schema(request=ApproveSerializer)
    @action(methods=["post"], detail=True)
    def approve(self, request: Request, pk: UUID) -> Response:
        """Approve what was submitted. Refused to a key that edited the campaign, or whose owner did."""
        return self._act(services.campaign_approve, pk, **self.validated(ApproveSerializer))

    @extend_schema(request=RejectSerializer)
    @action(methods=["post"], detail=True)
    def reject(self, request: Request, pk: UUID) -> Response:
        """Send it back to its editors, saying what has to change."""
        return self._act(services.campaign_reject, pk, **self.validated(RejectSerializer))

    @extend_schema(request=None)
    @action(methods=["post"], detail=True)
    def start(self, request: Request, pk: UUID) -> Response:
        """Let an approved campaign run."""
        return self._act(services.campaign_start, pk)

    @extend_schema(request=PauseSerializer)
    @action(methods=["post"], detail=True)
    def pause(self, request: Request, pk: UUID) -> Response:
        """Stop sending at once; what was planned is cancelled."""
        return self._act(services.campaign_pause, pk, **self.validated(PauseSerializer))

    @extend_schema(request=None)
    @action(methods=["post"], detail=True)
    def resume(self, request: Request, pk: UUID) -> Response:
        """Let a paused campaign run again, if its present revision is approved."""
        return self._act(services.campaign_resume, pk)

    @extend_schema(request=EndSerializer)
    @action(methods=["post"], detail=True)
    def end(self, request: Request, pk: UUID) -> Response:
        """End it for good."""
        return self._act(services.campaign_end, pk, **self.validated(EndSerializer))


class EntryPointSerializer(serializers.ModelSerializer[EntryPoint]):
    url = serializers.SerializerMethodField(help_text="The tracked link; empty for an ad.")

    class Meta:
        model = EntryPoint
        fields: tuple[str, ...] = (
            "id",
            "campaign",
            "kind",
            "name",
            "ad_id",
            "prefilled_text",
            "consent_wording",
            "consent_version",
            "consent_per_week",
            "url",
            "created_at",
        )
        read_only_fields: tuple[str, ...] = ("id", "created_at")
        # An ad ID that is taken is the service's to say.
        extra_kwargs: ClassVar[dict[str, Any]] = {"ad_id": {"validators": []}}

    def get_url(self, entry_point: EntryPoint) -> str:
        return entry_point_url(entry_point)


class EntryPointChangeSerializer(EntryPointSerializer):
    """What may change later: the campaign and kind of a door stay."""

    class Meta(EntryPointSerializer.Meta):
        read_only_fields: tuple[str, ...] = ("id", "created_at", "campaign", "kind")


class AdSpendSerializer(serializers.ModelSerializer[AdSpend]):
    class Meta:
        model = AdSpend
        fields: tuple[str, ...] = ("day", "impressions", "clicks", "amount", "currency")
        read_only_fields: tuple[str, ...] = ("day",)
        extra_kwargs: ClassVar = {
            "impressions": {"required": True},
            "clicks": {"required": True},
            "amount": {"required": True},
        }


class DaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()


class EntryPointFilter(filters.FilterSet):
    class Meta:
        model = EntryPoint
        fields: ClassVar = {"campaign": ["exact"], "kind": ["exact"], "ad_id": ["exact"]}


@extend_schema_view(
    partial_update=extend_schema(request=EntryPointChangeSerializer),
)
class EntryPointView(ApiView):
    """Doors into a chat: click-to-chat ads, tracked links, QR codes."""

    queryset = EntryPoint.objects.all()
    serializer_class = EntryPointSerializer
    filterset_class = EntryPointFilter
    scopes: ClassVar = {
        "list": "campaigns:read",
        "retrieve": "campaigns:read",
        "qr_svg": "campaigns:read",
        "qr_png": "campaigns:read",
        "spend": "campaigns:read",
        "create": "campaigns:write",
        "partial_update": "campaigns:write",
        "spend_put": "campaigns:write",
    }

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), EntryPointSerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self.show(get_object_or_404(EntryPoint, pk=pk), EntryPointSerializer)

    def create(self, request: Request) -> Response:
        fields = self.validated(EntryPointSerializer)
        campaign = fields.pop("campaign")
        entry_point = entry_point_create(campaign_id=campaign.pk, actor=self.actor, now=self.now, **fields)
        return self.show(entry_point, EntryPointSerializer, status=201)

    def partial_update(self, request: Request, pk: UUID) -> Response:
        get_object_or_404(EntryPoint, pk=pk)
        fields: Any = self.validated(EntryPointChangeSerializer, partial_=True)
        entry_point = entry_point_update(entry_point_id=pk, actor=self.actor, now=self.now, **fields)
        return self.show(entry_point, EntryPointSerializer)

    def _qr(self, pk: UUID, kind: str, media_type: str) -> HttpResponse:
        # An ad has no tracked link, so no code either: not found.
        entry_point = get_object_or_404(EntryPoint.objects.exclude(token=None), pk=pk)
        return HttpResponse(qr_image(entry_point, kind), content_type=media_type)

    @extend_schema(responses={(200, "image/svg+xml"): OpenApiTypes.BINARY})
    @action(detail=True, url_path="qr.svg")
    def qr_svg(self, request: Request, pk: UUID) -> HttpResponse:
        """The tracked link as a QR code."""
        return self._qr(pk, "svg", "image/svg+xml")

    @extend_schema(responses={(200, "image/png"): OpenApiTypes.BINARY})
    @action(detail=True, url_path="qr.png")
    def qr_png(self, request: Request, pk: UUID) -> HttpResponse:
        """The tracked link as a QR code."""
        return self._qr(pk, "png", "image/png")

    @extend_schema(responses=AdSpendSerializer(many=True), filters=False)
    @action(detail=True)
    def spend(self, request: Request, pk: UUID) -> Response:
        """What the ad platform reported for this door, per day."""
        spend: QuerySet[AdSpend] = get_object_or_404(EntryPoint, pk=pk).spend.all()
        return self.page(spend, AdSpendSerializer)

    @extend_schema(
        request=AdSpendSerializer,
        responses=AdSpendSerializer,
        parameters=[OpenApiParameter("day", OpenApiTypes.DATE, OpenApiParameter.PATH)],
    )
    @action(methods=["put"], detail=True, url_path="spend/<str:day>")
    def spend_put(self, request: Request, pk: UUID, day: str) -> Response:
        """Set one day's figures, in the campaign's time zone; a later report replaces an earlier one."""
        entry_point = get_object_or_404(EntryPoint, pk=pk)
        checked = DaySerializer(data={"day": day})
        checked.is_valid(raise_exception=True)
        fields = self.validated(AdSpendSerializer)
        when = checked.validated_data["day"]
        ad_spend_record(rows=[SpendRow(entry_point_id=entry_point.pk, day=when, **fields)])
        return self.show(entry_point.spend.get(day=when), AdSpendSerializer)
