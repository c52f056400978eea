"""REST: outcomes, told by the systems that know them."""

from typing import Any, ClassVar
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import ApiView
from contacts.lookup import contacts_by_address
from contacts.models import Contact
from contacts.phones import phone_normalise
from conversations.conversions import conversion_record
from conversations.errors import ContactUnknownError
from conversations.models import Conversion


class ConversionSerializer(serializers.ModelSerializer[Conversion]):
    class Meta:
        model = Conversion
        fields = (
            "id",
            "external_id",
            "contact",
            "kind",
            "value",
            "currency",
            "occurred_at",
            "recorded_at",
            "source",
            "conversation",
            "campaign",
            "entry_point",
            "message",
            "credit_rule",
        )


class ConversionRecordSerializer(serializers.Serializer[Any]):
    external_id = serializers.CharField(max_length=200, help_text="Your order number, say: counted once.")
    kind = serializers.CharField(max_length=60, help_text="e.g. purchase, lead, appointment")
    occurred_at = serializers.DateTimeField(required=False, help_text="When it happened; default: now.")
    value = serializers.DecimalField(max_digits=16, decimal_places=2, required=False, allow_null=True, min_value=0)
    currency = serializers.CharField(max_length=3, required=False, default="", allow_blank=True, help_text="ISO 4217.")
    contact = serializers.UUIDField(required=False, help_text="Or phone, or bsuid.")
    phone = serializers.CharField(max_length=40, required=False, help_text="E.164, e.g. +84901234567.")
    bsuid = serializers.CharField(max_length=160, required=False)
    portfolio_id = serializers.CharField(max_length=64, required=False, default="", help_text="Narrows a bsuid.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(bool(attrs.get(name)) for name in ("contact", "phone", "bsuid")) != 1:
            raise serializers.ValidationError({"contact": _("Name the person by contact, by phone or by bsuid.")})
        return attrs


def _person(given: dict[str, Any]) -> Contact:
    """Take the naming of a person out of the request. Raises ContactUnknownError unless it is exactly one."""
    contact_id, phone, bsuid = given.pop("contact", None), given.pop("phone", ""), given.pop("bsuid", "")
    portfolio_id = given.pop("portfolio_id")
    if contact_id:
        field, found = "contact", Contact.objects.filter(pk=contact_id)
    elif phone:
        field, found = "phone", contacts_by_address(kind="phone", value=phone_normalise(phone))
    else:
        field, found = "bsuid", contacts_by_address(kind="bsuid", value=bsuid, portfolio_id=portfolio_id)
    people = list(found[:2])
    if len(people) != 1:
        raise ContactUnknownError(
            _("Several people have this id; name the portfolio too.") if people else _("We know nobody like this."),
            field=field,
        )
    return people[0]


class ConversionFilter(filters.FilterSet):
    since = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt")

    class Meta:
        model = Conversion
        fields: ClassVar = {
            "external_id": ["exact"],
            "contact": ["exact"],
            "campaign": ["exact"],
            "entry_point": ["exact"],
            "conversation": ["exact"],
            "kind": ["exact"],
            "currency": ["exact"],
        }


class ConversionView(ApiView):
    """Outcomes, each counted once and credited to what touched the person last."""

    queryset = Conversion.objects.all()
    serializer_class = ConversionSerializer
    filterset_class = ConversionFilter
    scopes: ClassVar = {
        "list": "conversions:read",
        "retrieve": "conversions:read",
        "create": "conversions:write",
    }

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), ConversionSerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self.show(get_object_or_404(Conversion, pk=pk), ConversionSerializer)

    @extend_schema(request=ConversionRecordSerializer, responses={201: ConversionSerializer, 200: ConversionSerializer})
    def create(self, request: Request) -> Response:
        """Report an outcome. Told again by the same external_id, it is answered with 200 as it was first told."""
        fields = self.validated(ConversionRecordSerializer)
        conversion, created = conversion_record(
            contact=_person(fields),
            occurred_at=fields.pop("occurred_at", self.now),
            source=Conversion.Source.API,
            now=self.now,
            **fields,
        )
        return self.show(conversion, ConversionSerializer, status=201 if created else 200)
