"""Send a step's or a template's words to one's own phone, to see how they look. Through the gate like any other."""

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from access.errors import DomainError
from access.screens import actor
from callbacks.admin import LinesField
from callbacks.models import CallbackStep
from delivery.services import test_send
from messaging.models import ChannelAccount, Template


class SendTestForm(forms.Form):
    """The key makes a double click one message."""

    key = forms.CharField(widget=forms.HiddenInput)
    to = forms.CharField(
        label=_("To"),
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "tel"}),
        help_text=_("Your own number with its country code, e.g. +84901234567."),
    )
    text = forms.CharField(label=_("Text"), max_length=4096, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}))
    values = LinesField(buttons=False, label=_("Template values"), help_text=_("One “name = value” per line."))


def _page(
    request: HttpRequest, *, account: ChannelAccount, template: Template | None, text: str, title: str
) -> HttpResponse:
    form = SendTestForm(request.POST or None, initial={"key": str(uuid4()), "text": text})
    form.fields.pop("values" if template is None else "text")
    if request.method == "POST" and form.is_valid():
        data: dict[str, Any] = form.cleaned_data
        try:
            message = test_send(
                account=account,
                to=data["to"],
                actor=actor(request),
                now=timezone.now(),
                dedupe_key=f"test:{data['key']}",
                text=data.get("text", ""),
                template=template,
                values=data.get("values"),
            )
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, gettext("It is in the outbox; this page says what becomes of it."))
            return redirect("message-why", pk=message.pk)
    context = {**admin.site.each_context(request), "title": title, "form": form, "account": account}
    return render(request, "rekindle/test_send.html", context)


@permission_required("campaigns.change_campaign", raise_exception=True)
def send_template(request: HttpRequest, pk: int) -> HttpResponse:
    """A template, with the values one types."""
    template = get_object_or_404(Template.objects.select_related("account"), pk=pk)
    title = gettext("Test send: %(name)s") % {"name": template}
    return _page(request, account=template.account, template=template, text="", title=title)


@permission_required("campaigns.change_campaign", raise_exception=True)
def send_policy(request: HttpRequest, pk: str) -> HttpResponse:
    """The first step's text of a policy; Liquid is for you to fill in."""
    step = get_object_or_404(CallbackStep.objects.select_related("policy__campaign__account"), policy_id=pk, position=1)
    campaign = step.policy.campaign
    title = gettext("Test send: %(name)s") % {"name": campaign}
    return _page(request, account=campaign.account, template=None, text=step.text, title=title)
