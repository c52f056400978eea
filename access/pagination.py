"""Cursor pagination: a page keeps its place while rows are inserted before it."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """By primary key, newest first. Our keys are UUIDv7 or serial: unique and in order of creation, so a row that
    arrives while somebody pages through can neither repeat nor hide another."""

    ordering = "-pk"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValidationError, ValueError):  # a cursor that decodes, and names no row a table could have
            raise NotFound(self.invalid_cursor_message) from None

    def get_ordering(self, request: object, queryset: object, view: object) -> tuple[str, ...]:
        return (self.ordering,)
