"""Liquid, made safe for words that people write into forms: few tags, no files, small limits, data only.

What a text may use is listed in `PATHS`; everything handed in is plain strings and numbers, so a template has nothing
to call. A variable that is missing stops the rendering unless the text says what to write instead
(`{{ contact.attributes.size | default: 'your size' }}`).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from django.utils.translation import gettext as _
from liquid import Environment, FalsyStrictUndefined
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate

TAGS = frozenset({"if", "unless", "case", "assign", "comment", "#", "doc", "liquid", "echo"})
_MACHINERY = frozenset({"content", "output", "illegal"})  # how the library itself names plain text and {{ }}
PATHS = frozenset(
    {
        "contact.name",
        "contact.first_name",
        "contact.language",
        "contact.attributes.<name>",
        "campaign.name",
        "conversation.reference",
        "conversation.entry_point",
        "conversation.opened_on",
    }
)
# A name written out, never computed: `attributes[contact.name]` would put a person's data into error messages.
_ATTRIBUTE = re.compile(r"contact\.attributes(\.[\w-]+|\['[^']+'\]|\[\"[^\"]+\"\])")
TEXT_LIMIT = 4096  # characters of source; the longest text any channel takes
NAME_LIMIT = 80


class LiquidTextError(ValueError):
    """A text that cannot be rendered. The message is translated and names variables, never their values."""


class _Missing(FalsyStrictUndefined):
    """May be asked for (`if`, `default`) and not written."""

    force_liquid_default = True


class _Attributes:
    """A contact's attributes by name and nothing else: on a mapping, Liquid's own `size` and `first` would answer."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> object:
        return self._values[name]


class _Environment(Environment):
    block_nesting_limit = 5
    context_depth_limit = 5
    loop_iteration_limit = 0
    local_namespace_limit = 20_000
    output_stream_limit = 20_000


def _environment() -> _Environment:
    environment = _Environment(undefined=_Missing, strict_filters=True)
    for tag in set(environment.tags) - TAGS - _MACHINERY:
        del environment.tags[tag]
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=1024)
def _parsed(source: str) -> BoundTemplate:
    return _ENVIRONMENT.from_string(source)


def _reason(error: Exception) -> str:
    return str(getattr(error, "message", None) or type(error).__name__)


def liquid_problem(source: str) -> str:
    """What is wrong with a Liquid text, in a sentence for its author, or "" when it is sound."""
    if len(source) > TEXT_LIMIT:
        return _("The text may have %(limit)d characters.") % {"limit": TEXT_LIMIT}
    try:
        template = _parsed(source)
        paths, filters = set(template.global_variable_paths()), set(template.filter_names())
    except (LiquidError, RecursionError) as error:
        return _("The text has a mistake in its Liquid: %(reason)s") % {"reason": _reason(error)}
    if unknown := sorted(filters - _ENVIRONMENT.filters.keys()):
        return _("There is no filter “%(name)s”.") % {"name": unknown[0]}
    for path in sorted(paths):
        if path not in PATHS and not _ATTRIBUTE.fullmatch(path):
            return _("“%(path)s” is not known here. Known are: %(paths)s.") % {
                "path": path,
                "paths": ", ".join(sorted(PATHS)),
            }
    return ""


def liquid_render(source: str, values: Mapping[str, object]) -> str:
    """The text with its variables filled in. Raises LiquidTextError; never anything else of Liquid's."""
    try:
        return _parsed(source).render(**values)
    except (LiquidError, RecursionError, ArithmeticError, ValueError, TypeError) as error:
        raise LiquidTextError(_("The text could not be filled in: %(reason)s") % {"reason": _reason(error)}) from error


def _clean(value: str) -> str:
    """One line without control characters: what a person or a file put there must not shape our message."""
    return " ".join("".join(char if char.isprintable() else " " for char in value).split())


def liquid_values(
    *,
    name: str,
    language: str,
    attributes: Mapping[str, object],
    campaign_name: str,
    reference: str = "",
    entry_point: str = "",
    opened_at: datetime | None = None,
) -> dict[str, object]:
    """What a text may say of a contact, a campaign and a conversation: scalars only, cleaned, shortened."""
    clean_name = _clean(name)[:NAME_LIMIT]
    return {
        "contact": {
            "name": clean_name,
            "first_name": clean_name.split(" ")[0],
            "language": language,
            "attributes": _Attributes(
                {
                    key: _clean(value) if isinstance(value, str) else value
                    for key, value in attributes.items()
                    if isinstance(value, str | int | float) and value != ""
                }
            ),
        },
        "campaign": {"name": campaign_name},
        "conversation": {
            "reference": reference,
            "entry_point": entry_point,
            "opened_on": opened_at.date().isoformat() if opened_at else "",
        },
    }
