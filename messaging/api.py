"""REST: channel accounts and their templates. Credentials are never read or written here."""

from typing import ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import ApiView
from messaging.accounts import templates_sync
from messaging.models import ChannelAccount, Template


class AccountSerializer(serializers.ModelSerializer[ChannelAccount]):
    class Meta:
        model = ChannelAccount
        fields: tuple[str, ...] = (
            "id",
            "name",
            "channel",
            "display_number",
            "sender_id",
            "business_account_id",
            "portfolio_id",
            "throughput_per_second",
            "messaging_limit",
            "quality_rating",
            "status",
            "pause_reason",
            "paused_at",
            "created_at",
        )


class TemplateSerializer(serializers.ModelSerializer[Template]):
    class Meta:
        model = Template
        fields: tuple[str, ...] = (
            "id",
            "account",
            "name",
            "language",
            "category",
            "status",
            "status_reason",
            "quality",
            "parameter_format",
            "components",
            "synced_at",
        )


class TemplateFilter(filters.FilterSet):
    class Meta:
        model = Template
        fields: ClassVar = {"account": ["exact"], "name": ["exact"], "language": ["exact"], "status": ["exact"]}


class AccountView(ApiView):
    """The numbers we send from."""

    queryset = ChannelAccount.objects.all()
    speaks_outside = frozenset({"sync_templates"})
    serializer_class = AccountSerializer
    scopes: ClassVar = {
        "list": "accounts:read",
        "retrieve": "accounts:read",
        "sync_templates": "accounts:write",
    }

    def list(self, request: Request) -> Response:
        return self.page(self.get_queryset(), AccountSerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self.show(get_object_or_404(ChannelAccount, pk=pk), AccountSerializer)

    @extend_schema(
        request=None,
        responses={200: inline_serializer("TemplatesSynced", {"templates": serializers.IntegerField()})},
    )
    @action(methods=["post"], detail=True, url_path="sync-templates")
    def sync_templates(self, request: Request, pk: UUID) -> Response:
        """Fetch the account's templates from the provider now; answers how many there are."""
        count = templates_sync(account=get_object_or_404(ChannelAccount, pk=pk), now=self.now)
        return Response({"templates": count})


class TemplateView(ApiView):
    """Templates as the provider holds them, one per language."""

    queryset = Template.objects.all()
    serializer_class = TemplateSerializer
    filterset_class = TemplateFilter
    lookup_value_converter = "int"
    scopes: ClassVar = {"list": "accounts:read", "retrieve": "accounts:read"}

    def get_queryset(self) -> QuerySet[Template]:
        return Template.objects.all()

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), TemplateSerializer)

    def retrieve(self, request: Request, pk: int) -> Response:
        return self.show(get_object_or_404(Template, pk=pk), TemplateSerializer)
