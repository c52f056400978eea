"""REST: contacts, their consent ledger, and suppressed addresses."""

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import ApiView
from access.fields import FreeJson, MaskedAddress, MaskedName, PersonalJson
from contacts.addresses import contact_find, contact_identify
from contacts.consent import consent_record
from contacts.lookup import contacts_by_address, contacts_by_attribute
from contacts.models import Address, Channel, ConsentEvent, Contact, Purpose, Suppression
from contacts.phones import phone_normalise
from contacts.profile import contact_update
from contacts.suppression import suppression_add, suppression_lift

CURRENT = Prefetch("addresses", queryset=Address.objects.filter(superseded_at=None).order_by("pk"))


class AddressSerializer(serializers.ModelSerializer[Address]):
    value = MaskedAddress()

    class Meta:
        model = Address
        fields: tuple[str, ...] = (
            "channel",
            "kind",
            "scope",
            "value",
            "first_seen_at",
            "last_seen_at",
            "unreachable_since",
        )


class ContactSerializer(serializers.ModelSerializer[Contact]):
    name = MaskedName(source="display_name")
    attributes = PersonalJson()
    addresses = AddressSerializer(many=True, read_only=True)

    class Meta:
        model = Contact
        fields: tuple[str, ...] = (
            "id",
            "name",
            "language",
            "country",
            "region",
            "time_zones",
            "attributes",
            "addresses",
            "consent_granted",
            "consent_withdrawn",
            "created_at",
            "updated_at",
        )


class ProfileSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(source="display_name", max_length=200, required=False, allow_blank=True)
    language = serializers.CharField(max_length=35, required=False, allow_blank=True, help_text="BCP 47 tag.")
    country = serializers.CharField(max_length=2, required=False, allow_blank=True, help_text="ISO 3166-1 code.")
    region = serializers.CharField(max_length=10, required=False, allow_blank=True, help_text="State, e.g. TX.")
    time_zones = serializers.ListField(child=serializers.CharField(max_length=64), required=False, max_length=20)
    attributes = FreeJson(required=False, help_text="Merged with what is there; null removes one.")


