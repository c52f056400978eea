"""Puts the parts together."""

from __future__ import annotations

from aiohttp import web

from sandbox.control import Control
from sandbox.crowd import Crowd
from sandbox.errors import unknown_object
from sandbox.nodes import Nodes
from sandbox.people import People
from sandbox.provider import Messages
from sandbox.records import Records
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
    crowd = Crowd(world, people)
    control = Control(world, webhooks, people, crowd)
    app[WORLD] = world
    app.router.add_post(r"/{version:v\d+\.\d+}/{id}/messages", Messages(world, people).__call__)
    app.add_routes(Nodes(world, webhooks).routes())
    app.add_routes(control.routes())
    app.add_routes(Records(world, webhooks).routes())
    app.router.add_route("*", "/{rest:.*}", _unknown)

    async def close(_: web.Application) -> None:
        await crowd.reset()
        await webhooks.close()

    app.on_cleanup.append(close)
    return app
