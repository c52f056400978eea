"""What we know of a person beside their addresses and consent."""

import json
import re
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from django.db import transaction
from django.utils.translation import gettext as _

from access.errors import DomainError
from contacts.models import Contact

ATTRIBUTES_LIMIT = 16 * 1024  # bytes of JSON: facts for segments, not a document store
COUNTRY = re.compile(r"[A-Z]{2}")


class ContactFields(TypedDict, total=False):
    """What another system or a person may tell us. `attributes` are merged; a null removes one."""

    display_name: str
    language: str
    country: str
    region: str
    time_zones: list[str]
    attributes: dict[str, Any]


@transaction.atomic
def contact_update(*, contact_id: UUID, now: datetime, **fields: Unpack[ContactFields]) -> Contact:
    """Change what is given. Raises DomainError, naming the field; Contact.DoesNotExist."""
    contact = Contact.objects.select_for_update(no_key=True).get(pk=contact_id)
    given: dict[str, Any] = dict(fields)
    if unknown := given.keys() - ContactFields.__annotations__.keys():
        raise TypeError(f"not a contact's field: {sorted(unknown)}")
    if "attributes" in given:
        merged = {**contact.attributes, **given["attributes"]}
        given["attributes"] = {name: value for name, value in merged.items() if value is not None}
    _check(given)
    for name, value in given.items():
        setattr(contact, name, value)
    contact.save(update_fields=[*given, "updated_at"])
    return contact


def _check(given: dict[str, Any]) -> None:
    if language := given.get("language"):
        try:
            Locale.parse(language, sep="-")
        except (ValueError, UnknownLocaleError):
            raise DomainError(_("The language must be a BCP 47 tag, e.g. vi or es-US."), field="language") from None
    if given.get("country") and not COUNTRY.fullmatch(given["country"]):
        raise DomainError(_("The country must be an ISO 3166-1 code, e.g. VN."), field="country")
    if unknown := [zone for zone in given.get("time_zones", []) if zone not in available_timezones()]:
        raise DomainError(
            _("“%(zone)s” is not a time zone (IANA), e.g. Asia/Ho_Chi_Minh.") % {"zone": unknown[0]}, field="time_zones"
        )
    if len(json.dumps(given.get("attributes", {}))) > ATTRIBUTES_LIMIT:
        raise DomainError(_("The attributes may have 16 KB."), field="attributes")
