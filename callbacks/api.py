"""REST: callback policies with their steps, and the callbacks that came of them."""

from typing import Any, ClassVar
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import ApiView
from access.errors import ConflictError
from access.fields import Seconds
from callbacks import services
from callbacks.models import Callback, CallbackPolicy, CallbackStep


class StepButtonSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(max_length=256)
    title = serializers.CharField(max_length=20)


class StepSerializer(serializers.ModelSerializer[CallbackStep]):
    delay = Seconds(required=False, allow_null=True, help_text="In seconds after the drop-out or the step before.")
    useful_for = Seconds(required=False, help_text="In seconds since the drop-out.")
    buttons = serializers.ListField(child=StepButtonSerializer(), required=False, max_length=3)
    template_values = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)

    class Meta:
        model = CallbackStep
        fields: tuple[str, ...] = (
            "id",
            "policy",
            "position",
            "delay",
            "cron",
            "text",
            "buttons",
            "template_name",
            "template_language",
            "template_values",
            "useful_for",
        )
        read_only_fields: tuple[str, ...] = ("id", "policy", "position")


class StepCreateSerializer(StepSerializer):
    position = serializers.IntegerField(required=False, min_value=1, help_text="1 is the first; without it, the end.")

    class Meta(StepSerializer.Meta):
        read_only_fields = ("id",)
        validators: ClassVar[list[Any]] = []  # at a position that is taken, the later steps move down


class PolicySerializer(serializers.ModelSerializer[CallbackPolicy]):
    patience = Seconds(required=False, help_text="In seconds.")
    window_margin = Seconds(required=False, help_text="In seconds.")
    steps = StepSerializer(many=True, required=False, help_text="When given, replaces all steps, in this order.")

    class Meta:
        model = CallbackPolicy
        fields: tuple[str, ...] = (
            "id",
            "campaign",
            "enabled",
            "patience",
            "window_margin",
            "max_attempts",
            "priority",
            "steps",
        )
        read_only_fields: tuple[str, ...] = ("id",)
        # One policy per campaign is said below, as a conflict.
        extra_kwargs: ClassVar[dict[str, Any]] = {"campaign": {"validators": []}}


class PolicyChangeSerializer(PolicySerializer):
    class Meta(PolicySerializer.Meta):
        read_only_fields: tuple[str, ...] = ("id", "campaign")


class PolicyFilter(filters.FilterSet):
    class Meta:
        model = CallbackPolicy
        fields: ClassVar = {"campaign": ["exact"], "enabled": ["exact"]}


@extend_schema_view(partial_update=extend_schema(request=PolicyChangeSerializer))
class PolicyView(ApiView):
    """Callback policies, one per campaign. Every change voids the campaign's approval."""

    queryset = CallbackPolicy.objects.prefetch_related("steps")
    serializer_class = PolicySerializer
    filterset_class = PolicyFilter
    scopes: ClassVar = {
        "list": "campaigns:read",
        "retrieve": "campaigns:read",
        "create": "campaigns:write",
        "partial_update": "campaigns:write",
    }

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), PolicySerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self.show(get_object_or_404(self.get_queryset(), pk=pk), PolicySerializer)

    def _save(self, campaign_id: Any, fields: dict[str, Any], *, status: int) -> Response:
        policy = services.policy_save(campaign_id=campaign_id, actor=self.actor, now=self.now, **fields)
        return self.show(self.get_queryset().get(pk=policy.pk), PolicySerializer, status=status)

    def create(self, request: Request) -> Response:
        fields = self.validated(PolicySerializer)
        campaign = fields.pop("campaign")
        if CallbackPolicy.objects.filter(campaign=campaign).exists():
            raise ConflictError(_("This campaign has a policy; change that one."), code="policy_exists")
        return self._save(campaign.pk, fields, status=201)

    def partial_update(self, request: Request, pk: UUID) -> Response:
        policy = get_object_or_404(CallbackPolicy, pk=pk)
        return self._save(policy.campaign_id, self.validated(PolicyChangeSerializer, partial_=True), status=200)


