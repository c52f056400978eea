"""Templates: are the parameters of a send right, and may a new template be made? Source: Meta, "Templates" (2026)."""

from __future__ import annotations

import re
from typing import Any

import phonenumbers

from sandbox.errors import GraphError
from sandbox.payloads import a_dict, a_list, a_text, only, required
from sandbox.world import Template, World

VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
MEDIA = frozenset({"IMAGE", "VIDEO", "DOCUMENT", "GIF"})
CATEGORIES = frozenset({"MARKETING", "UTILITY", "AUTHENTICATION"})


def find(world: World, waba_id: str, body: dict[str, Any]) -> Template:
    """The template a send names, if it may be sent. 132001, 132015 or 132016 otherwise."""
    node = body["template"]
    only(node, {"name", "language", "components", "namespace"}, "template")
    name = a_text(required(node, "name", "template['name']"), "template['name']", 512)
    language = a_dict(required(node, "language", "template['language']"), "template['language']")
    only(language, {"code", "policy"}, "template['language']")
    code = a_text(required(language, "code", "template['language']['code']"), "template['language']['code']", 20)
    template = world.templates.get((waba_id, name, code))
    if template is None:
        raise GraphError(132001, f"template name ({name}) does not exist in {code}")
    if template.status == "PAUSED":
        raise GraphError(132015, f"template ({name}) in {code} is paused due to low quality")
    if template.status == "DISABLED":
        raise GraphError(132016, f"template ({name}) in {code} is disabled")
    if template.status != "APPROVED":
        raise GraphError(132001, f"template name ({name}) in {code} is not approved: {template.status}")
    return template


def fill(template: Template, node: dict[str, Any]) -> str:
    """Check every parameter of a send and return the body as the person reads it."""
    given: dict[str, list[dict[str, Any]]] = {"header": [], "body": []}
    buttons: dict[int, list[dict[str, Any]]] = {}
    seen: set[tuple[str, Any]] = set()
    for component in a_list(node.get("components") or [], "template['components']"):
        kind = str(required(a_dict(component, "component"), "type", "component['type']")).lower()
        allowed = {"type", "parameters"} | ({"sub_type", "index"} if kind == "button" else set())
        only(component, allowed, f"template['components']['{kind}']")
        parameters = [a_dict(p, "parameter") for p in a_list(component.get("parameters") or [], "parameters")]
        index: int | None = None
        if kind == "button":
            index = _index(component)
            buttons[index] = [{**parameter, "sub_type": component.get("sub_type")} for parameter in parameters]
        elif kind in given:
            given[kind] = parameters
        else:
            raise GraphError(132012, f"component type {kind} is not in the template")
        if (kind, index) in seen:
            raise GraphError(100, f"component {kind} is given twice")
        seen.add((kind, index))
    text, had_buttons = "", False
    for component in template.components:
        kind = str(component.get("type", "")).upper()
        if kind == "BODY":
            text = _fill_text("body", component.get("text", ""), given["body"], template, 1024)
        elif kind == "HEADER":
            _header(component, given["header"], template)
        elif kind == "BUTTONS":
            had_buttons = True
            _check_buttons(component.get("buttons") or [], buttons)
    if given["header"] and not any(str(c.get("type", "")).upper() == "HEADER" for c in template.components):
        raise _count("header", len(given["header"]), 0)
    if buttons and not had_buttons:
        raise GraphError(132012, "buttons: the template has no buttons")
    return text


def _index(component: dict[str, Any]) -> int:
    raw = component.get("index")
    if raw is None:
        raise GraphError(131008, "The parameter index is required for a button component.")
    if not isinstance(raw, int | str) or isinstance(raw, bool) or str(raw) not in {str(n) for n in range(10)}:
        raise GraphError(131009, "Param index of a button must be 0 to 9.")
    required(component, "sub_type", "component['sub_type']")
    return int(raw)


def _count(part: str, got: int, expected: int) -> GraphError:
    return GraphError(
        132000,
        f"{part}: number of localizable_params ({got}) does not match the expected number of params ({expected})",
    )


