"""The short visible reference in a first message: how it is made, and how it is found again. Pure.

wa.me has no parameter for where a person came from, so the reference travels in the text, which the person may edit
before sending. It is therefore a hint: unguessable enough not to be invented, and found with tolerance.
"""

import re
import secrets
import unicodedata

# No vowels (no words come about), nothing that reads like something else (0/O, 1/I/L, U/V).
ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"
LENGTH = 8  # 28^8 = 3.8e11
_DIGITS = frozenset("23456789")

# Letters of other scripts that a keyboard or a copy may put in place of ours.
_LOOKALIKES = str.maketrans(
    "ВСНКМРТХЅЈҮՏԌԜΒΗΚΜΝΡΤΧΥΖϹЗ",
    "BCHKMPTXSJYSGWBHKMNPTXYZC3",
)
_CHAR = f"[{ALPHABET}]"
_GAP = r"[\W_]{0,3}"
_BRACKETED = re.compile(r"[\[(<{「【]([^\])>}」】]{8,24})[\])>}」】]")
# A lookahead, so that a word before the reference cannot swallow its first half.
_HALVES = re.compile(rf"(?<![0-9A-Z])(?=({_CHAR}{{4}}){_GAP}({_CHAR}{{4}})(?![0-9A-Z]))")
_SPACED = re.compile(rf"(?<![0-9A-Z])(?=({_CHAR}(?:{_GAP}{_CHAR}){{7}})(?![0-9A-Z]))")
SEARCHED_CHARACTERS = 1000
MAX_CANDIDATES = 20


def reference_make() -> str:
    """A new random reference with at least one digit and one letter, e.g. K7F3M9QT."""
    while True:
        reference = "".join(secrets.choice(ALPHABET) for _i in range(LENGTH))
        if _plausible(reference):
            return reference


def reference_show(reference: str) -> str:
    """As it stands in the prefilled text: [K7F3-M9QT]."""
    return f"[{reference[:4]}-{reference[4:]}]"


def references_find(text: str) -> list[str]:
    """Everything in a text that may be a reference, most likely first. Whether it is one, the database knows.

    Tolerates case, spaces, lost or other brackets and hyphens, full-width and styled letters, invisible characters,
    and look-alike letters of other scripts.
    """
    folded = _fold(text[:SEARCHED_CHARACTERS])
    found: list[str] = []
    found += [_squeeze(match) for match in _BRACKETED.findall(folded)]
    found += [first + second for first, second in _HALVES.findall(folded)]
    found += [_squeeze(match) for match in _SPACED.findall(folded)]
    unique = dict.fromkeys(item for item in found if _plausible(item))
    return list(unique)[:MAX_CANDIDATES]


def _plausible(candidate: str) -> bool:
    characters = set(candidate)
    return (
        len(candidate) == LENGTH
        and characters <= set(ALPHABET)
        and bool(characters & _DIGITS)
        and bool(characters - _DIGITS)
    )


def _squeeze(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _fold(text: str) -> str:
    # Compatibility forms first (full-width, mathematical, circled letters), then accents and invisible characters.
    decomposed = unicodedata.normalize("NFKD", text)
    visible = (char for char in decomposed if unicodedata.category(char) not in ("Mn", "Cf", "Cc"))
    plain = "".join(str(unicodedata.digit(char, char)) for char in visible)
    return plain.upper().translate(_LOOKALIKES)
