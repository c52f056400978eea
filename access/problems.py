"""Every error of the API as a problem document (RFC 9457), `application/problem+json`.

`type` is `urn:rekindle:problem:<code>`; docs/api.md lists the codes. `errors` names each input at fault by a JSON
pointer into the body. An unexpected error says nothing of its cause to the caller; the log has its type and place.
"""

import traceback
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.core.signals import got_request_exception
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from access.errors import ConflictError, DomainError

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"


class PayloadTooLarge(exceptions.APIException):
    status_code = 413
    default_detail = "The request body is too large."
    default_code = "too_large"


class IdempotencyConflict(exceptions.APIException):
    """A twin of this request is being worked on."""

    status_code = 409
    default_code = "idempotency_in_progress"
    wait = 1  # seconds, for Retry-After


class IdempotencyMismatch(exceptions.APIException):
    """The key was used for another request."""

    status_code = 422
    default_code = "idempotency_mismatch"


def _pointers(detail: Any, path: str = "#") -> Iterator[dict[str, str]]:
    """Flatten DRF's nested error detail into one entry per fault."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _pointers(inner, path if name == api_settings.NON_FIELD_ERRORS_KEY else f"{path}/{name}")
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _pointers(inner, f"{path}/{position}" if nested else path)
    else:
        yield {"pointer": path, "detail": str(detail), "code": str(getattr(detail, "code", "invalid"))}


def problem(
    status: int,
    *,
    code: str,
    detail: str,
    instance: str,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One problem document as an answer."""
    body: dict[str, Any] = {
        "type": f"urn:rekindle:problem:{code.replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
    }
    if errors:
        body["errors"] = errors
    return Response(body, status=status, headers=dict(headers or {}), content_type=MEDIA_TYPE)


def _field_pointer(field: str) -> str:
    """`steps.2.text`, counted from one as people count, is `#/steps/1/text`."""
    return "#/" + "/".join(str(int(part) - 1) if part.isdigit() else part for part in field.split("."))


def _domain(error: DomainError, instance: str) -> Response:
    status = 404 if error.code == "not_found" else 409 if isinstance(error, ConflictError) else 422
    errors = (
        [{"pointer": _field_pointer(error.field), "detail": error.message, "code": error.code}] if error.field else None
    )
    return problem(status, code=error.code, detail=error.message, instance=instance, errors=errors)


def _api(error: exceptions.APIException, instance: str) -> Response:
    headers: dict[str, str] = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.ValidationError):
        return problem(
            400,
            code="invalid",
            detail=_("The request has mistakes; see errors."),
            instance=instance,
            errors=list(_pointers(error.detail)),
            headers=headers,
        )
    detail = error.detail if isinstance(error.detail, str) else str(error.default_detail)
    code = getattr(error.detail, "code", None) or error.default_code
    return problem(error.status_code, code=str(code), detail=str(detail), instance=instance, headers=headers)


def problem_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER: whatever was raised becomes a problem document."""
    request = context.get("request")
    instance = request.path if request is not None else ""
    if isinstance(error, DomainError):
        return _domain(error, instance)
    if isinstance(error, Http404 | ObjectDoesNotExist):
        return _api(exceptions.NotFound(), instance)
    if isinstance(error, PermissionDenied):
        return _api(exceptions.PermissionDenied(), instance)
    if isinstance(error, exceptions.APIException):
        return _api(error, instance)
    # The exception's text may hold what a person wrote: the type and the place are enough to find it.
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("api_error", error=type(error).__name__, file=place.filename, line=place.lineno, path=instance)
    got_request_exception.send(sender=problem_handler, request=request)
    return problem(
        500, code="internal", detail=_("Something went wrong on our side; it was logged."), instance=instance
    )
