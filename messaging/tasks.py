"""What beat wakes in this room."""

from celery import shared_task
from django.utils import timezone

from messaging.accounts import accounts_sync


@shared_task
def templates_sync_task() -> None:
    accounts_sync(now=timezone.now())