def _value(part: str, parameter: dict[str, Any]) -> str:
    """A text parameter's text. 131008 empty, 132012 wrong type, 132018 characters that are not allowed."""
    kind = required(parameter, "type", f"{part}: parameter['type']")
    if kind in ("currency", "date_time"):
        return str(required(a_dict(parameter.get(kind), kind), "fallback_value", "fallback_value"))
    if kind != "text":
        raise GraphError(132012, f"{part}: format mismatch, expected text, received {kind}")
    text = a_text(required(parameter, "text", f"{part}: parameter['text']"), f"{part}: parameter['text']", 32_768)
    if not text.strip():
        raise GraphError(131008, f"{part}: parameter['text'] must not be empty.")
    if re.search(r"[\n\r\t]| {5,}", text):
        raise GraphError(
            132018, f"{part}: text must not have new-line/tab characters or more than 4 consecutive spaces"
        )
    return text


def _fill_text(part: str, text: str, parameters: list[dict[str, Any]], template: Template, longest: int) -> str:
    names = list(dict.fromkeys(VARIABLE.findall(text)))
    if len(parameters) != len(names):
        raise _count(part, len(parameters), len(names))
    values: dict[str, str] = {}
    if template.parameter_format == "NAMED":
        for parameter in parameters:
            name = parameter.get("parameter_name")
            if not name:
                raise GraphError(100, f"{part}: Parameter name is missing or empty")
            values[str(name)] = _value(part, parameter)
        if set(values) != set(names):
            missing = ", ".join(sorted(set(names) - set(values)))
            raise GraphError(132000, f"{part}: no value for the named parameters ({missing}); expected {len(names)}")
    else:
        ordered = sorted(names, key=lambda name: (len(name), name))
        values = {name: _value(part, parameter) for name, parameter in zip(ordered, parameters, strict=True)}
    filled = VARIABLE.sub(lambda match: values[match[1]], text)
    if len(filled) > longest:
        raise GraphError(132005, f"{part}: translated text is {len(filled)} characters long, {longest} are allowed")
    return filled


def _header(component: dict[str, Any], parameters: list[dict[str, Any]], template: Template) -> None:
    fmt = str(component.get("format", "TEXT")).upper()
    if fmt == "TEXT":
        _fill_text("header", component.get("text", ""), parameters, template, 60)
        return
    if len(parameters) != 1:
        raise _count("header", len(parameters), 1)
    kind = parameters[0].get("type")
    if str(kind).upper() != fmt:
        raise GraphError(132012, f"header: format mismatch, expected {fmt}, received {str(kind).upper()}")
    node = a_dict(required(parameters[0], str(kind), f"header: {kind}"), f"header: {kind}")
    if fmt in MEDIA and ("id" in node) == ("link" in node):
        raise GraphError(131008, f"header: exactly one of {kind}['id'] and {kind}['link'] is required.")


def _check_buttons(buttons: list[dict[str, Any]], given: dict[int, list[dict[str, Any]]]) -> None:
    for index, parameters in given.items():
        if index >= len(buttons):
            raise GraphError(132000, f"button: index {index} given, the template has {len(buttons)} buttons")
        if len(parameters) != 1:
            raise _count(f"button at index {index}", len(parameters), 1)
    for index, button in enumerate(buttons):
        kind = str(button.get("type", "")).upper()
        variable = kind == "URL" and bool(VARIABLE.search(str(button.get("url", ""))))
        expected = {"URL": ("url", "text"), "COPY_CODE": ("copy_code", "coupon_code")}.get(kind)
        if kind == "QUICK_REPLY":
            expected = ("quick_reply", "payload")
        parameter = given[index][0] if index in given else None
        if parameter is None:
            if variable or kind == "COPY_CODE":
                raise _count(f"button at index {index} of type {kind}", 0, 1)
            continue
        if expected is None or (kind == "URL" and not variable):
            raise _count(f"button at index {index} of type {kind}", 1, 0)
        if (str(parameter.get("sub_type")).lower(), parameter.get("type")) != expected:
            raise GraphError(132012, f"button at index {index}: expected {expected[0]} with a {expected[1]} parameter")
        value = required(parameter, expected[1], f"button at index {index}: {expected[1]}")
        if kind == "COPY_CODE" and not re.fullmatch(r"[A-Za-z0-9]{1,15}", str(value)):
            raise GraphError(132018, f"button at index {index}: a coupon code has at most 15 letters and digits")


