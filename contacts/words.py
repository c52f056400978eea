"""Is this message an opt-out, an opt-in, a call for help, or perhaps one of them? Pure.

A message that *is* a keyword acts at once, politeness and emoji around it aside. One that merely contains a stop word
goes to a person, and nothing is sent meanwhile. Sources: CTIA and the platforms for English, Decree 91/2020 for
Vietnamese (TC, HUY), carriers' lists for the others; docs/marketers.md says which words are by law and which by usage.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_STOP = {
    "en": (
        "stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out", "opt-out",
        "remove", "remove me", "unsubscribe me", "stop messaging me", "stop texting me", "no more messages",
    ),
    "vi": (
        "tc", "tc1", "tc2", "tc3", "huy", "hủy", "huỷ", "từ chối", "ngừng", "dừng", "không nhận tin",
        "không nhận tin nữa", "đừng nhắn nữa", "đừng nhắn tin nữa",
    ),
    "es": ("detener", "salir", "no más", "parar", "alto", "baja", "cancelar", "no más mensajes", "darme de baja"),
    "pt": ("parar", "sair", "cancelar", "remover", "descadastrar", "pare"),
    "fr": ("arrêt", "arrete", "arrête", "desabonner", "désabonner", "annuler"),
    "id": ("berhenti", "stop", "unreg", "batal"),
    "hi": ("band", "band karo", "roko", "ruko", "mat bhejo"),
}  # fmt: skip
_START = {
    "en": ("start", "unstop"),
    "vi": ("dk", "đk"),
    "es": ("volver", "recibir", "iniciar", "alta"),
    "pt": ("voltar", "receber", "iniciar", "cadastrar"),
    "fr": ("debut", "début"),
    "id": ("mulai", "reg"),
    "hi": ("shuru",),
}
# A yes means something only as the answer to our own question.
_YES = {"en": ("yes",), "vi": ("đồng ý",), "es": ("sí",), "fr": ("oui",), "id": ("ya",), "hi": ("haan",)}
_HELP = {
    "en": ("help", "info"),
    "vi": ("trợ giúp",),
    "es": ("ayuda",),
    "pt": ("ajuda",),
    "fr": ("aide",),
    "id": ("bantuan",),
    "hi": ("madad",),
}
# Said around a stop word without changing it: "stop please", "hủy giúp mình nhé", "baja por favor".
_POLITE = frozenset(
    [
        "please",
        "pls",
        "plz",
        "thanks",
        "thank",
        "you",
        "thx",
        "now",
        "kindly",
        "sir",
        "madam",
        "giúp",
        "giùm",
        "dùm",
        "mình",
        "tôi",
        "em",
        "anh",
        "chị",
        "ơi",
        "nhé",
        "nha",
        "ạ",
        "xin",
        "vui",
        "lòng",
        "cảm",
        "ơn",
        "với",
        "đi",
        "por",
        "favor",
        "gracias",
        "ya",
        "porfa",
        "obrigado",
        "obrigada",
        "merci",
        "svp",
        "s'il",
        "vous",
        "plaît",
        "tolong",
        "terima",
        "kasih",
    ]
)
# "HUY DNC" leaves Vietnam's no-advertising list: its sender wants to be reached again.
_NOT_STOP = frozenset({"huy dnc", "hủy dnc", "huỷ dnc"})
# Without its diacritics "dừng" (stop) cannot be told from "đúng" (correct): a person decides. Inside a longer text it
# says nothing at all, because "dung" is also "right", "use" and a name.
_UNCLEAR_BARE = frozenset({"dung"})
_KEEP = re.compile(r"[^\w\s'-]+")


@dataclass(frozen=True, slots=True)
class WordVerdict:
    """`kind`: stop, start, help, review or none. `word` is the keyword met, `language` its BCP 47 language."""

    kind: str
    word: str = ""
    language: str = ""


NONE = WordVerdict("none")


def normalise(text: str) -> str:
    """NFC, case folded, without punctuation, emoji and doubled spaces; diacritics stay."""
    plain = unicodedata.normalize("NFC", text).casefold()
    # Emoji, variation selectors, zero-width characters and keycaps are neither letters nor digits.
    plain = "".join(char for char in plain if unicodedata.category(char) not in ("Cf", "Mn", "Me", "So", "Sk"))
    plain = _KEEP.sub(" ", plain).replace("_", " ")
    return " ".join(word.strip("-'") for word in plain.split() if word.strip("-'"))


def fold(text: str) -> str:
    """Without diacritics, as people type on a keyboard that has none."""
    decomposed = unicodedata.normalize("NFD", text.replace("đ", "d"))
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not unicodedata.combining(char)))


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, WordVerdict], dict[str, WordVerdict], dict[str, WordVerdict]]:
    """Exact forms; forms without diacritics; the yes-words, both ways."""
    exact: dict[str, WordVerdict] = {}
    yes: dict[str, WordVerdict] = {}
    for kind, languages, table in (
        ("stop", _STOP, exact),
        ("start", _START, exact),
        ("help", _HELP, exact),
        ("start", _YES, yes),
    ):
        for language, words in languages.items():
            for word in words:
                table.setdefault(normalise(word), WordVerdict(kind, normalise(word), language))
    folded: dict[str, WordVerdict] = {}
    for word, verdict in exact.items():
        if fold(word) not in _UNCLEAR_BARE:
            folded.setdefault(fold(word), verdict)
    return exact, folded, yes | {fold(word): verdict for word, verdict in yes.items()}


def _keyword(text: str) -> WordVerdict:
    """The verdict of a text that is a keyword and nothing else."""
    exact, folded, _yes = _tables()
    if text in exact:
        return exact[text]
    bare = fold(text)
    if bare == text:  # typed without diacritics
        return WordVerdict("review", text, "vi") if bare in _UNCLEAR_BARE else folded.get(bare, NONE)
    # Typed with diacritics, but other ones: "đừng" is close to "dừng", "đúng" is not a stop at all.
    if bare in folded and folded[bare].kind == "stop":
        return WordVerdict("review", folded[bare].word, folded[bare].language)
    return WordVerdict("review", text, "vi") if text == "đừng" else NONE


def _without_politeness(text: str) -> str:
    return " ".join(word for word in text.split() if word not in _POLITE)


def _contained(text: str) -> WordVerdict:
    """A stop word somewhere in a longer text."""
    exact, folded, _yes = _tables()
    words = text.split()
    longest = 4
    for size in range(longest, 0, -1):
        for start in range(len(words) - size + 1):
            piece = " ".join(words[start : start + size])
            found = exact.get(piece) or (folded.get(piece) if fold(piece) == piece else None)
            if found and found.kind == "stop":
                return WordVerdict("review", found.word, found.language)
    return NONE


def classify(text: str, *, answering_optin_prompt: bool = False) -> WordVerdict:
    """What a message asks for. Yes-words opt in only when they answer an explicit opt-in prompt."""
    plain = normalise(text)
    if not plain or plain in _NOT_STOP:
        return NONE
    for candidate in dict.fromkeys((plain, _without_politeness(plain))):
        verdict = _keyword(candidate) if candidate else NONE
        if verdict is not NONE:
            return verdict
        if answering_optin_prompt and candidate in _tables()[2]:
            return _tables()[2][candidate]
    if any(phrase in f" {plain} " for phrase in (" huy dnc ", " hủy dnc ", " huỷ dnc ")):
        return NONE
    return _contained(plain)
