"""The management side of the Graph API: number, account and template nodes, subscriptions, tokens."""

from __future__ import annotations

import base64
from typing import Any

from aiohttp import web

from sandbox import templates
from sandbox.errors import GraphError, unknown_object
from sandbox.provider import body_of, misbehave, number_of, token_check
from sandbox.webhooks import Webhooks
from sandbox.world import Number, Template, World

SCOPES = ["whatsapp_business_messaging", "whatsapp_business_management"]
FILTERS = ("name", "language", "status", "category")


class Nodes:
    """One handler per edge; `guard` plays faults and turns refusals into envelopes."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self.world, self.webhooks = world, webhooks

    def routes(self) -> list[web.RouteDef]:
        base = r"/{version:v\d+\.\d+}"
        return [
            web.get(base + "/debug_token", self.guard("debug_token", self.debug_token)),
            web.get(base + "/{id}/message_templates", self.guard("message_templates", self.template_list)),
            web.post(base + "/{id}/message_templates", self.guard("message_templates", self.template_create)),
            web.get(base + "/{id}/phone_numbers", self.guard("node", self.phone_numbers)),
            web.get(base + "/{id}/subscribed_apps", self.guard("subscribed_apps", self.subscribed)),
            web.post(base + "/{id}/subscribed_apps", self.guard("subscribed_apps", self.subscribe)),
            web.delete(base + "/{id}/subscribed_apps", self.guard("subscribed_apps", self.unsubscribe)),
            web.post(base + "/{id}/unpause", self.guard("node", self.unpause)),
            web.get(base + "/{id}", self.guard("node", self.node)),
            web.post(base + "/{id}", self.guard("node", self.node_change)),
        ]

    def guard(self, endpoint: str, handler: Any) -> Any:
        async def guarded(request: web.Request) -> web.StreamResponse:
            answer: dict[str, Any] | None = None
            fault = self.world.faults.hit(endpoint, {"id": request.match_info.get("id", "")})
            if fault and not fault.accept:
                return await misbehave(request, fault)
            try:
                answer = await handler(request)
            except GraphError as problem:
                return web.json_response(problem.envelope(), status=problem.http)
            if fault:
                return await misbehave(request, fault, answer=answer)
            return web.json_response(answer)

        return guarded

    # -- who may ask ------------------------------------------------------------------------------------------------

    def _numbers(self, request: web.Request) -> list[Number]:
        """The account's numbers, if the token belongs to one of them."""
        token, waba_id = token_check(self.world, request), request.match_info["id"]
        numbers = [number for number in self.world.numbers.values() if number.waba_id == waba_id]
        if not any(number.access_token == token for number in numbers):
            raise unknown_object(waba_id, request.method.lower())
        return numbers

    def _template(self, request: web.Request) -> Template | None:
        token = token_check(self.world, request)
        wabas = {number.waba_id for number in self.world.numbers.values() if number.access_token == token}
        wanted = request.match_info["id"]
        return next((t for t in self.world.templates.values() if t.id == wanted and t.waba_id in wabas), None)

    # -- templates --------------------------------------------------------------------------------------------------

    async def template_list(self, request: web.Request) -> dict[str, Any]:
        self._numbers(request)
        waba_id, query = request.match_info["id"], request.query
        found = [template for template in self.world.templates.values() if template.waba_id == waba_id]
        for name in FILTERS:
            if name in query:
                found = [template for template in found if getattr(template, name) == query[name]]
        try:
            limit = max(1, min(int(query.get("limit", "25")), 1000))
            start = int(base64.urlsafe_b64decode(query["after"].encode())) if query.get("after") else 0
        except ValueError:
            raise GraphError(100, "Param limit or after is not valid.") from None
        page = found[start : start + limit]
        wanted = [name for name in query.get("fields", "").split(",") if name]
        rows = [template.to_json() for template in page]
        if wanted:
            rows = [{name: value for name, value in row.items() if name in {*wanted, "id"}} for row in rows]
        end = start + len(page)
        cursor = base64.urlsafe_b64encode(str(end).encode()).decode()
        before = base64.urlsafe_b64encode(str(start).encode()).decode()
        paging: dict[str, Any] = {"cursors": {"before": before, "after": cursor}}
        if end < len(found):
            paging["next"] = str(request.url.update_query(after=cursor))
        return {"data": rows, "paging": paging}

    async def template_create(self, request: web.Request) -> dict[str, Any]:
        self._numbers(request)
        template = templates.create(self.world, request.match_info["id"], await body_of(request))
        return {"id": template.id, "status": template.status, "category": template.category}

    async def unpause(self, request: web.Request) -> dict[str, Any]:
        template = self._template(request)
        if template is None:
            raise unknown_object(request.match_info["id"], "post")
        if template.status != "PAUSED":
            raise GraphError(100, "The template is not paused.")
        template.status = "APPROVED"
        return {"success": True}

    # -- numbers and accounts ---------------------------------------------------------------------------------------

    async def node(self, request: web.Request) -> dict[str, Any]:
        """A number, an account or a template, by id; `fields` chooses."""
        token, node_id = token_check(self.world, request), request.match_info["id"]
        number = self.world.numbers.get(node_id)
        if number is not None:
            full = self._number_json(number_of(self.world, request))
        elif any(n.waba_id == node_id and n.access_token == token for n in self.world.numbers.values()):
            full = {"name": "Sandbox account", "currency": "USD", "health_status": self._health("WABA", node_id, None)}
        elif (template := self._template(request)) is not None:
            blocked = None if template.status == "APPROVED" else template.status
            full = template.to_json() | {"health_status": self._health("MESSAGE_TEMPLATE", node_id, blocked)}
        else:
            raise unknown_object(node_id)
        wanted = [name.split("{")[0].split(".")[0] for name in request.query.get("fields", "").split(",") if name]
        shown = wanted or [name for name in full if name not in ("health_status", "throughput")]
        return {name: full[name] for name in shown if name in full} | {"id": node_id}

    def _number_json(self, number: Number) -> dict[str, Any]:
        blocked = None if number.status == "CONNECTED" else number.status
        return {
            "display_phone_number": number.display_phone_number,
            "verified_name": number.verified_name,
            "quality_rating": number.quality_rating,
            "status": number.status,
            "name_status": "APPROVED",
            "code_verification_status": "VERIFIED",
            "platform_type": "CLOUD_API",
            "throughput": {"level": "HIGH" if number.throughput >= 1000 else "STANDARD"},
            "whatsapp_business_manager_messaging_limit": number.messaging_limit,
            "webhook_configuration": {"application": number.webhook_url},
            "is_on_biz_app": False,
            "health_status": self._health("PHONE_NUMBER", number.phone_number_id, blocked),
        }

    @staticmethod
    def _health(kind: str, node_id: str, blocked: str | None) -> dict[str, Any]:
        state = "BLOCKED" if blocked else "AVAILABLE"
        entity: dict[str, Any] = {"entity_type": kind, "id": node_id, "can_send_message": state}
        if blocked:
            entity["errors"] = [
                {"error_code": 141000, "error_description": f"Status {blocked}", "possible_solution": "Restore it."}
            ]
        return {"can_send_message": state, "entities": [entity]}

    async def phone_numbers(self, request: web.Request) -> dict[str, Any]:
        rows = [self._number_json(number) | {"id": number.phone_number_id} for number in self._numbers(request)]
        return {"data": rows, "paging": {"cursors": {"before": "MA==", "after": "MA=="}}}

    async def node_change(self, request: web.Request) -> dict[str, Any]:
        """Only a number's webhook address can be changed here."""
        number = number_of(self.world, request)
        body = await body_of(request)
        wanted = body.get("webhook_configuration") if isinstance(body, dict) else None
        if not isinstance(wanted, dict):
            raise GraphError(100, "The parameter webhook_configuration is required.")
        await self._point([number], wanted)
        return {"success": True}

    # -- subscriptions and tokens -----------------------------------------------------------------------------------

    async def subscribed(self, request: web.Request) -> dict[str, Any]:
        rows = []
        if any(number.subscribed for number in self._numbers(request)):
            data = {"id": "500000000000001", "name": "Sandbox app", "link": "https://example.com"}
            rows.append({"whatsapp_business_api_data": data})
        return {"data": rows}

    async def subscribe(self, request: web.Request) -> dict[str, Any]:
        numbers = self._numbers(request)
        body = await body_of(request) if request.can_read_body else {}
        if body.get("override_callback_uri"):
            await self._point(numbers, body)
        for number in numbers:
            number.subscribed = True
        return {"success": True}

    async def unsubscribe(self, request: web.Request) -> dict[str, Any]:
        for number in self._numbers(request):
            number.subscribed = False
        return {"success": True}

    async def _point(self, numbers: list[Number], body: dict[str, Any]) -> None:
        """A new webhook address is asked to echo a challenge before it is believed."""
        url, token = str(body.get("override_callback_uri") or ""), str(body.get("verify_token") or "")
        if not url or not token:
            raise GraphError(100, "override_callback_uri and verify_token are required.")
        answer = await self.webhooks.handshake(url, token, str(self.world.rng.getrandbits(31)))
        if not answer["ok"]:
            raise GraphError(2200, "The callback address did not answer with the challenge.", title="Callback failed")
        for number in numbers:
            number.webhook_url, number.verify_token = url, token

    async def debug_token(self, request: web.Request) -> dict[str, Any]:
        token_check(self.world, request)
        asked = request.query.get("input_token", "")
        state = self.world.tokens.get(asked)
        data: dict[str, Any] = {
            "app_id": "500000000000001",
            "type": "SYSTEM_USER",
            "is_valid": state == "valid",
            "expires_at": 0 if state == "valid" else 1,
            "scopes": SCOPES if state else [],
        }
        if state != "valid":
            data["error"] = {"code": 190, "message": "The session is invalid or has expired."}
        return {"data": data}
