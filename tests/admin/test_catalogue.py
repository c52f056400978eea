"""The Vietnamese catalogue has every string of the product, all of them translated, with the same placeholders."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from django.conf import settings

ROOT = settings.BASE_DIR
ROOMS = ("access", "callbacks", "campaigns", "config", "contacts", "conversations", "delivery", "messaging", "reports")
PLACE = re.compile(r"%\(\w+\)\d*[sd]|%[sd]|\{\w*\}")
KEYWORDS = {"_": None, "gettext": None, "gettext_lazy": None, "gettext_noop": None}


@pytest.fixture(scope="module")
def catalogue():
    with (ROOT / "config/locale/vi/LC_MESSAGES/django.po").open("rb") as file:
        return read_po(file, locale="vi")


def python_strings():
    for room in ROOMS:
        found = extract_from_dir(str(ROOT / room), [("**.py", "python")], keywords=KEYWORDS)
        for _name, _line, message, _comments, _context in found:
            yield message


def template_strings():
    translate = re.compile(r"""\{%\s*trans(?:late)?\s+(?:"([^"]+)"|'([^']+)')""")
    block = re.compile(r"(?s)\{%\s*blocktrans(?:late)?\b[^%]*%\}(.*?)\{%\s*endblocktrans")
    folders = [ROOT / "config/templates", *(ROOT / room / "templates" for room in ROOMS)]
    for path in (path for folder in folders for path in folder.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        yield from (double or single for double, single in translate.findall(text))
        yield from (re.sub(r"\{\{\s*(\w+)\s*\}\}", r"%(\1)s", found) for found in block.findall(text))
        yield from re.findall(r"""_\("([^"]+)"\)""", text)


def test_every_string_of_the_product_is_translated(catalogue):
    missing = sorted({text for text in (*python_strings(), *template_strings()) if text and not catalogue.get(text)})
    untranslated = sorted(message.id for message in catalogue if message.id and not message.string)
    assert missing == []
    assert untranslated == []


def test_nothing_is_left_for_later(catalogue):
    assert [message.id for message in catalogue if message.fuzzy and message.id] == []


def test_placeholders_agree(catalogue):
    wrong = [
        message.id
        for message in catalogue
        if message.id and sorted(PLACE.findall(message.id)) != sorted(PLACE.findall(str(message.string)))
    ]
    assert wrong == []


def test_the_compiled_catalogue_speaks_vietnamese(tmp_path):
    target = tmp_path / "django.mo"
    source = ROOT / "config/locale/vi/LC_MESSAGES/django.po"
    command = [sys.executable, "-m", "babel.messages.frontend", "compile", "-i", str(source), "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    assert Path(target).stat().st_size > 10_000
