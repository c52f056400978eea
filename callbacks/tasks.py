"""Wake-ups. Each calls one service; losing one or running it twice does no harm."""

from celery import shared_task
from django.utils import timezone

from callbacks.planner import callbacks_cancel_stopped, callbacks_plan, dropouts_detect


@shared_task
def dropouts_detect_task() -> None:
    dropouts_detect(now=timezone.now())


@shared_task
def callbacks_plan_task() -> None:
    callbacks_plan(now=timezone.now())


@shared_task
def callbacks_cancel_stopped_task() -> None:
    callbacks_cancel_stopped(now=timezone.now())
