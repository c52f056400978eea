"""Queues by purpose: a task goes to its own queue and to no other, so that bulk work never delays an opt-out."""

import redis
from django.conf import settings

from config.celery import QUEUES, SWEEPS, app
from conversations.tasks import receipts_process_task
from delivery.tasks import dispatch_due_task, dispatch_urgent_task
from messaging.tasks import templates_sync_task


def lengths() -> dict[str, int]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        return {name: client.llen(name) for name in QUEUES if client.llen(name)}


def test_each_task_waits_in_its_own_queue_only():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
    receipts_process_task.apply_async()
    assert lengths() == {"inbound": 1}
    dispatch_urgent_task.apply_async()
    dispatch_due_task.apply_async()
    templates_sync_task.apply_async()
    assert lengths() == {"inbound": 1, "optout": 1, "send": 1, "bulk": 1}
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()


def test_every_sweep_exists_and_its_wake_up_does_not_pile_up():
    app.loader.import_default_modules()
    for name, (task, _seconds) in SWEEPS.items():
        assert task in app.tasks, name
        assert app.conf.beat_schedule[name]["options"]["expires"] >= 10
