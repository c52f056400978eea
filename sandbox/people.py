"""What people do, told as webhooks: they write, tap, stop marketing, change their number; and what became of a send."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

from sandbox.errors import GraphError
from sandbox.webhooks import Update, Webhooks
from sandbox.world import DAY, Inbound, Number, Person, Send, World

FREE_ENTRY = 3 * DAY
SERVICE_CHARGED_FROM = 1_790_812_800.0  # 2026-10-01: free-form messages inside the window cost money
MEDIA = frozenset({"image", "video", "audio", "document", "sticker"})


class People:
    """Turns deeds into updates of the `messages` and `user_preferences` fields."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self.world, self.webhooks = world, webhooks

    # -- who --------------------------------------------------------------------------------------------------------

    def find(self, number: Number, body: dict[str, Any]) -> Person:
        """The person a control call means by `from` and/or `user_id`; made when new."""
        world = self.world
        digits = "".join(filter(str.isdigit, str(body.get("from") or "")))
        user_id = str(body.get("user_id") or "")
        if not digits and not user_id:
            raise ValueError("say who: from (a phone number) or user_id")
        person = world.by_phone.get(digits) if digits else None
        person = person or (world.by_bsuid.get((number.portfolio_id, user_id)) if user_id else None)
        if person is None:
            person = world.person_by_phone(digits) if digits else world.person_new()
        if digits and not person.phone:
            person.phone = digits
            world.by_phone[digits] = person
        if user_id and person.bsuids.get(number.portfolio_id) != user_id:
            world.bsuid_set(person, number.portfolio_id, user_id)
        for name in ("name", "username"):
            if name in body:
                setattr(person, name, str(body[name]))
        if "hidden" in body or "username" in body:
            person.hidden = bool(body.get("hidden", person.username))
        return person

    def _shown(self, number: Number, person: Person) -> tuple[str, str]:
        """(phone, user id) as a webhook shows them: a hidden person's phone is absent."""
        phone = "" if person.hidden else person.phone
        return phone, self.world.bsuid(person, number.portfolio_id)

    def _contact(self, number: Number, person: Person, *, profile: bool = True) -> dict[str, Any]:
        phone, user_id = self._shown(number, person)
        contact: dict[str, Any] = {}
        if profile:
            contact["profile"] = {"name": person.name or "Someone"}
            if person.username:
                contact["profile"]["username"] = person.username
        if phone:
            contact["wa_id"] = phone
        contact["user_id"] = user_id
        return contact

    @staticmethod
    def value(number: Number, **parts: Any) -> dict[str, Any]:
        metadata = {"display_phone_number": number.digits, "phone_number_id": number.phone_number_id}
        return {"messaging_product": "whatsapp", "metadata": metadata, **parts}

    # -- deeds ------------------------------------------------------------------------------------------------------

    def write(self, number: Number, person: Person, body: dict[str, Any]) -> Inbound:
        """The person sends a message. `body` is the control call's: type, its node, referral, reply_to, fields..."""
        world = self.world
        now = float(body["at"]) if "at" in body else world.clock.timestamp()
        phone, user_id = self._shown(number, person)
        message: dict[str, Any] = {"from": phone} if phone else {}
        message["from_user_id"] = user_id
        message["id"] = body.get("id") or world.message_id(number.phone_number_id)
        message["timestamp"] = str(int(now))
        kind = str(body.get("type") or next((k for k in ("button", "interactive") if k in body), "text"))
        message["type"] = kind
        if kind in body:
            node = body[kind]
            message[kind] = {"body": node} if kind == "text" and isinstance(node, str) else node
        if kind in MEDIA and isinstance(message.get(kind), dict):
            message[kind] = _media(kind, message[kind])
        if kind == "unsupported":
            message.setdefault("errors", [{"code": 131051, "title": "Message type unknown"}])
        if body.get("reply_to"):
            message["context"] = {"from": number.digits, "id": body["reply_to"]}
        if body.get("context"):
            message["context"] = message.get("context", {}) | body["context"]
        if body.get("referral"):
            message["referral"] = {"source_type": "ad", "source_url": "https://fb.me/invented"} | body["referral"]
        message |= body.get("fields") or {}
        inbound = Inbound(
            world.next_seq(), now, number.phone_number_id, person.key, str(message["id"]), message,
            opt_out=bool(body.get("opt_out")),
        )  # fmt: skip
        world.throughput_ok(number, time.monotonic())  # inbound counts against the number's rate as well
        world.inbound.append(inbound)
        world.inbound_ids.add(inbound.message_id)
        chat = world.chat(number, person)
        chat.last_inbound = max(chat.last_inbound, now)
        if message.get("referral", {}).get("source_type") == "ad":
            chat.ad_click = now
        value = self.value(number, contacts=[self._contact(number, person)], messages=[message])
        value |= body.get("value") or {}
        self._emit_inbound(number, inbound, "messages", value)
        return inbound

    def _emit_inbound(self, number: Number, inbound: Inbound, field: str, value: dict[str, Any]) -> None:
        def answered() -> None:
            inbound.acknowledged_at = self.world.clock.timestamp()

        self.webhooks.emit(number, Update(number.waba_id, field, value, inbound.message.get("type", field), answered))

    def prefer(self, number: Number, person: Person, value: str, at: float | None = None) -> Inbound:
        """The person uses WhatsApp's own control: stop, resume or signup."""
        if value not in ("stop", "resume", "signup"):
            raise ValueError("value must be stop, resume or signup")
        now = self.world.clock.timestamp() if at is None else at
        if value == "stop":
            person.stopped.add(number.portfolio_id)
        else:
            person.stopped.discard(number.portfolio_id)
        contact = self._contact(number, person, profile=False)
        preference = {
            **contact,
            "detail": f"User requested to {value} marketing messages",
            "category": "marketing_messages",
            "value": value,
            "timestamp": int(now),
        }
        inbound = Inbound(
            self.world.next_seq(), now, number.phone_number_id, person.key, "", {"type": f"preference_{value}"},
            opt_out=value == "stop",
        )  # fmt: skip
        self.world.inbound.append(inbound)
        body = self.value(number, contacts=[contact], user_preferences=[preference])
        self._emit_inbound(number, inbound, "user_preferences", body)
        return inbound

    def change_identity(self, number: Number, person: Person, body: dict[str, Any]) -> dict[str, Any]:
        """`user_changed_number`, `user_changed_user_id` or `customer_identity_changed`, as a system message."""
        kind = str(body.get("kind", "user_changed_number"))
        old_phone, old_id = self._shown(number, person)
        now = self.world.clock.timestamp()
        message: dict[str, Any] = {"from": old_phone} if old_phone and kind != "user_changed_user_id" else {}
        message |= {"id": self.world.message_id(number.phone_number_id), "timestamp": str(int(now)), "type": "system"}
        system: dict[str, Any] = {"type": kind, "body": str(body.get("body", "The user's identity changed"))}
        if kind == "customer_identity_changed":
            message["identity"] = {"acknowledged": False, "created_timestamp": str(int(now)), "hash": "aW52ZW50ZWQ="}
        else:
            new_phone = "".join(filter(str.isdigit, str(body.get("new_phone") or "")))
            if kind == "user_changed_number":
                if not new_phone:
                    raise ValueError("new_phone is needed")
                self.world.by_phone.pop(person.phone, None)
                person.phone = new_phone
                self.world.by_phone[new_phone] = person
                system["wa_id"] = new_phone
            new_id = str(body.get("new_user_id") or f"{old_id}9")
            self.world.bsuid_set(person, number.portfolio_id, new_id)
            system["user_id"] = new_id
            if body.get("with_previous", True):
                system["previous_user_id"] = old_id
        message["system"] = system
        self.webhooks.emit(number, Update(number.waba_id, "messages", self.value(number, messages=[message]), "system"))
        return message

    # -- what became of a send --------------------------------------------------------------------------------------

    def status(
        self, number: Number, send: Send, name: str, *, error: GraphError | None = None, at: float | None = None
    ) -> None:
        """Tell one status of one accepted send, and note it with the send."""
        now = self.world.clock.timestamp() if at is None else at
        person = self.world.people[send.person] if send.person is not None else None
        entry: dict[str, Any] = {"id": send.message_id, "status": name, "timestamp": str(int(now))}
        parts: dict[str, Any] = {}
        if person:
            phone, user_id = self._shown(number, person)
            phone = phone or (person.phone if send.to else "")  # who sent to a phone number knows it
            if phone:
                entry["recipient_id"] = phone
            if not send.to or name != "failed":
                entry["recipient_user_id"] = user_id
            if name != "failed":
                contact = {"wa_id": phone} if phone else {}
                parts["contacts"] = [contact | {"user_id": user_id}]
        if send.ref:
            entry["biz_opaque_callback_data"] = send.ref
        if name in ("sent", "delivered"):
            entry["pricing"] = _pricing(send, now)
        if error:
            entry["errors"] = [error.in_webhook()]
        send.statuses.append({"status": name, "at": now, "code": error.code if error else None})
        value = self.value(number, **parts, statuses=[entry])
        self.webhooks.emit(number, Update(number.waba_id, "messages", value, f"status_{name}"))


def _media(kind: str, node: dict[str, Any]) -> dict[str, Any]:
    digest = base64.b64encode(hashlib.sha256(str(node.get("id", kind)).encode()).digest()).decode()
    mime = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/ogg; codecs=opus", "sticker": "image/webp"}
    full: dict[str, Any] = {"mime_type": mime.get(kind, "application/pdf"), "sha256": digest, "id": "600001"} | node
    if kind == "audio":
        full.setdefault("voice", True)
    if kind == "sticker":
        full.setdefault("animated", False)
    return full


def _pricing(send: Send, now: float) -> dict[str, Any]:
    category = send.category.lower() if send.template else "service"
    kind = "regular"
    if send.free_entry:
        kind = "free_entry_point"
    elif send.window_open and category in ("service", "utility") and now < SERVICE_CHARGED_FROM:
        kind = "free_customer_service"
    return {"billable": kind == "regular", "pricing_model": "PMP", "type": kind, "category": category}
