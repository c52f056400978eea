"""What counts as an opt-out, and what only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.words import classify

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
def test_a_yes_opts_in_only_as_the_answer_to_our_question(text):
    assert classify(text).kind == "none"
    assert classify(text, answering_optin_prompt=True).kind == "start"


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
    assert classify(text, answering_optin_prompt=True).kind in {"stop", "start", "help", "review", "none"}
