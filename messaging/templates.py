"""What a template needs and whether given values fit it. Pure.

Limits are those of WhatsApp's template components and message types (Meta, November 2025).
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from messaging.events import Content, FreeForm, TemplateContent, TemplateParameter

HEADER_LIMIT = 60
BODY_LIMIT = 1024
TEXT_LIMIT = 4096
BUTTONS_LIMIT = 3
BUTTON_TITLE_LIMIT = 20
BUTTON_ID_LIMIT = 256
PAYLOAD_LIMIT = 128
COUPON_LIMIT = 15
URL_LIMIT = 2000

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_ILLEGAL = re.compile(r"[\r\n\t]| {4}")
_QUICK_REPLY = re.compile(r"button\.\d\.payload")
_MEDIA = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document", "LOCATION": "location"}

# Marks a string for the catalogue; this module is pure, so whoever shows a problem translates it.
_: Callable[[str], str] = str


class Problem(str):
    """One thing that is wrong, in English. `translated(gettext)` says it in the reader's language."""

    __slots__ = ("message", "values")

    message: str
    values: dict[str, object]

    def __new__(cls, message: str, **values: object) -> "Problem":
        problem = super().__new__(cls, message % values)
        problem.message, problem.values = message, values
        return problem

    def translated(self, gettext: Callable[[str], str]) -> str:
        return gettext(self.message) % self.values


def template_parameters(components: list[dict[str, Any]], parameter_format: str) -> list[TemplateParameter]:
    """The values a send must supply, in the provider's order. Components that are not understood need none."""
    found: list[TemplateParameter] = []
    for component in components:
        if not isinstance(component, dict):
            continue
        kind = str(component.get("type", "")).upper()
        if kind == "HEADER":
            found.extend(_header(component, parameter_format))
        elif kind == "BODY":
            found.extend(_variables(component, "body", parameter_format, BODY_LIMIT))
        elif kind == "BUTTONS":
            for index, button in enumerate(_list(component.get("buttons"))):
                found.extend(_button(button, index))
    return found


def content_problems(content: Content, template_parameters: list[TemplateParameter] | None) -> list[str]:
    """Everything that would make the provider refuse `content`; empty when it fits. Each item is a `Problem`.

    `template_parameters` are those of the template (`Template.parameters()`); None checks the values alone.
    """
    if isinstance(content, FreeForm):
        return list(_free_form_problems(content))
    return list(_template_problems(content, template_parameters))


def template_preview(components: list[dict[str, Any]], values: Mapping[str, str]) -> str:
    """How the filled template reads: header, body, footer, button labels. A missing value stays visible as {{name}}."""
    lines: list[str] = []
    for component in components:
        kind = str(component.get("type", "")).upper()
        text = component.get("text")
        if kind in ("HEADER", "BODY", "FOOTER") and isinstance(text, str):
            lines.append(_filled(text, kind.lower(), values))
        elif kind == "HEADER":
            lines.append(f"[{str(component.get('format', '')).lower()}]")
        elif kind == "BUTTONS":
            labels = [str(button.get("text", "")) for button in _list(component.get("buttons"))]
            lines.append(" ".join(f"[{label}]" for label in labels if label))
    return "\n\n".join(line for line in lines if line)


