"""A worker that is killed over a webhook: the webhook stays, and holds up nobody for long."""

import os
import signal
import subprocess
import sys
import time

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from config.embedded import die_with_parent
from conversations.models import Message
from conversations.receipts import ATTEMPTS, receipts_process
from conversations.webhooks import receipt_store
from messaging.models import WebhookReceipt
from tests.builders import webhooks as wa
from tests.builders.contacts import NOW
from tests.builders.messaging import AccountBuilder

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]
PROCESS = (
    "import django; django.setup(); from django.utils import timezone; "
    "from conversations.receipts import receipts_process; receipts_process(now=timezone.now())"
)

END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE query LIKE '%conversations_message%' AND pid <> pg_backend_pid()"
)


def store(account, text):
    receipt_store(channel="whatsapp", raw=wa.messages(account, wa.text(text)), account_ids=[account.id])


def kill_a_worker_over_it():
    """Start a real process on the pending receipts, wait until it hangs in the first one, and kill it."""
    info = connection.settings_dict
    named = {"dbname": info["NAME"], "user": info["USER"], "host": info["HOST"], "port": info["PORT"]}
    worker = subprocess.Popen(
        [sys.executable, "-c", PROCESS],
        env={
            **os.environ,
            "DATABASE_URL": make_conninfo(**{key: value for key, value in named.items() if value}),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        },
        preexec_fn=die_with_parent,
    )
    deadline = time.monotonic() + 30
    while not WebhookReceipt.objects.filter(attempts__gt=0, state="pending").exists():
        assert time.monotonic() < deadline
        assert worker.poll() is None
        time.sleep(0.02)
    worker.send_signal(signal.SIGKILL)
    worker.wait()


@pytest.fixture
def hang():
    """A message with the text "hang" keeps its worker busy until somebody ends it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.text = 'hang' THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER hang BEFORE INSERT ON conversations_message FOR EACH ROW EXECUTE FUNCTION hang()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute(END_OTHERS)
        cursor.execute("DROP TRIGGER IF EXISTS hang ON conversations_message")
        cursor.execute("DROP FUNCTION hang()")


def test_a_webhook_that_killed_its_worker_goes_behind_the_others_and_is_lost_by_nobody(hang):
    account = AccountBuilder()
    store(account, "hang")
    kill_a_worker_over_it()
    store(account, "hello")
    poison, later = WebhookReceipt.objects.order_by("id")
    assert (poison.state, poison.attempts) == ("pending", 1)
    with connection.cursor() as cursor:  # the dead worker's session ends, and what ailed it is mended
        cursor.execute(END_OTHERS)
        cursor.execute("DROP TRIGGER hang ON conversations_message")
    assert receipts_process(now=NOW, limit=1) == 1
    assert WebhookReceipt.objects.get(pk=later.pk).state == "processed"
    assert receipts_process(now=NOW) == 1
    assert set(Message.objects.filter(direction="in").values_list("text", flat=True)) == {"hang", "hello"}


def test_after_several_dead_workers_a_person_has_to_look():
    account = AccountBuilder()
    store(account, "hang")
    WebhookReceipt.objects.update(attempts=ATTEMPTS)
    assert receipts_process(now=NOW) == 0
    receipt = WebhookReceipt.objects.get()
    assert receipt.state == "partial"
    assert "gave up" in receipt.faults[0]["error"]
    assert bytes(receipt.body)  # kept: it can be processed again
