"""Serializer fields that several rooms use."""

import json
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from access.masking import mask_address, mask_name, mask_text

DURATION_LIMIT = 366 * 24 * 3600


@extend_schema_field(OpenApiTypes.INT)
class Seconds(serializers.IntegerField):
    """A duration as a whole number of seconds."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", 0)
        kwargs.setdefault("max_value", DURATION_LIMIT)
        super().__init__(**kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        value = super().run_validation(data)
        return timedelta(seconds=value) if isinstance(value, int) else value

    def to_representation(self, value: Any) -> int:
        return int(value.total_seconds())


class FreeJson(serializers.DictField):
    """An object of the caller's own making, as far as PostgreSQL can keep it."""

    def run_child_validation(self, data: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().run_child_validation(data)
        try:
            text = json.dumps(found, ensure_ascii=False)
            text.encode()
        except RecursionError:
            raise serializers.ValidationError(_("This is nested too deeply.")) from None
        except UnicodeEncodeError:
            raise serializers.ValidationError(_("Half a surrogate pair is not a character.")) from None
        if "\\u0000" in text:
            raise serializers.ValidationError(_("Null characters are not allowed."))
        return found


class _Masked(serializers.CharField):
    """Read-only; shown in full only to a key with `personal_data:read`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def mask(self, value: str) -> str:
        raise NotImplementedError

    def to_representation(self, value: Any) -> str:
        text = str(value)
        return text if self.context["view"].personal_data else self.mask(text)


class MaskedAddress(_Masked):
    def mask(self, value: str) -> str:
        return mask_address(value)


class MaskedName(_Masked):
    def mask(self, value: str) -> str:
        return mask_name(value)


class MaskedText(_Masked):
    def mask(self, value: str) -> str:
        return mask_text(value)


@extend_schema_field(OpenApiTypes.OBJECT)
class PersonalJson(serializers.Field[Any, Any, Any, Any]):
    """Free JSON that may hold personal data: an empty object for a key without `personal_data:read`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value if self.context["view"].personal_data else {}
