"""The control API under /_sandbox/: set the stage, play people, break things, read what happened. See README.md."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields
from typing import Any

from aiohttp import web

from sandbox.clock import iso, parse
from sandbox.crowd import Crowd, tally
from sandbox.errors import GraphError
from sandbox.people import People
from sandbox.records import Answer, guard
from sandbox.webhooks import Update, Webhooks
from sandbox.world import Inbound, Number, Person, Send, Template, World

NUMBER_FIELDS = {item.name for item in fields(Number)}
PERSON_FIELDS = {"name", "username", "hidden", "on_whatsapp", "experiment"}


class Control:
    """JSON in, JSON out; 400 with {"error": ...} for a call that makes no sense, 404 for an id that is not there."""

    def __init__(self, world: World, webhooks: Webhooks, people: People, crowd: Crowd) -> None:
        self.world, self.webhooks, self.people, self.crowd = world, webhooks, people, crowd

    def routes(self) -> list[web.RouteDef]:
        posts = {
            "reset": self.reset, "clock": self.clock, "numbers": self.numbers, "templates": self.templates,
            "tokens": self.tokens, "people": self.person, "faults": self.fault_add, "webhooks": self.manner,
            "inbound": self.inbound, "preferences": self.preference, "identity-change": self.identity,
            "statuses": self.status, "event": self.event, "template-status": self.template_status, "raw": self.raw,
            "handshake": self.handshake, "personas": self.personas_make, "personas/still": self.personas_still,
        }  # fmt: skip
        gets = {
            "health": self.health, "faults": self.fault_list, "personas": self.personas,
            "webhooks": self.manner_get, "clock": self.clock_get,
        }  # fmt: skip
        return [
            *(web.post(f"/_sandbox/{path}", guard(handler)) for path, handler in posts.items()),
            *(web.get(f"/_sandbox/{path}", guard(handler)) for path, handler in gets.items()),
            web.delete("/_sandbox/faults", guard(self.fault_remove)),
            web.delete("/_sandbox/faults/{id}", guard(self.fault_remove)),
        ]

    # -- the stage --------------------------------------------------------------------------------------------------

    async def health(self, request: web.Request, body: Any) -> Answer:
        world = self.world
        queued = sum(len(app.queue) for app in self.webhooks.apps.values())
        return {
            "status": "ok",
            "now": iso(world.clock.now()),
            "seed": world.seed,
            "numbers": len(world.numbers),
            "people": len(world.people),
            "sends": len(world.sends),
            "inbound": len(world.inbound),
            "webhooks_queued": queued,
        }

    async def reset(self, request: web.Request, body: Any) -> Answer:
        await self.crowd.reset()
        await self.webhooks.reset()
        self.world.reset(body.get("seed"))
        return {"seed": self.world.seed}

    async def clock(self, request: web.Request, body: Any) -> Answer:
        now = body.get("now")
        self.world.clock.set(parse(now) if now else None, ticking=bool(body.get("ticking")))
        return await self.clock_get(request, body)

    async def clock_get(self, request: web.Request, body: Any) -> Answer:
        return {"now": iso(self.world.clock.now())}

    async def numbers(self, request: web.Request, body: Any) -> Answer:
        """Create a number, or change the given fields of a known one."""
        if unknown := sorted(set(body) - NUMBER_FIELDS):
            raise ValueError(f"unknown fields: {', '.join(unknown)}")
        number = self.world.numbers.get(str(body["phone_number_id"]))
        if number is None:
            needed = (
                "phone_number_id",
                "waba_id",
                "portfolio_id",
                "display_phone_number",
                "access_token",
                "app_secret",
            )
            if missing := [name for name in needed if not body.get(name)]:
                raise ValueError(f"a new number needs {', '.join(missing)}")
            given: dict[str, Any] = {name: str(body[name]) for name in needed}
            number = Number(**given)
            self.world.numbers[number.phone_number_id] = number
        for name, value in body.items():
            setattr(number, name, value)
        self.world.tokens.setdefault(number.access_token, "valid")
        return {name: getattr(number, name) for name in sorted(NUMBER_FIELDS)}

    def _number(self, body: Any) -> Number:
        """`number` is a phone number id; it may be left out while there is only one."""
        wanted = body.get("number")
        if wanted is None and len(self.world.numbers) == 1:
            return next(iter(self.world.numbers.values()))
        number = self.world.numbers.get(str(wanted))
        if number is None:
            raise LookupError(f"number {wanted}")
        return number

    async def templates(self, request: web.Request, body: Any) -> Answer:
        """One template or {"templates": [...]}; the same name and language is replaced and keeps its id."""
        made = []
        for given in body.get("templates") or [body]:
            key = (str(given["waba_id"]), str(given["name"]), str(given["language"]))
            old = self.world.templates.get(key)
            template_id = str(given.get("id") or (old.id if old else self.world.template_id()))
            rest = {name: value for name, value in given.items() if name not in ("id", "waba_id", "name", "language")}
            rest = {"category": "MARKETING", "components": []} | rest
            self.world.templates[key] = Template(template_id, *key, **rest)
            made.append(self.world.templates[key].to_json())
        return {"templates": made}

    async def tokens(self, request: web.Request, body: Any) -> Answer:
        if body["state"] not in ("valid", "expired", "revoked"):
            raise ValueError("state must be valid, expired or revoked")
        self.world.tokens[str(body["access_token"])] = body["state"]
        return {"state": body["state"]}

    async def person(self, request: web.Request, body: Any) -> Answer:
        """Make or change a person: hidden, on_whatsapp, experiment, name, username."""
        number = self._number(body)
        person = self.people.find(number, body)
        for name in PERSON_FIELDS & set(body):
            setattr(person, name, body[name])
        return self._person_json(number, person)

    def _person_json(self, number: Number, person: Person) -> Answer:
        user_id = self.world.bsuid(person, number.portfolio_id)
        phone = f"+{person.phone}" if person.phone else ""
        return {"person": person.key, "phone": phone, "user_id": user_id, "hidden": person.hidden, "name": person.name}

    # -- faults and the way webhooks travel -------------------------------------------------------------------------

    async def fault_add(self, request: web.Request, body: Any) -> Answer:
        return self.world.faults.add(body).to_json()

    async def fault_list(self, request: web.Request, body: Any) -> Answer:
        return {"faults": [rule.to_json() for rule in self.world.faults.rules]}

    async def fault_remove(self, request: web.Request, body: Any) -> Answer:
        wanted = request.match_info.get("id")
        removed = self.world.faults.remove(int(wanted) if wanted else None)
        if wanted and not removed:
            raise LookupError(f"fault {wanted}")
        return {"removed": removed}

    async def manner(self, request: web.Request, body: Any) -> Answer:
        self.webhooks.change(body)
        return self.webhooks.manner.to_json()

    async def manner_get(self, request: web.Request, body: Any) -> Answer:
        return self.webhooks.manner.to_json()

    # -- people -----------------------------------------------------------------------------------------------------

    async def inbound(self, request: web.Request, body: Any) -> Answer:
        number = self._number(body)
        person = self.people.find(number, body)
        if "at" in body:
            body["at"] = parse(body["at"]).timestamp()
        written = self.people.write(number, person, body)
        return await self._told(number, person, written, body)

    async def preference(self, request: web.Request, body: Any) -> Answer:
        number = self._number(body)
        person = self.people.find(number, body)
        return await self._told(number, person, self.people.prefer(number, person, body.get("value", "stop")), body)

    async def _told(self, number: Number, person: Person, inbound: Inbound, body: Any) -> Answer:
        """`wait`: answer only when the product has answered 200, or after that many seconds."""
        if body.get("wait"):
            deadline = asyncio.get_running_loop().time() + float(body["wait"])
            while inbound.acknowledged_at is None and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.005)
        return inbound.to_json(person, number.portfolio_id) | {"acknowledged": inbound.acknowledged_at is not None}

    async def identity(self, request: web.Request, body: Any) -> Answer:
        number = self._number(body)
        person = self.people.find(number, body)
        message = self.people.change_identity(number, person, body)
        return self._person_json(number, person) | {"message": message}

    async def status(self, request: web.Request, body: Any) -> Answer:
        """One more status of an accepted send, by message_id or ref: late, early, twice, or failed with a code."""
        send = self._send(body)
        error = GraphError(int(body["code"]), str(body.get("details", ""))) if body.get("code") else None
        at = parse(body["at"]).timestamp() if "at" in body else None
        self.people.status(self.world.numbers[send.phone_number_id], send, str(body["status"]), error=error, at=at)
        return send.to_json()

    def _send(self, body: Any) -> Send:
        if body.get("message_id") in self.world.by_message_id:
            return self.world.by_message_id[body["message_id"]]
        for send in reversed(self.world.sends):
            if body.get("ref") and send.ref == body["ref"] and send.accepted:
                return send
        raise LookupError("an accepted send with this message_id or ref")

    async def event(self, request: web.Request, body: Any) -> Answer:
        """Any `field` and `value`, signed and delivered like the rest; `metadata: true` adds the number's."""
        number = self._number(body)
        value = dict(body["value"])
        if body.get("metadata"):
            value = self.people.value(number, **value)
        self.webhooks.emit(
            number, Update(str(body.get("entry_id") or number.waba_id), body["field"], value, body["field"])
        )
        return {"value": value}

    async def template_status(self, request: web.Request, body: Any) -> Answer:
        """Change a template's status at the provider and tell it: event PAUSED, APPROVED, DISABLED, REJECTED, ..."""
        number = self._number(body)
        template = self.world.templates.get((number.waba_id, body["name"], body["language"]))
        if template is None:
            raise LookupError(f"template {body['name']} {body['language']}")
        event = str(body["event"])
        template.status = {"REINSTATED": "APPROVED", "UNARCHIVED": "APPROVED", "FLAGGED": template.status}.get(
            event, event
        )
        reason = None if event == "DELETED" else str(body.get("reason", "NONE"))
        value: Answer = {
            "event": event,
            "message_template_id": int(template.id),
            "message_template_name": template.name,
            "message_template_language": template.language,
            "reason": reason,
        }
        if event in ("PAUSED", "DISABLED"):
            title = body.get("title", "FIRST_PAUSE" if event == "PAUSED" else "DISABLED")
            value["other_info"] = {"title": title, "description": "The template's quality is low."}
        if event == "DISABLED":
            value["disable_info"] = {"disable_date": str(int(self.world.clock.timestamp()))}
        field = "message_template_status_update"
        self.webhooks.emit(number, Update(number.waba_id, field, value, field))
        return {"value": value}

    async def raw(self, request: web.Request, body: Any) -> Answer:
        """Post any bytes: body is a string, or JSON written as Meta writes it. signature: valid | invalid | missing."""
        number = self._number(body)
        content = body["body"]
        # Text is sent as it is; JSON as Meta writes it.
        raw = content.encode() if isinstance(content, str) else json.dumps(content, separators=(",", ":")).encode()
        how = body.get("signature", "valid")
        secret = {"valid": number.app_secret, "invalid": number.app_secret + "-not", "missing": None}[how]
        url = number.webhook_url
        number.webhook_url = body.get("url") or url
        try:
            delivery = self.webhooks.post_raw(number, raw, signed=secret, headers=body.get("headers") or {})
        finally:
            number.webhook_url = url
        await delivery.first.wait()
        return delivery.to_json()

    async def handshake(self, request: web.Request, body: Any) -> Answer:
        """Verify the number's webhook address as Meta does when it is entered."""
        number = self._number(body)
        token = str(body.get("verify_token", number.verify_token))
        return await self.webhooks.handshake(number.webhook_url, token, str(body.get("challenge", "1158201444")))

    async def personas_make(self, request: web.Request, body: Any) -> Answer:
        """Invite people; they click and write by themselves from now on."""
        made = self.crowd.invite(body, self._number(body).phone_number_id)
        return {"personas": [persona.to_json() for persona in made]}

    async def personas_still(self, request: web.Request, body: Any) -> Answer:
        """End the story: nobody acts from now on, so that the record can be compared with the product's."""
        return {"stopped": await self.crowd.still()}

    async def personas(self, request: web.Request, body: Any) -> Answer:
        """Who they are and what they did, as ground truth; `busy` counts those about to do something."""
        people = list(self.crowd.personas.values())
        if "number" in request.query:
            people = [persona for persona in people if persona.phone_number_id == request.query["number"]]
        return {
            "personas": [persona.to_json() for persona in people],
            "busy": self.crowd.busy,
            "natures": tally(people, lambda persona: persona.nature),
            "states": tally(people, lambda persona: persona.state),
            "problems": [persona.problem for persona in people if persona.problem],
        }
