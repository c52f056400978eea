"""Wake-ups. Each calls one service; losing one or running it twice does no harm.

A wake-up older than a few seconds has been overtaken by the next: it expires instead of piling up behind a long one.
"""

from celery import shared_task
from django.utils import timezone

from delivery.dispatch import dispatch_due
from delivery.settle import attempts_reap, attempts_reconcile, messages_expire


@shared_task(ignore_result=True, expires=5)
def dispatch_due_task() -> None:
    if dispatch_due(clock=timezone.now).more:
        dispatch_due_task.delay()


@shared_task(ignore_result=True, expires=5)
def dispatch_urgent_task() -> None:
    """Opt-out confirmations, greetings and replies: on a queue of their own, so that bulk never delays them."""
    if dispatch_due(clock=timezone.now, urgent=True).more:
        dispatch_urgent_task.delay()


@shared_task(ignore_result=True)
def attempts_reap_task() -> None:
    attempts_reap()


@shared_task(ignore_result=True)
def attempts_reconcile_task() -> None:
    attempts_reconcile(now=timezone.now())


@shared_task(ignore_result=True)
def messages_expire_task() -> None:
    messages_expire(now=timezone.now())
