"""The webhook door: prove who speaks, keep the bytes, commit, answer. Nothing is parsed here.

    GET   the provider's handshake: the challenge, or 403
    POST  404 unknown channel · 413 body larger than WEBHOOK_MAX_BYTES · 411 a body of unknown length that the server
          does not end for us · 401 no signature or one that no secret of the channel made (nothing is stored) ·
          400 signed, but empty, cut short or not a JSON object · 503 the database is away (the provider tries again) ·
          200 the receipt is committed
    else  405

A body that begins like a JSON object and is not one is stored and answered with 200: it is signed, hence the
provider's, and asking for it again would bring the same bytes for a week. It ends as a receipt with a fault.
"""

import hashlib
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.request import UnreadablePostError
from django.utils import timezone

from conversations.tasks import receipts_process_task
from messaging.adapters import inbound_adapter
from messaging.credentials import credentials_read
from messaging.errors import CredentialsUnreadableError, UnknownChannelError
from messaging.models import ChannelAccount

log = structlog.get_logger(__name__)

SECRETS_FRESH = 5.0  # seconds: a rotated secret is honoured this soon
SECRETS_RELOAD = 1.0  # seconds: a signature nobody made reloads the secrets at most this often
WAKE_PAUSE = 0.02  # seconds: one wake-up for all receipts of this time


class _BodyTooLargeError(Exception):
    pass


class _LengthUnknownError(Exception):
    pass


def webhook_door(request: HttpRequest, channel: str) -> HttpResponse:
    """Answer one request of a provider (called before Django's middleware: config.middleware)."""
    try:
        inbound_adapter(channel)
    except UnknownChannelError:
        return HttpResponse(status=404)
    try:
        if request.method == "GET":
            return _handshake(request, channel)
        if request.method == "POST":
            return _receive(request, channel)
    except (DatabaseError, InterfaceError) as error:
        log.exception("webhook_not_stored", channel=channel, error=type(error).__name__)
        return HttpResponse(status=503)
    return HttpResponseNotAllowed(["GET", "POST"])


def _handshake(request: HttpRequest, channel: str) -> HttpResponse:
    tokens = [entry.verify_token for entry in _secrets(channel).accounts if entry.verify_token]
    challenge = inbound_adapter(channel).handshake(request.GET.dict(), tokens)
    if challenge is None:
        return HttpResponse(status=403)
    return HttpResponse(challenge, content_type="text/plain")


def _receive(request: HttpRequest, channel: str) -> HttpResponse:
    try:
        raw = _read_body(request)
    except _BodyTooLargeError:
        return HttpResponse(status=413)
    except _LengthUnknownError:
        return HttpResponse(status=411)
    except UnreadablePostError:
        return HttpResponse(status=400)
    account_ids = _signed_for(request, channel, raw)
    if not account_ids:
        log.warning("webhook_forged", channel=channel, bytes=len(raw))
        return HttpResponse(status=401)
    if raw.lstrip()[:1] != b"{":
        return HttpResponse(status=400)
    receipt_store(channel=channel, raw=raw, account_ids=account_ids)
    _waker.wake()
    return HttpResponse(status=200)


def _read_body(request: HttpRequest) -> bytes:
    """At most one byte more than allowed is ever read, whatever Content-Length says or leaves out."""
    limit = settings.WEBHOOK_MAX_BYTES
    length = request.META.get("CONTENT_LENGTH", "")
    if length.isascii() and length.isdigit():
        if int(length) > limit:
            raise _BodyTooLargeError
        raw: bytes = request.read(limit + 1)
        if len(raw) < int(length):
            raise UnreadablePostError("the body ended before its Content-Length")
        return raw
    if not request.META.get("wsgi.input_terminated"):
        raise _LengthUnknownError  # reading on could wait for ever
    raw = request.META["wsgi.input"].read(limit + 1)
    if len(raw) > limit:
        raise _BodyTooLargeError
    return raw


