"""What Meta says of templates, numbers, accounts and portfolios. These fields carry no `metadata`."""

from collections.abc import Callable, Mapping
from typing import Any

from messaging.adapters.whatsapp.messages import unknown
from messaging.adapters.whatsapp.reading import Context, dedupe_key, obj, objs, text, time_of
from messaging.events import AccountChanged, Event, TemplateChanged

# Events of message_template_status_update whose name is not itself the status afterwards.
_TEMPLATE_STATUS = {"REINSTATED": "APPROVED", "UNARCHIVED": "APPROVED", "FLAGGED": "", "LOCKED": ""}
# account_update events after which campaigns of the account must stop at once.
_STOPS = {"DISABLED_UPDATE", "ACCOUNT_DELETED", "PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED", "ACCOUNT_OFFBOARDED"}
_STOPPING_RESTRICTION = "RESTRICTED_BIZ_INITIATED_MESSAGING"
_THROUGHPUT_UPGRADED = 1000  # messages per second
# Understood as news for the administrator; nothing else depends on them.
_NEWS = {
    "account_review_update": ("decision",),
    "phone_number_name_update": ("decision", "requested_verified_name", "rejection_reason"),
    "security": ("event",),
    "payment_configuration_update": ("configuration_name", "status"),
    "business_username_update": ("username", "status"),
    "template_correct_category_detection": ("category", "correct_category"),
}


def account_event(value: Mapping[str, Any], context: Context) -> Event:
    """The one event of a change in an account-level field; fields are recognised by name, quality by its keys."""
    if "new_quality_score" in value:
        return _template_quality(value, context)  # Meta's own sample comes under the status field's name
    if context.field in _NEWS:
        words = [text(value.get(key)) for key in _NEWS[context.field]]
        return _account(value, context, kind=context.field, summary=" ".join(word for word in words if word))
    if reader := _READERS.get(context.field):
        return reader(value, context)
    return unknown(value, context, context.field or "no_field")


def history_declined(item: Mapping[str, Any], context: Context) -> Event:
    """The owner did not share the chat history (2593109)."""
    summary = " ".join(text(obj(error).get("code")) for error in objs(item.get("errors")))
    return _account(item, context, kind="history_not_shared", summary=summary)


def limit(value: object) -> tuple[int | None, bool]:
    """(people per 24 hours or None when not said, whether it is unlimited): a number, -1, or TIER_250 .. TIER_2K."""
    tier = text(value).upper().removeprefix("TIER_")
    if tier in ("UNLIMITED", "-1"):
        return None, True
    factor = 1000 if tier.endswith("K") else 1
    digits = tier.removesuffix("K")
    return (
        (int(digits) * factor, False) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else (None, False)
    )


def _shared(value: Mapping[str, Any], context: Context, prefix: str) -> dict[str, Any]:
    identity = [context.field, context.business_account_id, context.entry_time, value]
    return {
        "sender_id": context.sender_id,
        "occurred_at": time_of(context.entry_time, context),
        "dedupe_key": dedupe_key(prefix, "", identity),
        "raw": dict(value),
        "business_account_id": context.business_account_id,
    }


def _account(value: Mapping[str, Any], context: Context, *, kind: str, summary: str, **changes: Any) -> AccountChanged:
    shared = _shared(value, context, "account")
    return AccountChanged(
        **shared,
        kind=kind[:80],
        summary=summary[:300],
        display_number=text(value.get("display_phone_number")),
        **changes,
    )


def _template(value: Mapping[str, Any], context: Context, **changes: Any) -> TemplateChanged:
    return TemplateChanged(
        **_shared(value, context, "template"),
        template_id=text(value.get("message_template_id")),
        name=text(value.get("message_template_name")),
        language=text(value.get("message_template_language")).replace("-", "_"),  # both spellings exist
        **changes,
    )


def _template_status(value: Mapping[str, Any], context: Context) -> Event:
    event = text(value.get("event")).upper()
    other, rejection = obj(value.get("other_info")), obj(value.get("rejection_info"))
    words = [text(value.get("reason")), text(other.get("title")), text(rejection.get("reason"))]
    status = _TEMPLATE_STATUS.get(event, event)
    return _template(
        value,
        context,
        status=status,
        reason=" ".join([event] * (not status) + [word for word in words if word and word != "NONE"])[:300],
    )


def _template_quality(value: Mapping[str, Any], context: Context) -> Event:
    return _template(value, context, quality=text(value.get("new_quality_score")).upper()[:20])


def _template_components(value: Mapping[str, Any], context: Context) -> Event:
    return _template(value, context, resync=True)


def _template_category(value: Mapping[str, Any], context: Context) -> Event:
    now, announced = text(value.get("new_category")).upper(), text(value.get("correct_category")).upper()
    if announced and not value.get("previous_category"):
        return _template(value, context, reason=f"CATEGORY_WILL_BE {announced}"[:300])
    return _template(value, context, category=now[:20])


def _number_quality(value: Mapping[str, Any], context: Context) -> Event:
    event = text(value.get("event")).upper()
    tier = value.get("max_daily_conversations_per_business") or value.get("current_limit")
    people, unlimited = limit(tier)
    return _account(
        value,
        context,
        kind=context.field,
        summary=f"{event} {text(tier)}".strip(),
        messaging_limit=people,
        unlimited=unlimited,
        throughput_per_second=_THROUGHPUT_UPGRADED if event == "THROUGHPUT_UPGRADE" else None,
    )


def _capability(value: Mapping[str, Any], context: Context) -> Event:
    tier = value.get("max_daily_conversations_per_business", value.get("max_daily_conversation_per_phone"))
    people, unlimited = limit(tier)
    return _account(
        value,
        context,
        kind=context.field,
        summary=f"people per 24 h: {text(tier)}" if text(tier) else "",
        messaging_limit=people,
        unlimited=unlimited,
    )


def _alert(value: Mapping[str, Any], context: Context) -> Event:
    info = obj(value.get("alert_info")) or value
    words = [text(info.get(key)) for key in ("alert_severity", "alert_status", "alert_type")]
    return _account(value, context, kind=context.field, summary=" ".join(word for word in words if word))


def _update(value: Mapping[str, Any], context: Context) -> Event:
    event = text(value.get("event")).upper()
    ban = text(obj(value.get("ban_info")).get("waba_ban_state")).upper()
    restrictions = [text(obj(item).get("restriction_type")) for item in objs(value.get("restriction_info"))]
    violation = text(obj(value.get("violation_info")).get("violation_type"))
    stop = event in _STOPS or _STOPPING_RESTRICTION in restrictions
    if ban == "REINSTATE":
        stop = False
    return _account(
        value,
        context,
        kind=f"account_update.{event.lower()}",
        summary=" ".join(word for word in (event, ban, *restrictions, violation) if word),
        stop=stop,
    )


_READERS: dict[str, Callable[[Mapping[str, Any], Context], Event]] = {
    "message_template_status_update": _template_status,
    "message_template_components_update": _template_components,
    "template_category_update": _template_category,
    "phone_number_quality_update": _number_quality,
    "business_capability_update": _capability,
    "account_alerts": _alert,
    "account_update": _update,
}
