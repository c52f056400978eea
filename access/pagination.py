"""Cursor pagination: a page keeps its place while rows are inserted before it."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """By primary key, newest first. Our keys are UUIDv7 or serial: unique and in order of creation, so a row that
    arrives while somebody pages through can neither repeat nor hide another."""

    ordering = "-pk"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"

    def get_ordering(self, request: object, queryset: object, view: object) -> tuple[str, ...]:
        return (self.ordering,)
