"""The demo is the story of the product: played small, by real processes, judged by the provider's own record."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


@pytest.mark.chaos
def test_the_whole_story_holds():
    home = Path(tempfile.mkdtemp(prefix="rekindle-story-"))
    home.chmod(0o711)
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment |= {"REKINDLE_DATA": str(home / "data"), "PORT": "18000"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "demo", "--once", "--people", "40", "--seed", "20261121"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        assert "FAIL" not in done.stdout
    finally:
        shutil.rmtree(home, ignore_errors=True)