def us_recipient(digits: str, bsuid: str) -> bool:
    """+1 with a United States area code (not Canada, not the Caribbean), or a user id of that country."""
    if digits:
        if not digits.startswith("1"):
            return False
        number = phonenumbers.PhoneNumber(country_code=1, national_number=int(digits[1:] or 0))
        return phonenumbers.region_code_for_number(number) in (None, "US")
    return bsuid.startswith("US.")


def create(world: World, waba_id: str, body: Any) -> Template:
    """A new template as `POST /{WABA}/message_templates` takes it. It is PENDING until somebody approves it."""
    body = a_dict(body, "body")
    name = a_text(required(body, "name", "name"), "name", 512)
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise GraphError(100, "Param name may have lower-case letters, digits and underscores only.")
    language = a_text(required(body, "language", "language"), "language", 20)
    category = required(body, "category", "category")
    if category not in CATEGORIES:
        raise GraphError(100, "Param category must be one of {UTILITY, MARKETING, AUTHENTICATION}.")
    fmt = str(body.get("parameter_format", "POSITIONAL")).upper()
    if fmt not in ("POSITIONAL", "NAMED"):
        raise GraphError(100, "Param parameter_format must be one of {NAMED, POSITIONAL}.")
    if (waba_id, name, language) in world.templates:
        raise GraphError(100, f"There is already {language} content for this template.", subcode=2388024)
    components = [a_dict(c, "component") for c in a_list(required(body, "components", "components"), "components")]
    kinds = [str(component.get("type", "")).upper() for component in components]
    if "BODY" not in kinds:
        raise GraphError(2388072, "A template needs a body.")
    for kind, component in zip(kinds, components, strict=True):
        _creatable(kind, component, fmt)
    template = Template(world.template_id(), waba_id, name, language, str(category), components, "PENDING", fmt)
    world.templates[waba_id, name, language] = template
    return template


def _creatable(kind: str, component: dict[str, Any], fmt: str) -> None:
    text = str(component.get("text", ""))
    variables = VARIABLE.findall(text)
    if kind == "BODY":
        if not 1 <= len(text) <= 1024:
            raise GraphError(2388072, "The body must have 1 to 1024 characters.")
        if variables and (VARIABLE.match(text.strip()) or re.search(r"\}\}$", text.strip())):
            raise GraphError(2388299, "Variables cannot be at the start or end of the body.")
        example = component.get("example") or {}
        if variables and not (example.get("body_text") or example.get("body_text_named_params")):
            raise GraphError(2388072, "A body with variables needs an example for each.")
        if fmt == "POSITIONAL" and any(not name.isdigit() for name in variables):
            raise GraphError(2388072, "Positional parameters are written {{1}}, {{2}}, ...")
    elif kind == "HEADER" and str(component.get("format", "")).upper() == "TEXT":
        if len(text) > 60 or len(variables) > 1:
            raise GraphError(2388047, "A text header has at most 60 characters and one variable.")
    elif kind == "FOOTER" and (len(text) > 60 or variables):
        raise GraphError(2388073, "A footer has at most 60 characters and no variables.")
    elif kind == "BUTTONS":
        buttons = component.get("buttons") or []
        if not 1 <= len(buttons) <= 10 or any(len(str(button.get("text", ""))) > 25 for button in buttons):
            raise GraphError(2388040, "A template has 1 to 10 buttons with labels of at most 25 characters.")
    elif kind not in ("HEADER", "CAROUSEL", "LIMITED_TIME_OFFER"):
        raise GraphError(100, f"Unknown component type {kind}.")
