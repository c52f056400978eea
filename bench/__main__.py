"""`python -m bench [NAME] [--short]`: each hot path beside its limit, taken in one run.

Prints `name value unit limit ratio` and writes bench/latest.json with a description of the machine. Figures of two
machines cannot be compared; the ratios of one run can.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
NAMES = ("send",)
LATEST = Path(__file__).parent / "latest.json"


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    from django.db import connection

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        postgres = cursor.fetchone()[0]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": postgres,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("name", nargs="?", choices=NAMES)
    parser.add_argument("--short", action="store_true", help="fewer messages: under two minutes")
    arguments = parser.parse_args()
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], check=True)
    django.setup()
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    from bench import send

    described = machine()
    figures = []
    for name, value, unit, limit in send.run(short=arguments.short):
        ratio = value / limit if limit else None
        figures.append({"name": name, "value": round(value, 1), "unit": unit, "limit": limit, "ratio": ratio})
        print(f"{name} {value:.0f} {unit} {f'{limit:.0f}' if limit else '-'} {f'{ratio:.2f}' if ratio else '-'}")
    taken = {"taken_at": datetime.now(UTC).isoformat(timespec="seconds"), "short": arguments.short}
    LATEST.write_text(json.dumps(taken | {"machine": described, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
