"""Celery: queues, routing and beat as code (measured reasons in docs/operations.md).

Redis only wakes workers up. Every task takes ids or nothing, calls one service and may be lost or
delivered ten times without harm: the truth about what is due is in PostgreSQL.
"""

import os

from celery import Celery
from celery.signals import setup_logging
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("rekindle")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # without a receiver Celery would lay its own handlers over ours
def keep_our_logging(**_: object) -> None:
    """The settings have configured logging already."""


QUEUES = ("optout", "inbound", "send", "plan", "bulk", "report")
app.conf.task_queues = tuple(Queue(name) for name in QUEUES)
app.conf.task_default_queue = "plan"
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
    "reports.tasks.*": {"queue": "report"},
}

# Beat only wakes sweeps; a missed beat delays, it never loses.
app.conf.beat_schedule = {
    "receipts": {"task": "conversations.tasks.receipts_process_task", "schedule": 1.0},
    "orphan-statuses": {"task": "conversations.tasks.orphan_statuses_apply_task", "schedule": 10.0},
    "campaigns-by-date": {"task": "campaigns.tasks.campaigns_by_date_task", "schedule": 10.0},
    "dropouts": {"task": "callbacks.tasks.dropouts_detect_task", "schedule": 1.0},
    "plan": {"task": "callbacks.tasks.callbacks_plan_task", "schedule": 1.0},
    "cancel-stopped": {"task": "callbacks.tasks.callbacks_cancel_stopped_task", "schedule": 1.0},
    "dispatch": {"task": "delivery.tasks.dispatch_due_task", "schedule": 1.0},
    "dispatch-urgent": {"task": "delivery.tasks.dispatch_urgent_task", "schedule": 1.0},
    "reap": {"task": "delivery.tasks.attempts_reap_task", "schedule": 5.0},
    "reconcile": {"task": "delivery.tasks.attempts_reconcile_task", "schedule": 15.0},
    "idempotency-clean": {"task": "access.tasks.idempotency_clean_task", "schedule": 3600.0},
    "templates": {"task": "messaging.tasks.templates_sync_task", "schedule": 900.0},
}
