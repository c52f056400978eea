"""The webhook door."""

from django.http import HttpRequest, HttpResponse


def webhook_door(request: HttpRequest, channel: str) -> HttpResponse:
    raise NotImplementedError
