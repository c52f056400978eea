"""Every reason a message waits, was refused, cancelled or expired, in words a marketer reads."""

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

REASONS: dict[str, str | Promise] = {
    "no_consent": _("The person has not agreed to this kind of message, and no window is open."),
    "opted_out": _("The person asked us to stop."),
    "suppressed": _("The person's address is on the suppression list."),
    "no_address": _("There is no address at which the person can be reached this way."),
    "quiet_hours": _("It is quiet time where the person lives or may live."),
    "frequency_cap": _("The person has had as many messages as the rules or the disclosed frequency allow."),
    "pair_rate": _("Too many messages to this one person in a short time."),
    "window_closed": _("The free-form window is closed and there is no template to use instead."),
    "template_not_approved": _("The template is not approved by the provider."),
    "template_paused": _("The provider paused the template."),
    "country_blocked": _("Marketing templates are not delivered to this person's country."),
    "campaign_paused": _("The campaign is paused."),
    "account_paused": _("The channel account is paused."),
    "provider_limit": _("The provider's limit is reached for now."),
    "holdout": _(
        "The person is in the holdout group: they get no callbacks, on purpose, so that results can be measured."
    ),
    "replied_since": _("The person wrote after this was planned."),
    "conversation_with_agent": _("A person handles the conversation."),
    "conversation_closed": _("The conversation is closed."),
    "converted": _("The person has already converted."),
    "duplicate": _("The same message was already sent."),
    "expired": _("The latest useful moment has passed."),
    "not_approved": _("The campaign's present version is not approved."),
    "optout_review": _("Something the person wrote may be an opt-out and waits for review."),
    "content_invalid": _("The text or template could not be filled in for this person."),
    "resolved_not_sent": _("Somebody looked into it and recorded that it was not sent."),
}


def reason_text(code: str) -> str:
    """The words of a reason; a provider's or future code is shown as it is, never hidden. Empty for no reason."""
    if not code:
        return ""
    words = REASONS.get(code)
    return str(words) if words is not None else gettext("Code: %(code)s") % {"code": code}
