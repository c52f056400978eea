"""What happened, to be read by a program: GET /_sandbox/record, deliveries, purchases. See README.md."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.clock import iso
from sandbox.webhooks import Delivery, Webhooks
from sandbox.world import Send, World

Answer = dict[str, Any]


def guard(handler: Callable[[web.Request, Any], Awaitable[Answer]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """JSON in, JSON out: 400 with {"error": ...} for a call that makes no sense, 404 for an id that is not there."""

    async def guarded(request: web.Request) -> web.Response:
        try:
            body = await request.json() if request.can_read_body else {}
            return web.json_response(await handler(request, body))
        except KeyError as problem:
            return web.json_response({"error": f"missing or unknown: {problem}"}, status=400)
        except LookupError as problem:
            return web.json_response({"error": f"not found: {problem}"}, status=404)
        except (ValueError, TypeError, AttributeError) as problem:
            return web.json_response({"error": str(problem)}, status=400)

    return guarded


class Records:
    """Reading side of the control API, and sending a logged webhook again."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self.world, self.webhooks = world, webhooks

    def routes(self) -> list[web.RouteDef]:
        gets = {
            "record": self.record,
            "deliveries": self.deliveries,
            "deliveries/{id}": self.delivery,
            "purchases": self.purchases,
        }
        posts = {"deliveries/{id}/again": self.again, "wait": self.wait}
        return [
            *(web.get(f"/_sandbox/{path}", guard(handler)) for path, handler in gets.items()),
            *(web.post(f"/_sandbox/{path}", guard(handler)) for path, handler in posts.items()),
        ]

    async def record(self, request: web.Request, body: Any) -> Answer:
        """Every send, inbound and opt-out after `since` (a seq). Filters: number, ref, to, recipient, limit."""
        query, world = request.query, self.world
        since = int(query.get("since", "0"))
        limit = int(query.get("limit", "1000000"))
        sends = [send for send in world.sends if send.seq > since]
        for name, attribute in (
            ("number", "phone_number_id"),
            ("ref", "ref"),
            ("to", "to"),
            ("recipient", "recipient"),
        ):
            if name in query:
                sends = [send for send in sends if getattr(send, attribute) == query[name]]
        chosen = sends[:limit]
        written = [inbound for inbound in world.inbound if inbound.seq > since]
        if "number" in query:
            written = [inbound for inbound in written if inbound.phone_number_id == query["number"]]
        rows = []
        for inbound in written[:limit]:
            portfolio = world.numbers[inbound.phone_number_id].portfolio_id
            rows.append(inbound.to_json(world.people[inbound.person], portfolio))
        last = max([*(send.seq for send in chosen), *(row["seq"] for row in rows), since])
        people = {row["person"] for row in rows} | {send.person for send in chosen if send.person is not None}
        return {
            "now": iso(world.clock.now()),
            "next": last,
            "sends": [_send_json(send) for send in chosen],
            "inbound": rows,
            "opt_outs": [row for row in rows if row["opt_out"]],
            "people": {
                str(key): {"phone": world.people[key].phone, "user_ids": world.people[key].bsuids} for key in people
            },
        }

    async def deliveries(self, request: web.Request, body: Any) -> Answer:
        since, state = int(request.query.get("since", "0")), request.query.get("state")
        rows = [item for item in self.webhooks.deliveries.values() if item.id > since]
        rows = [item for item in rows if not state or item.state == state]
        return {"deliveries": [item.to_json() for item in rows[: int(request.query.get("limit", "1000"))]]}

    def _delivery(self, request: web.Request) -> Delivery:
        delivery = self.webhooks.deliveries.get(int(request.match_info["id"]))
        if delivery is None:
            raise LookupError(f"delivery {request.match_info['id']}")
        return delivery

    async def delivery(self, request: web.Request, body: Any) -> Answer:
        return self._delivery(request).to_json()

    async def again(self, request: web.Request, body: Any) -> Answer:
        """Send the same bytes again `times` times; answers when the product has."""
        delivery = self._delivery(request)
        times = int(body.get("times", 1))
        wanted = len(delivery.attempts) + times
        for _ in range(times):
            self.webhooks.again(delivery)
        while len(delivery.attempts) < wanted:
            await asyncio.sleep(0.005)
        return delivery.to_json()

    async def wait(self, request: web.Request, body: Any) -> Answer:
        """Answer when every webhook was answered with 200, or after `seconds`."""
        return {"idle": await self.webhooks.idle(float(body.get("seconds", 10)))}

    async def purchases(self, request: web.Request, body: Any) -> Answer:
        after = int(request.query.get("after", "0"))
        return {"purchases": [row for row in self.world.purchases if row["seq"] > after]}


def _send_json(send: Send) -> Answer:
    row = send.to_json()
    row["statuses"] = [status | {"at": iso(status["at"])} for status in send.statuses]
    return row
