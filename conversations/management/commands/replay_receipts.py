"""Process stored webhooks again: `manage.py replay_receipts 17 18`, or `--partial` for all that had faults."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from conversations.errors import ReceiptUnknownError
from conversations.receipts import receipt_replay
from messaging.models import WebhookReceipt


class Command(BaseCommand):
    help = "Process stored webhooks again. What they caused before is recognised and not caused again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, help="numbers of stored webhooks")
        parser.add_argument("--partial", action="store_true", help="all in which some items failed")
        parser.add_argument("--since", help="all received since this ISO 8601 time, e.g. 2026-11-18T00:00:00Z")

    def handle(self, *args: Any, **options: Any) -> None:
        ids: list[int] = options["ids"]
        if options["partial"] or options["since"]:
            chosen = WebhookReceipt.objects.order_by("id")
            if options["partial"]:
                chosen = chosen.filter(state=WebhookReceipt.State.PARTIAL)
            if options["since"]:
                chosen = chosen.filter(received_at__gte=_moment(options["since"]))
            ids = [*ids, *chosen.values_list("id", flat=True)]
        if not ids:
            raise CommandError("Name receipts by their numbers, or use --partial or --since.")
        partial = 0
        for receipt_id in ids:
            try:
                receipt = receipt_replay(receipt_id=receipt_id, now=timezone.now())
            except ReceiptUnknownError as error:
                raise CommandError(f"There is no receipt {receipt_id}.") from error
            partial += receipt.state == WebhookReceipt.State.PARTIAL
        self.stdout.write(f"{len(ids)} receipts processed again, {partial} of them with faults.")


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise CommandError("--since needs a time with its zone, e.g. 2026-11-18T00:00:00Z.")
    return moment
