"""What beat wakes in this room."""

from celery import shared_task
from django.utils import timezone

from access.idempotency import idempotency_clean


@shared_task
def idempotency_clean_task() -> None:
    """Forget answers older than 24 hours."""
    idempotency_clean(now=timezone.now())