class StepFilter(filters.FilterSet):
    class Meta:
        model = CallbackStep
        fields: ClassVar = {"policy": ["exact"]}


@extend_schema_view(create=extend_schema(request=StepCreateSerializer))
class StepView(ApiView):
    """The steps of a policy, one by one."""

    queryset = CallbackStep.objects.all()
    serializer_class = StepSerializer
    filterset_class = StepFilter
    scopes: ClassVar = {
        "list": "campaigns:read",
        "retrieve": "campaigns:read",
        "create": "campaigns:write",
        "partial_update": "campaigns:write",
        "destroy": "campaigns:write",
    }

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), StepSerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self.show(get_object_or_404(CallbackStep, pk=pk), StepSerializer)

    def create(self, request: Request) -> Response:
        fields = self.validated(StepCreateSerializer)
        policy = fields.pop("policy")
        step = services.step_create(policy_id=policy.pk, actor=self.actor, now=self.now, **fields)
        return self.show(step, StepSerializer, status=201)

    def partial_update(self, request: Request, pk: UUID) -> Response:
        get_object_or_404(CallbackStep, pk=pk)
        fields: Any = self.validated(StepSerializer, partial_=True)
        step = services.step_update(step_id=pk, actor=self.actor, now=self.now, **fields)
        return self.show(step, StepSerializer)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Remove it; later steps move up. What was planned from it stays planned."""
        get_object_or_404(CallbackStep, pk=pk)
        services.step_delete(step_id=pk, actor=self.actor, now=self.now)
        return Response(status=204)


class CallbackSerializer(serializers.ModelSerializer[Callback]):
    conversation = serializers.UUIDField(source="dropout.conversation_id", read_only=True)
    contact = serializers.UUIDField(source="dropout.conversation.contact_id", read_only=True)
    campaign = serializers.UUIDField(source="dropout.conversation.campaign_id", read_only=True, allow_null=True)
    episode = serializers.IntegerField(source="dropout.episode", read_only=True)
    status = serializers.SerializerMethodField(help_text="The message's status; refused when planning refused it.")
    reason = serializers.SerializerMethodField(help_text="Why it waits, was refused, cancelled or failed.")

    class Meta:
        model = Callback
        fields: tuple[str, ...] = (
            "id",
            "conversation",
            "contact",
            "campaign",
            "dropout",
            "episode",
            "step",
            "position",
            "policy_revision",
            "message",
            "decision",
            "planned_at",
            "ideal_at",
            "status",
            "reason",
        )

    def get_status(self, callback: Callback) -> str:
        return callback.state

    def get_reason(self, callback: Callback) -> str:
        return callback.reason


class CallbackFilter(filters.FilterSet):
    campaign = filters.UUIDFilter(field_name="dropout__conversation__campaign")
    conversation = filters.UUIDFilter(field_name="dropout__conversation")
    contact = filters.UUIDFilter(field_name="dropout__conversation__contact")
    status = filters.CharFilter(method="by_status", help_text="A message's status, or refused.")
    since = filters.IsoDateTimeFilter(field_name="planned_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="planned_at", lookup_expr="lt")

    class Meta:
        model = Callback
        fields: ClassVar[list[str]] = []

    def by_status(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(message=None) if value == "refused" else queryset.filter(message__status=value)


class CallbackView(ApiView):
    """Warm callbacks: one per drop-out episode and step."""

    queryset = Callback.objects.select_related("dropout__conversation", "message", "decision")
    serializer_class = CallbackSerializer
    filterset_class = CallbackFilter
    scopes: ClassVar = {"list": "campaigns:read", "retrieve": "campaigns:read"}

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), CallbackSerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self.show(get_object_or_404(self.get_queryset(), pk=pk), CallbackSerializer)
