"""REST: why a message was, or was not, sent."""

from typing import ClassVar
from uuid import UUID

from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import ApiView
from delivery.models import Decision


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    class Meta:
        model = Decision
        fields: tuple[str, ...] = (
            "id",
            "contact",
            "conversation",
            "message",
            "stage",
            "verdict",
            "reason",
            "rule",
            "rule_version",
            "basis",
            "until",
            "facts",
            "decided_at",
        )


class DecisionFilter(filters.FilterSet):
    since = filters.IsoDateTimeFilter(field_name="decided_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="decided_at", lookup_expr="lt")

    class Meta:
        model = Decision
        fields: ClassVar = {
            "message": ["exact"],
            "contact": ["exact"],
            "conversation": ["exact"],
            "stage": ["exact"],
            "verdict": ["exact"],
            "reason": ["exact"],
        }


class DecisionView(ApiView):
    """Every verdict of the gate, with the facts it saw and the version of the rule it used."""

    queryset = Decision.objects.all()
    serializer_class = DecisionSerializer
    filterset_class = DecisionFilter
    scopes: ClassVar = {"list": "decisions:read", "retrieve": "decisions:read"}

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), DecisionSerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self.show(get_object_or_404(Decision, pk=pk), DecisionSerializer)
