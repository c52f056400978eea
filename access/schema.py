"""How the OpenAPI schema says what every resource has in common."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

PROBLEM = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(help_text="urn:rekindle:problem:<code>; docs/api.md lists the codes."),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "detail": serializers.CharField(),
        "instance": serializers.CharField(),
        "errors": inline_serializer(
            "ProblemError",
            {
                "pointer": serializers.CharField(help_text="JSON pointer into the request body, e.g. #/name."),
                "detail": serializers.CharField(),
                "code": serializers.CharField(),
            },
            many=True,
            required=False,
        ),
    },
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Repeat the request with the same key and it is done once; the first answer is kept for 24 hours.",
)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Api-Key <key>`."""

    target_class = "access.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Authorization: Api-Key <key>`",
        }


class Schema(AutoSchema):
    """Adds the Idempotency-Key to every POST, problem documents to every answer and the scope to every description."""

    def get_override_parameters(self) -> list[Any]:
        return [IDEMPOTENCY_KEY] if self.method == "POST" else []

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's own signature, not DRF's
        description = super().get_description()
        scope = getattr(self.view, "scopes", {}).get(getattr(self.view, "action", ""))
        return f"{description}\n\nScope: `{scope}`".strip() if scope else description

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        found: dict[str, Any] = super()._get_response_bodies(direction)
        if getattr(self.view, "scopes", None):
            problem: Any = self._get_response_for_code(  # type: ignore[no-untyped-call]  # untyped upstream
                OpenApiResponse(PROBLEM, description="A problem document (RFC 9457)."),
                "default",
                ["application/problem+json"],
                direction,
            )
            found = {**found, "default": problem}
        return found
