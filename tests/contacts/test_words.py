"""What counts as an opt-out, and what only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.words import HELP, POLITE, START, STOP, classify, fold, normalise

STOPS = [
    "STOP", "stop", " Stop. ", "STOP!!! 🙏", "🛑stop🛑", "stop please", "please stop", "Unsubscribe", "OPT-OUT",
    "Opt Out", "END", "TC", "tc2", "HỦY", "huỷ", "huy", "HUY", "hủy giúp mình nhé", "Từ chối", "tu choi", "Ngừng",
    "Dừng", "DỪNG ạ", "không nhận tin", "khong nhan tin", "BAJA", "baja por favor", "No más", "NO MAS", "alto",
    "cancelar", "SAIR", "pare", "ARRÊT", "arret", "berhenti", "band karo", "MAT BHEJO",
]  # fmt: skip
TRAPS = ["HUY DNC", "huy dnc nhé", "đúng", "Đúng rồi ạ", "dung roi", "weekend", "stopwatch", "xin chào", "", "🙏", "ok"]


@pytest.mark.parametrize("text", STOPS)
def test_a_message_that_is_a_stop_word_acts_at_once(text):
    assert classify(text).kind == "stop"


@pytest.mark.parametrize("text", TRAPS)
def test_what_only_looks_like_a_stop_word_is_none(text):
    assert classify(text).kind == "none"


@pytest.mark.parametrize(
    "text", ["dung", "DUNG", "Đừng", "Can you cancel my order?", "mình muốn hủy đơn", "quiero cancelar el pedido ayer"]
)
def test_what_may_be_an_opt_out_goes_to_a_person(text):
    assert classify(text).kind == "review"


@pytest.mark.parametrize(("text", "kind"), [("ALTA", "start"), ("ALTO", "stop"), ("DK", "start"), ("UNSTOP", "start")])
def test_alta_signs_up_and_alto_stops(text, kind):
    assert classify(text).kind == kind


@pytest.mark.parametrize("text", ["yes", "Đồng ý", "dong y", "sí", "OUI", "ya", "haan"])
def test_a_yes_is_no_opt_in_for_it_may_answer_any_question(text):
    assert classify(text).kind == "none"


@pytest.mark.parametrize("text", ["HELP", "info", "trợ giúp", "tro giup", "ayuda", "aide"])
def test_help_words_ask_for_help(text):
    assert classify(text).kind == "help"


@given(st.sampled_from(STOPS), st.sampled_from(["", " ", "!", "...", " 🙏🙏", "\n", "?!"]), st.booleans())
def test_case_punctuation_and_emoji_never_hide_a_stop_word(word, around, upper):
    text = f"{around}{word.upper() if upper else word}{around}"
    assert classify(text).kind == "stop"


@given(st.text())
def test_any_text_at_all_gets_a_verdict(text):
    assert classify(text).kind in {"stop", "start", "help", "review", "none"}


@pytest.mark.parametrize(
    "text",
    [
        "STOP STOP stop", "stop unsubscribe", "ＳＴＯＰ", "𝐒𝐓𝐎𝐏", "st\u00adop", "huy giup minh nhe", "xin hủy ạ",
        "DK DNC", "dừng lại", "dung nhan tin nua", "arrête s'il te plaît", "ok stop", "Stop, thank you!",
    ],
)  # fmt: skip
def test_a_stop_stays_a_stop_however_it_is_dressed(text):
    assert classify(text).kind == "stop"


@pytest.mark.parametrize(
    "text",
    [
        "don't stop", "stop start", "leave me alone", "Anh Huy ơi", "dung gui nua", "DNC", "no quiero más mensajes",
        "não quero receber", "STOP sending me things I never asked for",
    ],
)  # fmt: skip
def test_unwillingness_in_other_words_is_read_by_a_person(text):
    assert classify(text).kind == "review"


@pytest.mark.parametrize("text", ["start please", "alta por favor", "yes please", "quít", "the weekend", "tôi tên Lan"])
def test_nothing_but_the_bare_word_opts_in_and_a_lookalike_does_nothing(text):
    assert classify(text).kind == "none"


@given(st.text())
def test_only_a_listed_word_opts_anybody_in(text):
    verdict = classify(text)
    if verdict.kind == "start":
        listed = [word for words in START.values() for word in words]
        assert fold(normalise(text)) in {fold(word) for word in listed}


WORDS = [word for words in STOP.values() for word in words]
INNOCENT = st.sampled_from(["ring", "nhẫn", "vàng", "mañana", "tomorrow", "9999", "prix"])


@given(st.sampled_from(WORDS), st.lists(INNOCENT, min_size=1, max_size=3), st.lists(INNOCENT, max_size=3))
def test_a_stop_word_inside_a_longer_text_is_never_missed_and_never_acts(word, before, after):
    assert classify(" ".join([*before, word, *after])).kind == "review"


@given(st.sampled_from(WORDS), st.sampled_from(sorted(POLITE - {"anh", "chị", "chi", "em", "ơi", "oi"})))
def test_politeness_never_turns_a_stop_into_something_else(word, polite):
    assert classify(f"{word} {polite}").kind == "stop"
    assert classify(f"{polite} {word}").kind == "stop"


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


def test_no_word_means_two_things():
    starts = {word for words in START.values() for word in words}
    helps = {word for words in HELP.values() for word in words}
    assert not {*WORDS} & starts
    assert not {*WORDS} & helps
