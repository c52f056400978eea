from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from campaigns.holdout import holdout_assigned

SALT = UUID("0190f5f0-0000-7000-8000-000000000001")
percents = st.decimals(0, 100, places=2)


def members(percent, salt=SALT, count=20_000):
    return {i for i in range(count) if holdout_assigned(salt=salt, percent=percent, contact_id=UUID(int=i))}


def test_the_share_is_what_was_asked_for():
    for percent in (Decimal(1), Decimal(10), Decimal("12.5"), Decimal(50)):
        share = Decimal(len(members(percent))) / 200
        assert abs(share - percent) < 1


def test_nobody_and_everybody():
    assert members(Decimal(0), count=500) == set()
    assert len(members(Decimal(100), count=500)) == 500


def test_another_campaign_draws_independently():
    other = members(Decimal(50), salt=UUID(int=7))
    both = members(Decimal(50)) & other
    assert 0.22 < len(both) / 20_000 < 0.28


@given(st.uuids(), st.uuids(), percents)
def test_the_answer_never_changes(salt, contact_id, percent):
    answers = {holdout_assigned(salt=salt, percent=percent, contact_id=contact_id) for _ in range(3)}
    assert len(answers) == 1


@given(st.uuids(), st.uuids(), percents, percents)
def test_raising_the_share_lets_nobody_out(salt, contact_id, one, two):
    low, high = sorted((one, two))
    if holdout_assigned(salt=salt, percent=low, contact_id=contact_id):
        assert holdout_assigned(salt=salt, percent=high, contact_id=contact_id)
