"""What a person does about an address conflict. Nothing is merged by itself."""

from datetime import datetime

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from access.errors import ConflictError
from contacts.models import AddressConflict


def conflict_resolve(*, conflict_id: int, actor: User | None, now: datetime) -> None:
    """Somebody has looked at it; both contacts stay as they are. Raises ConflictError when it was done already."""
    done = AddressConflict.objects.filter(pk=conflict_id, resolved_at=None).update(resolved_at=now, resolved_by=actor)
    if not done:
        raise ConflictError(_("Somebody has looked at this already."))
