from datetime import timedelta

import pytest
from django.urls import reverse

from access.roles import ANALYST, MARKETER
from callbacks.admin import LinesField, SpanField, span_words
from callbacks.models import CallbackPolicy

pytestmark = pytest.mark.django_db


def steps(*rows, initial=0):
    data = {"steps-TOTAL_FORMS": str(len(rows)), "steps-INITIAL_FORMS": str(initial)}
    for number, row in enumerate(rows):
        defaults = {"position": number + 1, "useful_for": "3d"}
        data |= {f"steps-{number}-{name}": value for name, value in (defaults | row).items()}
    return data


POLICY = {"enabled": "on", "patience": "2h", "window_margin": "30m", "max_attempts": "3", "priority": "0"}


def test_a_marketer_sets_up_a_policy_in_plain_words(member, shop):
    client = member(MARKETER)
    rows = steps(
        {
            "delay": "1h 30m",
            "text": "Chào {{ contact.first_name | default: 'bạn' }}",
            "buttons": "yes = Có ạ\nno = Thôi",
        },
        {
            "cron": "0 9 * * 1-5",
            "template_name": shop.template.name,
            "template_language": "vi",
            "template_values": "body.1 = {{ contact.first_name | default: 'bạn' }}",
        },
    )
    response = client.post(
        reverse("admin:callbacks_callbackpolicy_add"), POLICY | {"campaign": shop.campaign.pk} | rows
    )
    assert response.status_code == 302, (response.context["errors"], response.context["adminform"].form.errors)
    policy = CallbackPolicy.objects.get()
    first, second = policy.steps.all()
    assert policy.patience == timedelta(hours=2)
    assert first.delay == timedelta(minutes=90)
    assert first.buttons == [{"id": "yes", "title": "Có ạ"}, {"id": "no", "title": "Thôi"}]
    assert second.template_values == {"body.1": "{{ contact.first_name | default: 'bạn' }}"}
    shop.campaign.refresh_from_db()
    assert shop.campaign.approved_revision != shop.campaign.revision


def test_a_bad_step_is_refused_in_plain_words_and_nothing_is_saved(member, shop):
    rows = steps({"delay": "1h", "text": "Chào {{ contact.name"})
    url = reverse("admin:callbacks_callbackpolicy_add")
    response = member(MARKETER).post(url, POLICY | {"campaign": shop.campaign.pk} | rows)
    assert response.status_code == 200
    assert "rk-" in response.content.decode()
    assert not CallbackPolicy.objects.exists()


@pytest.mark.parametrize("text", ["soon", "2 h", "h", "-1h", "9999999999d"])
def test_a_length_of_time_nobody_can_read_is_refused(member, shop, text):
    url = reverse("admin:callbacks_callbackpolicy_add")
    data = POLICY | {"campaign": shop.campaign.pk, "patience": text} | steps()
    response = member(MARKETER).post(url, data)
    assert response.status_code == 200
    assert "patience" in response.context["adminform"].form.errors


@pytest.mark.parametrize("words", ["2h", "30m", "1d 12h", "45s"])
def test_a_length_of_time_reads_as_it_was_written(words):
    assert span_words(SpanField().to_python(words)) == words


def test_lines_read_as_they_were_written():
    field = LinesField(buttons=True)
    assert field.prepare_value(field.to_python("yes = Có ạ")) == "yes = Có ạ"


def test_an_analyst_cannot_add_a_policy(member):
    assert member(ANALYST).get(reverse("admin:callbacks_callbackpolicy_add")).status_code == 403
