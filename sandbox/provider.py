"""The provider's side: the Graph API endpoints a product calls."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from aiohttp import web

from sandbox import payloads, templates
from sandbox.errors import GraphError, unknown_object
from sandbox.faults import Fault
from sandbox.people import FREE_ENTRY, People
from sandbox.world import BSUID, DAY, Number, Person, Send, World


def token_check(world: World, request: web.Request) -> str:
    """The bearer token, if it is a good one. 190 otherwise."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "oauth") or not token:
        raise GraphError(
            190, "An access token is required to request this resource.", title="OAuth access token missing"
        )
    state = world.tokens.get(token.strip())
    if state == "expired":
        raise GraphError(190, "Error validating access token: Session has expired.", subcode=463)
    if state != "valid":
        raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", title="Invalid access token")
    return token.strip()


def number_of(world: World, request: web.Request) -> Number:
    """The number in the path, if the token may use it; another's number looks as if it did not exist."""
    token = token_check(world, request)
    number = world.numbers.get(request.match_info["id"])
    if number is None or number.access_token != token:
        raise unknown_object(request.match_info["id"], request.method.lower())
    return number


async def body_of(request: web.Request) -> Any:
    raw = await request.read()
    try:
        return json.loads(raw)
    except ValueError:
        raise GraphError(100, "The body is not valid JSON.") from None


class Messages:
    """POST /{version}/{phone number id}/messages."""

    def __init__(self, world: World, people: People) -> None:
        self.world, self.people = world, people

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        world = self.world
        number = world.numbers.get(request.match_info["id"])
        send: Send | None = None
        fault: Fault | None = None
        answer: dict[str, Any]
        status = 200
        try:
            body = await body_of(request)
            if isinstance(body, dict) and body.get("status") is not None:
                return web.json_response(self._read(number_of(world, request), body))
            send = self._record(request.match_info["id"], body)
            fault = world.faults.hit("messages", _facts(send))
            if fault:
                send.fault = fault.kind
            if fault and not fault.accept:
                return await misbehave(request, fault, send=send)
            number = number_of(world, request)
            person = self._check(number, send)
            answer = self._accept(number, person, send, fault)
        except GraphError as problem:
            answer, status = problem.envelope(), problem.http
            if send:
                send.http, send.code, send.details = status, problem.code, problem.details
            return web.json_response(answer, status=status)
        if fault and fault.kind not in ("fail", "held"):
            return await misbehave(request, fault, send=send, answer=answer)
        send.http = status
        return web.json_response(answer, status=status)

    def _record(self, phone_number_id: str, body: Any) -> Send:
        world = self.world
        send = Send(world.next_seq(), world.clock.timestamp(), phone_number_id, {"unreadable": True})
        world.sends.append(send)
        if not isinstance(body, dict):
            return send
        send.body = body
        send.ref = str(body.get("biz_opaque_callback_data") or "")
        send.to, send.recipient = str(body.get("to") or ""), str(body.get("recipient") or "")
        send.kind = str(body.get("type") or "text")
        node = body.get("template")
        if isinstance(node, dict):
            language = node.get("language")
            send.template = str(node.get("name") or "")
            send.language = str(language.get("code") or "") if isinstance(language, dict) else ""
        return send

    def _check(self, number: Number, send: Send) -> Person:
        """Everything that can refuse a send, in the provider's order. Returns who it goes to."""
        world, now = self.world, send.at
        if number.status != "CONNECTED":
            raise GraphError(133010, "The account is not registered.")
        if not world.throughput_ok(number, time.monotonic()):
            raise GraphError(130429, f"Message failed to send: more than {number.throughput} messages in a second")
        body = payloads.envelope(send.body)
        send.kind, send.text = payloads.message(body)
        person = self._recipient(number, send)
        send.person = person.key
        chat = world.chat(number, person)
        send.window_open = now - chat.last_inbound < DAY
        send.free_entry = now < chat.free_until
        if send.kind == "template":
            template = templates.find(world, number.waba_id, body)
            send.category = template.category
            send.text = templates.fill(template, body["template"])
            if template.category == "AUTHENTICATION" and not send.to:
                raise GraphError(131062, "Authentication templates need a phone number.")
        elif not send.window_open and number.window_error == "sync":
            raise self._window_closed()
        if not world.pair_ok(number, chat, now):
            raise GraphError(131056, "Too many messages from this number to the same person in a short time")
        return person

    @staticmethod
    def _window_closed() -> GraphError:
        return GraphError(131047, "More than 24 hours have passed since the person last wrote to this number.")

    def _recipient(self, number: Number, send: Send) -> Person:
        if send.to:  # with both, the phone number wins
            digits = payloads.phone(send.to)
            if digits == number.digits:
                raise GraphError(131021, "Recipient and sender are the same phone number.")
            return self.world.by_phone.get(digits) or self.world.person_by_phone(payloads.wa_id(digits))
        if not BSUID.match(send.recipient):
            raise GraphError(131009, "Param recipient must be a business-scoped user id.")
        person = self.world.by_bsuid.get((number.portfolio_id, send.recipient))
        if person is None:
            raise unknown_object(send.recipient, "post")
        return person

    def _accept(self, number: Number, person: Person, send: Send, fault: Fault | None) -> dict[str, Any]:
        """Take the message, arrange what becomes of it, and return the answer."""
        world = self.world
        send.accepted = True
        send.message_id = world.message_id(number.phone_number_id)
        world.by_message_id[send.message_id] = send
        chat = world.chat(number, person)
        if chat.ad_click and send.at - chat.ad_click < DAY:
            chat.free_until, send.free_entry = send.at + FREE_ENTRY, True
        chat.ad_click = 0.0
        state = "accepted"
        if fault and fault.kind == "held":
            state = "held_for_quality_assessment"
            self._hold(number, person, send, fault)
        else:
            error = GraphError(fault.code, fault.details) if fault and fault.kind == "fail" else None
            self.proceed(number, person, send, error or self._fate(number, person, send))
        contact = {"input": send.to or send.recipient}
        contact |= {"wa_id": person.phone} if send.to else {"user_id": send.recipient}
        return {
            "messaging_product": "whatsapp",
            "contacts": [contact],
            "messages": [{"id": send.message_id, "message_status": state}],
        }

    def _fate(self, number: Number, person: Person, send: Send) -> GraphError | None:
        """Why an accepted message will not arrive, if so."""
        if not person.on_whatsapp:
            return GraphError(131026, "Message undeliverable.")
        if send.kind != "template":
            return None if send.window_open else self._window_closed()
        if send.category != "MARKETING":
            return None
        if number.portfolio_id in person.stopped:
            return GraphError(131050, "The person stopped marketing messages from this business.")
        if person.experiment:
            return GraphError(130472, "The person is part of an experiment.")
        if templates.us_recipient(person.phone, person.bsuids.get(number.portfolio_id, "")):
            return GraphError(131049, "No marketing templates are delivered to numbers of the United States.")
        return None

    def proceed(self, number: Number, person: Person, send: Send, error: GraphError | None) -> None:
        """Statuses of an accepted message, at the number's pace; a persona reads when it likes."""
        later = self.world.timers.later
        first = number.sent_after or 0.0
        if error:
            later(first, lambda: self.people.status(number, send, "failed", error=error))
            return
        if number.sent_after is not None:
            later(first, self.people.status, number, send, "sent")
        if number.delivered_after is not None:
            later(max(first, number.delivered_after), self._delivered, number, person, send)
        if number.read_after is not None and person.persona is None:
            later(max(first, number.read_after), self.people.status, number, send, "read")

    def _delivered(self, number: Number, person: Person, send: Send) -> None:
        self.people.status(number, send, "delivered")
        for listener in self.world.listeners:
            listener(send, person)

    def _hold(self, number: Number, person: Person, send: Send, fault: Fault) -> None:
        later = self.world.timers.later
        if fault.release_after is not None:
            later(fault.release_after, self.proceed, number, person, send, self._fate(number, person, send))
            return
        error = GraphError(132015, "The message was held for quality assessment and dropped.")
        later(fault.seconds, lambda: self.people.status(number, send, "failed", error=error))

    def _read(self, number: Number, body: dict[str, Any]) -> dict[str, Any]:
        """`status: read` marks an inbound message read; nothing is told about it."""
        payloads.envelope(body)
        if body["status"] != "read":
            raise GraphError(100, "Param status must be one of {READ}.")
        payloads.only(body, {"messaging_product", "status", "message_id", "typing_indicator"}, "message")
        message_id = payloads.required(body, "message_id", "message_id")
        if "typing_indicator" in body and payloads.a_dict(body["typing_indicator"], "typing_indicator") != {
            "type": "text"
        }:
            raise GraphError(100, "Param typing_indicator['type'] must be one of {TEXT}.")
        if message_id not in self.world.inbound_ids:
            raise unknown_object(str(message_id), "post")
        return {"success": True}