class IdentifySerializer(ProfileSerializer):
    channel = serializers.ChoiceField(choices=Channel.choices, default=Channel.WHATSAPP)
    phone = serializers.CharField(max_length=40, required=False, help_text="E.164, e.g. +84901234567.")
    bsuid = serializers.CharField(max_length=160, required=False, help_text="Business-scoped user id.")
    portfolio_id = serializers.CharField(
        max_length=64, required=False, default="", help_text="The account's; needed with a bsuid."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("phone") and not attrs.get("bsuid"):
            raise serializers.ValidationError({"phone": _("Give a phone number or a business-scoped user id.")})
        if attrs.get("bsuid") and not attrs["portfolio_id"]:
            raise serializers.ValidationError({"portfolio_id": _("A business-scoped user id belongs to a portfolio.")})
        return attrs


class ConsentEventSerializer(serializers.ModelSerializer[ConsentEvent]):
    wording = serializers.SerializerMethodField(
        help_text="Masked where it is what the person wrote and the key lacks personal_data:read."
    )

    def get_wording(self, event: ConsentEvent) -> str:
        return event.wording if self.context["view"].personal_data else event.shown_wording

    class Meta:
        model = ConsentEvent
        fields: tuple[str, ...] = (
            "id",
            "channel",
            "purpose",
            "action",
            "source",
            "wording",
            "wording_language",
            "wording_version",
            "disclosed_per_week",
            "occurred_at",
            "recorded_at",
        )


class ConsentsSerializer(serializers.Serializer[Any]):
    granted = serializers.ListField(child=serializers.CharField(), help_text="channel:purpose")
    withdrawn = serializers.ListField(child=serializers.CharField(), help_text="channel:purpose")
    events = ConsentEventSerializer(many=True, help_text="The ledger, latest first; at most 200 lines.")


class ConsentRecordSerializer(serializers.Serializer[Any]):
    channel = serializers.ChoiceField(choices=Channel.choices, default=Channel.WHATSAPP)
    purpose = serializers.ChoiceField(choices=Purpose.choices, default=Purpose.MARKETING)
    action = serializers.ChoiceField(choices=ConsentEvent.Action.choices)
    occurred_at = serializers.DateTimeField(required=False, help_text="When the person said so; default: now.")
    external_id = serializers.CharField(
        max_length=100, required=False, default="", help_text="Your id of this event: told twice, recorded once."
    )
    wording = serializers.CharField(required=False, default="", max_length=4000, help_text="The exact words.")
    wording_language = serializers.CharField(required=False, default="", max_length=35)
    wording_version = serializers.CharField(required=False, default="", max_length=40)
    disclosed_per_week = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=1000
    )
    evidence = FreeJson(required=False, default=dict, help_text="e.g. form, address, IP time stamp.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["action"] == ConsentEvent.Action.GRANTED and not attrs["wording"]:
            raise serializers.ValidationError({"wording": _("A consent needs the exact words that were agreed to.")})
        return attrs


class ContactFilter(filters.FilterSet):
    phone = filters.CharFilter(method="by_phone", help_text="E.164; + is %2B in a URL.")
    bsuid = filters.CharFilter(method="by_bsuid")
    attribute = filters.CharFilter(method="by_attribute", help_text="name:value, e.g. crm_id:42")
    granted = filters.CharFilter(method="by_granted", help_text="channel:purpose, e.g. whatsapp:marketing")
    created_since = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")

    class Meta:
        model = Contact
        fields: ClassVar = {"language": ["exact"], "country": ["exact"]}

    def by_phone(self, queryset: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        return queryset & contacts_by_address(kind="phone", value=phone_normalise(value))

    def by_bsuid(self, queryset: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        return queryset & contacts_by_address(kind="bsuid", value=value)

    def by_attribute(self, queryset: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        attribute, _colon, wanted = value.partition(":")
        return queryset & contacts_by_attribute(name=attribute, value=wanted)

    def by_granted(self, queryset: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        return queryset.filter(consent_granted__contains=[value])


class ContactView(ApiView):
    """People. Addresses, names and attributes are masked for a key without personal_data:read."""

    queryset = Contact.objects.prefetch_related(CURRENT)
    serializer_class = ContactSerializer
    filterset_class = ContactFilter
    scopes: ClassVar = {
        "list": "contacts:read",
        "retrieve": "contacts:read",
        "consents": "contacts:read",
        "create": "contacts:write",
        "partial_update": "contacts:write",
        "consents_record": "contacts:write",
    }

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), ContactSerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self.show(get_object_or_404(self.get_queryset(), pk=pk), ContactSerializer)

    @extend_schema(request=IdentifySerializer, responses={200: ContactSerializer, 201: ContactSerializer})
    def create(self, request: Request) -> Response:
        """Find the person who has these addresses, or create them (201). What else is given is then set."""
        fields = self.validated(IdentifySerializer)
        where = {"channel": fields.pop("channel"), "portfolio_id": fields.pop("portfolio_id")}
        addresses = []
        if phone := fields.pop("phone", ""):
            addresses.append(("phone", phone_normalise(phone)))
        if bsuid := fields.pop("bsuid", ""):
            addresses.append(("bsuid", bsuid))
        known = contact_find(addresses=addresses, **where)
        contact = contact_identify(addresses=addresses, name=fields.get("display_name", ""), now=self.now, **where)
        if fields:
            contact_update(contact_id=contact.pk, now=self.now, **fields)
        return self.show(
            self.get_queryset().get(pk=contact.pk), ContactSerializer, status=200 if known is not None else 201
        )

    @extend_schema(request=ProfileSerializer)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        fields: Any = self.validated(ProfileSerializer, partial_=True)
        contact_update(contact_id=pk, now=self.now, **fields)
        return self.show(self.get_queryset().get(pk=pk), ContactSerializer)

    @extend_schema(responses=ConsentsSerializer, filters=False)
    @action(detail=True, pagination_class=None)
    def consents(self, request: Request, pk: UUID) -> Response:
        """What the person agreed to now, and the ledger it follows from."""
        contact = get_object_or_404(Contact, pk=pk)
        events = contact.consent_events.order_by("-occurred_at", "-pk")[:200]
        return self.show(
            {"granted": contact.consent_granted, "withdrawn": contact.consent_withdrawn, "events": events},
            ConsentsSerializer,
        )

    @extend_schema(request=ConsentRecordSerializer, responses={201: ConsentEventSerializer})
    @consents.mapping.post
    def consents_record(self, request: Request, pk: UUID) -> Response:
        """Add a line to the ledger: a grant with its wording, a withdrawal, an expiry."""
        contact = get_object_or_404(Contact, pk=pk)
        fields = self.validated(ConsentRecordSerializer)
        external_id = fields.pop("external_id") or str(uuid4())
        event = consent_record(
            contact_id=contact.pk,
            source=ConsentEvent.Source.API,
            occurred_at=fields.pop("occurred_at", self.now),
            dedupe_key=f"api:{self.api_key.prefix}:{external_id}",
            actor=self.actor,
            **fields,
        )
        return self.show(event, ConsentEventSerializer, status=201)


class SuppressionSerializer(serializers.ModelSerializer[Suppression]):
    class Meta:
        model = Suppression
        fields: tuple[str, ...] = ("id", "channel", "kind", "hint", "reason", "created_at")


class SuppressSerializer(serializers.Serializer[Any]):
    channel = serializers.ChoiceField(choices=Channel.choices, default=Channel.WHATSAPP)
    kind = serializers.ChoiceField(choices=Address.Kind.choices, default=Address.Kind.PHONE)
    value = serializers.CharField(max_length=160, help_text="E.164 for a phone number. Kept as a keyed hash only.")
    reason = serializers.CharField(max_length=200)


class SuppressionFilter(filters.FilterSet):
    class Meta:
        model = Suppression
        fields: ClassVar = {"channel": ["exact"], "kind": ["exact"]}


class SuppressionView(ApiView):
    """Addresses that may not be contacted, whatever consent says."""

    queryset = Suppression.objects.all()
    serializer_class = SuppressionSerializer
    filterset_class = SuppressionFilter
    lookup_value_converter = "int"
    scopes: ClassVar = {
        "list": "contacts:read",
        "retrieve": "contacts:read",
        "create": "contacts:write",
        "destroy": "contacts:write",
    }

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), SuppressionSerializer)

    def retrieve(self, request: Request, pk: int) -> Response:
        return self.show(get_object_or_404(Suppression, pk=pk), SuppressionSerializer)

    @extend_schema(request=SuppressSerializer, responses={201: SuppressionSerializer})
    def create(self, request: Request) -> Response:
        fields = self.validated(SuppressSerializer)
        if fields["kind"] == Address.Kind.PHONE:
            fields["value"] = phone_normalise(fields["value"])
        suppression = suppression_add(actor=self.actor, **fields)
        return self.show(suppression, SuppressionSerializer, status=201)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Lift it: consent alone decides again."""
        get_object_or_404(Suppression, pk=pk)
        suppression_lift(suppression_id=pk)
        return Response(status=204)
