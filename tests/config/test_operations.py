"""What the machine that watches us, and the person at 3 a.m., can ask."""

from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from config.metrics import uuid7_floor
from contacts.models import OptOutReview
from tests.builders.contacts import NOW, ContactBuilder
from tests.builders.conversations import OutboundBuilder

pytestmark = pytest.mark.django_db


def test_a_live_process_says_so(client):
    assert client.get("/health/live").json() == {"status": "alive"}


def test_a_ready_process_has_a_migrated_database_and_redis(client):
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "database": "ok", "redis": "ok"}


def test_without_redis_we_are_degraded_and_still_take_webhooks(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"


def test_metrics_count_the_backlog_and_its_age(client):
    OutboundBuilder(due_at=datetime.now(UTC) - timedelta(minutes=3))
    OptOutReview.objects.create(
        contact=ContactBuilder(), channel="whatsapp", text="hm", matched="stop", message_key="m", raised_at=NOW
    )
    text = client.get("/metrics").content.decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines["rekindle_due_messages"]) == 1
    assert 170 < float(lines["rekindle_due_messages_oldest_seconds"]) < 300
    assert float(lines["rekindle_optout_reviews"]) == 1
    assert lines["rekindle_redis_up"] == "1.0"
    assert 'rekindle_queue_length{queue="optout"}' in lines


def test_metrics_survive_the_loss_of_redis(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert b"rekindle_redis_up 0.0" in client.get("/metrics").content


def test_metrics_are_for_loopback_or_the_bearer_of_the_token(client, settings):
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 403
    assert client.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 403
    settings.METRICS_TOKEN = "scrape-me"
    assert client.get("/metrics").status_code == 403
    assert (
        client.get("/metrics", headers={"authorization": "Bearer scrape-me"}, REMOTE_ADDR="203.0.113.9").status_code
        == 200
    )


def test_the_floor_of_a_moment_is_below_every_id_made_since():
    before = uuid7_floor(datetime.now(UTC) - timedelta(milliseconds=2))
    assert before < uuid7() < uuid7_floor(datetime.now(UTC) + timedelta(seconds=2))


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_a_probe_is_answered_under_whatever_name_it_asks(client, settings, path):
    """Orchestrators and scrapers ask by address; the site's own names and its TLS are not their business."""
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["rekindle.example"], True
    assert client.get(path, headers={"host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/admin/login/", headers={"host": "127.0.0.1:8000"}).status_code in (301, 400)
