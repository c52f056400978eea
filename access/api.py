"""What every resource of the API is built on."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import NotAuthenticated, NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from access.idempotency import Answer, fingerprint, idempotency_begin, idempotency_release, idempotency_store
from access.models import ApiKey
from access.permissions import may_see_personal_data
from access.problems import IdempotencyConflict, PayloadTooLarge


class ApiRouter(SimpleRouter):
    """Addresses without a slash at the end; `not_found` accepts one all the same."""

    def __init__(self) -> None:
        super().__init__(trailing_slash=False, use_regex_path=False)


class ApiView(GenericViewSet[Any]):
    """A resource: its scopes per action, the request's one `now`, and POSTs that a key makes repeatable.

    Every write is one transaction: an error undoes all of it.
    """

    scopes: ClassVar[Mapping[str, str]] = {}
    # Actions that speak with somebody over the network, which no transaction may wait for.
    speaks_outside: ClassVar[frozenset[str]] = frozenset()
    http_method_names = ["get", "head", "post", "patch", "put", "delete"]
    lookup_value_converter = "uuid"
    now: datetime

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = timezone.now()
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.API_MAX_BYTES:
            raise PayloadTooLarge
        super().initial(request, *args, **kwargs)
        method = (request.method or "").lower()
        if method in ("post", "patch", "put", "delete"):
            handler = getattr(self, method, self.http_method_not_allowed)
            key = request.headers.get("Idempotency-Key") if method == "post" else None
            setattr(self, method, partial(self._write, handler, key))

    def _write(
        self, handler: Callable[..., Response], key: str | None, request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        whole = nullcontext() if self.action in self.speaks_outside else transaction.atomic()
        if key is None:
            with whole:
                return handler(request, *args, **kwargs)
        claim = idempotency_begin(
            api_key=self.api_key,
            key=key,
            print_=fingerprint(method="POST", path=request.get_full_path(), body=request._request.body),
            now=self.now,
        )
        if isinstance(claim, Answer):
            return HttpResponse(
                claim.body,
                status=claim.status_code,
                content_type=claim.content_type,
                headers={"Idempotent-Replayed": "true"},
            )
        try:
            with whole:
                response = handler(request, *args, **kwargs)
                idempotency_store(claim=claim, answer=self._answer(response))
        except IdempotencyConflict:
            raise
        except Exception as error:  # noqa: BLE001 - handle_exception is DRF's own place for every error
            response = self.handle_exception(error)
            if response.status_code >= 500:
                idempotency_release(claim=claim)
            else:
                idempotency_store(claim=claim, answer=self._answer(response))
        return response

    def _answer(self, response: Response) -> Answer:
        body = b"" if response.data is None else JSONRenderer().render(response.data)
        return Answer(response.status_code, body, response.content_type or JSONRenderer.media_type)

    @property
    def api_key(self) -> ApiKey:
        """The key that was presented."""
        if not isinstance(self.request.auth, ApiKey):
            raise NotAuthenticated
        return self.request.auth

    @property
    def actor(self) -> User:
        """Whom the trail will name."""
        return self.api_key.acts_as

    @property
    def personal_data(self) -> bool:
        """Whether this request may see full numbers, names and texts."""
        return may_see_personal_data(self.request)

    def validated(self, serializer: type[Serializer[Any]], *, partial_: bool = False) -> dict[str, Any]:
        """The request's body as checked by this serializer. Raises ValidationError."""
        checked = serializer(data=self.request.data, partial=partial_, context=self.get_serializer_context())
        checked.is_valid(raise_exception=True)
        values: dict[str, Any] = checked.validated_data
        return values

    def page(self, queryset: Any, serializer: type[Serializer[Any]]) -> Response:
        """One page of these rows."""
        rows = self.paginate_queryset(queryset)
        return self.get_paginated_response(serializer(rows, many=True, context=self.get_serializer_context()).data)

    def show(self, row: Any, serializer: type[Serializer[Any]], *, status: int = 200) -> Response:
        """One row."""
        return Response(serializer(row, context=self.get_serializer_context()).data, status=status)


class _NotFoundView(APIView):
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound


_not_found_view = _NotFoundView.as_view()


@csrf_exempt  # CSRF is about cookies, which the API does not read
def not_found(request: HttpRequest, path: str) -> HttpResponseBase:
    """Last of the API's addresses: serves one written with a slash at the end, and says 404 as the API says it.

    A redirect would not do: it turns a POST into a GET.
    """
    if path.endswith("/"):
        try:
            match = resolve(request.path_info.rstrip("/"))
        except Resolver404:
            pass
        else:
            answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
            return answer
    return _not_found_view(request)
