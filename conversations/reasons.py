"""Every reason a message waits, was refused, cancelled or expired, in words a marketer reads."""

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

REASONS: dict[str, str | Promise] = {
    "no_consent": _("The person has not agreed to this kind of message, and no window is open."),
    "opted_out": _("The person asked us to stop."),
    "suppressed": _("The person's address is on the suppression list."),
    "dnc_registry": _("The number is on a do-not-call registry."),
    "no_address": _("There is no address at which the person can be reached this way."),
    "quiet_hours": _("It is quiet time where the person lives or may live."),
    "frequency_cap": _("The person has had as many messages as the rules or the disclosed frequency allow."),
    "pair_rate": _("Too many messages to this one person in a short time."),
    "window_closed": _("The free-form window is closed and there is no template to use instead."),
    "template_not_approved": _("The template is not approved by the provider."),
    "template_paused": _("The provider paused the template."),
    "country_blocked": _("Marketing templates are not delivered to this person's country."),
    "campaign_paused": _("The campaign is paused."),
    "campaign_ended": _("The campaign is over."),
    "campaign_not_running": _("The campaign is not running."),
    "account_paused": _("The channel account is paused."),
    "budget_spent": _("The campaign's budget is spent."),
    "provider_limit": _("The provider's limit is reached for now."),
    "provider_deferred": _("The provider asked us to leave this person alone for a while."),
    "holdout": _(
        "The person is in the holdout group: they get no callbacks, on purpose, so that results can be measured."
    ),
    "replied_since": _("The person wrote after this was planned."),
    "conversation_with_agent": _("A person handles the conversation."),
    "conversation_closed": _("The conversation is closed."),
    "converted": _("The person has already converted."),
    "duplicate": _("The same message was already sent."),
    "expired": _("The latest useful moment has passed."),
    "erased": _("The person's data was erased."),
    "not_approved": _("The campaign's present version is not approved."),
    "optout_review": _("Something the person wrote may be an opt-out and waits for review."),
    "content_invalid": _("The text or template could not be filled in for this person."),
    "superseded": _("A newer message took its place."),
    "resolved_not_sent": _("Somebody looked into it and recorded that it was not sent."),
}


def reason_text(code: str) -> str:
    """The words of a reason; a provider's or future code is shown as it is, never hidden. Empty for no reason."""
    if not code:
        return ""
    words = REASONS.get(code)
    return str(words) if words is not None else gettext("Code: %(code)s") % {"code": code}
