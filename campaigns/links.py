"""Tracked links and QR codes: who is counted, and where they lead."""

import io
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

import segno
from crawleruseragents import is_crawler
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from campaigns.models import AdClick, EntryPoint
from campaigns.references import reference_make, reference_show

# What ad platforms append to a link, kept for reporting conversions back. utm_* is kept as well.
KEPT_PARAMETERS = frozenset(
    {"fbclid", "gclid", "gbraid", "wbraid", "msclkid", "ttclid", "twclid", "li_fat_id", "zclid", "igshid"}
)
PARAMETER_LIMIT = 500  # characters; a click id is far shorter
PARAMETERS_LIMIT = 20
# Headers by which browsers and apps say that no person asked for the page (yet).
_PREVIEW_HEADERS = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREVIEW_WORDS = ("prefetch", "prerender", "preview")
_ATTEMPTS = 5


@lru_cache(maxsize=4096)
def _robot(user_agent: str) -> bool:
    # The list is written in the agents' own case; matching it loosely would take a phone called CUBOT for a robot.
    return bool(is_crawler(user_agent))


def click_counts(*, method: str, headers: Mapping[str, str]) -> bool:
    """Whether this request is a person's click: not a HEAD, a crawler, a link preview or a prefetch.

    Known agents come from the crawler-user-agents list; a request without any agent is no browser either.
    `headers` must be case-insensitive, as Django's are.
    """
    if method != "GET":
        return False
    for name in _PREVIEW_HEADERS:
        value = headers.get(name, "").lower()
        if any(word in value for word in _PREVIEW_WORDS):
            return False
    user_agent = headers.get("user-agent", "").strip()
    return bool(user_agent) and not _robot(user_agent[:1000])


def parameters_keep(query: Mapping[str, str]) -> dict[str, str]:
    """The click ids and utm_* of a query string; everything else is not ours to keep."""
    kept = {
        name: value[:PARAMETER_LIMIT]
        for name, value in query.items()
        if value and len(name) <= 40 and (name in KEPT_PARAMETERS or name.startswith("utm_"))
    }
    return dict(list(kept.items())[:PARAMETERS_LIMIT])


def click_record(*, entry_point: EntryPoint, parameters: Mapping[str, str], now: datetime) -> AdClick:
    """Store one click with a reference of its own."""
    for _attempt in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                return AdClick.objects.create(
                    entry_point=entry_point, reference=reference_make(), clicked_at=now, parameters=dict(parameters)
                )
        except IntegrityError:
            continue  # two in 3.8e11 were the same
    raise RuntimeError("no free reference found")


def entry_point_url(entry_point: EntryPoint) -> str:
    """The tracked link to print or post, or "" for an ad, which opens the chat by itself."""
    if not entry_point.token:
        return ""
    path = reverse("entry-point-link", args=[entry_point.token])
    return f"{settings.PUBLIC_URL}{path}"


def chat_url(entry_point: EntryPoint, *, reference: str = "") -> str:
    """The chat app's address with the prefilled text (https://wa.me/<digits>?text=...; facts of WhatsApp's links)."""
    digits = "".join(char for char in entry_point.campaign.account.display_number if char.isdigit())
    words = [entry_point.prefilled_text, reference_show(reference) if reference else ""]
    text = " ".join(word for word in words if word)
    return f"https://wa.me/{digits}" + (f"?text={quote(text, safe='')}" if text else "")


def qr_image(entry_point: EntryPoint, kind: str = "svg") -> bytes:
    """A QR code of the tracked link as "svg" or "png", with its quiet zone. Raises ValueError for an ad."""
    url = entry_point_url(entry_point)
    if not url:
        raise ValueError("an ad has no link")
    if kind not in ("svg", "png"):
        raise ValueError("a QR code comes as svg or png")
    output = io.BytesIO()
    # Level M survives a coffee stain; scale 10 prints a sharp poster.
    segno.make(url, error="m", micro=False).save(output, kind=kind, scale=10, border=4)
    return output.getvalue()
