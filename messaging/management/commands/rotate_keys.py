"""Encrypt the credentials with a new key, so that the old one can go (docs/operations.md)."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from messaging.credentials import credentials_rotate
from messaging.errors import CredentialsUnreadableError


class Command(BaseCommand):
    help = "Encrypt all provider credentials again with the first key of FIELD_ENCRYPTION_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = credentials_rotate()
        except CredentialsUnreadableError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count} account(s) now use the first key; the other keys may be removed.")
