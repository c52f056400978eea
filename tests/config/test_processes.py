"""One command starts real processes, and leaves none behind however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from config.stack import Stack, free_port, local_secrets, serve_environment

CLEAN = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}


def run_embedded(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "config.embedded", "run", "--ephemeral", "--", *command],
        env=CLEAN,
        stdout=subprocess.PIPE,
        text=True,
    )


def gone(pids: list[int], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


SHOW = (
    "import os, sys, psycopg, redis\n"
    "print(psycopg.connect(os.environ['DATABASE_URL']).execute('select 1').fetchone()[0],"
    " redis.Redis.from_url(os.environ['REDIS_URL']).ping(), flush=True)\n"
    "sys.exit(7)\n"
)


def test_a_command_finds_postgresql_and_redis_and_its_exit_code_comes_back():
    with run_embedded(sys.executable, "-c", SHOW) as process:
        assert process.communicate(timeout=60)[0].split() == ["1", "True"]
    assert process.returncode == 7


@pytest.mark.chaos
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_service_outlives_the_command(how):
    with run_embedded(sys.executable, "-c", "print('up', flush=True); import time; time.sleep(600)") as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "up"
        family = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        assert len(family) >= 3
        process.send_signal(how)
        process.wait(30)
    assert gone(family)


@pytest.mark.chaos
def test_a_stack_ends_its_processes_and_kills_the_deaf(tmp_path, monkeypatch):
    monkeypatch.setattr("config.stack.STOP_SECONDS", 1)
    stack = Stack(environment=os.environ, logs=tmp_path)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    stack.start("deaf", sys.executable, "-u", "-c", deaf)
    stack.start("polite", sys.executable, "-c", "import time; time.sleep(600)")
    deadline = time.monotonic() + 20
    while "deaf" not in (tmp_path / "deaf.log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stack.stop()
    assert stack.processes["deaf"].returncode == -signal.SIGKILL
    assert stack.processes["polite"].returncode == -signal.SIGTERM


def test_a_taken_port_is_left_to_its_owner():
    import socket

    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        assert free_port(owner.getsockname()[1]) != owner.getsockname()[1]


def test_one_machine_gets_its_own_secrets_once_and_a_real_deployment_gets_none(tmp_path):
    first = local_secrets(tmp_path)
    assert first == local_secrets(tmp_path)
    assert (tmp_path / "secrets.env").stat().st_mode & 0o077 == 0
    assert serve_environment({}, tmp_path, 8000)["SECRET_KEY"] == first["SECRET_KEY"]
    assert "SECRET_KEY" not in serve_environment({"DATABASE_URL": "postgresql://db/x"}, tmp_path, 8000)


def test_the_shipped_compose_file_names_every_queue():
    from config.celery import QUEUES

    text = (Path(__file__).resolve().parents[2] / "compose.yaml").read_text()
    served = {
        queue
        for line in text.splitlines()
        if "--queues" in line
        for queue in line.split("--queues ")[1].split()[0].split(",")
    }
    assert served == set(QUEUES)
