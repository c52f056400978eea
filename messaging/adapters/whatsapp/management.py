"""WhatsApp, managing: template lists and the state of a number. Rare calls, so one connection each by libcurl."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pycurl
from django.utils.translation import gettext as _

from messaging.adapters.base import AccountHealth, NumberState, RemoteTemplate
from messaging.adapters.whatsapp.account_events import limit
from messaging.adapters.whatsapp.errors import classify
from messaging.adapters.whatsapp.waiting import json_object, retry_after
from messaging.credentials import Credentials
from messaging.errors import ProviderRefusedError
from messaging.models import ChannelAccount

CONNECT_SECONDS = 3
ANSWER_SECONDS = 15
PAGE_SIZE = 200
MAX_PAGES = 100  # 6,000 templates are the most an account may have
_TEMPLATE_FIELDS = "id,name,language,status,category,components,parameter_format,quality_score,rejected_reason"
_NUMBER_FIELDS = (
    "display_phone_number,quality_rating,throughput,whatsapp_business_manager_messaging_limit,is_on_biz_app"
)


def templates_list(account: ChannelAccount, credentials: Credentials) -> list[RemoteTemplate]:
    """Every template of the account. ProviderRefusedError when any page fails: a half list is no list."""
    found: list[RemoteTemplate] = []
    query = {"fields": _TEMPLATE_FIELDS, "limit": str(PAGE_SIZE)}
    for _page in range(MAX_PAGES):
        page = _get(account, credentials, f"{account.business_account_id}/message_templates", query)
        data = page.get("data")
        if not isinstance(data, list):
            raise ProviderRefusedError(_("The provider's list of templates cannot be read."))
        found.extend(_template(item) for item in data if isinstance(item, dict))
        paging = _mapping(page.get("paging"))
        after = _mapping(paging.get("cursors")).get("after")
        # `next` is never followed: it is a foreign address and may hold the token.
        if not paging.get("next") or not isinstance(after, str) or after == query.get("after"):
            return found
        query["after"] = after
    raise ProviderRefusedError(_("The provider's list of templates does not end."))


def number_state(account: ChannelAccount, credentials: Credentials) -> NumberState:
    """Quality and limits of the phone number, asked now."""
    node = _get(account, credentials, account.sender_id, {"fields": _NUMBER_FIELDS})
    people, unlimited = limit(node.get("whatsapp_business_manager_messaging_limit"))
    quality = node.get("quality_rating")
    return NumberState(
        display_number=str(node.get("display_phone_number") or ""),
        quality=quality[:20] if isinstance(quality, str) else "",
        messaging_limit=people,
        unlimited=unlimited,
        fixed_throughput=20 if node.get("is_on_biz_app") is True else None,
    )


def health(account: ChannelAccount, credentials: Credentials) -> AccountHealth:
    """Meta's own answer to "can this number send?"; worth asking before a campaign and after a stop."""
    node = _get(account, credentials, account.sender_id, {"fields": "health_status"})
    status = _mapping(node.get("health_status"))
    problems = []
    for entity in status.get("entities") or []:
        for error in _mapping(entity).get("errors") or []:
            words = [str(_mapping(error).get(key) or "") for key in ("error_description", "possible_solution")]
            problems.append(f"{_mapping(entity).get('entity_type', '')}: {' '.join(word for word in words if word)}")
    return AccountHealth(str(status.get("can_send_message") or ""), tuple(problems))


def _template(item: Mapping[str, Any]) -> RemoteTemplate:
    components = item.get("components")
    reason = str(item.get("rejected_reason") or "")
    return RemoteTemplate(
        provider_id=str(item.get("id") or "")[:64],
        name=str(item.get("name") or "")[:512],
        language=str(item.get("language") or "")[:20],
        status=str(item.get("status") or "").upper(),
        category=str(item.get("category") or "").upper(),
        components=[part for part in components if isinstance(part, dict)] if isinstance(components, list) else [],
        parameter_format="NAMED" if str(item.get("parameter_format")).upper() == "NAMED" else "POSITIONAL",
        quality=str(_mapping(item.get("quality_score")).get("score") or "")[:20],
        reason="" if reason == "NONE" else reason[:300],
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _get(account: ChannelAccount, credentials: Credentials, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """One GET. ProviderRefusedError, classified where the provider said why; never quotes address or token."""
    url = f"{account.base_url.rstrip('/')}/{account.api_version}/{path}?{urlencode(query)}"
    status, headers, body = _fetch(url, credentials.access_token)
    answer = json_object(body)
    if isinstance(answer.get("error"), dict):
        error = classify(answer["error"], http_status=status, retry_after=retry_after(headers))
        raise ProviderRefusedError(_("The provider refused: %s") % (error.detail or error.title), error=error)
    if status == 200 and answer:
        return answer
    raise ProviderRefusedError(_("The provider gave no readable answer (HTTP %s).") % status)


def _fetch(url: str, token: str) -> tuple[int, dict[str, str], bytes]:
    body, headers = BytesIO(), dict[str, str]()

    def header(line: bytes) -> None:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()

    curl = pycurl.Curl()
    try:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTPHEADER, [f"Authorization: Bearer {token}", "Accept: application/json"])
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_SECONDS)
        curl.setopt(pycurl.TIMEOUT, ANSWER_SECONDS)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.WRITEDATA, body)
        curl.setopt(pycurl.HEADERFUNCTION, header)
        curl.perform()
        return int(curl.getinfo(pycurl.RESPONSE_CODE)), headers, body.getvalue()
    except pycurl.error as error:
        # libcurl's text names the host and maybe the address; its number is enough.
        raise ProviderRefusedError(_("The provider cannot be reached (libcurl %s).") % error.args[0]) from None
    finally:
        curl.close()
