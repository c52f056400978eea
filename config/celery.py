"""Celery: queues, routing and beat as code (measured reasons in docs/operations.md).

Redis only wakes workers up. Every task takes ids or nothing, calls one service and may be lost or
delivered ten times without harm: the truth about what is due is in PostgreSQL.
"""

import os

from celery import Celery
from celery.signals import setup_logging
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("rekindle")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # without a receiver Celery would lay its own handlers over ours
def keep_our_logging(**_: object) -> None:
    """The settings have configured logging already."""


QUEUES = ("optout", "inbound", "send", "plan", "bulk")
# Each with its own exchange and key: left to defaults, all would share one key, and every task would go to every queue.
app.conf.update(
    task_queues=tuple(Queue(name, Exchange(name), routing_key=name) for name in QUEUES),
    task_default_queue="plan",
    task_default_exchange="plan",
    task_default_routing_key="plan",
)
app.conf.task_routes = {
    "conversations.tasks.receipts_process_task": {"queue": "inbound"},
    "conversations.tasks.*": {"queue": "plan"},
    "delivery.tasks.dispatch_due_task": {"queue": "send"},
    "delivery.tasks.dispatch_urgent_task": {"queue": "optout"},
    "delivery.tasks.*": {"queue": "plan"},
    "callbacks.tasks.*": {"queue": "plan"},
    "campaigns.tasks.*": {"queue": "plan"},
    "messaging.tasks.*": {"queue": "bulk"},
    "access.tasks.*": {"queue": "bulk"},
}

# Beat only wakes sweeps; a missed beat delays, it never loses.
SWEEPS = {
    "receipts": ("conversations.tasks.receipts_process_task", 1.0),
    "orphan-statuses": ("conversations.tasks.orphan_statuses_apply_task", 10.0),
    "campaigns-by-date": ("campaigns.tasks.campaigns_by_date_task", 10.0),
    "dropouts": ("callbacks.tasks.dropouts_detect_task", 1.0),
    "plan": ("callbacks.tasks.callbacks_plan_task", 1.0),
    "cancel-stopped": ("callbacks.tasks.callbacks_cancel_stopped_task", 1.0),
    "dispatch": ("delivery.tasks.dispatch_due_task", 1.0),
    "dispatch-urgent": ("delivery.tasks.dispatch_urgent_task", 1.0),
    "reap": ("delivery.tasks.attempts_reap_task", 5.0),
    "reconcile": ("delivery.tasks.attempts_reconcile_task", 15.0),
    "expire": ("delivery.tasks.messages_expire_task", 3600.0),
    "idempotency-clean": ("access.tasks.idempotency_clean_task", 3600.0),
    "templates": ("messaging.tasks.templates_sync_task", 900.0),
}
app.conf.beat_schedule = {
    # While no worker listens, wake-ups must not pile up: the next one serves as well.
    name: {"task": task, "schedule": seconds, "options": {"expires": max(seconds * 5, 10)}}
    for name, (task, seconds) in SWEEPS.items()
}
