"""Prometheus metrics, read from the truth at scrape time: PostgreSQL for work and results, Redis for queue lengths.

Every process would otherwise count for itself and forget on restart. Rates are over the last five minutes; the id of
a message, attempt or decision begins with its time (UUID version 7), so each count reads only the newest index pages.
"""

import hmac
import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from config.celery import QUEUES

WINDOW = timedelta(minutes=5)


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest version 7 UUID of that millisecond."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))


_BACKLOGS = {
    "rekindle_due_messages": (
        "Messages whose time has come and that no worker has taken.",
        (
            "SELECT count(*), coalesce(extract(epoch FROM %(now)s - min(due_at)), 0) FROM conversations_message "
            "WHERE status = 'scheduled' AND due_at <= %(now)s"
        ),
    ),
    "rekindle_pending_webhooks": (
        "Stored webhooks that are not processed yet.",
        (
            "SELECT count(*), coalesce(extract(epoch FROM %(now)s - min(received_at)), 0) "
            "FROM messaging_webhookreceipt WHERE state = 'pending'"
        ),
    ),
    "rekindle_orphan_statuses": (
        "Statuses that match no message yet.",
        (
            "SELECT count(*), coalesce(extract(epoch FROM %(now)s - min(received_at)), 0) "
            "FROM conversations_messagestatus WHERE message_id IS NULL"
        ),
    ),
    "rekindle_unclear_messages": (
        "Sends without a clear answer; unconfirmed ones wait for a person.",
        (
            "SELECT count(*), coalesce(extract(epoch FROM %(now)s - min(occurred_at)), 0) FROM conversations_message "
            "WHERE status IN ('unknown', 'unconfirmed')"
        ),
    ),
    "rekindle_optout_reviews": (
        "Possible opt-outs that wait for a person; nothing is sent to these people.",
        (
            "SELECT count(*), coalesce(extract(epoch FROM %(now)s - min(raised_at)), 0) FROM contacts_optoutreview "
            "WHERE verdict = ''"
        ),
    ),
}
_RECENT = {
    "rekindle_sends_recent": (
        "Tries to send in the last five minutes, by result.",
        "result",
        "SELECT state, count(*) FROM delivery_attempt WHERE id >= %(floor)s GROUP BY 1",
    ),
    "rekindle_refusals_recent": (
        "Refusals by the gate in the last five minutes, by reason.",
        "reason",
        "SELECT reason, count(*) FROM delivery_decision WHERE id >= %(floor)s AND verdict = 'refuse' GROUP BY 1",
    ),
    "rekindle_waits_recent": (
        "Messages told to wait in the last five minutes, by reason.",
        "reason",
        "SELECT reason, count(*) FROM delivery_decision WHERE id >= %(floor)s AND verdict = 'wait' GROUP BY 1",
    ),
    "rekindle_provider_errors_recent": (
        "Provider errors in the last five minutes, by code.",
        "code",
        "SELECT error_code, count(*) FROM delivery_attempt WHERE id >= %(floor)s AND error_code <> '' GROUP BY 1",
    ),
}


class RekindleCollector(Collector):
    """One scrape: a dozen indexed queries and one Redis round trip."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        parameters: dict[str, datetime | UUID] = {"now": self.now, "floor": uuid7_floor(self.now - WINDOW)}
        with connection.cursor() as cursor:
            for name, (description, sql) in _BACKLOGS.items():
                cursor.execute(sql, parameters)
                count, age = cursor.fetchone() or (0, 0)
                yield GaugeMetricFamily(name, description, value=count)
                yield GaugeMetricFamily(f"{name}_oldest_seconds", f"Age of the oldest: {description}", value=float(age))
            for name, (description, label, sql) in _RECENT.items():
                family = GaugeMetricFamily(name, description, labels=[label])
                cursor.execute(sql, parameters)
                for value, count in cursor.fetchall():
                    family.add_metric([value], count)
                yield family
            family = GaugeMetricFamily("rekindle_channel_accounts", "Channel accounts by status.", labels=["status"])
            cursor.execute("SELECT status, count(*) FROM messaging_channelaccount GROUP BY 1")
            for value, count in cursor.fetchall():
                family.add_metric([value], count)
            yield family
        yield from self._queues()

    def _queues(self) -> Iterator[GaugeMetricFamily]:
        up, lengths = 0, []
        try:
            with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
                pipeline = client.pipeline(transaction=False)
                for name in QUEUES:
                    pipeline.llen(name)
                lengths, up = pipeline.execute(), 1
        except redis.RedisError:
            pass  # said by the gauge below
        yield GaugeMetricFamily("rekindle_redis_up", "1 when Redis answers.", value=up)
        family = GaugeMetricFamily("rekindle_queue_length", "Celery tasks waiting, by queue.", labels=["queue"])
        for name, length in zip(QUEUES, lengths, strict=False):
            family.add_metric([name], length)
        yield family


def _allowed(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())
    if "X-Forwarded-For" in request.headers:
        return False  # came through a proxy: the peer address says nothing
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The Prometheus text format; for the bearer of METRICS_TOKEN, or for loopback when none is set."""
    if not _allowed(request):
        return HttpResponse("Forbidden: send 'Authorization: Bearer <METRICS_TOKEN>'.\n", status=403)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RekindleCollector(timezone.now()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
