"""Puts the parts together."""

from __future__ import annotations

from aiohttp import web

from sandbox.control import Control
from sandbox.errors import unknown_object
from sandbox.nodes import Nodes
from sandbox.people import People
from sandbox.provider import Messages
from sandbox.webhooks import Webhooks
from sandbox.world import World

WORLD = web.AppKey("world", World)
LARGEST_BODY = 4 * 1024 * 1024


async def _unknown(request: web.Request) -> web.Response:
    """Whatever else is asked for: 400 with an envelope, as at Meta, never 404."""
    problem = unknown_object(request.path.strip("/"), request.method.lower())
    return web.json_response(problem.envelope(), status=problem.http)


def application(seed: int = 1) -> web.Application:
    """The whole sandbox as one aiohttp application."""
    app = web.Application(client_max_size=LARGEST_BODY)
    world = World(seed)
    webhooks = Webhooks(world)
    people = People(world, webhooks)
    control = Control(world, webhooks, people)
    app[WORLD] = world
    app.router.add_post(r"/{version:v\d+\.\d+}/{id}/messages", Messages(world, people).__call__)
    app.add_routes(Nodes(world, webhooks).routes())
    app.add_routes(control.routes())
    app.router.add_route("*", "/{rest:.*}", _unknown)

    async def close(_: web.Application) -> None:
        await webhooks.close()

    app.on_cleanup.append(close)
    return app
