"""The whole table of documented codes: what each means for the engine."""

import pytest

from messaging.accounts import template_stop_status
from messaging.adapters.whatsapp.errors import RANGES, RULES, classify
from messaging.events import ErrorClass as C
from messaging.events import Scope

OUR_FAULT = [
    *(100, 131008, 131009, 131044, 131051, 131055, 131060, 132005, 132008, 132012, 132018, 134100, 135000, 137000),
    *(138006, 138012, 139000, 139004, 139100, 139101, 139200, 131201, 147001, 200005, 200006, 200007),
    *(2388019, 2388039, 2388040, 2388047, 2388072, 2388073, 2388293, 2388299, 2388318, 2388330),
    *(2494191, 2593107, 2593108, 2593109),
]
TABLE = [
    (C.AUTH, Scope.ACCOUNT, [0, 3, 10, 190, 200, 250, 299, 131005]),
    (C.SLOW, Scope.APP, [4]),
    (C.SLOW, Scope.ACCOUNT, [80007]),
    (C.SLOW, Scope.NUMBER, [130429, 133016]),
    (C.SLOW, Scope.PAIR, [131056]),
    (C.SLOW, Scope.TEMPLATE, [132069]),
    (C.STOP_NUMBER, Scope.NUMBER, [33, 131037, 131045, 131048, 133000, 133005, 133006, 133008, 133009, 133010]),
    (C.STOP_ACCOUNT, Scope.ACCOUNT, [368, 131031, 131042, 131064, 134011]),
    (C.STOP_TEMPLATE, Scope.TEMPLATE, [131063, 132000, 132001, 132007, 132015, 132016, 132068, 134102]),
    (C.RETRY, Scope.MESSAGE, [1, 2, 131000, 131016, 131052, 131053, 133004, 139102, 139103]),
    (C.RETRY, Scope.NUMBER, [131057, 133015, 2494100]),
    (C.RETRY, Scope.TEMPLATE, [134101]),
    (C.DEFER, Scope.PERSON, [130472, 131049]),
    (C.SUPPRESS, Scope.PERSON, [131050]),
    (C.ADDRESS, Scope.COUNTRY, [130497]),
    (C.ADDRESS, Scope.PAIR, [131021, 131026, 131030, 131062]),
    (C.USE_TEMPLATE, Scope.PAIR, [131047]),
    (
        C.FIX_MESSAGE,
        Scope.MESSAGE,
        OUR_FAULT,
    ),
]
ROWS = [(code, error_class, scope) for error_class, scope, codes in TABLE for code in codes]


@pytest.mark.parametrize(("code", "error_class", "scope"), ROWS)
def test_a_code_means(code, error_class, scope):
    error = classify({"code": code})
    assert (error.error_class, error.scope) == (error_class, scope)


def test_every_row_of_the_table_is_tested():
    tested = {code for code, _class, _scope in ROWS}
    assert set(RULES) <= tested
    assert all(any(first <= code <= last for code in tested) for first, last, _rule in RANGES)


def test_what_is_retried_says_how_often_and_what_is_not_says_never():
    for code, rule in RULES.items():
        retried = rule.error_class in (C.RETRY, C.SLOW)
        assert (rule.max_retries > 0) == (retried or code == 131049), code
        assert not retried or rule.retry_after, code


def test_a_wrong_mapping_does_not_heal_by_waiting_but_a_pause_does():
    assert {code for code, rule in RULES.items() if rule.lasting} == {131063, 132000, 132007, 132016}
    assert template_stop_status(classify({"code": 132000})) == "DISABLED"
    assert template_stop_status(classify({"code": 132015})) == "PAUSED"


def test_a_person_is_left_alone_for_a_day_even_if_a_header_says_less():
    assert classify({"code": 131049}, retry_after=5).retry_after == 86_400


@pytest.mark.parametrize("code", ["131050", 131050])
def test_a_code_may_be_a_string(code):
    assert classify({"code": code}).error_class is C.SUPPRESS


@pytest.mark.parametrize("error", [{}, {"code": None}, {"code": True}, {"code": "x"}, {"code": [1]}, {"title": 5}])
def test_an_error_without_sense_fails_the_message(error):
    read = classify(error)
    assert (read.code, read.error_class) == ("", C.FIX_MESSAGE)


def test_an_unknown_code_is_retried_when_the_server_is_to_blame():
    assert classify({"code": 777}, http_status=503).error_class is C.RETRY
    assert classify({"code": 777, "is_transient": True}).error_class is C.RETRY
    assert classify({"code": 777}, http_status=503).max_retries == 3
    assert classify({"code": 777}).error_class is C.FIX_MESSAGE
