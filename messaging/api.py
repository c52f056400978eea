"""REST: channel accounts and their templates. Credentials are never read or written here."""

from typing import ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import ApiView
from messaging.models import ChannelAccount, Template


class AccountSerializer(serializers.ModelSerializer[ChannelAccount]):
    class Meta:
        model = ChannelAccount
        fields = (
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
        fields = (
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
    serializer_class = AccountSerializer
    scopes: ClassVar = {
        "list": "accounts:read",
        "retrieve": "accounts:read",
    }

    def list(self, request: Request) -> Response:
        return self.page(self.get_queryset(), AccountSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.show(get_object_or_404(ChannelAccount, pk=pk), AccountSerializer)


class TemplateView(ApiView):
    """Templates as the provider holds them, one per language."""

    queryset = Template.objects.all()
    serializer_class = TemplateSerializer
    filterset_class = TemplateFilter
    lookup_value_regex = "[0-9]{1,18}"
    scopes: ClassVar = {"list": "accounts:read", "retrieve": "accounts:read"}

    def get_queryset(self) -> QuerySet[Template]:
        return Template.objects.all()

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), TemplateSerializer)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.show(get_object_or_404(Template, pk=pk), TemplateSerializer)
