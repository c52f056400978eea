"""What is answered before Django's middleware stack runs.

Webhooks: measured, the full stack costs them a third of their throughput. Probes and metrics: orchestrators and
scrapers ask by address and without TLS, so the site's host names and its redirect to HTTPS must not apply to them.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from config.health import live, ready
from config.metrics import metrics
from conversations.webhooks import webhook_door

WEBHOOK_PREFIX = "/webhooks/"
PROBES = {"/health/live": live, "/health/ready": ready, "/metrics": metrics}


class EarlyDoorsMiddleware:
    """Hands webhooks and probes to their views before host checks, redirects, sessions, locale and CSRF run."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path.startswith(WEBHOOK_PREFIX):
            return webhook_door(request, path[len(WEBHOOK_PREFIX) :].strip("/"))
        if path in PROBES:
            return PROBES[path](request)
        return self.get_response(request)
