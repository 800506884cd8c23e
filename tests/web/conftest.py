"""A model that plays, and the page's server beside it, on ports of their own."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest

from hachimachi.events import EventSequence, Feature
from hachimachi.live.stage import PlaySettings, Stage, perform
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.web.launch import PageOptions, bind, serve


@pytest.fixture(scope="session")
def note_model() -> EventModel:
    """Of notes, whose marginals are all that it knows; about ten a second."""
    random = np.random.default_rng(0)
    pitch, velocity = random.integers(48, 72, 200).astype(np.float64), random.integers(40, 100, 200).astype(np.float64)
    data = np.stack([pitch, velocity, random.uniform(0.05, 0.4, 200).round(2)], 1)
    features = (Feature("pitch", "integer"), Feature("velocity", "integer"), Feature("duration", masked=True))
    return build_model([EventSequence(features, data, np.linspace(0.0, 19.9, 200))], {"name": "gru", "size": 8})


@pytest.fixture
def stage(note_model: EventModel) -> Iterator[Stage]:
    """The model, which waits for its player."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.bind(("127.0.0.1", 0))
    with out, perform(note_model, out.getsockname(), settings=PlaySettings(mode="duet"), say=lambda _: None) as stage:
        yield stage


class Page:
    """What a browser does with the server."""

    def __init__(self, options: PageOptions, session: aiohttp.ClientSession) -> None:
        self.options, self.session = options, session
        self.host = options.hosts[0]
        self.packets: list[dict[str, Any]] = []
        self.sockets: list[aiohttp.ClientWebSocketResponse] = []

    def another(self) -> Page:
        """A second page, which is closed with this one."""
        page = Page(self.options, self.session)
        page.sockets = self.sockets
        return page

    async def get(self, path: str, **headers: str) -> tuple[int, bytes, Any]:
        async with self.session.get(f"http://{self.host}{path}", headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers

    async def post(self, path: str, body: str, **headers: str) -> tuple[int, bytes, Any]:
        async with self.session.post(f"http://{self.host}{path}", data=body, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers

    async def open(self, **headers: str) -> aiohttp.ClientWebSocketResponse:
        headers.setdefault("Origin", f"http://{self.host}")
        self.socket = await self.session.ws_connect(f"ws://{self.host}/socket", headers=headers)
        self.sockets.append(self.socket)
        return self.socket

    async def send(self, route: str, *values: object) -> None:
        await self.socket.send_json({"osc": [route, *values]})

    async def until(self, found: Callable[[dict[str, Any]], Any], seconds: float = 20.0) -> Any:
        """Take in packets until one of them, also of those before, has what is looked for."""
        for packet in self.packets:
            if result := found(packet):
                return result
        async with asyncio.timeout(seconds) if hasattr(asyncio, "timeout") else _no_timeout():
            async for message in self.socket:
                packet = json.loads(message.data)
                self.packets.append(packet)
                if result := found(packet):
                    return result
        raise AssertionError("the socket was closed")


@asynccontextmanager
async def _no_timeout() -> AsyncIterator[None]:  # Python 3.10 has none
    yield


@pytest.fixture
def with_page(stage: Stage) -> Callable[..., None]:
    """Run a coroutine with a page of the stage; ``address`` is where it is served."""

    def run(use: Callable[[Page], Awaitable[None]], address: str = "127.0.0.1") -> None:
        async def main() -> None:
            sock, options = bind(address, 0, stage.address)
            serving = asyncio.create_task(serve(sock, options))
            try:
                async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
                    page = Page(options, session)
                    try:
                        await use(page)
                    finally:
                        for each in page.sockets:
                            await each.close()
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)

        asyncio.run(main())

    return run


def event(packet: dict[str, Any], who: int) -> Any:
    """Return the first event of a kind in a packet, the past that it begins with left out."""
    return next((each for each in packet.get("events", ()) if each[1] == who and "hello" not in packet), None)


def answers(packet: dict[str, Any], key: str) -> list[Any]:
    """Return the values of the answers with a key in a packet."""
    return [each[2:] for each in packet.get("status", ()) if each[1] == key]
