"""Wake-ups. Each calls one service; losing one or running it twice does no harm."""

from celery import shared_task
from django.utils import timezone

from conversations.receipts import receipts_process
from conversations.statuses import orphan_statuses_apply

ROUNDS = 20  # what is left after these waits for the next wake-up, so that one task stays far below its time limit


@shared_task(ignore_result=True)
def receipts_process_task() -> None:
    for _round in range(ROUNDS):
        if receipts_process(now=timezone.now()) == 0:
            return


@shared_task(ignore_result=True)
def orphan_statuses_apply_task() -> None:
    orphan_statuses_apply(now=timezone.now())
