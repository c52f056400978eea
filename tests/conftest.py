import pytest
from hypothesis import settings

# The same examples on every run, and no clock: a busy machine must not fail a test.
settings.register_profile("rekindle", deadline=None, derandomize=True)
settings.load_profile("rekindle")


def pytest_itemcollected(item):
    """Every test that commits puts back what migrations wrote (compliance rules, roles), so that any order will do.

    Without it a test that empties the tables leaves the next one rows that `post_migrate` made anew: the first to
    restore the originals would then stumble over them.
    """
    marker = item.get_closest_marker("django_db")
    if marker and marker.kwargs.get("transaction"):
        item.add_marker(pytest.mark.django_db(transaction=True, serialized_rollback=True), append=False)
