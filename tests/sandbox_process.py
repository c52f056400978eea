"""The provider sandbox as a real process, for flow tests of every room. See sandbox/README.md for the control API."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from config.embedded import die_with_parent

ROOT = Path(__file__).resolve().parent.parent
NUMBER = {
    "phone_number_id": "800000000000001",
    "waba_id": "900000000000001",
    "portfolio_id": "700000000000001",
    "display_phone_number": "+842473000001",
    "access_token": "sandbox-token",
    "app_secret": "sandbox-secret",
    "verify_token": "sandbox-verify",
}


class SandboxError(AssertionError):
    """The control API refused a call."""


class Sandbox:
    """Talks to one sandbox process. `url` is what an account's `base_url` must be."""

    def __init__(self, url: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self.url, self.process = url, process

    def request(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, timeout: float = 30
    ) -> tuple[int, Any]:
        """Any HTTP request; returns (status, JSON or text)."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own process
            self.url + path, data=data, method=method, headers={"Content-Type": "application/json"} | (headers or {})
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
                status, raw = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, raw = error.code, error.read()
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw.decode("utf-8", "replace")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One control call; raises SandboxError unless it answers 200."""
        status, answer = self.request(method, f"/_sandbox/{path}", body)
        if status != 200:
            raise SandboxError(f"{method} {path}: {status} {answer}")
        return answer

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, **body: Any) -> Any:
        return self.call("POST", path, body)

    # -- the calls that tests make most ------------------------------------------------------------------------------

    def reset(self, seed: int = 1) -> None:
        self.post("reset", seed=seed)

    def number(self, webhook_url: str = "", **changes: Any) -> dict[str, Any]:
        """Make (or change) a number; NUMBER unless said otherwise."""
        given = NUMBER | changes
        return self.post("numbers", **(given | ({"webhook_url": webhook_url} if webhook_url else {})))

    def template(self, name: str, text: str, *, language: str = "vi", **rest: Any) -> dict[str, Any]:
        given = {"waba_id": NUMBER["waba_id"], "components": [{"type": "BODY", "text": text}]} | rest
        return self.post("templates", name=name, language=language, **given)["templates"][0]

    def inbound(self, text: str = "", *, wait: float = 10, **body: Any) -> dict[str, Any]:
        """A person writes; returns when the webhook was answered with 200 (`wait=0`: at once).

        Say who by `**{"from": "+84..."}`, `phone="+84..."` or `user_id="VN.1"`.
        """
        if "phone" in body:
            body["from"] = body.pop("phone")
        return self.post("inbound", **({"text": text} if text else {}), wait=wait, **body)

    def fault(self, kind: str, **rest: Any) -> dict[str, Any]:
        return self.post("faults", kind=kind, **rest)

    def clear_faults(self) -> None:
        self.call("DELETE", "faults")

    def clock(self, now: str | None, *, ticking: bool = False) -> None:
        self.post("clock", now=now, ticking=ticking)

    def webhooks(self, **manner: Any) -> dict[str, Any]:
        return self.post("webhooks", **manner)

    def record(self, **query: Any) -> dict[str, Any]:
        return self.get("record", **query)

    def sends(self, **query: Any) -> list[dict[str, Any]]:
        return self.record(**query)["sends"]

    def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        return self.get("deliveries", **query)["deliveries"]

    def wait_webhooks(self, seconds: float = 10) -> bool:
        """Until every webhook was answered with 200."""
        return bool(self.post("wait", seconds=seconds)["idle"])

    def until(self, condition: Callable[[], Any], seconds: float = 10, what: str = "") -> Any:
        """Poll until the condition is truthy; its value, or a failure."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what or condition}"
            time.sleep(0.02)
        return value


@contextlib.contextmanager
def start_sandbox(*, seed: int = 1, port: int = 0, arguments: tuple[str, ...] = ()) -> Iterator[Sandbox]:
    """Start `python -m sandbox` on a free port; it ends with the block, and with this process even on SIGKILL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", str(port), "--seed", str(seed), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().decode()
        if "listening on" not in line:
            raise SandboxError(f"the sandbox did not start: {line!r}")
        yield Sandbox(line.rsplit(" ", 1)[1].strip(), process)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
