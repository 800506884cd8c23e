"""Between a performance and its pages: hears the feed, keeps what a new page must know, and sends OSC."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from hachimachi.events import Feature
from hachimachi.live.osc import encode, encode_bundle
from hachimachi.live.protocols import Address
from hachimachi.live.screen.feed import LAPSE_SECONDS
from hachimachi.live.screen.snapshot import ScreenEvent
from hachimachi.web.takes import Take

ROUTES = frozenset(
    "/input /sample /start /pause /reset /panic /mode /silence /speed /seed /load /prime /temperature /top_p /min_p"
    " /constrain /release /polyphony /status".split()
)
"""What a page may send: all of the protocol but ``/stop``, which would end the program, and ``/feed``."""
MOST_VALUES, LONGEST_TEXT = 520, 64  # of a message
EARLIEST = 0.25  # seconds before it arrives that an event may have happened: a radio's delay
RECENT = 2000  # events that a new page is told


class Relay(asyncio.DatagramProtocol):
    """The end of the feed, for as long as the process lives.

    Args:
        tell: Is called with each packet for the pages, JSON without NaN.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._transport: asyncio.DatagramTransport | None = None
        self._asked = 0.0
        self._heard = -math.inf
        self.connected = False
        self.about: list[dict[str, Any]] = []
        self.models: list[dict[str, Any]] = []
        self.recent: deque[list[Any]] = deque(maxlen=RECENT)
        self.takes: dict[tuple[str, ...], Take] = {}
        """By the names of features."""

    async def follow(self, performer: Address) -> None:
        """Ask for the feed every second until cancelled; that it is gone, or back, is told to the pages."""
        loop = asyncio.get_running_loop()
        while True:
            if self._transport is None or self._transport.is_closing():
                self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=performer)
            self._transport.sendto(encode("/feed"))
            await asyncio.sleep(1.0)
            if self.connected and time.perf_counter() - self._heard > LAPSE_SECONDS:
                self.connected = False
                self._tell('{"lost":true}')

    def send(self, route: str, values: list[Any], at: float | None = None) -> None:
        """Send a page's message; ``at`` is when it happened, in seconds of the playing clock. Raises ValueError: one that
        a page may not send, or values that are neither numbers nor short texts.
        """
        prefix, rest = "", route
        if (number := route[1:].partition("/")[0]).isdecimal() and len(number) < 4:
            prefix, rest = f"/{number}", route[len(number) + 1 :]
        if rest not in ROUTES or len(values) > MOST_VALUES:
            raise ValueError(f"{route[:LONGEST_TEXT]!r} is nothing that a page may send")
        for value in values:
            number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18
            if not number and not (isinstance(value, str) and len(value) <= LONGEST_TEXT):
                raise ValueError(f"{rest}: expected numbers and texts of at most {LONGEST_TEXT} letters")
        # numbers as text keep all their digits, where the protocol takes them so
        exact = values if rest == "/input" else [repr(v) if isinstance(v, float) else v for v in values]
        packet = encode(prefix + rest, *exact)
        if at is not None and rest == "/input":
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
        self._heard = time.perf_counter()
        if not self.connected:
            self.connected = True
            self.send("/status", [])
        if "about" in packet:
            self._meet(packet["about"])
        self.models = packet.get("models", self.models)
        for each in packet.get("events", ()):
            at, who, values, number, model = each
            event = ScreenEvent(at, who, tuple(math.nan if v is None else v for v in values), number, model)
            if model < len(self.about):
                self.takes[feature_names(self.about[model])].add(event)
            self.recent.append(each)
        self._tell(json.dumps(packet, separators=(",", ":")))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there at present: it is asked again."""

    def hello(self) -> str:
        """Return what a page is told first."""
        return json.dumps(
            {
                "at": time.perf_counter(),
                "hello": True,
                "lost": not self.connected,
                "about": self.about,
                "models": self.models,
                "events": list(self.recent),
            },
            separators=(",", ":"),
        )

    def _meet(self, about: list[dict[str, Any]]) -> None:
        self.about = about
        who = ["you", *(each["name"] for each in about)]
        for model in about:
            if (names := feature_names(model)) not in self.takes:
                columns = [column for column in model["columns"] if column["name"] in names]
                features = [Feature(column["name"], column["kind"], column["masked"]) for column in columns]
                self.takes[names] = Take(features, who)


def feature_names(model: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of a model's features, by which its `Take` is kept; ``model`` is one of ``about``."""
    return tuple(column["name"] for column in model["columns"] if column["name"] != "time")
