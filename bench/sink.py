"""The smallest provider that can be: every POST is accepted with its own id. `python -m bench.sink` prints its port."""

from __future__ import annotations

import asyncio

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "


class Sink(asyncio.Protocol):
    """One connection; requests come one after the other, each with a Content-Length."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            Sink.count += 1
            body = b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.%d"}]}' % Sink.count
            self.transport.write(_HEAD + str(len(body)).encode() + b"\r\n\r\n" + body)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
