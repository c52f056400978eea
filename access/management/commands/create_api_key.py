"""Issue an API key from the command line: for the first key, and for machines that set themselves up."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from access.errors import DomainError
from access.keys import api_key_create
from access.scopes import SCOPES


class Command(BaseCommand):
    help = "Create an API key and print it. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the key is for, e.g. 'Shop backend'")
        parser.add_argument(
            "--scope", action="append", default=[], choices=sorted(SCOPES), help="may be given more than once"
        )
        parser.add_argument("--all-scopes", action="store_true", help="everything, for a trial")
        parser.add_argument("--days", type=int, default=365, help="valid for this many days; 0: for ever")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        days = options["days"]
        if days < 0:
            raise CommandError(_("--days cannot be negative."))
        try:
            _api_key, key = api_key_create(
                name=options["name"],
                scopes=list(SCOPES) if options["all_scopes"] else options["scope"],
                created_by=None,
                now=now,
                expires_at=now + timedelta(days=days) if days else None,
            )
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(key)
