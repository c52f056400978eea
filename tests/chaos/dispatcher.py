"""A dispatcher in a process of its own, to be killed: `python -m tests.chaos.dispatcher`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

if __name__ == "__main__":
    from delivery.dispatch import dispatch_due
    from tests.builders.contacts import NOW

    dispatch_due(clock=lambda: NOW, seconds=0)