def _filled(text: str, place: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return values.get(f"{place}.{match[1]}", match[0])

    return _VARIABLE.sub(value, text)


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _header(component: Mapping[str, Any], parameter_format: str) -> list[TemplateParameter]:
    media = _MEDIA.get(str(component.get("format", "TEXT")).upper())
    if media:
        return [TemplateParameter("header", media, kind=media)]
    return _variables(component, "header", parameter_format, HEADER_LIMIT)


def _variables(component: Mapping[str, Any], place: str, parameter_format: str, limit: int) -> list[TemplateParameter]:
    text = component.get("text")
    if not isinstance(text, str):
        return []
    uses = Counter(_VARIABLE.findall(text))
    names = list(uses)
    if parameter_format != "NAMED":
        names.sort(key=lambda name: int(name) if name.isdecimal() else 0)
    examples = _examples(component.get("example"), place)
    fixed = len(_VARIABLE.sub("", text))
    return [
        TemplateParameter(place, name, example=examples.get(name, ""), fixed_length=fixed, limit=limit, uses=uses[name])
        for name in names
    ]


def _examples(example: object, place: str) -> dict[str, str]:
    if not isinstance(example, dict):
        return {}
    named = _list(example.get(f"{place}_text_named_params"))
    if named:
        return {str(item.get("param_name", "")): str(item.get("example", "")) for item in named}
    values = example.get(f"{place}_text")
    if isinstance(values, list) and values and isinstance(values[0], list):
        values = values[0]
    return {str(n): str(value) for n, value in enumerate(values, start=1)} if isinstance(values, list) else {}


def _button(button: Mapping[str, Any], index: int) -> list[TemplateParameter]:
    kind = str(button.get("type", "")).upper()
    example = button.get("example")
    shown = str(example[0]) if isinstance(example, list) and example else str(example or "")
    if kind == "URL" and (names := _VARIABLE.findall(str(button.get("url", "")))):
        fixed = len(_VARIABLE.sub("", str(button.get("url", ""))))
        return [TemplateParameter("button", names[0], index, example=shown, fixed_length=fixed, limit=URL_LIMIT)]
    if kind == "COPY_CODE":
        return [TemplateParameter("button", "coupon_code", index, kind="coupon_code", example=shown)]
    return []


def _free_form_problems(content: FreeForm) -> list[Problem]:
    problems = []
    limit = BODY_LIMIT if content.buttons else TEXT_LIMIT
    if not content.text.strip():
        problems.append(Problem(_("The text is empty.")))
    if len(content.text) > limit:
        problems.append(
            Problem(
                _("The text has %(count)d characters; at most %(limit)d fit."), count=len(content.text), limit=limit
            )
        )
    if len(content.buttons) > BUTTONS_LIMIT:
        problems.append(Problem(_("There may be at most %(limit)d buttons."), limit=BUTTONS_LIMIT))
    for button in content.buttons:
        if not button.title.strip() or not button.id.strip():
            problems.append(Problem(_("Every button needs a title and an id.")))
        if len(button.title) > BUTTON_TITLE_LIMIT:
            problems.append(
                Problem(
                    _("The button title “%(title)s” is longer than %(limit)d characters."),
                    title=button.title,
                    limit=BUTTON_TITLE_LIMIT,
                )
            )
        if len(button.id) > BUTTON_ID_LIMIT:
            problems.append(Problem(_("A button id is longer than %(limit)d characters."), limit=BUTTON_ID_LIMIT))
    if len({button.title for button in content.buttons}) < len(content.buttons):
        problems.append(Problem(_("Button titles must differ from each other.")))
    if len({button.id for button in content.buttons}) < len(content.buttons):
        problems.append(Problem(_("Button ids must differ from each other.")))
    return problems


def _template_problems(content: TemplateContent, parameters: list[TemplateParameter] | None) -> list[Problem]:
    problems: list[Problem] = []
    for key, value in content.values.items():
        problems.extend(_value_problems(key, value))
    if parameters is None:
        return problems
    wanted = {parameter.key: parameter for parameter in parameters}
    problems.extend(
        Problem(_("A value for %(key)s is missing."), key=key) for key in wanted if key not in content.values
    )
    problems.extend(
        Problem(_("The template has no place %(key)s."), key=key)
        for key in content.values
        if key not in wanted and not _QUICK_REPLY.fullmatch(key)
    )
    problems.extend(_length_problems(content, parameters))
    return problems


def _value_problems(key: str, value: str) -> list[Problem]:
    problems = []
    if not value.strip():
        problems.append(Problem(_("The value for %(key)s is empty."), key=key))
    if _ILLEGAL.search(value):
        problems.append(
            Problem(_("The value for %(key)s contains a line break, a tab or four spaces in a row."), key=key)
        )
    name = key.rpartition(".")[2]
    limit = {"payload": PAYLOAD_LIMIT, "coupon_code": COUPON_LIMIT}.get(name) if key.startswith("button.") else None
    if limit and len(value) > limit:
        problems.append(Problem(_("The value for %(key)s is longer than %(limit)d characters."), key=key, limit=limit))
    if name == "coupon_code" and not (value.isascii() and value.isalnum()):
        problems.append(Problem(_("A coupon code may have letters and digits only.")))
    if key.startswith("button.") and "://" in value:
        problems.append(Problem(_("The value for %(key)s must be the end of the address, not all of it."), key=key))
    return problems


def _length_problems(content: TemplateContent, parameters: list[TemplateParameter]) -> list[Problem]:
    """A component's limit binds its filled text, so its values are counted together."""
    totals: dict[tuple[str, int | None], int] = {}
    limits: dict[tuple[str, int | None], int] = {}
    for parameter in parameters:
        if parameter.limit is None:
            continue
        place = (parameter.component, parameter.button_index)
        limits[place] = parameter.limit
        added = len(content.values.get(parameter.key, "")) * parameter.uses
        totals[place] = totals.get(place, parameter.fixed_length) + added
    return [
        Problem(
            _("The filled %(part)s has %(count)d characters; at most %(limit)d fit."),
            part=place[0],
            count=total,
            limit=limits[place],
        )
        for place, total in totals.items()
        if total > limits[place]
    ]
