"""Between a performance and its pages: receives the feed, keeps what a new page must know, and sends OSC."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from hachimachi.events import TIME, Feature
from hachimachi.live.osc import encode, encode_bundle
from hachimachi.live.protocols import Address
from hachimachi.live.screen.feed import LAPSE_SECONDS
from hachimachi.live.screen.snapshot import ScreenEvent
from hachimachi.live.steering import ROUTES as STEERING_ROUTES
from hachimachi.web.takes import Take

_OTHERS = "/input /sample /start /pause /reset /panic /mode /silence /speed /seed /load /learn /forget /prime /status"
ROUTES = {*_OTHERS.split(), *STEERING_ROUTES}  # not ``/stop``, which would end the program, nor ``/feed``
MOST_VALUES, LONGEST_TEXT = 520, 64  # of a message
EARLIEST = 0.25  # seconds before it arrives that an event may have happened: a radio's delay
RECENT = 2000  # events that a new page is sent


class Relay(asyncio.DatagramProtocol):
    """The end of the feed; ``tell`` is called with each packet for the pages, JSON without NaN."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._transport: asyncio.DatagramTransport | None = None
        self._received = -math.inf  # when anything was
        self.known: dict[str, Any] = {"hello": True, "lost": True, "about": [], "models": []}
        """What a page is sent first, with the events of ``recent``."""
        self.recent: deque[list[Any]] = deque(maxlen=RECENT)
        self.takes: list[Take] = []  # of each model; models with the same features share one

    async def follow(self, performer: Address) -> None:
        """Ask for the feed every second until cancelled; that it is gone is sent to the pages."""
        make = asyncio.get_running_loop().create_datagram_endpoint
        self._transport, _ = await make(lambda: self, remote_addr=performer)
        with contextlib.closing(self._transport):
            while True:
                self._transport.sendto(encode("/feed"))
                await asyncio.sleep(1.0)
                if not self.known["lost"] and time.perf_counter() - self._received > LAPSE_SECONDS:
                    self.known["lost"] = True
                    self._tell('{"lost":true}')

    def send(self, route: str, values: list[Any], at: float | None = None) -> None:
        """Send a page's message; ``at`` is when it happened, in seconds of the playing clock. Raises ValueError: one
        that a page may not send, or values that are neither numbers nor short texts."""
        number, _, rest = route.removeprefix("/").partition("/")
        plain = f"/{rest}" if number.isdecimal() and len(number) < 4 else route
        if plain not in ROUTES or len(values) > MOST_VALUES:
            raise ValueError(f"{route[:LONGEST_TEXT]!r} is nothing that a page may send")
        for value in values:
            a_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18
            if not a_number and not (isinstance(value, str) and len(value) <= LONGEST_TEXT):
                raise ValueError(f"{plain}: expected numbers and texts of at most {LONGEST_TEXT} letters")
        if plain != "/input":  # as text, which the protocol takes there, numbers keep all their digits
            values = [repr(value) if isinstance(value, float) else value for value in values]
        packet = encode(route, *values)
        if at is not None and plain == "/input":
            earlier = min(max(time.perf_counter() - at, 0.0), EARLIEST)
            packet = encode_bundle(packet, time.time() - earlier)
        if self._transport is not None:
            self._transport.sendto(packet)

    def datagram_received(self, data: bytes, addr: Address) -> None:  # noqa: ARG002  (asyncio's)
        """Take in one datagram of the feed; others, such as OSC, are not for us."""
        try:
            packet = json.loads(data, parse_constant=lambda _: None) if data.startswith(b"{") else None
        except ValueError:
            return
        if packet is None:
            return
        self._received = time.perf_counter()
        if self.known["lost"]:
            self.known["lost"] = False
            self.send("/status", [])
        self.known |= {key: packet[key] for key in ("about", "models") if key in packet}
        if "about" in packet:
            self._meet(packet["about"])
        for each in packet.get("events", ()):
            at, who, values, number, model = each
            if model < len(self.takes):
                event = ScreenEvent(at, who, tuple(math.nan if v is None else v for v in values), number, model)
                self.takes[model].add(event)
            self.recent.append(each)
        self._tell(json.dumps(packet, separators=(",", ":")))

    def hello(self) -> str:
        """Return what a page is sent first."""
        return json.dumps({"at": time.perf_counter(), **self.known, "events": list(self.recent)}, separators=(",", ":"))

    def _meet(self, about: list[dict[str, Any]]) -> None:
        takes, who = {take.features: take for take in self.takes}, ["you", *(model["name"] for model in about)]
        self.takes = []
        for model in about:
            columns = [each for each in model["columns"] if each["name"] != TIME]
            of = [Feature(each["name"], each["kind"], each["masked"]) for each in columns]
            self.takes.append(takes.setdefault(tuple(of), Take(of, who)))
