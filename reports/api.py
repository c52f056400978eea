"""REST: the funnel, and the people behind its numbers."""

from datetime import timedelta
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import ApiView
from campaigns.models import Campaign
from contacts.api import CURRENT, ContactSerializer
from contacts.models import Contact
from reports.funnel import FunnelCount, funnel, funnel_contacts
from reports.metrics import METRICS

PERIOD = timedelta(days=30)
PERIOD_PARAMETERS = [
    OpenApiParameter("campaign", OpenApiTypes.UUID, description="Without it: all campaigns together."),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="From this moment on; default: 30 days before until."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Before this moment; default: now."),
]


class PeriodSerializer(serializers.Serializer[Any]):
    campaign = serializers.UUIDField(required=False, default=None)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class FunnelCountSerializer(serializers.Serializer[FunnelCount]):
    key = serializers.CharField(help_text="Stable; with a reason, kind or currency after a colon.")
    label = serializers.CharField()  # type: ignore[assignment]  # DRF takes declared fields off the class
    definition = serializers.CharField(help_text="What the number counts.")
    unit = serializers.ChoiceField(choices=["count", "share", "money"])
    count = serializers.SerializerMethodField(help_text="Set for unit count.")
    share = serializers.SerializerMethodField(help_text="0 to 1, for unit share; null: nothing to divide by.")
    amount = serializers.SerializerMethodField(help_text="For unit money, in currency.")
    currency = serializers.CharField()
    people = serializers.IntegerField(allow_null=True, help_text="Distinct people behind it; null: nobody is known.")

    def get_count(self, row: FunnelCount) -> int | None:
        return int(row.value) if row.unit == "count" and row.value is not None else None

    def get_share(self, row: FunnelCount) -> str | None:
        return str(row.value) if row.unit == "share" and row.value is not None else None

    def get_amount(self, row: FunnelCount) -> str | None:
        return str(row.value) if row.unit == "money" and row.value is not None else None


class FunnelSerializer(serializers.Serializer[Any]):
    campaign = serializers.UUIDField(source="campaign_id", allow_null=True)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    counts = FunnelCountSerializer(many=True)


class ReportView(ApiView):
    """Reports, counted when they are asked for."""

    queryset = Contact.objects.prefetch_related(CURRENT)
    serializer_class = FunnelSerializer
    scopes: ClassVar = {"funnel": "reports:read", "funnel_contacts": "reports:read"}

    def _period(self, request: Request) -> dict[str, Any]:
        checked = PeriodSerializer(data=request.query_params)
        checked.is_valid(raise_exception=True)
        given = checked.validated_data
        until = given.get("until", self.now)
        since = given.get("since", until - PERIOD)
        if since >= until:
            raise serializers.ValidationError({"since": _("The period must begin before it ends.")})
        if given["campaign"] is not None:
            get_object_or_404(Campaign, pk=given["campaign"])
        return {"campaign_id": given["campaign"], "since": since, "until": until}

    @extend_schema(parameters=PERIOD_PARAMETERS, responses=FunnelSerializer)
    @action(detail=False)
    def funnel(self, request: Request) -> Response:
        """From clicks to conversations, drop-outs, callbacks and revenue; each number says what it counts."""
        return self.show(funnel(**self._period(request)), FunnelSerializer)

    @extend_schema(
        parameters=[*PERIOD_PARAMETERS, OpenApiParameter("key", str, required=True, description="A number's key.")],
        responses=ContactSerializer(many=True),
    )
    @action(detail=False, url_path="funnel/contacts")
    def funnel_contacts(self, request: Request) -> Response:
        """The people behind one number, each once."""
        key = request.query_params.get("key", "")
        name = key.partition(":")[0]
        if name not in METRICS and name != "revenue":
            raise serializers.ValidationError({"key": _("Say which number that people stand behind, e.g. dropouts.")})
        people = funnel_contacts(key=key, **self._period(request))
        return self.page(people.prefetch_related(CURRENT), ContactSerializer)
