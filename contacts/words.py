"""Opt-out, opt-in and help words (pure). When in doubt a person decides: "review", never a guess.

A message that *is* a stop word acts at once: the word alone, repeated, or with nothing beside it but politeness
("stop please", "xin hủy giúp em ạ"). Anything else that contains one is for review ("don't stop", "cancel my order").
Opting in is stricter: the bare word only, and never a yes, which may answer any question.
Words: the US CTIA and carrier lists, the Vietnamese decree's syntax, and each language's usual forms.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

Kind = Literal["stop", "start", "help", "review", "none"]


@dataclass(frozen=True, slots=True)
class WordVerdict:
    """What to do about a message, the word that says so (as we list it) and that word's language."""

    kind: Kind
    word: str = ""
    language: str = ""


def _list(**languages: str) -> dict[str, tuple[str, ...]]:
    return {code: tuple(word.strip() for word in words.split(",")) for code, words in languages.items()}


STOP = _list(
    en="stop, stopall, stop all, unsubscribe, cancel, end, quit, revoke, optout, opt out, remove, "
    "remove me, unsubscribe me, stop messaging me, stop texting me, stop it, no more messages",
    # DK DNC registers a number on the national no-advertising list: whoever writes it wants no advertising.
    vi="tc, tc1, tc2, tc3, hủy, từ chối, ngừng, ngưng, dừng, dừng lại, "
    "không nhận tin, không nhận tin nữa, đừng nhắn nữa, đừng nhắn tin nữa, đừng gửi tin nữa, dk dnc",
    es="detener, salir, no más, parar, alto, baja, cancelar, no más mensajes, darme de baja",
    pt="parar, sair, cancelar, remover, descadastrar, pare",
    fr="arrêt, arrête, désabonner, annuler",
    id="berhenti, stop, unreg, batal",
    hi="band, band karo, roko, ruko, mat bhejo",
)
START = _list(
    en="start, unstop",
    vi="dk",
    es="volver, recibir, iniciar, alta",
    pt="voltar, receber, iniciar, cadastrar",
    fr="début",
    id="mulai, reg",
    hi="shuru",
)
HELP = _list(en="help, info", vi="trợ giúp", es="ayuda", pt="ajuda", fr="aide, info", id="bantuan", hi="madad")
# Plainly unwilling without a listed word, or a word that may be one: somebody reads it.
DOUBT = _list(
    en="leave me alone, do not contact, don t contact, do not text, don t text, do not message, "
    "don t message, not interested, spam",
    vi="dnc, đừng nhắn, đừng gửi, đừng gọi, đừng làm phiền, không muốn nhận, không nhắn, không gửi, làm phiền, chặn",
    es="no quiero más mensajes, no me escriban, no me escriba, no me envíen, no molesten, dejen de",
    pt="não me mande, não me enviem, não quero receber",
    fr="ne plus recevoir, ne m écrivez plus, laissez moi",
    id="jangan kirim, jangan ganggu",
)
# HUY DNC *leaves* the no-advertising list. It is not an opt-out; nor is it an opt-in to us.
NOT_A_STOP = "huy dnc"
# Written without its marks it may be dừng (stop), đừng (don't) or đúng (yes, correct).
AMBIGUOUS = "dung"
AMBIGUOUS_STOP, AMBIGUOUS_DOUBT = "dừng", frozenset({"dung", "đừng", "dưng", "đưng", "đung"})

POLITE = frozenset(
    word
    for words in (
        ("please", "pls", "plz", "thanks", "thx", "thank", "you", "now", "kindly", "sir", "madam", "ok", "okay"),
        ("xin", "vui", "lòng", "làm", "ơn", "cảm", "giúp", "giùm", "dùm", "với", "em", "anh", "chị", "ơi"),
        ("mình", "tôi", "ạ", "nhé", "nhe", "nha", "đi", "ngay"),
        ("long", "lam", "on", "giup", "gium", "dum", "voi", "chi", "oi", "minh", "toi", "a", "di", "cam"),
        ("por", "favor", "porfa", "gracias", "ya"),
        ("obrigado", "obrigada"),
        ("svp", "stp", "merci", "s", "il", "te", "vous", "plaît", "plait"),
        ("tolong", "terima", "kasih"),
    )
    for word in words
)
# Huy is also a man's name: "anh Huy ơi" calls him, "hủy giúp em" is an opt-out.
NAME, CALLING = "huy", frozenset({"anh", "chị", "chi", "em"})
# In these languages people leave diacritics out and misplace them (huỷ, hủy, huy). An English word with one added is
# another word: quít is a fruit.
FOLDING = frozenset({"vi", "es", "pt", "fr"})


