"""How the admin looks and what its sidebar holds, grouped by work. Every entry is shown to those who may open it."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

Entry = tuple[str | Promise, str, str, str]  # title, icon, model, the badge's function in reports.attention

WORK: tuple[tuple[str | Promise, tuple[Entry, ...]], ...] = (
    (
        _("Campaigns"),
        (
            (_("Campaigns"), "campaign", "campaigns.campaign", "approvals_badge"),
            (_("Callback policies"), "replay", "callbacks.callbackpolicy", ""),
            (_("Entry points"), "door_open", "campaigns.entrypoint", ""),
            (_("Ad spend"), "payments", "campaigns.adspend", ""),
            (_("Conversions"), "sell", "conversations.conversion", ""),
        ),
    ),
    (
        _("Conversations"),
        (
            (_("Conversations"), "forum", "conversations.conversation", ""),
            (_("Drop-outs"), "hourglass_empty", "conversations.dropout", ""),
            (_("Opt-out reviews"), "rate_review", "contacts.optoutreview", "reviews_badge"),
        ),
    ),
    (
        _("People"),
        (
            (_("Contacts"), "group", "contacts.contact", ""),
            (_("Suppressions"), "block", "contacts.suppression", ""),
            (_("Address conflicts"), "call_split", "contacts.addressconflict", "conflicts_badge"),
        ),
    ),
    (
        _("Sending"),
        (
            (_("Messages"), "send", "conversations.message", "unconfirmed_badge"),
            (_("Callbacks"), "phone_callback", "callbacks.callback", ""),
            (_("Decisions"), "gavel", "delivery.decision", ""),
        ),
    ),
    (
        _("Set-up"),
        (
            (_("Channel accounts"), "sim_card", "messaging.channelaccount", "accounts_badge"),
            (_("Templates"), "description", "messaging.template", ""),
            (_("Compliance rules"), "policy", "delivery.compliancerule", ""),
            (_("Webhook receipts"), "inbox", "messaging.webhookreceipt", ""),
            (_("Provider events"), "notifications", "messaging.providerevent", ""),
            (_("Users"), "person", "auth.user", ""),
            (_("Groups"), "badge", "auth.group", ""),
            (_("API keys"), "key", "access.apikey", ""),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar for this person: a group without an entry they may open is not shown."""
    groups: list[dict[str, Any]] = [
        {"items": [{"title": _("Dashboard"), "icon": "monitoring", "link": reverse_lazy("admin:index")}]}
    ]
    for title, entries in WORK:
        items = [_item(request, *entry) for entry in entries if _may_open(request, entry[2])]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def _may_open(request: HttpRequest, model: str) -> bool:
    room, name = model.split(".")
    # Loaded late: settings import this module before the models exist.
    registered = admin.site.is_registered(apps.get_model(room, name))
    return registered and request.user.has_perm(f"{room}.view_{name}")


def _item(request: HttpRequest, title: str | Promise, icon: str, model: str, badge: str) -> dict[str, Any]:
    item = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model.replace('.', '_')}_changelist")}
    waiting = import_string(f"reports.attention.{badge}")(request) if badge else ""
    return item | {"badge": waiting} if waiting else item


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Rekindle",
    "SITE_HEADER": "Rekindle",
    "SITE_SUBHEADER": _("Campaigns and warm callbacks"),
    "SITE_URL": "/admin/",
    "SITE_SYMBOL": "local_fire_department",
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "reports.dashboard.dashboard_context",
    "STYLES": [lambda request: static("rekindle/admin.css")],
    "SCRIPTS": [lambda request: static("rekindle/admin.js")],
    # A warm orange; 600 on white and white on 600 have a contrast of 4.5 : 1 or more.
    "COLORS": {
        "primary": {
            "50": "#fff6ed",
            "100": "#ffead5",
            "200": "#fdd0ab",
            "300": "#fbae75",
            "400": "#f7823e",
            "500": "#e4611a",
            "600": "#bf4a0c",
            "700": "#9a3a0c",
            "800": "#7c3010",
            "900": "#652a11",
            "950": "#371206",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "config.admin_site.navigation",
    },
}
