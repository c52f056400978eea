import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from messaging.adapters import inbound_adapter

PAYLOADS = Path(__file__).parent.parent / "payloads" / "whatsapp"
RECEIVED = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)


def payload_bytes(name: str) -> bytes:
    """The fixture as Meta would write it: every character above U+007F escaped."""
    return json.dumps(json.loads((PAYLOADS / f"{name}.json").read_text()), separators=(",", ":")).encode()


@pytest.fixture
def parse():
    def read(body):
        raw = payload_bytes(body) if isinstance(body, str) else body if isinstance(body, bytes) else json.dumps(body)
        raw = raw if isinstance(raw, bytes) else raw.encode()
        return inbound_adapter("whatsapp").parse(raw, received_at=RECEIVED)

    return read


@pytest.fixture
def parse_one(parse):
    def read(body):
        parsed = parse(body)
        assert parsed.faults == ()
        assert parsed.item_count == 1
        return parsed.events[0]

    return read
