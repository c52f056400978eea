"""The pace when what answers at Redis's address is no Redis."""

import socketserver
import threading

import pytest

from messaging.governor import Ask, Governor
from messaging.models import SendPace
from tests.builders.contacts import NOW, ContactBuilder
from tests.builders.messaging import AccountBuilder

pytestmark = pytest.mark.django_db


class _Babble(socketserver.StreamRequestHandler):
    """A proxy's error page, say."""

    def handle(self):
        while self.rfile.readline():
            self.wfile.write(b"<html>no\r\n")


@pytest.fixture
def babbling():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Babble) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0?protocol=2"
        server.shutdown()


def test_whatever_is_wrong_with_redis_the_pace_comes_from_the_database(babbling):
    governor, account = Governor(babbling), AccountBuilder(throughput_per_second=80, messaging_limit=1)
    granted, _wait = governor.pace_take(account, want=500, now=NOW)
    assert 0 < granted <= 20
    assert SendPace.objects.filter(account=account).exists()


def test_whatever_is_wrong_with_redis_the_limits_come_from_the_records(babbling):
    governor, account = Governor(babbling), AccountBuilder(messaging_limit=1)
    people = [ContactBuilder().pk for _ in range(2)]
    answers = governor.reserve(
        account, [Ask(pk, True) for pk in people], now=NOW, recent=lambda: [(people[0], NOW)], last_sent=dict
    )
    assert answers[0] is None
    assert answers[1].limit == "provider_limit"
