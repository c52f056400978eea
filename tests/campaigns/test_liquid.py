"""Words that people write into forms are filled in, and can do nothing else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.liquid import LiquidTextError, liquid_problem, liquid_render, liquid_values


def values(name="Lan Nguyễn", **attributes):
    return liquid_values(name=name, language="vi", attributes=attributes, campaign_name="Tết")


def test_it_fills_in_what_is_known():
    text = "Chào {{ contact.first_name }}! {{ campaign.name }}: {{ contact.attributes.size }}"
    assert liquid_render(text, values(size="M")) == "Chào Lan! Tết: M"


def test_a_missing_value_stops_the_text_unless_it_says_what_to_write():
    with pytest.raises(LiquidTextError):
        liquid_render("Size {{ contact.attributes.size }}", values())
    assert liquid_render("Size {{ contact.attributes.size | default: 'M' }}", values()) == "Size M"
    assert liquid_render("{% if contact.attributes.size %}a{% else %}b{% endif %}", values()) == "b"
    assert liquid_render("Hi {{ contact.name | default: 'there' }}", values(name="")) == "Hi there"


@pytest.mark.parametrize(
    "source",
    [
        "{{ contact.name",
        "{% for i in (1..999999999) %}x{% endfor %}",
        "{% include 'secrets' %}",
        "{% render 'secrets' %}",
        "{{ contact.name.__class__ }}",
        "{{ contact.phone }}",
        "{{ contact.attributes[contact.name] }}",
        "{{ contact.name | nosuchfilter }}",
        "{% if %}",
        "x" * 4097,
        "{% if true %}" * 40 + "{% endif %}" * 40,
    ],
)
def test_it_says_what_is_wrong_with_a_text(source):
    assert liquid_problem(source)


def test_a_huge_output_is_stopped():
    source = "{% assign a = 'xxxxxxxxxx' %}" + "{% assign a = a | append: a %}" * 30 + "{{ a }}"
    with pytest.raises(LiquidTextError):
        liquid_render(source, values())


def test_what_a_person_calls_themselves_does_not_shape_the_message():
    tricky = values(name="{{ campaign.name }}\n\nPAY HERE" + "x" * 500)
    rendered = liquid_render("Hi {{ contact.name }}!", tricky)
    assert "{{ campaign.name }} PAY HERE" in rendered
    assert "\n" not in rendered
    assert len(rendered) < 100


@given(st.text(max_size=200))
def test_any_text_renders_or_says_why_not(source):
    if not liquid_problem(source):
        with contextlib.suppress(LiquidTextError):
            liquid_render(source, values())
