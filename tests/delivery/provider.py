"""A provider of a few lines: answers POSTs over real HTTP as a test says, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.db import connection


class Provider:
    """`answer(body) -> (status, JSON)`; a status of 0 closes the connection without a word."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]] = self.accept
        self.before: Callable[[], None] = lambda: None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.received.append(body)
                provider.before()
                connection.close()  # this thread's own, if `before` made one
                status, answer = provider.answer(body)
                if not status:
                    self.close_connection = True
                    return
                raw = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_arguments: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @staticmethod
    def accept(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {
            "messaging_product": "whatsapp",
            "contacts": [{"input": body.get("to", body.get("recipient"))}],
            "messages": [{"id": "wamid." + body["biz_opaque_callback_data"]}],
        }

    def refuse(self, code: int, status: int = 400, **more: Any) -> None:
        self.answer = lambda _body: (status, {"error": {"message": f"(#{code}) no", "code": code, **more}})

    @property
    def recipients(self) -> list[str]:
        return [body.get("to") or body["recipient"] for body in self.received]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
