"""What a step says, checked when it is saved and filled in when it is planned.

Both forms are filled in at once: the free text for inside the service window, the template for outside. Which of them
goes out is the gate's decision at the moment of sending.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from callbacks.models import CallbackStep
from campaigns.liquid import LiquidTextError, liquid_problem, liquid_render, liquid_values
from conversations.models import Conversation
from messaging.events import Button, FreeForm, TemplateContent
from messaging.models import Template
from messaging.templates import Problem, content_problems, template_preview

TEXT_LIMIT = 4096  # WhatsApp's text message
BODY_LIMIT = 1024  # WhatsApp's body beside buttons
BUTTON_LIMIT = 3
BUTTON_TITLE_LIMIT = 20
BUTTON_ID_LIMIT = 256


class ContentError(Exception):
    """This step cannot be said to this person; the message says why, without their data."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A step's words for one person. `text` is what the screens show."""

    free: dict[str, Any] | None
    template: dict[str, Any] | None
    text: str


def step_problem(step: CallbackStep, template: Template | None) -> tuple[str, str]:
    """(field, problem) of what the step says, or ("", "") when it is sound. `template` is the one it names, if any."""
    if not step.text and not step.template_name:
        return "text", _("Say something: a text for inside the window, a template for outside, or both.")
    for field, problem in (
        ("text", _text_problem(step)),
        ("buttons", _buttons_problem(step)),
        ("template_name", _template_problem(step, template)),
        ("template_values", _values_problem(step, template)),
    ):
        if problem:
            return field, problem
    return "", ""


def _text_problem(step: CallbackStep) -> str:
    limit = BODY_LIMIT if step.buttons else TEXT_LIMIT
    if len(step.text) > limit:
        return _("The text may have %(limit)d characters.") % {"limit": limit}
    return liquid_problem(step.text)


def _buttons_problem(step: CallbackStep) -> str:
    if not step.buttons:
        return ""
    if not step.text:
        return _("Buttons belong to the text inside the window; a template brings its own.")
    if not isinstance(step.buttons, list) or len(step.buttons) > BUTTON_LIMIT:
        return _("There may be %(limit)d buttons.") % {"limit": BUTTON_LIMIT}
    for button in step.buttons:
        if not isinstance(button, dict) or set(button) != {"id", "title"}:
            return _("Every button has an id and a title.")
        if not all(isinstance(value, str) and value.strip() for value in button.values()):
            return _("Every button has an id and a title.")
        if len(button["title"]) > BUTTON_TITLE_LIMIT:
            return _("A button's title may have %(limit)d characters.") % {"limit": BUTTON_TITLE_LIMIT}
        if len(button["id"]) > BUTTON_ID_LIMIT:
            return _("A button's id may have %(limit)d characters.") % {"limit": BUTTON_ID_LIMIT}
    for part in ("id", "title"):
        if len({button[part] for button in step.buttons}) != len(step.buttons):
            return _("Two buttons are the same.")
    return ""


def _template_problem(step: CallbackStep, template: Template | None) -> str:
    if not step.template_name:
        return _("Name the template whose language this is.") if step.template_language else ""
    if template is None:
        return _("The campaign's account has no template “%(name)s” in “%(language)s”.") % {
            "name": step.template_name,
            "language": step.template_language,
        }
    if template.status != Template.Status.APPROVED:
        return _("The template “%(name)s” is not approved by the provider: %(status)s.") % {
            "name": step.template_name,
            "status": template.get_status_display(),
        }
    return ""


def _values_problem(step: CallbackStep, template: Template | None) -> str:
    values = step.template_values
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        return _("Template values are texts by parameter.")
    if template is None:
        return _("Only a template has values.") if values else ""
    # Whether every place has a value and every value a place; what the values become is checked for each person.
    filled = {key: value and "x" for key, value in values.items()}
    content = TemplateContent(template.name, template.language, filled, template.parameter_format)
    if problems := content_problems(content, template.parameters()):
        return _say(problems[0])
    return next((problem for problem in map(liquid_problem, values.values()) if problem), "")


def conversation_values(conversation: Conversation) -> dict[str, object]:
    """What a step may say of a conversation (with contact, campaign, entry point and click loaded)."""
    contact, campaign = conversation.contact, conversation.campaign
    return liquid_values(
        name=contact.display_name,
        language=contact.language,
        attributes=contact.attributes if isinstance(contact.attributes, dict) else {},
        campaign_name=campaign.name if campaign else "",
        reference=conversation.ad_click.reference if conversation.ad_click else "",
        entry_point=conversation.entry_point.name if conversation.entry_point else "",
        opened_at=conversation.opened_at,
    )


def step_render(step: CallbackStep, template: Template | None, values: Mapping[str, object]) -> Rendered:
    """The step's words for one person, within the channel's limits. Raises ContentError."""
    try:
        text = liquid_render(step.text, values).strip() if step.text else ""
        filled = {key: " ".join(liquid_render(source, values).split()) for key, source in step.template_values.items()}
    except LiquidTextError as error:
        raise ContentError(str(error)) from error
    free = template_content = None
    shown = text
    if step.text:
        buttons = tuple(Button(button["id"], button["title"]) for button in step.buttons)
        _refuse(content_problems(FreeForm(text, buttons), None))
        free = {"text": text, "buttons": step.buttons}
    if step.template_name and template is not None:
        content = TemplateContent(template.name, template.language, filled, template.parameter_format)
        _refuse(content_problems(content, template.parameters()))
        template_content = {
            "name": content.name,
            "language": content.language,
            "values": filled,
            "parameter_format": content.parameter_format,
        }
        shown = text or template_preview(template.components, filled)
    return Rendered(free, template_content, shown)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ContentError(" ".join(map(_say, problems)))


def _say(problem: str) -> str:
    return problem.translated(_) if isinstance(problem, Problem) else problem
