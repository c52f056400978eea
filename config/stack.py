"""All of Rekindle's processes under one command, and none of them left when it ends.

    python -m config.stack serve

starts what DATABASE_URL and REDIS_URL do not name, migrates, and runs web, workers and beat for real work. In
production each of these runs under its own supervisor instead (compose.yaml, docs/operations.md).
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from cryptography.fernet import Fernet

from config import embedded

STOP_SECONDS = 35  # a little more than Celery's soft shutdown
# Queues by purpose: slow work never delays an opt-out.
WORKERS = {"worker-inbound": "optout,inbound", "worker-send": "send", "worker-plan": "plan,bulk"}


class Stack:
    """Real processes, each in a session of its own, with its log in a file. Ends them all, in reverse order."""

    def __init__(self, *, environment: Mapping[str, str], logs: Path) -> None:
        self.environment = dict(environment)
        self.logs = logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}
        self.stopping = threading.Event()
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *command: str) -> None:
        self._commands[name] = list(command)
        with (self.logs / f"{name}.log").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=embedded.BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=embedded.die_with_parent,
            )

    def run(self, *command: str) -> None:
        """One command to its end; its output is shown only when it fails."""
        done = subprocess.run(
            command, cwd=embedded.BASE_DIR, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")

    def ended(self) -> list[str]:
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def restart(self, name: str) -> None:
        self.start(name, *self._commands[name])

    def stop(self) -> None:
        """SIGTERM to each (Celery finishes what it is doing), SIGKILL to whole groups that do not listen."""
        self.stopping.set()
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in reversed(self.processes.values()):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def start_product(stack: Stack, *, port: int, data: Path, web_workers: int = 1) -> None:
    """Web, one worker per group of queues, beat. The database must be migrated."""
    python = sys.executable
    stack.start(
        "web", python, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", str(web_workers), "--blocking-threads", "8", "--backlog", "2048", "--no-ws",
        "--respawn-failed-workers", "config.wsgi:application",
    )  # fmt: skip
    for name, queues in WORKERS.items():
        stack.start(
            name, python, "-m", "celery", "-A", "config", "worker", "--queues", queues, "--concurrency", "1",
            "--hostname", f"{name}@%h", "--loglevel", "INFO", "--without-gossip", "--without-mingle",
        )  # fmt: skip
    stack.start(
        "beat", python, "-m", "celery", "-A", "config", "beat", "--loglevel", "INFO",
        "--schedule", str(data / "celerybeat"), "--pidfile", "",
    )  # fmt: skip


def wait_until_ready(url: str, stack: Stack, *, seconds: float = 60) -> None:
    """Until the address answers 200; ends the command with the log's name when a process gives up before."""
    deadline = time.monotonic() + seconds
    while True:
        if gone := stack.ended():
            sys.exit(f"{gone[0]} ended while starting; see {stack.logs / gone[0]}.log")
        try:
            with urlopen(url, timeout=2) as answer:  # noqa: S310  (our own loopback address)
                if answer.status == 200:
                    return
        except (HTTPError, URLError, OSError):
            if time.monotonic() > deadline:
                sys.exit(f"{url} did not get ready within {seconds:.0f} s; see {stack.logs}")
        time.sleep(0.1)


def free_port(wanted: int) -> int:
    """`wanted` when nobody listens there, else one that the kernel picks. Loopback only."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("no free port on the loopback address")


def local_secrets(data: Path) -> dict[str, str]:
    """Random secrets for this machine, made once and kept where only this user can read them."""
    path = data / "secrets.env"
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        values = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "SUPPRESSION_HASH_KEY": secrets.token_urlsafe(32),
        }
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def serve_environment(given: Mapping[str, str], data: Path, port: int) -> dict[str, str]:
    """Production settings. Without DATABASE_URL this is one machine: secrets and addresses get local defaults."""
    environment = dict(given)
    environment.setdefault("REKINDLE_ENV", "production")
    if "DATABASE_URL" not in given:
        defaults = {
            **local_secrets(data),
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "HTTPS": "false",
        }
        environment = {**defaults, **environment}
    return environment


def end_on_signal(*_: int | FrameType | None) -> None:
    raise KeyboardInterrupt


def serve() -> None:
    """Run until Ctrl-C or SIGTERM; restart what falls over."""
    port = int(os.environ.get("PORT", "8000"))
    data = embedded.default_data().resolve()
    data.mkdir(parents=True, exist_ok=True)
    environment = serve_environment(os.environ, data, port)
    signal.signal(signal.SIGTERM, end_on_signal)
    with embedded.services(data, environment) as started:
        stack = Stack(environment={**environment, **started.environment()}, logs=data.parent / "log")
        manage = (sys.executable, "manage.py")
        stack.run(*manage, "migrate", "--no-input")
        stack.run(*manage, "collectstatic", "--no-input", "--verbosity", "0")
        subprocess.run([*manage, "first_admin"], cwd=embedded.BASE_DIR, env=stack.environment, check=True)
        try:
            start_product(stack, port=port, data=data)
            wait_until_ready(f"http://127.0.0.1:{port}/health/ready", stack)
            print(f"Rekindle is up: {environment.get('PUBLIC_URL')}/admin/   (logs: {stack.logs}; Ctrl-C ends it)")
            while True:
                time.sleep(1)
                for name in stack.ended():
                    print(f"{name} ended and is started again; see {stack.logs / name}.log", file=sys.stderr)
                    stack.restart(name)
        except KeyboardInterrupt:
            print("Ending ...")
        finally:
            stack.stop()


if __name__ == "__main__":
    if sys.argv[1:] != ["serve"]:
        sys.exit("usage: python -m config.stack serve")
    serve()
