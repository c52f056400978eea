"""The dashboard and a chat in a real browser: scripts run, styles arrive, nothing is wider than a phone."""

import shutil
import subprocess

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=3000",
]  # fmt: skip
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]


def everybody_is_root(get_response):
    """Chromium's command line takes no cookies, so the test's server signs every visitor in."""

    def middleware(request):
        request.user = User.objects.get(username="root")
        return get_response(request)

    return middleware


@pytest.fixture
def dom(shop, settings, tmp_path):
    User.objects.create_superuser("root", password="long-enough-secret")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.admin.test_browser.everybody_is_root"]
    server = LiveServer("127.0.0.1")  # one of our own: the shared one has its middleware already

    def open_page(path, width=1280):
        flags = [*FLAGS, f"--user-data-dir={tmp_path}", f"--window-size={width},1000", "--dump-dom"]
        done = subprocess.run([CHROMIUM, *flags, server.url + path], capture_output=True, timeout=60, check=True)
        return done.stdout.decode()

    yield open_page
    server.stop()


def test_the_dashboard_shows_its_numbers(dom):
    page = dom(reverse("admin:index"))
    assert "rk-chart" in page
    assert "Conversation start rate" in page
    assert "Server Error" not in page


def test_a_chat_opens_with_its_buttons(dom, shop):
    page = dom(reverse("conversation-thread", args=[shop.conversation.pk]), width=420)
    assert "Chị Lan ơi" in page
    assert "Take over" in page
