import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox_process import NUMBER, Sandbox, start_sandbox

LAN = "+84912345678"
AUTH = {"Authorization": f"Bearer {NUMBER['access_token']}"}


class Product:
    """What the sandbox takes for the product: keeps the exact bytes of every webhook and answers as told."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []  # statuses for the next webhooks; 200 when used up
        product = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # a tracked link, and the handshake at /hook
                if "hub.challenge" in self.path:
                    query = dict(pair.split("=") for pair in self.path.split("?")[1].split("&"))
                    good = query["hub.verify_token"] == NUMBER["verify_token"]
                    self._answer(200 if good else 403, query["hub.challenge"].encode())
                else:
                    product.clicks.append((self.path, self.headers["User-Agent"]))
                    self._answer(302, b"", Location="https://wa.me/842473000001?text=Ch%C3%A0o%20%5BK7Q2%5D")

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                status = product.answers.pop(0) if product.answers else 200
                product.received.append((dict(self.headers), raw))
                self._answer(status, b"")

            def _answer(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                with contextlib.suppress(ConnectionError):  # a reset calls off what is on its way
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.clicks: list[tuple[str, str]] = []

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256  # a hundred copies may arrive at once
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a reset breaks connections; what a test expects, it asserts

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def values(self, field: str = "messages") -> list[dict[str, Any]]:
        """Every `value` received under this field, in order."""
        return [
            change["value"]
            for _, raw in self.received
            for entry in json.loads(raw)["entry"]
            for change in entry["changes"]
            if change["field"] == field
        ]

    def statuses(self) -> list[dict[str, Any]]:
        return [status for value in self.values() for status in value.get("statuses", [])]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def process() -> Iterator[Sandbox]:
    with start_sandbox() as started:
        yield started


@pytest.fixture
def product() -> Iterator[Product]:
    started = Product()
    yield started
    started.close()


@pytest.fixture
def sandbox(process: Sandbox, product: Product) -> Iterator[Sandbox]:
    """A freshly reset sandbox with one number that posts to `product` and one Vietnamese template."""
    process.reset()
    process.number(product.url + "/hook")
    process.template("come_back", "Chào {{1}}, mẫu {{2}} còn chờ bạn nhé!", category="MARKETING")
    yield process
    process.reset()


@pytest.fixture
def graph(sandbox: Sandbox):
    """Call the provider's side: graph("POST", "/path", body) -> (status, JSON)."""

    def call(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        return sandbox.request(method, "/v26.0" + path, body, headers=AUTH if headers is None else headers)

    return call


@pytest.fixture
def send(graph):
    """Post one message: send(type="text", ...) -> (status, JSON). To Lan unless said otherwise."""

    def call(**body: Any) -> tuple[int, Any]:
        if "recipient" not in body:
            body.setdefault("to", LAN)
        if not {"text", "interactive", "template", "type", "status"} & set(body):
            body |= {"type": "text", "text": {"body": "Chào bạn"}}
        return graph("POST", f"/{NUMBER['phone_number_id']}/messages", {"messaging_product": "whatsapp", **body})

    return call


@pytest.fixture
def lan(sandbox: Sandbox) -> dict[str, Any]:
    """Lan has just written, so her window is open."""
    return sandbox.inbound("Chào shop ạ", phone=LAN, name="Lan 💍")


def template(*values: str, name: str = "come_back", language: str = "vi", **rest: Any) -> dict[str, Any]:
    """The body of a template send with positional body parameters."""
    parameters = [{"type": "text", "text": value} for value in values]
    components = [{"type": "body", "parameters": parameters}] if values else []
    node = {"name": name, "language": {"code": language}, "components": components}
    return {"type": "template", "template": node | rest}
