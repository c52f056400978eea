from hypothesis import given
from hypothesis import strategies as st

from config.logging import mask, without_personal_data


def test_a_phone_number_in_any_string_is_masked():
    assert mask("sending to +84901234567 failed") == "sending to +…67 failed"
    assert mask("from 84901234567.") != "from 84901234567."


def test_a_token_in_a_header_or_an_address_is_masked():
    assert "EAAG" not in mask("Authorization: Bearer EAAGsecret")
    assert "EAAG" not in mask("https://graph.example/x?access_token=EAAGsecret&y=1")
    assert "rk.s3cret" not in mask("Authorization: Api-Key rk.s3cret")


def test_ids_and_times_stay_readable():
    for harmless in ("0193f0a2-7c1d-7b3e-8f00-1a2b3c4d5e6f", "2026-11-18T03:00:00Z", "500 messages", "131047"):
        assert mask(harmless) == harmless


def test_what_was_said_and_to_whom_never_reaches_a_log_line():
    event = {"event": "x", "text": "xin chào", "to": "+84901234567", "detail": {"name": "Lan", "count": 3}}
    assert without_personal_data(None, "info", event) == {"event": "x", "detail": {"count": 3}}


@given(st.integers(min_value=10**8, max_value=10**15 - 1), st.text(alphabet=" ,;()'\"", max_size=5))
def test_no_number_of_phone_length_survives(number, around):
    assert str(number) not in mask(f"{around}{number}{around}")
