"""Where a tracked link or QR code leads: count the click, then on to the chat."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_safe

from campaigns.links import chat_url, click_counts, click_record, parameters_keep
from campaigns.models import EntryPoint


@require_safe
def entry_point_link(request: HttpRequest, token: str) -> HttpResponse:
    """Open the chat behind a tracked link, and count the click if a person made it. Ended campaigns still open it."""
    entry_point = EntryPoint.objects.select_related("campaign__account").filter(token=token.lower()).first()
    if entry_point is None:
        response = render(request, "campaigns/link_unknown.html", status=404)
    else:
        reference = ""
        if click_counts(method=request.method or "", headers=request.headers):
            kept = parameters_keep(request.GET.dict())
            reference = click_record(entry_point=entry_point, parameters=kept, now=timezone.now()).reference
        response = HttpResponse(status=302, headers={"Location": chat_url(entry_point, reference=reference)})
    # Every click is one person's: no browser, proxy or search engine may keep the answer.
    add_never_cache_headers(response)
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    return response
