"""Structured logs, one JSON object a line, without personal data.

Rooms log event names and ids. As a second line of defence every string that looks like a phone number, a bearer
token or an access token is masked here, whoever logged it.
"""

import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_PHONE = re.compile(r"(?<![\w.-])\+?\d{9,15}(?![\w-])")
_SECRET = re.compile(r"(?i)(bearer\s+|api-key\s+|access_token=|hub\.verify_token=)[^\s&\"']+")
# Words that never belong in a log line, whatever they hold.
_FORBIDDEN = frozenset({"text", "body", "phone", "to", "name", "display_name", "wording", "access_token", "app_secret"})


def mask(value: str) -> str:
    """The string without phone numbers and secrets: `+84901234567` becomes `+…67`."""
    return _SECRET.sub(r"\1…", _PHONE.sub(lambda match: "+…" + match.group()[-2:], value))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items() if key not in _FORBIDDEN}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def without_personal_data(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: drops forbidden keys, masks the rest."""
    for key in [key for key in event if key in _FORBIDDEN]:
        del event[key]
    for key, value in event.items():
        event[key] = _clean(value)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure(level: str) -> None:
    """Send structlog and the standard library's logging through one chain to standard error."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [*_SHARED, structlog.stdlib.ExtraAdder(allow=set())],
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        without_personal_data,
                        structlog.processors.JSONRenderer(default=str),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # 404s and refused logins are not our errors; SQL never goes to the log.
                "django.request": {"level": "ERROR"},
                "django.db.backends": {"level": "WARNING", "propagate": False, "handlers": []},
                "celery.app.trace": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
