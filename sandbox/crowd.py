"""Personas at work: they click, write, read, fall silent, come back, buy and stop, each at its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from sandbox.people import People
from sandbox.personas import Persona, order_read, personas_make
from sandbox.world import Person, Send, World

PHONE_BROWSER = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36"
LINK_PREVIEW = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"


class Crowd:
    """All personas of one sandbox. Delays are seconds of a person's life, divided by `speed`."""

    def __init__(self, world: World, people: People) -> None:
        self.world, self.people = world, people
        self.personas: dict[int, Persona] = {}
        self.by_person: dict[int, Persona] = {}
        self.speed = 1.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        world.listeners.append(self.receive)

    async def still(self) -> int:
        """Nobody does anything any more; who they are and what they did stays on record. How many were about to."""
        busy = len(self._tasks)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return busy

    async def reset(self) -> None:
        await self.still()
        self.personas.clear()
        self.by_person.clear()
        if self._session:
            await self._session.close()
            self._session = None

    def invite(self, body: dict[str, Any], phone_number_id: str) -> list[Persona]:
        """Make the people of one control call and let them live."""
        order = order_read(body, phone_number_id)
        self.speed = float(body.get("speed", 1))
        if self.speed <= 0:
            raise ValueError("speed must be above 0")
        taken = set(self.world.by_phone) | {persona.phone for persona in self.personas.values()}
        made = personas_make(order, self.world.clock.now(), first=len(self.personas) + 1, taken=taken)
        for persona in made:
            self.personas[persona.index] = persona
            self._spawn(self._arrive(persona))
        return made

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def busy(self) -> int:
        """What is just about to happen: deeds of people, and messages on their way to them."""
        return len(self._tasks) + self.world.timers.waiting

    async def _pause(self, persona: Persona, shortest: float, longest: float) -> None:
        await asyncio.sleep(persona.rng.uniform(shortest, longest) / self.speed)

    def _now(self) -> float:
        return self.world.clock.timestamp()

    # -- the way in -------------------------------------------------------------------------------------------------

    async def _arrive(self, persona: Persona) -> None:
        await asyncio.sleep(persona.starts_after / self.speed)
        text = persona.texts["opening"]
        if persona.source != "ad":
            prefilled = await self._follow(persona)
            if prefilled is None:
                return
            text = prefilled or text
        elif persona.nature != "click_only":
            persona.note("ad_click", self._now())
        persona.state = "clicked"
        if persona.nature == "click_only":
            return
        await self._pause(persona, 5, 40)
        if persona.edits and persona.source != "ad":
            text = f"{text.lower()} - {persona.texts['opening']}"
        referral = None
        if persona.source == "ad":
            referral = {
                "source_type": "ad",
                "source_id": persona.door,
                "source_url": f"https://fb.me/{persona.door}",
                "headline": "Invented ad",
                "body": persona.texts["opening"],
                "media_type": "image",
                "image_url": "https://example.com/ad.jpg",
                "ctwa_clid": persona.click_id,
            }
        persona.state = "waiting"
        self._write(persona, text, referral=referral)

    async def _follow(self, persona: Persona) -> str | None:
        """Open the tracked link as a phone does, and read the text that wa.me would prefill. None: it led nowhere."""
        try:
            if persona.preview:
                await self._open(persona.door, LINK_PREVIEW)
                persona.note("preview", self._now())
            where = await self._open(persona.door, PHONE_BROWSER)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            persona.problem = f"the link failed: {type(problem).__name__}"
            return None
        persona.note("link_click", self._now())
        target = urlsplit(where)
        number = self.world.numbers[persona.phone_number_id]
        query = parse_qs(target.query)
        digits = query.get("phone", [target.path.strip("/")])[0]
        if target.hostname not in ("wa.me", "api.whatsapp.com") or digits != number.digits:
            persona.problem = f"the link led to {where[:200]!r}"
            return None
        return query.get("text", [""])[0]

    async def _open(self, url: str, agent: str) -> str:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20))
        headers = {"User-Agent": agent, "Accept-Language": "vi,es;q=0.8,en;q=0.5"}
        timeout = aiohttp.ClientTimeout(total=15)
        async with self._session.get(url, headers=headers, allow_redirects=False, timeout=timeout) as answer:
            await answer.read()
            return answer.headers.get("Location", "")

    # -- deeds ------------------------------------------------------------------------------------------------------

    def _person(self, persona: Persona) -> Person:
        number = self.world.numbers[persona.phone_number_id]
        who = {"from": persona.phone, "user_id": persona.user_id, "name": persona.name}
        if persona.username:
            who |= {"username": persona.username}
        person = self.people.find(number, who)
        if not persona.person:
            persona.person = person.key
            person.persona = persona.index
            self.by_person[person.key] = persona
        return person

    def _write(self, persona: Persona, text: str, **more: Any) -> None:
        number = self.world.numbers[persona.phone_number_id]
        body = {"type": "text", "text": text} | {name: value for name, value in more.items() if value}
        inbound = self.people.write(number, self._person(persona), body)
        persona.note("wrote", inbound.at, message_id=inbound.message_id, opt_out=inbound.opt_out, text=text)

    async def _stop(self, persona: Persona) -> None:
        persona.state = "stopped"
        if persona.own_stop:
            number = self.world.numbers[persona.phone_number_id]
            stop = self.people.prefer(number, self._person(persona), "stop")
            persona.note("stopped", stop.at, opt_out=True)
        else:
            self._write(persona, persona.texts["stop"], opt_out=True)

    async def _buy(self, persona: Persona) -> None:
        self._write(persona, persona.texts["buy"])
        persona.state = "bought"
        await self._pause(persona, 10, 60)
        number = self.world.numbers[persona.phone_number_id]
        row = {
            "seq": self.world.next_seq(),
            "id": f"SALE-{persona.market}-{persona.index:05d}",
            "at": self.world.clock.now().isoformat(),
            "persona": persona.index,
            "person": persona.person,
            "phone": f"+{persona.phone}" if persona.phone else "",
            "user_id": persona.user_id,
            "portfolio_id": number.portfolio_id,
            "number": persona.phone_number_id,
            "market": persona.market,
            "kind": "purchase",
            "amount": persona.amount,
            "currency": persona.currency,
        }
        self.world.purchases.append(row)
        persona.note("bought", self._now(), amount=persona.amount, currency=persona.currency)

    # -- what the product sends -------------------------------------------------------------------------------------

    def receive(self, send: Send, person: Person) -> None:
        """A message reached somebody's phone. Called by the provider side when it tells `delivered`."""
        persona = self.by_person.get(person.key)
        if persona is None:
            return
        persona.note(
            "received", self._now(), message_id=send.message_id, ref=send.ref, type=send.kind, state=persona.state
        )
        self._spawn(self._read(persona, send))

    async def _read(self, persona: Persona, send: Send) -> None:
        await self._pause(persona, 3, 30)
        if persona.receipts:
            self.people.status(self.world.numbers[persona.phone_number_id], send, "read")
        if persona.state == "waiting":
            await self._after_greeting(persona)
        elif persona.state == "silent":
            await self._after_callback(persona, send)

    async def _after_greeting(self, persona: Persona) -> None:
        """The first answer came. What now follows is the person's nature."""
        persona.state = "silent" if persona.nature == "silent" else "talking"
        if persona.nature == "silent":
            return
        await self._pause(persona, 10, 90)
        if persona.nature == "stops":
            await self._stop(persona)
        elif persona.nature == "human":
            persona.state = "human"
            self._write(persona, persona.texts["human"])
        else:
            self._write(persona, persona.texts["answer"])
            if persona.nature == "buys":
                await self._pause(persona, 30, 120)
                await self._buy(persona)

    async def _after_callback(self, persona: Persona, send: Send) -> None:
        """A message to somebody who had fallen silent: a callback. Reactions were drawn beforehand, one each."""
        reaction = persona.react()
        persona.note("reacts", self._now(), reaction=reaction, ref=send.ref)
        if reaction == "silence":
            return
        persona.state = "talking"
        await self._pause(persona, 10, 120)
        if reaction == "tap" and not self._tap(persona, send):
            reaction = "reply"
        if reaction == "reply":
            self._write(persona, persona.texts["reply"])
        elif reaction == "stop":
            await self._stop(persona)
        elif reaction == "buy":
            self._write(persona, persona.texts["reply"])
            await self._pause(persona, 10, 60)
            await self._buy(persona)

    def _tap(self, persona: Persona, send: Send) -> bool:
        """Tap the first button of the message, if it has one."""
        number = self.world.numbers[persona.phone_number_id]
        buttons: list[dict[str, Any]] = []
        if send.kind == "interactive":
            buttons = send.body["interactive"].get("action", {}).get("buttons") or []
        if buttons:
            node = {"type": "button_reply", "button_reply": buttons[0]["reply"]}
            body = {"type": "interactive", "interactive": node, "reply_to": send.message_id}
        else:
            label = self._quick_reply(send, number.waba_id)
            if not label:
                return False
            body = {"type": "button", "button": {"payload": label, "text": label}, "reply_to": send.message_id}
        inbound = self.people.write(number, self._person(persona), body)
        persona.note("tapped", inbound.at, message_id=inbound.message_id)
        return True

    def _quick_reply(self, send: Send, waba_id: str) -> str:
        template = self.world.templates.get((waba_id, send.template, send.language))
        for component in template.components if template else []:
            for button in component.get("buttons") or []:
                if str(button.get("type", "")).upper() == "QUICK_REPLY":
                    return str(button.get("text", ""))
        return ""


def tally(personas: list[Persona], of: Callable[[Persona], str]) -> dict[str, int]:
    """How many personas there are of each kind."""
    counts: dict[str, int] = {}
    for persona in personas:
        counts[of(persona)] = counts.get(of(persona), 0) + 1
    return dict(sorted(counts.items()))
