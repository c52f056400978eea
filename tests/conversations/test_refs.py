from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.refs import ref_make, ref_parse


@given(st.uuids(), st.integers(min_value=0, max_value=2**31))
def test_a_ref_names_its_message_and_fence(message_id, fence):
    assert ref_parse(ref_make(message_id, fence)) == (message_id, fence)


@pytest.mark.parametrize(
    "text", ["", "x", "msg_7f", f"{uuid4().hex}.", f"{uuid4().hex}.-1", f"{uuid4()}.1", "z" * 32 + ".1"]
)
def test_a_foreign_string_is_not_taken_for_a_ref(text):
    assert ref_parse(text) is None
