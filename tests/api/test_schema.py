from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.urls import get_resolver
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

CHECKED_IN = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"


@pytest.fixture
def schema(tmp_path):
    """The schema as it is generated now; a warning of the generator is a failure."""
    path = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(path))
    return path.read_text()


def test_the_checked_in_schema_is_up_to_date(db, schema):
    assert CHECKED_IN.read_text() == schema, "run `make schema`"


def test_the_schema_is_served_without_a_key(db):
    answer = APIClient().get("/api/v1/schema/")
    assert answer.status_code == 200
    served = yaml.safe_load(answer.content)
    validate_schema(served)
    assert served == yaml.safe_load(CHECKED_IN.read_text())


def test_the_rendered_page_loads_nothing_from_elsewhere(db):
    page = APIClient().get("/api/v1/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page
    assert "//cdn" not in page


def test_every_operation_names_its_scope_its_errors_and_every_post_its_idempotency_key():
    operations = [
        (f"{method} {path}", operation)
        for path, methods in yaml.safe_load(CHECKED_IN.read_text())["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 50
    for name, operation in operations:
        assert "Scope: `" in operation["description"], name
        assert "application/problem+json" in operation["responses"]["default"]["content"], name
        keys = [one for one in operation.get("parameters", []) if one["name"] == "Idempotency-Key"]
        assert len(keys) == (1 if name.startswith("post") else 0), name


def test_every_action_of_every_resource_has_a_scope():
    """An action without one is refused to everybody; that must not go unnoticed."""

    def views(patterns):
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                yield from views(pattern.url_patterns)
            elif hasattr(pattern.callback, "actions"):
                yield pattern.callback.cls, pattern.callback.actions

    seen = 0
    for view, actions in views(get_resolver("config.api_urls").url_patterns):
        for name in actions.values():
            if name in ("head", "options"):
                continue
            seen += 1
            assert name in view.scopes, f"{view.__name__}.{name}"
    assert seen > 50
