"""Many HTTP POSTs at once over kept-alive connections, by libcurl's multi interface. No retries, ever.

libcurl repeats a request by itself when a kept-alive connection turns out dead before an answer came; the provider may
have read the first copy. So bodies are fed through a read function without a way back: the repeat then fails
(E_SEND_FAIL_REWIND) and the message becomes `unknown` instead of being sent twice.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pycurl

from messaging.events import OutboundRequest

CONNECT_SECONDS = 3
ANSWER_SECONDS = 15
# Commit to socket write. After that, what we knew when we decided is too old: the message goes back.
FRESH_SECONDS = 2.0
CONNECTIONS = 64
IDLE_SECONDS = 20  # a connection idle for longer is not used again: the other side may be closing it just now


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `written` False proves that the provider never got the request."""

    status: int  # 0: no complete answer
    headers: dict[str, str]
    body: bytes
    written: bool
    late: bool = False  # not written because it waited too long for its turn


class Transport:
    """One per process; not for use by two threads."""

    def __init__(self, connections: int = CONNECTIONS) -> None:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._idle = [self._handle() for _ in range(connections)]

    @staticmethod
    def _handle() -> Any:
        handle = pycurl.Curl()
        for option, value in (
            (pycurl.POST, 1),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.CONNECTTIMEOUT, CONNECT_SECONDS),
            (pycurl.TIMEOUT, ANSWER_SECONDS),
            (pycurl.NOSIGNAL, 1),
            (pycurl.TCP_NODELAY, 1),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.MAXAGE_CONN, IDLE_SECONDS),
            (pycurl.NOPROXY, "127.0.0.1,localhost"),
        ):
            handle.setopt(option, value)
        return handle

    def post_all(
        self,
        requests: Iterable[tuple[Any, OutboundRequest]],
        done: Callable[[Any, Answer], None],
        *,
        fresh_until: float,
    ) -> None:
        """Send every (key, request); call `done(key, answer)` for each as it ends. `fresh_until` is monotonic time."""
        waiting = iter(requests)
        busy: dict[Any, _Running] = {}
        exhausted = False
        while True:
            while self._idle and not exhausted:
                item = next(waiting, None)
                if item is None:
                    exhausted = True
                    break
                key, request = item
                if time.monotonic() > fresh_until:
                    done(key, Answer(0, {}, b"", written=False, late=True))
                    continue
                handle = self._idle.pop()
                busy[handle] = _Running(key, handle, request, fresh_until)
                self._multi.add_handle(handle)
            if not busy:
                return
            self._multi.perform()
            finished = self._finished(busy)
            for running in finished:
                self._multi.remove_handle(running.handle)
                self._idle.append(running.handle)
                done(running.key, running.answer())
            if not finished and busy and self._multi.select(0.5) < 0:
                time.sleep(0.001)  # nothing to wait on yet, a name is being resolved

    def _finished(self, busy: dict[Any, _Running]) -> list[_Running]:
        ended: list[_Running] = []
        queued = 1
        while queued:
            queued, fine, failed = self._multi.info_read()
            ended.extend(busy.pop(handle) for handle in fine)
            for handle, _code, _message in failed:
                busy[handle].failed = True
            ended.extend(busy.pop(handle) for handle, _code, _message in failed)
        return ended


class _Running:
    """One request on its way."""

    __slots__ = ("_body", "_fresh_until", "_headers", "_out", "failed", "handle", "key", "late")

    def __init__(self, key: Any, handle: Any, request: OutboundRequest, fresh_until: float) -> None:
        self.key, self.handle, self.failed, self.late = key, handle, False, False
        self._body, self._headers = io.BytesIO(), list[bytes]()
        self._out = io.BytesIO(request.body)
        self._fresh_until = fresh_until
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.HTTPHEADER, [*(f"{name}: {value}" for name, value in request.headers), "Expect:"])
        handle.setopt(pycurl.POSTFIELDSIZE, len(request.body))
        handle.setopt(pycurl.READFUNCTION, self._out.read)
        handle.setopt(pycurl.WRITEFUNCTION, self._body.write)
        handle.setopt(pycurl.HEADERFUNCTION, self._headers.append)
        handle.setopt(pycurl.PREREQFUNCTION, self._before_write)

    def _before_write(self, *_connection: Any) -> int:
        """Connected, nothing written yet: is what we decided still fresh?"""
        if time.monotonic() > self._fresh_until:
            self.late = True
            return int(pycurl.PREREQFUNC_ABORT)
        return int(pycurl.PREREQFUNC_OK)

    def answer(self) -> Answer:
        written = not self.late and (not self.failed or self.handle.getinfo(pycurl.REQUEST_SIZE) > 0)
        if self.failed:
            return Answer(0, {}, b"", written=written, late=self.late)
        headers = {}
        for line in self._headers:
            name, colon, value = line.partition(b":")
            if colon:
                headers[name.decode("latin-1").strip()] = value.decode("latin-1").strip()
        return Answer(self.handle.getinfo(pycurl.RESPONSE_CODE), headers, self._body.getvalue(), written=True)


_local = threading.local()


def transport() -> Transport:
    """This thread's own, made at first use: after Celery has forked."""
    own: Transport | None = getattr(_local, "transport", None)
    if own is None:
        own = _local.transport = Transport()
    return own