def receipt_store(*, channel: str, raw: bytes, account_ids: Iterable[UUID]) -> None:
    """Commit one authenticated body. The same bytes again only count as another delivery.

    If another account's secret vouches for bytes we have (one number attached to two apps), they are processed again
    with both accounts believed.
    """
    digest = hashlib.sha256(channel.encode() + b"\0" + raw).digest()
    with connection.cursor() as cursor:
        cursor.execute(STORE, [channel, digest, raw, sorted(account_ids), timezone.now()])


STORE = """
INSERT INTO messaging_webhookreceipt AS r
    (channel, digest, body, verified_account_ids, received_at, deliveries, state, attempts, item_count, faults)
VALUES (%s, %s, %s, %s::uuid[], %s, 1, 'pending', 0, 0, '[]')
ON CONFLICT (digest) DO UPDATE SET
    deliveries = r.deliveries + 1,
    verified_account_ids = ARRAY(
        SELECT DISTINCT unnest(r.verified_account_ids || excluded.verified_account_ids)),
    state = CASE WHEN r.verified_account_ids @> excluded.verified_account_ids THEN r.state ELSE 'pending' END
"""


@dataclass(frozen=True, slots=True)
class _AccountSecrets:
    account_id: UUID
    app_secrets: tuple[str, ...]
    verify_token: str

    def __repr__(self) -> str:
        return f"_AccountSecrets({self.account_id})"


@dataclass(frozen=True, slots=True)
class _Secrets:
    loaded_at: float  # monotonic seconds
    accounts: tuple[_AccountSecrets, ...]


# Decrypting costs more than checking a signature, so each process remembers for a few seconds.
_cache: dict[str, _Secrets] = {}


def secrets_forget() -> None:
    """Forget the remembered secrets of this process (after an account was added or changed in it)."""
    _cache.clear()


def _secrets(channel: str, *, younger_than: float = SECRETS_FRESH) -> _Secrets:
    known = _cache.get(channel)
    now = time.monotonic()
    if known is None or now - known.loaded_at > younger_than:
        entries = []
        for account in ChannelAccount.objects.filter(channel=channel).order_by("id"):
            try:
                credentials = credentials_read(account)
            except CredentialsUnreadableError:
                # One account whose key was lost must not close the door for the others.
                log.error("credentials_unreadable", account=str(account.id))  # noqa: TRY400 - its trace says no more
                continue
            entries.append(_AccountSecrets(account.id, tuple(credentials.app_secrets), credentials.verify_token))
        known = _cache[channel] = _Secrets(now, tuple(entries))
    return known


def _signed_for(request: HttpRequest, channel: str, raw: bytes) -> set[UUID]:
    """The accounts one of whose secrets made this signature. Secrets just added are looked up before refusing."""
    known = _secrets(channel)
    found = _vouching(request, channel, raw, known)
    if not found:
        reloaded = _secrets(channel, younger_than=SECRETS_RELOAD)
        if reloaded is not known:
            found = _vouching(request, channel, raw, reloaded)
    return found


def _vouching(request: HttpRequest, channel: str, raw: bytes, known: _Secrets) -> set[UUID]:
    """Every secret is tried, each once: the time taken does not depend on which one matches."""
    adapter = inbound_adapter(channel)
    valid: dict[str, bool] = {}
    found = set()
    for entry in known.accounts:
        for secret in entry.app_secrets:
            if secret not in valid:
                valid[secret] = adapter.signature_valid(secret, request.headers, raw)
            if valid[secret]:
                found.add(entry.account_id)
    return found


class _Waker:
    """Wakes the receipt workers from a thread of its own: a slow or lost Redis costs the answer nothing.

    Many receipts within a moment need one wake-up, since a sweep takes all that are pending; a lost wake-up is made
    good by beat within a second.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        self._event.set()
        if self._thread is None or not self._thread.is_alive():  # first use, or first use after a fork
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="webhook-waker", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            self._event.wait()
            self._event.clear()
            try:
                receipts_process_task.apply_async(retry=False)
            except Exception as error:  # noqa: BLE001 - whatever the broker's trouble is, beat's sweep makes it good
                log.warning("wake_up_lost", error=type(error).__name__)
            time.sleep(WAKE_PAUSE)


_waker = _Waker()
