"""Tracked links: people are counted, machines are not, and everybody gets to the chat."""

import io
from urllib.parse import parse_qs, urlsplit

import pytest
import zxingcpp
from PIL import Image

from campaigns.links import entry_point_url, qr_image
from campaigns.models import AdClick, Campaign
from campaigns.references import references_find
from tests.builders.campaigns import AdBuilder, LinkBuilder

pytestmark = pytest.mark.django_db
PHONE = (
    "Mozilla/5.0 (Linux; Android 14; SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
    "Chrome/126.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/470.0.0.0;]"
)


@pytest.fixture
def link(db):
    return LinkBuilder(token="k7f3m9qtxx", campaign__account__display_number="+84901234567")


def visit(client, link, *, method="get", query="", agent=PHONE, **headers):
    return getattr(client, method)(
        f"/c/{link.token}/{query}",
        headers={"user-agent": agent, **{k.replace("_", "-"): v for k, v in headers.items()}},
    )


def test_a_person_is_counted_and_sent_to_the_chat_with_a_reference(client, link):
    response = visit(client, link, query="?fbclid=abc&utm_source=ig&session=secret")

    click = AdClick.objects.get()
    target = urlsplit(response["Location"])
    assert (response.status_code, target.netloc, target.path) == (302, "wa.me", "/84901234567")
    text = parse_qs(target.query)["text"][0]
    assert text.startswith("Xin chào [")
    assert references_find(text) == [click.reference]
    assert click.parameters == {"fbclid": "abc", "utm_source": "ig"}
    assert "no-store" in response["Cache-Control"]


def test_two_clicks_have_two_references(client, link):
    visit(client, link)
    visit(client, link)
    assert len(set(AdClick.objects.values_list("reference", flat=True))) == 2


@pytest.mark.parametrize(
    "request_of",
    [
        {"method": "head"},
        {"agent": "WhatsApp/2.23.20.0"},
        {"agent": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"},
        {"agent": "Mozilla/5.0 (compatible; coccocbot-web/1.0; +http://help.coccoc.com/searchengine)"},
        {"agent": "TelegramBot (like TwitterBot)"},
        {"agent": "curl/8.5.0"},
        {"agent": ""},
        {"sec_purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
    ],
)
def test_machines_get_the_redirect_and_are_not_counted(client, link, request_of):
    response = visit(client, link, **request_of)
    assert response.status_code == 302
    assert response["Location"] == "https://wa.me/84901234567?text=Xin%20ch%C3%A0o"
    assert not AdClick.objects.exists()


@pytest.mark.parametrize(
    "agent",
    [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Mobile/15E148 Instagram 338.0.0.0"
        ),
        "Mozilla/5.0 (Linux; Android 13; V2026) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36 Zalo android/12110",
        "Mozilla/5.0 (Linux; Android 10; CUBOT NOTE 20) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
    ],
)
def test_browsers_inside_apps_are_people(client, link, agent):
    visit(client, link, agent=agent)
    assert AdClick.objects.count() == 1


def test_an_unknown_token_gets_a_friendly_page(client, db):
    response = client.get("/c/nothing/", headers={"user-agent": PHONE})
    assert response.status_code == 404
    assert "This link leads nowhere" in response.text
    assert not AdClick.objects.exists()


def test_the_link_of_an_ended_campaign_still_opens_the_chat(client, link):
    Campaign.objects.update(status="ended")
    assert visit(client, link).status_code == 302
    assert AdClick.objects.count() == 1


def test_nobody_posts_to_a_link(client, link):
    assert visit(client, link, method="post").status_code == 405


def test_the_qr_code_decodes_to_the_link(link):
    png = qr_image(link, "png")
    decoded = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    assert [code.text for code in decoded] == [entry_point_url(link)]
    assert entry_point_url(link).endswith("/c/k7f3m9qtxx/")
    assert qr_image(link, "svg").startswith(b"<?xml")


def test_an_ad_has_no_code(db):
    with pytest.raises(ValueError):
        qr_image(AdBuilder(), "png")
