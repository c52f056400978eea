"""One of the bench's dispatcher processes: `python -m bench.dispatcher ACCOUNT`; starts when its stdin says so."""

import logging
import os
import sys
from uuid import UUID

import django
import structlog

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

if __name__ == "__main__":
    django.setup()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    from django.utils import timezone

    from delivery.dispatch import dispatch_due
    from messaging.models import ChannelAccount

    account_id = UUID(sys.argv[1])
    ChannelAccount.objects.get(pk=account_id)  # connects
    print("ready", flush=True)
    sys.stdin.readline()
    dispatch_due(clock=timezone.now, account_id=account_id, seconds=600)
    print("done", flush=True)
