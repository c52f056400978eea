"""Is this body a message? Strict: what Meta refuses is refused here, with the same code and the field's name.

Limits: Meta, "Messages" reference (2026). Returns what the person will read.
"""

from __future__ import annotations

import re
from typing import Any

from sandbox.errors import GraphError

TOP = frozenset(
    {
        "messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data",
        "status", "message_id", "typing_indicator", "category", "message_activity_sharing", "product_policy",
    }
)  # fmt: skip
TYPES = frozenset(
    {
        "text", "image", "audio", "video", "document", "sticker", "location", "contacts", "interactive", "template",
        "reaction",
    }
)  # fmt: skip
CAPTIONED = frozenset({"image", "video", "document"})


def required(holder: dict[str, Any], name: str, path: str) -> Any:
    """The field's value; 131008 when it is missing or empty."""
    value = holder.get(name)
    if value is None or value == "" or value == {}:
        raise GraphError(131008, f"The parameter {path} is required.")
    return value


def a_dict(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise GraphError(100, f"{path} must be a JSON object.")
    return value


def a_list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise GraphError(100, f"{path} must be a JSON array.")
    return value


def a_text(value: Any, path: str, longest: int) -> str:
    if not isinstance(value, str):
        raise GraphError(100, f"Param {path} must be a string.")
    if len(value) > longest:
        raise GraphError(131009, f"Param {path} must be at most {longest} characters long.")
    return value


def only(holder: dict[str, Any], allowed: frozenset[str] | set[str], path: str) -> None:
    """Meta refuses a misspelled parameter; so a typo in the product is found here and not in production."""
    unknown = sorted(set(holder) - allowed)
    if unknown:
        raise GraphError(100, f"Unexpected key \"{unknown[0]}\" on param '{path}'.")


def envelope(body: Any) -> dict[str, Any]:
    """What every call to /messages must have, whatever it sends."""
    if not isinstance(body, dict):
        raise GraphError(100, "The body must be a JSON object.")
    if body.get("messaging_product") is None:
        raise GraphError(100, "The parameter messaging_product is required.")
    if body["messaging_product"] != "whatsapp":
        raise GraphError(100, "Param messaging_product must be one of {WHATSAPP}.")
    return body


def message(body: dict[str, Any]) -> tuple[str, str]:
    """Check a message other than a template's own parameters; returns (type, what is read)."""
    only(body, TOP | {str(body.get("type", "text"))}, "message")
    _common(body)
    kind = body.get("type", "text")
    if kind not in TYPES:
        raise GraphError(131051, f"Message type {kind} is not supported.")
    if kind == "contacts":
        a_list(required(body, kind, kind), kind)
        return kind, "[contacts]"
    node = a_dict(required(body, kind, kind), kind)
    if kind == "text":
        return kind, _text(node)
    if kind == "interactive":
        return kind, _interactive(node)
    if kind == "template":
        return kind, ""
    return kind, _other(kind, node)


def _common(body: dict[str, Any]) -> None:
    """The fields that every kind of message shares."""
    if not body.get("to") and not body.get("recipient"):
        raise GraphError(131008, "The parameter to is required.")
    for name in ("to", "recipient"):
        if name in body and not isinstance(body[name], str):
            raise GraphError(100, f"Param {name} must be a string.")
    if body.get("recipient_type", "individual") != "individual":
        raise GraphError(131009, "Param recipient_type must be one of {INDIVIDUAL}.")
    opaque = body.get("biz_opaque_callback_data")
    if opaque is not None:
        a_text(opaque, "biz_opaque_callback_data", 512)
    if "category" in body:
        raise GraphError(100, "Direct Send is not enabled for this account.")
    if "message_activity_sharing" in body or "product_policy" in body:
        raise GraphError(100, "message_activity_sharing and product_policy belong to /marketing_messages.")
    if "context" in body:
        context = a_dict(body["context"], "context")
        a_text(required(context, "message_id", "context['message_id']"), "context['message_id']", 1024)


def _text(node: dict[str, Any]) -> str:
    only(node, {"body", "preview_url"}, "text")
    text = a_text(required(node, "body", "text['body']"), "text['body']", 4096)
    if not isinstance(node.get("preview_url", False), bool):
        raise GraphError(100, "Param text['preview_url'] must be a boolean.")
    return text


def _interactive(node: dict[str, Any]) -> str:
    only(node, {"type", "header", "body", "footer", "action"}, "interactive")
    kind = required(node, "type", "interactive['type']")
    longest = {"button": 1024, "list": 4096, "cta_url": 1024, "flow": 1024, "location_request_message": 1024}.get(kind)
    if longest is None:
        raise GraphError(131009, f"Param interactive['type'] has an unexpected value {kind}.")
    body = a_dict(required(node, "body", "interactive['body']"), "interactive['body']")
    only(body, {"text"}, "interactive['body']")
    text = a_text(required(body, "text", "interactive['body']['text']"), "interactive['body']['text']", longest)
    if "footer" in node:
        footer = a_dict(node["footer"], "interactive['footer']")
        a_text(required(footer, "text", "interactive['footer']['text']"), "interactive['footer']['text']", 60)
    if "header" in node:
        header = a_dict(node["header"], "interactive['header']")
        if required(header, "type", "interactive['header']['type']") == "text":
            a_text(required(header, "text", "interactive['header']['text']"), "interactive['header']['text']", 60)
    action = a_dict(required(node, "action", "interactive['action']"), "interactive['action']")
    if kind == "button":
        _buttons(action)
    elif kind == "list":
        _list(action)
    elif kind == "cta_url":
        parameters = a_dict(required(action, "parameters", "action['parameters']"), "action['parameters']")
        a_text(required(parameters, "display_text", "display_text"), "display_text", 20)
        required(parameters, "url", "url")
    return text


def _buttons(action: dict[str, Any]) -> None:
    only(action, {"buttons"}, "interactive['action']")
    path = "interactive['action']['buttons']"
    buttons = a_list(required(action, "buttons", path), path)
    if not 1 <= len(buttons) <= 3:
        raise GraphError(131009, "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3.")
    ids, titles = [], []
    for button in buttons:
        only(a_dict(button, path), {"type", "reply"}, path)
        if required(button, "type", f"{path}['type']") != "reply":
            raise GraphError(131009, f"Param {path}['type'] must be one of {{REPLY}}.")
        reply = a_dict(required(button, "reply", f"{path}['reply']"), f"{path}['reply']")
        only(reply, {"id", "title"}, f"{path}['reply']")
        ids.append(a_text(required(reply, "id", f"{path}['id']"), f"{path}['id']", 256))
        titles.append(a_text(required(reply, "title", f"{path}['title']"), f"{path}['title']", 20))
    if len(set(ids)) < len(ids) or len(set(titles)) < len(titles):
        raise GraphError(131009, "Duplicated button id or title. Each one must be unique within a message.")


def _list(action: dict[str, Any]) -> None:
    a_text(required(action, "button", "interactive['action']['button']"), "interactive['action']['button']", 20)
    path = "interactive['action']['sections']"
    rows = 0
    for section in a_list(required(action, "sections", path), path):
        for row in a_list(required(a_dict(section, path), "rows", f"{path}['rows']"), f"{path}['rows']"):
            rows += 1
            a_text(required(a_dict(row, path), "id", f"{path}['rows']['id']"), f"{path}['rows']['id']", 200)
            a_text(required(row, "title", f"{path}['rows']['title']"), f"{path}['rows']['title']", 24)
    if not 1 <= rows <= 10:
        raise GraphError(131009, f"Total row count exceeds the maximum allowed count: 10 ({rows} given).")


def _other(kind: str, node: dict[str, Any]) -> str:
    if kind == "location":
        for name in ("latitude", "longitude"):
            required(node, name, f"location['{name}']")
        return "[location]"
    if kind == "reaction":
        required(node, "message_id", "reaction['message_id']")
        return str(node.get("emoji", ""))
    if ("id" in node) == ("link" in node):
        raise GraphError(131008, f"Exactly one of {kind}['id'] and {kind}['link'] is required.")
    if "caption" in node:
        if kind not in CAPTIONED:
            raise GraphError(100, f"Unexpected key \"caption\" on param '{kind}'.")
        a_text(node["caption"], f"{kind}['caption']", 1024)
    return str(node.get("caption", f"[{kind}]"))


def phone(raw: str) -> str:
    """The digits of a `to`; 131009 for what cannot be a phone number. Spaces, dashes and brackets are tolerated."""
    digits = re.sub(r"[\s()\-.+]", "", raw)
    if not digits.isdigit() or not 7 <= len(digits) <= 15 or digits.startswith("0"):
        raise GraphError(131009, "Param to must be a phone number in international format, starting with +.")
    return digits


def wa_id(digits: str) -> str:
    """How WhatsApp writes the number: Mexico 521 -> 52, Argentina 549 -> 54, Brazil without some ninth digits."""
    if digits.startswith("521") and len(digits) == 13:
        return "52" + digits[3:]
    if digits.startswith("549") and len(digits) == 13:
        return "54" + digits[3:]
    if digits.startswith("55") and len(digits) == 13 and digits[2:4] > "28" and digits[4] == "9":
        return digits[:4] + digits[5:]
    return digits
