"""WhatsApp, sending: a message becomes `POST /{phone number id}/messages`, an answer becomes what it proves.

There is no idempotency key. `biz_opaque_callback_data` carries our ref and comes back in every status, which is the
only correlation that survives a lost answer.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from django.utils.translation import gettext as _

from messaging.adapters.whatsapp.errors import classify, error_code, rule_for
from messaging.adapters.whatsapp.waiting import json_object, retry_after
from messaging.credentials import Credentials
from messaging.errors import UnsendableError
from messaging.events import (
    AddressRef,
    Content,
    ErrorClass,
    FreeForm,
    OutboundRequest,
    Outcome,
    ProviderError,
    Scope,
    SendAnswer,
    TemplateContent,
)
from messaging.models import ChannelAccount

_MEDIA = ("image", "video", "document")
_URL_SAFE = "%/?=&#+-_.~:;,@!$*'()"


class WhatsAppOutbound:
    """The sending side of `messaging.adapters.base`."""

    def render(
        self, *, account: ChannelAccount, credentials: Credentials, to: AddressRef, content: Content, ref: str
    ) -> OutboundRequest:
        body: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual"}
        if to.kind == "phone":
            # Without + the provider may put our own country code in front and reach a stranger.
            body["to"] = "+" + to.value.lstrip("+")
        elif to.kind in ("bsuid", "parent_bsuid"):
            body["recipient"] = to.value
        else:
            raise UnsendableError(_("WhatsApp does not know this kind of address."), field="to")
        body |= _free_form(content) if isinstance(content, FreeForm) else _template(content)
        body["biz_opaque_callback_data"] = ref
        return OutboundRequest(
            url=f"{account.base_url.rstrip('/')}/{account.api_version}/{account.sender_id}/messages",
            headers=(
                ("Authorization", f"Bearer {credentials.access_token}"),
                ("Content-Type", "application/json"),
            ),
            body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        )

    def read_answer(self, *, status: int, headers: Mapping[str, str], body: bytes) -> SendAnswer:
        answer = json_object(body)
        if 200 <= status < 300:
            return _accepted(status, answer)
        error = answer.get("error")
        if not isinstance(error, Mapping):
            return _without_envelope(status, headers)
        code = error_code(error)
        if code is None:
            return SendAnswer(Outcome.UNKNOWN, http_status=status)
        read = classify(error, http_status=status, retry_after=retry_after(headers))
        refused = 400 <= status < 500 or rule_for(code, http_status=status).refusal
        return SendAnswer(Outcome.REFUSED if refused else Outcome.UNKNOWN, error=read, http_status=status)


def _accepted(status: int, answer: Mapping[str, Any]) -> SendAnswer:
    messages = answer.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    message_id = first.get("id") if isinstance(first, Mapping) else None
    if not isinstance(first, Mapping) or not isinstance(message_id, str) or not message_id:
        return SendAnswer(Outcome.UNKNOWN, http_status=status)
    # Held or paused by pacing: it may still be sent, so it is never sent again. Older answers name no status.
    held = first.get("message_status") in ("held_for_quality_assessment", "paused")
    return SendAnswer(Outcome.HELD if held else Outcome.ACCEPTED, message_id=message_id, http_status=status)


def _without_envelope(status: int, headers: Mapping[str, str]) -> SendAnswer:
    """An answer that is not the provider's JSON, from a proxy on the way for instance."""
    if status == 429:
        wait = retry_after(headers) or 1.0
        error = ProviderError("429", "Too Many Requests", "", ErrorClass.SLOW, Scope.NUMBER, wait, 8)
        return SendAnswer(Outcome.REFUSED, error=error, http_status=status)
    if status == 401:
        error = ProviderError("401", "Unauthorized", "", ErrorClass.AUTH, Scope.ACCOUNT)
        return SendAnswer(Outcome.REFUSED, error=error, http_status=status)
    return SendAnswer(Outcome.UNKNOWN, http_status=status or None)


def _free_form(content: FreeForm) -> dict[str, Any]:
    if not content.buttons:
        return {"type": "text", "text": {"body": content.text, "preview_url": False}}
    buttons = [{"type": "reply", "reply": {"id": button.id, "title": button.title}} for button in content.buttons]
    interactive = {"type": "button", "body": {"text": content.text}, "action": {"buttons": buttons}}
    return {"type": "interactive", "interactive": interactive}


def _template(content: TemplateContent) -> dict[str, Any]:
    header: list[dict[str, Any]] = []
    body: list[tuple[str, dict[str, Any]]] = []
    buttons: list[tuple[int, dict[str, Any]]] = []
    named = content.parameter_format == "NAMED"
    for key, value in content.values.items():
        component, _dot, name = key.partition(".")
        if component == "header":
            header.append(_header_parameter(name, value, named=named))
        elif component == "body":
            body.append((name, _text_parameter(name, value, named=named)))
        elif component == "button":
            buttons.append(_button(name, value))
        else:
            raise UnsendableError(_("%s is not a place in a template.") % key, field="values")
    if not named:
        body.sort(key=lambda item: int(item[0]) if item[0].isdecimal() else 0)
    components: list[dict[str, Any]] = []
    if header:
        components.append({"type": "header", "parameters": header})
    if body:
        components.append({"type": "body", "parameters": [parameter for _name, parameter in body]})
    components.extend(button for _index, button in sorted(buttons, key=lambda item: item[0]))
    template: dict[str, Any] = {"name": content.name, "language": {"code": content.language}}
    if components:
        template["components"] = components
    return {"type": "template", "template": template}


def _text_parameter(name: str, value: str, *, named: bool) -> dict[str, Any]:
    return {"type": "text", "parameter_name": name, "text": value} if named else {"type": "text", "text": value}


def _header_parameter(name: str, value: str, *, named: bool) -> dict[str, Any]:
    if name in _MEDIA:
        # A link, or the id of uploaded media.
        media = {"link": value} if value.lower().startswith(("https://", "http://")) else {"id": value}
        if name == "document" and "link" in media:
            media["filename"] = urlsplit(value).path.rpartition("/")[2] or "document"
        return {"type": name, name: media}
    if name == "location":
        latitude, longitude, label, address = [*(part.strip() for part in value.split(",", 3)), "", "", "", ""][:4]
        place = {"latitude": latitude, "longitude": longitude, "name": label, "address": address}
        return {"type": "location", "location": {key: part for key, part in place.items() if part}}
    return _text_parameter(name, value, named=named)


def _button(name: str, value: str) -> tuple[int, dict[str, Any]]:
    index, _dot, kind = name.partition(".")
    if not index.isdecimal():
        raise UnsendableError(_("%s is not a place in a template.") % f"button.{name}", field="values")
    if kind == "payload":
        sub_type, parameter = "quick_reply", {"type": "payload", "payload": value}
    elif kind == "coupon_code":
        sub_type, parameter = "copy_code", {"type": "coupon_code", "coupon_code": value}
    else:
        sub_type, parameter = "url", {"type": "text", "text": quote(value, safe=_URL_SAFE)}
    return int(index), {"type": "button", "sub_type": sub_type, "index": index, "parameters": [parameter]}
