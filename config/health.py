"""Liveness and readiness for the machine that watches us."""

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

log = structlog.get_logger(__name__)


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 while the process can answer at all."""
    return JsonResponse({"status": "alive"})


def _database() -> str:
    try:
        pending = MigrationExecutor(connection).migration_plan(MigrationExecutor(connection).loader.graph.leaf_nodes())
    except DatabaseError:
        log.warning("health.database_down")
        return "down"
    return "not migrated" if pending else "ok"


def _redis() -> str:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError:
        log.warning("health.redis_down")
        return "down"
    return "ok"


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when requests may be sent here. Without Redis we are slower, not wrong: `degraded` and still 200."""
    database, broker = _database(), _redis()
    status = "ready" if (database, broker) == ("ok", "ok") else "degraded" if database == "ok" else "not ready"
    return JsonResponse(
        {"status": status, "database": database, "redis": broker}, status=200 if database == "ok" else 503
    )
