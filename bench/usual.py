"""The usual design, as the peer to beat: one Celery task per message, ORM get, one POST, save.

A Celery application of its own, run by a real worker: `celery -A bench.usual worker`.
"""

import os
import urllib.request

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402 - after setup
from django.utils import timezone  # noqa: E402

from conversations.models import Message  # noqa: E402

app = Celery("usual", broker=settings.CELERY_BROKER_URL)
app.conf.task_default_queue = "bench-usual"
app.conf.task_ignore_result = True


@app.task
def send_one(message_id: str, url: str) -> None:
    """What every Django team would write first."""
    import json

    message = Message.objects.select_related("contact", "account").get(pk=message_id)
    address = message.contact.addresses.first()
    body = {"to": address.value if address else "", "type": "text", "text": {"body": message.text}}
    request = urllib.request.Request(  # noqa: S310 - our own sink
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310
        message.provider_message_id = json.loads(answer.read())["messages"][0]["id"]
    message.status = Message.Status.ACCEPTED
    message.sent_at = timezone.now()
    message.save()
