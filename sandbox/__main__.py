"""python -m sandbox --port N [--seed S]"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal

from aiohttp import web

from sandbox.server import application


async def serve(host: str, port: int, seed: int) -> None:
    """Serve until SIGTERM or SIGINT. Prints one line when ready; port 0 takes a free one."""
    runner = web.AppRunner(application(seed), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    await site.start()
    gc.freeze()
    address = runner.addresses[0]
    print(f"sandbox listening on http://{address[0]}:{address[1]}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A stand-in for the WhatsApp Cloud API.")
    parser.add_argument("--port", type=int, default=8090, help="0 = any free one (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same ids and the same people")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.host, arguments.port, arguments.seed))


if __name__ == "__main__":
    main()
