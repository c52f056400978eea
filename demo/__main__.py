"""`make demo`: real processes, two shops, a few hundred people, and proof at the end.

python -m demo [--once] [--people N] [--seed N]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from rich.console import Console
from rich.live import Live
from rich.table import Table

from config import embedded
from config.stack import Stack, end_on_signal, free_port, start_product, wait_until_ready

if TYPE_CHECKING:
    from demo.stage import Company
    from demo.story import Story

SPEED = 20.0
STORY_SECONDS = 60
SETTLE_SECONDS = 30
LATE_AT = 22
console = Console()


def arguments_read() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Play the whole story on embedded services.")
    parser.add_argument("--once", action="store_true", help="end after the story; exit 0 only if everything holds")
    parser.add_argument("--people", type=int, default=120, help="people per shop (default 120)")
    parser.add_argument("--seed", type=int, default=0, help="who they are; default: other people on every run")
    return parser.parse_args()


def main() -> int:
    arguments = arguments_read()
    data = embedded.default_data().resolve().with_name("demo")
    data.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, end_on_signal)
    web_port, sandbox_port = free_port(int(os.environ.get("PORT", "8000"))), free_port(8090)
    environment = {
        **os.environ,
        "REKINDLE_ENV": "development",
        "PUBLIC_URL": f"http://127.0.0.1:{web_port}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    console.print("Starting PostgreSQL and Redis ...")
    with embedded.services(data, environment) as started:
        environment |= started.environment()
        stack = Stack(environment=environment, logs=data / "log")
        try:
            return play(stack, arguments, data, web_port, sandbox_port)
        except KeyboardInterrupt:
            console.print("Ending ...")
            return 130
        finally:
            stack.stop()


def play(stack: Stack, arguments: argparse.Namespace, data: Path, web_port: int, sandbox_port: int) -> int:
    """Start everything, tell the story, check it; then stay, or end with --once."""
    python = sys.executable
    stack.run(python, "manage.py", "migrate", "--no-input")
    stack.start("sandbox", python, "-m", "sandbox", "--port", str(sandbox_port))
    start_product(stack, port=web_port, data=data)
    web, provider = f"http://127.0.0.1:{web_port}", f"http://127.0.0.1:{sandbox_port}"
    wait_until_ready(f"{provider}/_sandbox/health", stack)
    wait_until_ready(f"{web}/health/ready", stack)
    os.environ.update(stack.environment | {"LOG_LEVEL": "WARNING"})  # the terminal is for the story
    django.setup()
    from demo.show import funnel_table, progress_table  # Django is set up only now
    from demo.stage import company_set_up
    from demo.verify import verify

    company = company_set_up()
    started_at = datetime.now(UTC)
    story = begin(arguments, company, web, provider)
    console.print(f"Two shops are open. Admin: {web}/admin/   (logs: {stack.logs})")
    late = follow(story, stack, progress_table)
    settle(story)
    personas = [p for p in story.sandbox.get("/_sandbox/personas")["personas"] if p["state"] != "new"]
    report = verify(
        record=story.sandbox.get("/_sandbox/record"),
        personas=personas,
        late=late,
        purchases=story.purchases,
        campaigns=[campaign for _shop, campaign in story.shops],
        run=story.run,
        started_at=started_at,
    )
    for problem in story.problems:
        report.expect(False, "every call of the API was answered", problem)
    for _shop, campaign in story.shops:
        console.print(funnel_table(campaign, since=started_at))
    console.print("\n".join(report.lines), highlight=False, markup=False)
    said = "The story holds." if not report.failures else f"{len(report.failures)} checks failed."
    console.print(said, style="bold green" if not report.failures else "bold red")
    if not arguments.once:
        stay(stack, company, web)
    return 1 if report.failures else 0


def begin(arguments: argparse.Namespace, company: Company, web: str, provider: str) -> Story:
    """Accounts, campaigns, crowd."""
    from django.utils import timezone

    from demo.client import JsonClient
    from demo.shops import SHOPS
    from demo.stage import account_set_up, campaign_set_up, crowd_invite, rules_shorten
    from demo.story import Story

    api = JsonClient(web, {"Authorization": f"Api-Key {company.api_key}"})
    sandbox = JsonClient(provider)
    now = timezone.now()
    seed = arguments.seed or int(now.timestamp())
    run = _base36(seed)
    sandbox.post("/_sandbox/reset", {"seed": seed})
    rules_shorten()
    shops = []
    for shop in SHOPS:
        account = account_set_up(shop, sandbox, web=web, now=now)
        shops.append((shop, campaign_set_up(shop, account, company, run=run)))
    for shop, campaign in shops:
        crowd_invite(shop, campaign, sandbox, people=arguments.people, seed=seed, speed=SPEED)
    return Story(run=run, shops=shops, api=api, sandbox=sandbox, speed=SPEED)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


def follow(story: Story, stack: Stack, progress_table: Any) -> list[dict[str, Any]]:
    """Watch the story until nobody is about to do anything, with the live funnel in the terminal."""
    late: list[dict[str, Any]] = []
    began = time.monotonic()
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while True:
            story.tick()
            seconds = time.monotonic() - began
            if not late and seconds > LATE_AT:
                late = story.late_writers_arrive()
                story.ad_platform_reports(story.sandbox.get("/_sandbox/personas")["personas"])
            if gone := stack.ended():
                sys.exit(f"{gone[0]} ended; see {stack.logs / gone[0]}.log")
            table: Table = progress_table(story.shops, seconds=seconds)
            live.update(table)
            if not console.is_terminal and int(seconds) % 10 == 0:
                print(f"{seconds:4.0f} s  {table.caption}")
            if seconds > STORY_SECONDS:
                return late
            time.sleep(1)


def settle(story: Story) -> None:
    """Let the crowd stand still and everything that is on its way arrive, so that two records can be compared."""
    story.sandbox.post("/_sandbox/personas/still", {})
    story.tick()
    deadline = time.monotonic() + SETTLE_SECONDS
    calm = 0
    while calm < 3 and time.monotonic() < deadline:
        time.sleep(0.5)
        idle = story.sandbox.post("/_sandbox/wait", {"seconds": 5})["idle"]
        calm = calm + 1 if idle and not story.busy() else 0


def stay(stack: Stack, company: Company, web: str) -> None:
    """Say where to look, and stay up until Ctrl-C."""
    password = company.password or "(as printed by the first run)"
    console.print(
        f"\nAdmin   {web}/admin/\nUser    admin\nPassword {password}\nAPI     {web}/api/v1/docs/\nCtrl-C ends it all."
    )
    while True:
        time.sleep(1)
        for name in stack.ended():
            console.print(f"{name} ended and is started again; see {stack.logs / name}.log")
            stack.restart(name)


if __name__ == "__main__":
    sys.exit(main())
