"""Who is kept out on purpose, so that the callbacks' real effect can be measured. Pure."""

from decimal import Decimal
from hashlib import sha256
from uuid import UUID

# 0.01 % is the finest share a campaign can set, so ten thousand buckets lose nothing.
BUCKETS = 10_000


def holdout_assigned(*, salt: UUID, percent: Decimal, contact_id: UUID) -> bool:
    """Whether this contact belongs to the holdout of the campaign with this salt.

    The same person gets the same answer for ever; another campaign (another salt) draws independently. Raising the
    share keeps everybody who was in the holdout and adds some, so nobody leaves it. `percent` runs from 0 to 100.
    """
    bucket = int.from_bytes(sha256(salt.bytes + contact_id.bytes).digest()[:8], "big") % BUCKETS
    return bucket < percent * (BUCKETS // 100)
