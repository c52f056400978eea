"""The provider and the fresh limits of tests/delivery, for tests of the same path."""

from tests.delivery.conftest import _fresh_limits, provider

__all__ = ["_fresh_limits", "provider"]
