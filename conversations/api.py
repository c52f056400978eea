"""REST: conversations and their messages."""

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from access.api import ApiView
from access.fields import MaskedName, MaskedText, PersonalJson
from conversations import services
from conversations.models import Conversation, DropOut, Message, MessageStatus
from messaging.events import Button


class DropOutSerializer(serializers.ModelSerializer[DropOut]):
    class Meta:
        model = DropOut
        fields: tuple[str, ...] = ("id", "episode", "silent_since", "detected_at", "ended_at", "ended_by")


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    contact_name = MaskedName(source="contact.display_name")

    class Meta:
        model = Conversation
        fields: tuple[str, ...] = (
            "id",
            "contact",
            "contact_name",
            "account",
            "status",
            "opened_at",
            "closed_at",
            "close_category",
            "attribution",
            "campaign",
            "entry_point",
            "click_id",
            "holdout",
            "last_inbound_at",
            "last_outbound_at",
            "service_window_ends_at",
            "free_entry_ends_at",
            "handler",
            "handler_since",
            "converted_at",
        )


class ConversationDetailSerializer(ConversationSerializer):
    dropouts = DropOutSerializer(many=True, read_only=True)

    class Meta(ConversationSerializer.Meta):
        fields = (*ConversationSerializer.Meta.fields, "dropouts")


class MessageSerializer(serializers.ModelSerializer[Message]):
    text = MaskedText()
    content = PersonalJson()

    class Meta:
        model = Message
        fields: tuple[str, ...] = (
            "id",
            "contact",
            "account",
            "conversation",
            "campaign",
            "direction",
            "origin",
            "kind",
            "status",
            "purpose",
            "text",
            "content",
            "provider_message_id",
            "occurred_at",
            "due_at",
            "expires_at",
            "waiting_for",
            "reason",
            "error_code",
            "sent_at",
            "delivered_at",
            "read_at",
            "failed_at",
            "price_category",
            "price_type",
            "created_at",
        )


class MessageStatusSerializer(serializers.ModelSerializer[MessageStatus]):
    class Meta:
        model = MessageStatus
        fields: tuple[str, ...] = ("status", "occurred_at", "received_at", "price_category", "price_type")


class MessageDetailSerializer(MessageSerializer):
    statuses = MessageStatusSerializer(many=True, read_only=True, help_text="As the provider reported them.")

    class Meta(MessageSerializer.Meta):
        fields = (*MessageSerializer.Meta.fields, "statuses")


class CloseSerializer(serializers.Serializer[Any]):
    category = serializers.ChoiceField(choices=Conversation.CloseCategory.choices)


class ButtonSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(max_length=256)
    title = serializers.CharField(max_length=20)


class ReplySerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=4096)
    buttons = serializers.ListField(child=ButtonSerializer(), required=False, default=list, max_length=3)


class ConversationFilter(filters.FilterSet):
    opened_since = filters.IsoDateTimeFilter(field_name="opened_at", lookup_expr="gte")
    opened_until = filters.IsoDateTimeFilter(field_name="opened_at", lookup_expr="lt")
    converted = filters.BooleanFilter(field_name="converted_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Conversation
        fields: ClassVar = {
            "status": ["exact"],
            "contact": ["exact"],
            "account": ["exact"],
            "campaign": ["exact"],
            "entry_point": ["exact"],
            "handler": ["exact"],
            "attribution": ["exact"],
            "holdout": ["exact"],
        }


class ConversationView(ApiView):
    """Conversations: one open one per contact and account."""

    queryset = Conversation.objects.select_related("contact")
    serializer_class = ConversationSerializer
    filterset_class = ConversationFilter
    scopes: ClassVar = {
        "list": "messages:read",
        "retrieve": "messages:read",
        "take_over": "messages:write",
        "hand_back": "messages:write",
        "close": "messages:write",
        "reply": "messages:write",
    }

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), ConversationSerializer)

    @extend_schema(responses=ConversationDetailSerializer)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        rows = self.get_queryset().prefetch_related("dropouts")
        return self.show(get_object_or_404(rows, pk=pk), ConversationDetailSerializer)

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, url_path="take-over")
    def take_over(self, request: Request, pk: UUID) -> Response:
        """A person (or your own system) handles it from now on: planned callbacks are cancelled."""
        conversation = services.conversation_take_over(conversation_id=pk, actor=self.actor, now=self.now)
        return self.show(conversation, ConversationSerializer)

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, url_path="hand-back")
    def hand_back(self, request: Request, pk: UUID) -> Response:
        """Automation may speak again."""
        conversation = services.conversation_hand_back(conversation_id=pk, actor=self.actor, now=self.now)
        return self.show(conversation, ConversationSerializer)

    @extend_schema(request=CloseSerializer)
    @action(methods=["post"], detail=True)
    def close(self, request: Request, pk: UUID) -> Response:
        """Close it; the contact's next message opens a new one."""
        fields = self.validated(CloseSerializer)
        conversation = services.conversation_close(conversation_id=pk, actor=self.actor, now=self.now, **fields)
        return self.show(conversation, ConversationSerializer)

    @extend_schema(request=ReplySerializer, responses={201: MessageSerializer})
    @action(methods=["post"], detail=True)
    def reply(self, request: Request, pk: UUID) -> Response:
        """Write in the conversation, inside its 24-hour window. Who handles it stays as it is (see take-over)."""
        fields = self.validated(ReplySerializer)
        buttons = [Button(id=button["id"], title=button["title"]) for button in fields["buttons"]]
        message = services.conversation_reply(
            conversation_id=pk,
            text=fields["text"],
            buttons=buttons,
            actor=None,
            dedupe_key=f"api:{self.api_key.prefix}:{uuid4()}",  # repetition is the Idempotency-Key's matter
            now=self.now,
        )
        return self.show(message, MessageSerializer, status=201)


class MessageFilter(filters.FilterSet):
    status = filters.MultipleChoiceFilter(choices=Message.Status.choices)
    since = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt")

    class Meta:
        model = Message
        fields: ClassVar = {
            "direction": ["exact"],
            "origin": ["exact"],
            "conversation": ["exact"],
            "contact": ["exact"],
            "campaign": ["exact"],
            "account": ["exact"],
            "reason": ["exact"],
        }


class MessageView(ApiView):
    """Messages, both directions. `reason` says why one was not sent; decisions say it in full."""

    queryset = Message.objects.all()
    serializer_class = MessageSerializer
    filterset_class = MessageFilter
    scopes: ClassVar = {"list": "messages:read", "retrieve": "messages:read"}

    def list(self, request: Request) -> Response:
        return self.page(self.filter_queryset(self.get_queryset()), MessageSerializer)

    @extend_schema(responses=MessageDetailSerializer)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        rows: QuerySet[Message] = self.get_queryset().prefetch_related("statuses")
        return self.show(get_object_or_404(rows, pk=pk), MessageDetailSerializer)
