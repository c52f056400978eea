"""What a template needs and whether given values fit it. Pure."""

from typing import Any

from messaging.events import TemplateParameter


def template_parameters(components: list[dict[str, Any]], parameter_format: str) -> list[TemplateParameter]:
    raise NotImplementedError
