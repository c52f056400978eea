"""What beat wakes in this room."""

from celery import shared_task
from django.utils import timezone

from campaigns.services import campaigns_by_date


@shared_task
def campaigns_by_date_task() -> None:
    campaigns_by_date(now=timezone.now())