def _facts(send: Send) -> dict[str, str]:
    return {
        "phone_number_id": send.phone_number_id,
        "to": send.to,
        "recipient": send.recipient,
        "template": send.template,
        "type": send.kind,
        "ref": send.ref,
    }


async def misbehave(
    request: web.Request, fault: Fault, *, send: Send | None = None, answer: dict[str, Any] | None = None
) -> web.StreamResponse:
    """Play one fault. `answer` is the good answer of an accepted request, None when it was not taken."""
    if fault.kind == "timeout":
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.2)
        return web.Response()
    if fault.kind == "reset":
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    if fault.kind in ("unreadable", "http"):
        status = fault.http or (200 if fault.kind == "unreadable" else 502)
        page = "<html><body>Bad gateway, sorry</body></html>"
        response = web.Response(status=status, text=page, content_type="text/html")
    elif answer is None or fault.kind == "error":
        problem = GraphError(fault.code, fault.details, subcode=fault.subcode, http=fault.http)
        response = web.json_response(problem.envelope(), status=problem.http)
        if send:
            send.code, send.details = problem.code, problem.details
    else:
        response = web.json_response(answer)
    response.headers.update(_throttle_headers(fault))
    if send:
        send.http = response.status
    return response


def _throttle_headers(fault: Fault) -> dict[str, str]:
    """`Retry-After` is seconds or an HTTP date; the usage header counts minutes."""
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.usage_minutes is not None:
        usage = {"900000000000001": [{"type": "whatsapp", "estimated_time_to_regain_access": fault.usage_minutes}]}
        headers["X-Business-Use-Case-Usage"] = json.dumps(usage)
    return headers
