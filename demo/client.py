"""Two small HTTP clients: the growth engineer's, for Rekindle's REST API, and the stage hand's, for the sandbox."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen


class CallError(Exception):
    """The other side refused; the message carries its own words."""


class JsonClient:
    """JSON over HTTP to one address, with fixed headers."""

    def __init__(self, base: str, headers: dict[str, str] | None = None) -> None:
        self.base, self.headers = base, {"Content-Type": "application/json", **(headers or {})}

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's JSON. Raises CallError with status and body unless the answer is 2xx."""
        data = None if body is None else json.dumps(body, default=str).encode()
        request = Request(self.base + path, data, {**self.headers, **headers}, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310  (loopback addresses we started ourselves)
                raw = answer.read()
        except HTTPError as error:
            raise CallError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:500]}") from None
        return json.loads(raw) if raw else None

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)
