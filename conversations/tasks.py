"""Wake-ups. Each calls one service; losing one or running it twice does no harm."""

import time

from celery import shared_task
from django.utils import timezone

from conversations.receipts import receipts_process
from conversations.statuses import orphan_statuses_apply

SECONDS = 20.0  # what is left after these waits for the next wake-up: far below the task's time limit


# One body may hold a thousand messages, all in one transaction: it gets more time than the tasks of the other queues,
# and still less than the broker's visibility timeout.
@shared_task(ignore_result=True, time_limit=240)
def receipts_process_task() -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if receipts_process(now=timezone.now()) == 0:
            return


@shared_task(ignore_result=True)
def orphan_statuses_apply_task() -> None:
    orphan_statuses_apply(now=timezone.now())
