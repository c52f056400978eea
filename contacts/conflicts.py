"""Address conflicts: one payload named two contacts, who may be one person. Nothing is merged by itself.

Until somebody has looked at it, the strictest of both holds: what the one withdrew, the other has withdrawn, and what
is suppressed for the one is not written to as the other. Consent is never shared.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.translation import gettext as _

from access.errors import ConflictError
from contacts.models import AddressConflict


def conflict_resolve(*, conflict_id: int, actor: User | None, now: datetime) -> None:
    """Somebody has looked at it; both contacts stay as they are. Raises ConflictError when it was done already."""
    done = AddressConflict.objects.filter(pk=conflict_id, resolved_at=None).update(resolved_at=now, resolved_by=actor)
    if not done:
        raise ConflictError(_("Somebody has looked at this already."))


def perhaps_same(contact_ids: Iterable[UUID]) -> Mapping[UUID, set[UUID]]:
    """Which other contacts each of these may be the same person as, by open conflicts; one query."""
    ids = list(contact_ids)
    named = Q(routed_to_id__any_of=ids) | Q(also_named_id__any_of=ids)
    rows = AddressConflict.objects.filter(named, resolved_at=None)
    found: dict[UUID, set[UUID]] = defaultdict(set)
    for one, other in rows.values_list("routed_to_id", "also_named_id"):
        found[one].add(other)
        found[other].add(one)
    return {contact_id: found[contact_id] for contact_id in ids if contact_id in found}