def normalise(text: str) -> str:
    """NFKC, casefolded, letters and digits with single spaces between; emoji, punctuation and invisibles gone."""
    kept: list[str] = []
    # NFKC after casefold too: folding can take a letter apart.
    for char in unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()):
        category = unicodedata.category(char)
        if category == "Cf" or "\ufe00" <= char <= "\ufe0f":
            continue  # joiners, soft hyphens, variation selectors: invisible inside a word
        kept.append(char if category[0] in "LN" or category in ("Mn", "Mc") else " ")
    return " ".join("".join(kept).split())


def fold(text: str) -> str:
    """Without diacritics: đ is d."""
    bare = "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")
    return bare.replace("đ", "d")


def _match(text: str, lists: dict[str, tuple[str, ...]]) -> WordVerdict | None:
    """The listed word `text` equals. The kind is a placeholder; callers know what the list means."""
    folded = fold(text)
    if folded == AMBIGUOUS and text != AMBIGUOUS_STOP:
        return None
    for language, words in lists.items():
        for word in words:
            if text == word or (language in FOLDING and folded == fold(word)):
                return WordVerdict("none", word, language)
    return None


def _find(tokens: list[str], lists: dict[str, tuple[str, ...]]) -> WordVerdict | None:
    """The first listed word or phrase anywhere among the tokens."""
    longest = max(len(word.split()) for words in lists.values() for word in words)
    for start in range(len(tokens)):
        for size in range(1, min(longest, len(tokens) - start) + 1):
            if found := _match(" ".join(tokens[start : start + size]), lists):
                return found
    return None


def _without_politeness(tokens: list[str]) -> list[str]:
    first, last = 0, len(tokens)
    while first < last and tokens[first] in POLITE:
        first += 1
    while last > first and tokens[last - 1] in POLITE:
        last -= 1
    return tokens[first:last]


def _acts(tokens: list[str], lists: dict[str, tuple[str, ...]]) -> WordVerdict | None:
    """The tokens are one listed word, or listed one-word words and nothing else ("stop stop", "stop unsubscribe")."""
    if not tokens:
        return None
    if found := _match(" ".join(tokens), lists):
        return found
    each = [_match(token, lists) for token in tokens]
    return each[0] if all(each) else None


def classify(text: str) -> WordVerdict:
    """What a message means for consent."""
    plain = normalise(text)
    if not plain or fold(plain) == NOT_A_STOP:
        return WordVerdict("none", NOT_A_STOP if plain else "", "vi" if plain else "")
    if found := _match(plain, START):
        return WordVerdict("start", found.word, found.language)
    tokens = plain.split()
    core = _without_politeness(tokens)
    if found := _acts(core, STOP):
        calls = core == [NAME] and (tokens[0] in CALLING or tokens[-1] in {"ơi", "oi"})
        return WordVerdict("review" if calls else "stop", found.word, found.language)
    if found := _match(plain, HELP) or _acts(core, HELP):
        return WordVerdict("help", found.word, found.language)
    # Inside a longer text it says nothing: "dung roi" is "that's right". The phrases in DOUBT catch the other uses.
    if " ".join(core) in AMBIGUOUS_DOUBT:
        return WordVerdict("review", " ".join(core), "vi")
    if f" {NOT_A_STOP} " in f" {fold(plain)} ":
        return WordVerdict("none", NOT_A_STOP, "vi")
    if found := _find(tokens, STOP) or _find(tokens, DOUBT):
        return WordVerdict("review", found.word, found.language)
    return WordVerdict("none")
