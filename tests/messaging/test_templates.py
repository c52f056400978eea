"""What a template needs, whether values fit it, how it reads filled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.events import Button, FreeForm, TemplateContent
from messaging.models import Template
from messaging.templates import content_problems, template_parameters, template_preview

POSITIONAL = [
    {"type": "HEADER", "format": "TEXT", "text": "Chào {{1}}", "example": {"header_text": ["Lan"]}},
    {
        "type": "BODY",
        "text": "{{2}} ơi, {{1}} còn đây, {{2}} nhé.",
        "example": {"body_text": [["nhẫn", "Lan"]]},
    },
    {"type": "FOOTER", "text": "Tiệm Vàng"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Gọi tôi"},
            {"type": "URL", "text": "Xem", "url": "https://shop.example/{{1}}", "example": ["https://shop.example/a"]},
            {"type": "URL", "text": "Trang chủ", "url": "https://shop.example/"},
            {"type": "COPY_CODE", "example": "TET10"},
            {"type": "PHONE_NUMBER", "text": "Gọi", "phone_number": "+84"},
        ],
    },
]
NAMED = [
    {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["x"]}},
    {
        "type": "BODY",
        "text": "Olá {{first_name}}, {{product}}!",
        "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Ana"}]},
    },
]
FILLED = {
    "header.1": "Lan",
    "body.1": "nhẫn",
    "body.2": "Lan",
    "button.1.1": "lan-7f",
    "button.3.coupon_code": "TET10",
}


def problems(values, components=POSITIONAL, parameter_format="POSITIONAL"):
    content = TemplateContent("t", "vi", values, parameter_format)
    return content_problems(content, template_parameters(components, parameter_format))


def test_it_names_the_values_in_the_providers_order():
    found = Template(components=POSITIONAL).parameters()
    assert [p.key for p in found] == ["header.1", "body.1", "body.2", "button.1.1", "button.3.coupon_code"]
    assert [p.example for p in found] == ["Lan", "nhẫn", "Lan", "https://shop.example/a", "TET10"]


def test_it_knows_named_and_media_parameters():
    found = Template(components=NAMED, parameter_format="NAMED").parameters()
    assert [(p.key, p.kind, p.example) for p in found] == [
        ("header.image", "image", ""),
        ("body.first_name", "text", "Ana"),
        ("body.product", "text", ""),
    ]


def test_a_filled_template_has_no_problem():
    assert problems(FILLED) == []
    assert problems({**FILLED, "button.0.payload": "CALL_ME"}) == []
    values = {"header.image": "https://img.example/1.jpg", "body.first_name": "Ana", "body.product": "anel"}
    assert problems(values, NAMED, "NAMED") == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"body.2": None}, "missing"),
        ({"body.3": "x"}, "no place body.3"),
        ({"body.1": " "}, "empty"),
        ({"body.1": "a\nb"}, "line break"),
        ({"body.1": "a\tb"}, "line break"),
        ({"body.1": "a    b"}, "four spaces"),
        ({"body.1": "x" * 1000}, "at most 1024"),
        ({"header.1": "x" * 56}, "at most 60"),
        ({"button.1.1": "https://evil.example"}, "end of the address"),
        ({"button.3.coupon_code": "TET-10"}, "letters and digits"),
        ({"button.3.coupon_code": "T" * 16}, "longer than 15"),
        ({"button.0.payload": "x" * 129}, "longer than 128"),
    ],
)
def test_it_says_what_the_provider_would_refuse(change, says):
    values = {key: value for key, value in {**FILLED, **change}.items() if value is not None}
    found = problems(values)
    assert len(found) == 1
    assert says in found[0]


def test_a_limit_binds_the_filled_text_of_a_whole_component():
    fixed = len(" ơi,  còn đây,  nhé.")
    fits = {**FILLED, "body.1": "x" * (1024 - fixed - 200), "body.2": "y" * 100}
    assert problems(fits) == []
    assert problems({**fits, "body.2": "y" * 101})  # it stands there twice


def test_values_are_checked_even_when_the_template_is_not_at_hand():
    assert content_problems(TemplateContent("t", "vi", {"body.1": "a\nb"}), None)
    assert content_problems(TemplateContent("t", "vi", {"body.1": "a"}), None) == []


@pytest.mark.parametrize(
    ("content", "fits"),
    [
        (FreeForm("x" * 4096), True),
        (FreeForm("x" * 4097), False),
        (FreeForm("  "), False),
        (FreeForm("x" * 1024, (Button("a", "A"),)), True),
        (FreeForm("x" * 1025, (Button("a", "A"),)), False),
        (FreeForm("x", tuple(Button(str(n), str(n)) for n in range(3))), True),
        (FreeForm("x", tuple(Button(str(n), str(n)) for n in range(4))), False),
        (FreeForm("x", (Button("a", "A" * 20),)), True),
        (FreeForm("x", (Button("a", "A" * 21),)), False),
        (FreeForm("x", (Button("a" * 256, "A"),)), True),
        (FreeForm("x", (Button("a" * 257, "A"),)), False),
        (FreeForm("x", (Button("a", "Same"), Button("b", "Same"))), False),
        (FreeForm("x", (Button("a", "A"), Button("a", "B"))), False),
        (FreeForm("x", (Button("", "A"),)), False),
    ],
)
def test_free_text_and_buttons_have_limits(content, fits):
    assert (content_problems(content, None) == []) is fits


def test_a_problem_can_be_said_in_another_language():
    (problem,) = content_problems(FreeForm("x" * 4097), None)
    assert problem == "The text has 4097 characters; at most 4096 fit."
    assert problem.translated(lambda _text: "%(count)d > %(limit)d") == "4097 > 4096"


def test_the_preview_reads_like_the_message():
    assert template_preview(POSITIONAL, FILLED) == (
        "Chào Lan\n\nLan ơi, nhẫn còn đây, Lan nhé.\n\nTiệm Vàng\n\n[Gọi tôi] [Xem] [Trang chủ] [Gọi]"
    )
    assert template_preview(NAMED, {"body.product": "anel"}) == "[image]\n\nOlá {{first_name}}, anel!"


SHAPES = st.sampled_from(["HEADER", "BODY", "BUTTONS", "{{1}}", None, 7, [], [{"type": "URL", "url": "{{x}}"}], {}])
KEYS = st.sampled_from(["type", "text", "format", "buttons", "url", "example"])


@given(st.lists(st.dictionaries(KEYS, SHAPES)))
def test_a_template_of_any_shape_can_be_read(components):
    found = template_parameters(components, "NAMED")
    content_problems(TemplateContent("t", "vi", {p.key: "x" for p in found}), found)
    template_preview(components, {})
