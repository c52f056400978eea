"""Every event that WhatsApp is known to send, read from a fixture into our vocabulary."""

import json
from datetime import UTC, datetime

import pytest

from messaging.adapters import inbound_adapter
from messaging.events import (
    AccountChanged,
    AddressRef,
    DeliveryStatus,
    ErrorClass,
    HandoverChanged,
    IdentityChanged,
    InboundMessage,
    MessageEcho,
    MessageRevoked,
    Person,
    PreferenceChanged,
    Referral,
    Scope,
    StatusUpdate,
    TemplateChanged,
    UnknownEvent,
)
from tests.messaging.conftest import PAYLOADS, RECEIVED, payload_bytes

ANH = Person((AddressRef("phone", "+84900000001"), AddressRef("bsuid", "VN.1001")), "Nguyễn Thị Ánh")
ANA_PHONE = AddressRef("phone", "+5511900000001")

EXPECTED = {
    "text": (InboundMessage, {"kind": "text", "text": "còn nhẫn này không?", "person": ANH, "message_id": "wamid.IN1"}),
    "text_username_only": (
        InboundMessage,
        {"person": Person((AddressRef("bsuid", "BR.1001"), AddressRef("parent_bsuid", "BR.ENT.77")), "Ana", "ana.b")},
    ),
    "text_bsuid_in_from": (InboundMessage, {"person": Person((AddressRef("bsuid", "BR.1001"),))}),
    "ad_first_message": (
        InboundMessage,
        {
            "referral": Referral(
                "ad", "120200000000001", "https://fb.example/x", "Bộ sưu tập Tết", "Giảm 10%", "ARx-invented-clid"
            )
        },
    ),
    "post_referral_without_clid": (
        InboundMessage,
        {"kind": "image", "referral": Referral("post", "55001", "https://fb.example/p")},
    ),
    "image": (
        InboundMessage,
        {
            "kind": "image",
            "text": "cái này",
            "content": {
                "id": "600001",
                "mime_type": "image/jpeg",
                "sha256": "c2hh",
                "url": "https://media.example/1",
            },
        },
    ),
    "video": (InboundMessage, {"kind": "video", "text": ""}),
    "audio": (
        InboundMessage,
        {
            "kind": "audio",
            "content": {"id": "600003", "mime_type": "audio/ogg; codecs=opus", "sha256": "c2hh", "voice": True},
        },
    ),
    "voice_old": (
        InboundMessage,
        {"kind": "audio", "content": {"id": "600003", "mime_type": "audio/ogg", "sha256": "c2hh"}},
    ),
    "document": (InboundMessage, {"kind": "document", "text": "đơn hàng"}),
    "sticker": (InboundMessage, {"kind": "sticker"}),
    "media_download_failed": (
        InboundMessage,
        {
            "kind": "image",
            "content": {
                "id": "600006",
                "mime_type": "image/jpeg",
                "errors": [{"code": 131052, "title": "Media download error"}],
            },
        },
    ),
    "location": (InboundMessage, {"kind": "location", "text": "Hồ Gươm, Hà Nội"}),
    "contacts": (InboundMessage, {"kind": "contacts", "text": "Mai Lê"}),
    "template_button": (
        InboundMessage,
        {"kind": "button", "text": "Gọi cho tôi", "button_id": "CALL_ME", "reply_to": "wamid.OUT1"},
    ),
    "template_button_without_payload": (InboundMessage, {"kind": "button", "button_id": "Gọi cho tôi", "reply_to": ""}),
    "button_reply": (InboundMessage, {"kind": "interactive", "text": "Có", "button_id": "b1"}),
    "list_reply": (InboundMessage, {"kind": "interactive", "text": "Nhẫn", "button_id": "r1"}),
    "flow_reply": (
        InboundMessage,
        {"content": {"type": "nfm_reply", "name": "flow", "response": {"flow_token": "t1", "slot": "10:00"}}},
    ),
    "flow_reply_invalid_json": (
        InboundMessage,
        {"content": {"type": "nfm_reply", "name": "flow", "response_text": '{"flow_token":'}},
    ),
    "call_permission_reply": (
        InboundMessage,
        {
            "content": {
                "type": "call_permission_reply",
                "response": "accept",
                "is_permanent": False,
                "expiration_timestamp": 1790500000,
                "response_source": "user_action",
            }
        },
    ),
    "reaction": (InboundMessage, {"kind": "reaction", "text": "👍", "reply_to": "wamid.OUT1"}),
    "reaction_removed": (InboundMessage, {"kind": "reaction", "text": "", "reply_to": "wamid.OUT1"}),
    "order": (InboundMessage, {"kind": "order", "text": "giao chiều nay"}),
    "unsupported": (
        InboundMessage,
        {
            "kind": "unsupported",
            "content": {
                "unsupported_type": "poll",
                "errors": [{"code": 131051, "title": "Message type unknown"}],
            },
        },
    ),
    "future_type": (InboundMessage, {"kind": "unknown", "content": {"type": "hologram"}}),
    "request_welcome": (InboundMessage, {"kind": "unknown"}),
    "quoted_text": (InboundMessage, {"reply_to": "wamid.OUT1"}),
    "forwarded_text": (InboundMessage, {"reply_to": "", "content": {"forwarded": True}}),
    "referred_product": (
        InboundMessage,
        {"content": {"referred_product": {"catalog_id": "500", "product_retailer_id": "sku1"}}},
    ),
    "group_message": (UnknownEvent, {"kind": "message.group"}),
    "revoke": (MessageRevoked, {"target_message_id": "wamid.IN0", "new_text": None, "person": ANH}),
    "edit": (MessageRevoked, {"target_message_id": "wamid.IN0", "new_text": "ý mình là nhẫn"}),
    "number_changed": (
        IdentityChanged,
        {
            "old": (ANA_PHONE, AddressRef("bsuid", "BR.1001")),
            "new": (AddressRef("phone", "+5511900000002"), AddressRef("bsuid", "BR.2002")),
            "reason": "user_changed_number",
        },
    ),
    "number_changed_old_shape": (
        IdentityChanged,
        {"old": (ANA_PHONE,), "new": (AddressRef("phone", "+5511900000002"),)},
    ),
    "number_changed_without_from": (
        IdentityChanged,
        {
            "old": (AddressRef("bsuid", "BR.1001"), AddressRef("parent_bsuid", "BR.ENT.1")),
            "new": (AddressRef("bsuid", "BR.2002"), AddressRef("parent_bsuid", "BR.ENT.2")),
        },
    ),
    "user_id_changed": (
        IdentityChanged,
        {
            "old": (AddressRef("bsuid", "BR.1001"),),
            "new": (AddressRef("bsuid", "BR.2002"),),
            "reason": "user_changed_user_id",
        },
    ),
    "user_id_changed_without_previous": (
        IdentityChanged,
        {"old": (), "new": (ANA_PHONE, AddressRef("bsuid", "BR.2002"))},
    ),
    "identity_changed": (
        IdentityChanged,
        {"old": (), "new": (ANA_PHONE,), "reason": "customer_identity_changed"},
    ),
    "user_id_update": (
        IdentityChanged,
        {"old": (AddressRef("bsuid", "BR.1001"),), "new": (ANA_PHONE, AddressRef("bsuid", "BR.2002"))},
    ),
    "status_sent": (
        StatusUpdate,
        {
            "status": DeliveryStatus.SENT,
            "message_id": "wamid.OUT1",
            "ref": "0190aaaabbbbccccddddeeeeffff0001.1",
            "billable": True,
            "price_category": "marketing",
            "price_type": "regular",
            "dedupe_key": "status:wamid.OUT1:sent",
        },
    ),
    "status_delivered": (
        StatusUpdate,
        {"status": DeliveryStatus.DELIVERED, "billable": False, "price_type": "free_entry_point"},
    ),
    "status_read": (StatusUpdate, {"status": DeliveryStatus.READ, "billable": None}),
    "status_played": (
        StatusUpdate,
        {"status": DeliveryStatus.READ, "dedupe_key": "status:wamid.OUT1:played"},
    ),
    "status_failed": (StatusUpdate, {"status": DeliveryStatus.FAILED, "ref": ""}),
    "status_to_user_id": (
        StatusUpdate,
        {"person": Person((AddressRef("bsuid", "BR.1001"), AddressRef("parent_bsuid", "BR.ENT.7"))), "ref": "r1"},
    ),
    "status_unknown": (UnknownEvent, {"kind": "status.warning"}),
    "preference_stop": (PreferenceChanged, {"wants_marketing": False, "person": Person((ANA_PHONE,))}),
    "preference_resume": (PreferenceChanged, {"wants_marketing": True}),
    "preference_signup": (PreferenceChanged, {"wants_marketing": True}),
    "preference_other_category": (UnknownEvent, {"kind": "user_preferences.order_updates.stop"}),
    "link_click": (UnknownEvent, {"kind": "user_actions.marketing_messages_link_click"}),
    "value_errors": (UnknownEvent, {"kind": "errors.130429", "sender_id": "800000000000001"}),
    "template_paused": (
        TemplateChanged,
        {
            "status": "PAUSED",
            "reason": "FIRST_PAUSE",
            "template_id": "700001",
            "name": "promo_1",
            "language": "pt_BR",
            "sender_id": "",
            "business_account_id": "900000000000001",
        },
    ),
    "template_approved": (TemplateChanged, {"status": "APPROVED", "reason": ""}),
    "template_rejected": (TemplateChanged, {"status": "REJECTED", "reason": "INVALID_FORMAT variables at the end"}),
    "template_deleted": (TemplateChanged, {"status": "DELETED", "reason": ""}),
    "template_disabled": (TemplateChanged, {"status": "DISABLED", "reason": "DISABLED"}),
    "template_flagged": (TemplateChanged, {"status": "", "reason": "FLAGGED"}),
    "template_reinstated": (TemplateChanged, {"status": "APPROVED"}),
    "template_quality": (TemplateChanged, {"quality": "YELLOW", "status": ""}),
    "template_quality_wrong_field": (TemplateChanged, {"quality": "RED", "status": ""}),
    "template_components": (TemplateChanged, {"resync": True, "status": ""}),
    "template_category_notice": (TemplateChanged, {"category": "", "reason": "CATEGORY_WILL_BE MARKETING"}),
    "template_category_changed": (TemplateChanged, {"category": "MARKETING", "reason": ""}),
    "template_category_misuse": (AccountChanged, {"summary": "UTILITY MARKETING", "stop": False}),
    "number_throughput_upgrade": (
        AccountChanged,
        {"throughput_per_second": 1000, "unlimited": True, "display_number": "15550100001"},
    ),
    "number_limit": (AccountChanged, {"messaging_limit": 2000, "throughput_per_second": None}),
    "capability_tier": (AccountChanged, {"messaging_limit": 10_000, "unlimited": False}),
    "capability_unlimited": (AccountChanged, {"messaging_limit": None, "unlimited": True}),
    "capability_old": (AccountChanged, {"messaging_limit": 1000}),
    "account_alert": (
        AccountChanged,
        {"summary": "INFORMATIONAL NONE INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", "stop": False},
    ),
    "account_review": (AccountChanged, {"summary": "APPROVED"}),
    "account_restricted": (AccountChanged, {"stop": True, "kind": "account_update.account_restriction"}),
    "account_restricted_elsewhere": (AccountChanged, {"stop": False}),
    "account_disabled": (AccountChanged, {"stop": True, "summary": "DISABLED_UPDATE DISABLE"}),
    "account_reinstated": (AccountChanged, {"stop": False}),
    "account_deleted": (AccountChanged, {"stop": True}),
    "account_violation": (AccountChanged, {"stop": False, "summary": "ACCOUNT_VIOLATION ADULT"}),
    "account_offboarded": (AccountChanged, {"stop": True}),
    "account_partner_removed": (AccountChanged, {"stop": True}),
    "account_pricing_tier": (AccountChanged, {"stop": False}),
    "number_name": (AccountChanged, {"summary": "APPROVED Tiệm Vàng"}),
    "security_pin": (AccountChanged, {"summary": "PIN_CHANGED"}),
    "payment_configuration": (AccountChanged, {"summary": "cfg Active"}),
    "business_username": (AccountChanged, {"summary": "tiemvang APPROVED"}),
    "automatic_event": (UnknownEvent, {"kind": "automatic_events"}),
    "calls": (UnknownEvent, {"kind": "calls"}),
    "unheard_of_field": (UnknownEvent, {"kind": "quantum_updates", "raw": {"spin": "up"}}),
    "echo": (
        MessageEcho,
        {
            "text": "hello",
            "person": Person((ANA_PHONE, AddressRef("bsuid", "BR.1001"))),
            "standby": False,
            "historic": False,
        },
    ),
    "echo_revoke": (MessageRevoked, {"target_message_id": "wamid.E1", "person": Person((ANA_PHONE,))}),
    "history_declined": (AccountChanged, {"kind": "history_not_shared", "summary": "2593109"}),
    "history_media": (InboundMessage, {"historic": True, "kind": "image", "dedupe_key": "history:wamid.H3"}),
    "app_state_sync": (UnknownEvent, {"kind": "smb_app_state_sync"}),
    "standby_message": (
        InboundMessage,
        {"standby": True, "text": "STOP", "person": ANH, "dedupe_key": "standby:wamid.IN1"},
    ),
    "standby_echo": (
        MessageEcho,
        {"standby": True, "text": "I am the agent", "message_id": "wamid.A1", "person": Person((ANA_PHONE,))},
    ),
    "standby_status": (StatusUpdate, {"status": DeliveryStatus.DELIVERED}),
    "handover_to_agent": (
        HandoverChanged,
        {"we_are_owner": False, "new_owner_role": "ai_agent", "sender_id": "800000000000001"},
    ),
    "handover_taken": (HandoverChanged, {"we_are_owner": None, "new_owner_role": "escalation"}),
    "rough_no_field": (InboundMessage, {"text": "oi", "person": ANH}),
    "rough_entry_object": (InboundMessage, {"text": "oi"}),
    "rough_entry_string": (InboundMessage, {"text": "oi", "sender_id": "800000000000001"}),
    "rough_no_metadata": (InboundMessage, {"sender_id": "", "business_account_id": "900000000000001"}),
    "rough_no_profile": (InboundMessage, {"person": Person(ANH.addresses)}),
    "rough_no_timestamp": (InboundMessage, {"text": "STOP", "occurred_at": RECEIVED}),
    "rough_messages_object": (InboundMessage, {"text": "oi"}),
}
SEVERAL = {
    "text_contacts_out_of_order",
    "interactive_without_body",
    "status_group",
    "history",
    "conversation_context",
    "rough_no_id",
    "rough_nobody",
    "mixed_with_poison",
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_it_reads(name, parse_one):
    kind, attributes = EXPECTED[name]
    event = parse_one(name)
    assert type(event) is kind
    assert {key: getattr(event, key) for key in attributes} == attributes
    assert event.raw
    assert len(event.dedupe_key) <= 190


def test_every_fixture_is_expected_by_a_test():
    assert {path.stem for path in PAYLOADS.glob("*.json")} == set(EXPECTED) | SEVERAL


def test_it_takes_the_time_from_the_provider_and_not_from_arrival(parse_one):
    assert parse_one("text").occurred_at == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    assert parse_one("preference_stop").occurred_at == datetime(2026, 9, 21, 14, 20, tzinfo=UTC)
    assert parse_one("template_paused").occurred_at == datetime(2026, 9, 21, 14, 20, 50, tzinfo=UTC)


@pytest.mark.parametrize("stamp", ["99999999999", "1e400", "nan", "-5", "", None, True, [], {"a": 1}, "soon"])
def test_it_does_not_believe_a_time_from_the_future_or_from_nowhere(stamp, parse_one):
    message = {"from": "84900000001", "id": "w", "timestamp": stamp, "type": "text", "text": {"body": "STOP"}}
    body = {"entry": [{"changes": [{"field": "messages", "value": {"messages": [message]}}]}]}
    assert parse_one(body).occurred_at == RECEIVED


def test_without_a_time_of_arrival_an_item_without_a_time_is_a_fault():
    adapter = inbound_adapter("whatsapp")
    assert adapter.parse(payload_bytes("text")).events[0].text == "còn nhẫn này không?"
    assert [fault.error for fault in adapter.parse(payload_bytes("rough_no_timestamp")).faults] == [
        "ItemError: has no time"
    ]


def test_an_event_of_one_number_never_names_the_whole_business_account(parse_one):
    for name in ("text", "status_sent", "handover_taken", "standby_message", "echo"):
        event = parse_one(name)
        assert (event.sender_id, event.business_account_id) == ("800000000000001", "")


def test_it_matches_contacts_by_id_and_never_by_position(parse):
    first, second = parse("text_contacts_out_of_order").events
    assert first.person == ANH
    assert second.person.name == "Bo"
    assert [address.value for address in second.person.addresses] == ["+84900000002", "VN.1002"]


def test_it_does_not_mix_the_phone_of_one_person_with_the_id_of_another(parse_one):
    """The message's own ids win; a contact entry only adds what the message does not say."""
    value = {
        "contacts": [{"wa_id": "84900000009", "user_id": "VN.1001", "profile": {"name": "Other"}}],
        "messages": [{"from": "84900000001", "from_user_id": "VN.1001", "id": "w", "type": "text", "text": {}}],
    }
    event = parse_one({"entry": [{"changes": [{"field": "messages", "value": value}]}]})
    assert [address.value for address in event.person.addresses] == ["+84900000001", "VN.1001"]


def test_a_failed_status_carries_its_classified_error_without_the_recipient(parse_one):
    (error,) = parse_one("status_failed").errors
    assert (error.code, error.error_class, error.scope) == ("131049", ErrorClass.DEFER, Scope.PERSON)
    assert error.retry_after == 86_400
    assert "900" not in error.detail
    assert error.detail.startswith("To keep a healthy ecosystem")


def test_every_participant_of_a_group_reports_on_the_same_message(parse):
    one, two = parse("status_group").events
    assert one.dedupe_key != two.dedupe_key


def test_imported_history_tells_the_persons_messages_from_the_owners(parse):
    theirs, ours = parse("history").events
    assert isinstance(theirs, InboundMessage)
    assert theirs.historic
    assert isinstance(ours, MessageEcho)
    assert ours.historic
    assert ours.person == Person((ANA_PHONE,))


def test_what_stands_beside_messages_is_kept_too(parse):
    message, context = parse("conversation_context").events
    assert isinstance(message, InboundMessage)
    assert (type(context), context.kind) == (UnknownEvent, "conversation_context")
    message, error = parse("interactive_without_body").events
    assert (message.kind, error.kind) == ("interactive", "errors.131051")


def test_a_message_without_an_id_still_has_a_key_of_its_own(parse):
    (event,) = parse("rough_no_id").events
    assert event.message_id == ""
    assert event.dedupe_key == parse("rough_no_id").events[0].dedupe_key
    assert event.dedupe_key.startswith("in:")


def test_a_message_of_nobody_is_a_fault(parse):
    parsed = parse("rough_nobody")
    assert [fault.error for fault in parsed.faults] == ["ItemError: names no person"]


def test_one_poisoned_item_loses_no_other(parse):
    parsed = parse("mixed_with_poison")
    assert [type(event).__name__ for event in parsed.events] == [
        "InboundMessage",
        "StatusUpdate",
        "UnknownEvent",
        "UnknownEvent",
        "InboundMessage",
    ]
    assert [fault.item for fault in parsed.faults] == [1, 2, 3]
    assert parsed.item_count == 8
    assert parsed.events[-1].sender_id == "800000000000002"


def test_it_stores_no_character_that_the_database_cannot_hold(parse_one):
    words = {"body": "BODY", "x": 0.5}
    message = {"from": "84900000001", "id": "w", "type": "text", "text": words}
    body = json.dumps({"entry": [{"changes": [{"field": "messages", "value": {"messages": [message]}}]}]}).encode()
    body = body.replace(b"BODY", rb"a\u0000b\ud83d c\ud83d\udc4d").replace(b"0.5", b"1e999")
    event = parse_one(body)
    assert event.text == "a\ufffdb\ufffd c👍"
    assert event.raw["text"]["x"] is None


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"7", b'"x"', b"null", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_webhook_is_one_fault(body, parse):
    parsed = parse(body)
    assert (parsed.events, len(parsed.faults), parsed.item_count) == ((), 1, 1)
