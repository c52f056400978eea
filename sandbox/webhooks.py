"""Webhooks on their way to the product: signed bytes, sent until they are answered with 200, all of it logged."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import aiohttp

from sandbox.clock import iso
from sandbox.world import Number, World

AUTO_BATCH = 500  # updates in one body when a queue is behind; Meta sends up to 1,000
BEHIND = 20


def body_bytes(body: Any) -> bytes:
    """As Meta writes it: compact, and every code point above U+007F as a lower-case \\uXXXX escape."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def signature(secret: str, raw: bytes) -> str:
    """The value of X-Hub-Signature-256 for exactly these bytes."""
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Manner:
    """How webhooks travel. Defaults: at once, in order, one by one unless the queue is behind."""

    batch: int | None = None  # updates per body; None = 1, or as many as needed to catch up
    linger: float = 0.0  # seconds to wait for a batch to fill
    duplicate: int = 0  # further copies of every body
    duplicate_share: float = 1.0  # of the bodies that get copies
    delay: tuple[float, float] = (0.0, 0.0)  # seconds, drawn evenly
    reorder: int = 0  # shuffle within this many updates
    concurrency: int = 1
    timeout: float = 10.0
    retry_first: float = 0.5  # seconds; doubles up to retry_most, for as long as the sandbox runs
    retry_most: float = 30.0
    keep: int = 50_000  # deliveries in the log
    hold: bool = False  # nothing leaves until lifted

    def change(self, body: dict[str, Any]) -> None:
        """Set fields by name; raises ValueError for an unknown one."""
        known = {item.name for item in fields(self)}
        if unknown := sorted(set(body) - known):
            raise ValueError(f"unknown fields: {', '.join(unknown)}")
        for name, value in body.items():
            if name == "delay":
                low, high = value if isinstance(value, list) else (value, value)
                value = (float(low), float(high))
            setattr(self, name, value)

    def to_json(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


@dataclass(slots=True)
class Update:
    """One change of one number (or account) to tell the product about."""

    waba_id: str
    field: str
    value: dict[str, Any]
    kind: str
    on_answer: Callable[[], None] | None = None  # called once, at the first 200


@dataclass(slots=True)
class Delivery:
    """One body and every attempt at delivering it."""

    id: int
    at: float
    url: str
    raw: bytes
    headers: dict[str, str]
    kinds: list[str]
    updates: list[Update]
    state: str = "pending"  # pending | delivered | retrying
    attempts: list[dict[str, Any]] = field(default_factory=list)
    first: asyncio.Event = field(default_factory=asyncio.Event)

    def to_json(self, *, with_body: bool = True) -> dict[str, Any]:
        answer = {
            "id": self.id,
            "at": iso(self.at),
            "url": self.url,
            "kinds": self.kinds,
            "state": self.state,
            "attempts": self.attempts,
            "signature": self.headers.get("X-Hub-Signature-256", ""),
        }
        return answer | ({"body": self.raw.decode("utf-8", "replace")} if with_body else {})


class App:
    """One webhook address and secret, with its queue."""

    def __init__(self, url: str, secret: str) -> None:
        self.url, self.secret = url, secret
        self.queue: deque[Update] = deque()
        self.wake = asyncio.Event()
        self.workers: set[asyncio.Task[None]] = set()


class Webhooks:
    """All deliveries of one sandbox."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.manner = Manner()
        self.apps: dict[tuple[str, str], App] = {}
        self.deliveries: dict[int, Delivery] = {}
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.lifted = asyncio.Event()
        self.lifted.set()

    async def reset(self) -> None:
        """Stop everything on its way and forget the log."""
        tasks = [*self._tasks, *(task for app in self.apps.values() for task in app.workers)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.apps.clear()
        self.deliveries.clear()
        self.manner = Manner()
        self.lifted.set()
        self._ids = itertools.count(1)

    async def close(self) -> None:
        await self.reset()
        if self._session:
            await self._session.close()

    def change(self, body: dict[str, Any]) -> None:
        """New manner from the control API; running queues follow at once."""
        self.manner.change(body)
        if self.manner.hold:
            self.lifted.clear()
        else:
            self.lifted.set()
        for app in self.apps.values():
            self._staff(app)

    # -- in ---------------------------------------------------------------------------------------------------------

    def emit(self, number: Number, update: Update) -> None:
        """Queue one update for the number's app. Silent when the WABA is not attached, as at Meta."""
        if not number.subscribed or not number.webhook_url:
            return
        low, high = self.manner.delay
        if high > 0:
            delay = self.world.rng.uniform(low, high)
            self.world.timers.later(delay, self._enqueue, number.webhook_url, number.app_secret, update)
        else:
            self._enqueue(number.webhook_url, number.app_secret, update)

    def _enqueue(self, url: str, secret: str, update: Update) -> None:
        app = self.apps.get((url, secret))
        if app is None:
            app = self.apps[url, secret] = App(url, secret)
            self._staff(app)
        app.queue.append(update)
        app.wake.set()

    def _staff(self, app: App) -> None:
        while len(app.workers) < max(1, self.manner.concurrency):
            app.workers.add(asyncio.create_task(self._work(app)))

    # -- out --------------------------------------------------------------------------------------------------------

    async def _work(self, app: App) -> None:
        while True:
            if not app.queue:
                app.wake.clear()
                await app.wake.wait()
                continue
            if not self.lifted.is_set():
                await self.lifted.wait()
                continue
            manner = self.manner
            if manner.linger or manner.reorder:
                await asyncio.sleep(manner.linger or 0.05)
            if manner.reorder:
                self._shuffle(app)
            size = manner.batch or (AUTO_BATCH if len(app.queue) > BEHIND else 1)
            updates = [app.queue.popleft() for _ in range(min(size, len(app.queue)))]
            if updates:
                delivery = self._pack(app, updates)
                await self._attempt(delivery)
                await self._copies(delivery)

    def _shuffle(self, app: App) -> None:
        head = [app.queue.popleft() for _ in range(min(self.manner.reorder, len(app.queue)))]
        self.world.rng.shuffle(head)
        app.queue.extendleft(reversed(head))

    def _pack(self, app: App, updates: list[Update]) -> Delivery:
        entries: dict[str, list[dict[str, Any]]] = {}
        for update in updates:
            entries.setdefault(update.waba_id, []).append({"field": update.field, "value": update.value})
        body = {
            "object": "whatsapp_business_account",
            "entry": [{"id": waba_id, "changes": changes} for waba_id, changes in entries.items()],
        }
        raw = body_bytes(body)
        headers = {"X-Hub-Signature-256": signature(app.secret, raw)}
        return self._log(app.url, raw, headers, updates)

    def _log(self, url: str, raw: bytes, headers: dict[str, str], updates: list[Update]) -> Delivery:
        headers = {"Content-Type": "application/json", "User-Agent": "facebookexternalua"} | headers
        kinds = [update.kind for update in updates]
        delivery = Delivery(next(self._ids), self.world.clock.timestamp(), url, raw, headers, kinds, updates)
        self.deliveries[delivery.id] = delivery
        while len(self.deliveries) > self.manner.keep:
            del self.deliveries[next(iter(self.deliveries))]
        return delivery

    def post_raw(self, number: Number, raw: bytes, *, signed: str | None, headers: dict[str, str]) -> Delivery:
        """Deliver exactly these bytes. `signed`: the secret, or None for no signature at all."""
        if signed is not None:
            headers = {"X-Hub-Signature-256": signature(signed, raw)} | headers
        delivery = self._log(number.webhook_url, raw, headers, [])
        delivery.kinds = ["raw"]
        self._spawn(self._attempt(delivery, retry=False))
        return delivery

    def again(self, delivery: Delivery) -> None:
        """Send the same bytes once more, whatever the earlier answers were."""
        self._spawn(self._attempt(delivery, retry=False))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _copies(self, delivery: Delivery) -> None:
        if self.manner.duplicate and self.world.rng.random() < self.manner.duplicate_share:
            for _ in range(self.manner.duplicate):
                await self._attempt(delivery, retry=False)

    async def _attempt(self, delivery: Delivery, *, retry: bool = True, number: int = 0) -> None:
        """One POST. Anything but 200 is tried again, with growing gaps, beside the queue."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        started = time.monotonic()
        status, error, answer = None, "", ""
        try:
            async with self._session.post(
                delivery.url,
                data=delivery.raw,
                headers=delivery.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self.manner.timeout),
            ) as response:
                status = response.status
                answer = (await response.content.read(500)).decode("utf-8", "replace")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            error = type(problem).__name__
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        attempt = {"at": iso(self.world.clock.timestamp()), "status": status, "error": error, "ms": milliseconds}
        delivery.attempts.append(attempt | ({"answer": answer} if status != 200 else {}))
        if status == 200:
            self._answered(delivery)
        elif delivery.state != "delivered" and retry:
            delivery.state = "retrying"
            gap = min(self.manner.retry_most, self.manner.retry_first * 2.0**number)
            self._spawn(self._later(delivery, gap, number + 1))
        delivery.first.set()

    async def _later(self, delivery: Delivery, gap: float, number: int) -> None:
        await asyncio.sleep(gap)
        if delivery.state != "delivered":
            await self._attempt(delivery, number=number)

    def _answered(self, delivery: Delivery) -> None:
        if delivery.state == "delivered":
            return
        delivery.state = "delivered"
        for update in delivery.updates:
            if update.on_answer:
                update.on_answer()

    async def idle(self, seconds: float) -> bool:
        """Wait until no status is due or queued and every body was answered with 200; False if time ran out."""
        deadline = time.monotonic() + seconds
        while (
            self.world.timers.waiting
            or any(app.queue for app in self.apps.values())
            or any(
                delivery.state == "pending" or (delivery.state == "retrying" and delivery.updates)
                for delivery in self.deliveries.values()
            )
        ):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    async def handshake(self, url: str, verify_token: str, challenge: str) -> dict[str, Any]:
        """The GET by which Meta checks a new webhook address."""
        query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
        async with aiohttp.ClientSession() as session:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url, params=query, timeout=aiohttp.ClientTimeout(total=10)) as response:
                    text = await response.text()
                    return {"status": response.status, "body": text, "ok": response.status == 200 and text == challenge}
        return {"status": None, "body": "", "ok": False}
