"""A performer behind OSC: packets come in, packets go out. It knows neither sockets nor sleep."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from hachimachi.live.instrumentalist import Instrumentalist, Row
from hachimachi.live.osc import Message, encode, parse
from hachimachi.live.performer import Pending, Performer
from hachimachi.live.refusals import Refusals, Refused, quote


class Instrument:
    """The routes of the protocol, bound to one performer.

    Args:
        player: The model.
        send: Sends one packet; may raise OSError.
        say: Shows one line on the screen.
        name: How the model is called in ``/status model``.
        clock: Seconds that never go back.
        wall: Seconds since 1970, for time tags.
        loop: See `Performer`.
        pending: See `Performer`.
    """

    def __init__(
        self,
        player: Instrumentalist,
        send: Callable[[bytes], None],
        say: Callable[[str], None],
        *,
        name: str = "model",
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
        loop: bool = False,
        pending: Pending = "one",
    ) -> None:
        self.performer = Performer(player, self._output, clock, loop=loop, pending=pending)
        self.refusals = Refusals(say, self._tell, clock)
        self.stopped = False
        self._name = name
        self._send = send
        self._clock = clock
        self._wall = wall
        self._routes: dict[str, Callable[[Message], None]] = {
            "/input": lambda message: self.performer.hear(message.values, message.time),
            "/sample": lambda message: self.performer.sample(message.time),
            "/reset": lambda _: self.performer.reset(),
            "/status": self._status,
            "/stop": self._stop,
        }

    def start(self) -> None:
        """Begin, and say ``/status ready 1``; the performer should be warm."""
        self._guard(self.performer.reset)
        self._post("/status", "ready", 1)

    def receive(self, packet: bytes) -> None:
        """Obey what one datagram asks. Nothing in it raises; what cannot be obeyed is refused."""
        for message in parse(packet, self._clock(), self._wall()):
            if self.stopped:
                return
            if isinstance(message, Refused):
                self.refusals.note(message)
            else:
                self._guard(lambda message=message: self._obey(message))

    def turn(self) -> float | None:
        """Play what is due and return the next deadline, in seconds of the clock, ``None`` if nothing
        waits."""
        self._guard(self.performer.play)
        return self.performer.next

    def end(self) -> None:
        """Say ``/status ready 0``."""
        self._post("/status", "ready", 0)

    def summary(self) -> str:
        """What was heard, played and refused, and how late it was, in one line."""
        counts, late = self.performer.counts, np.array(self.performer.lateness) * 1e3
        line = f"heard {counts.heard}, played {counts.played}, refused {self.refusals.total}"
        if late.size:
            p50, p99 = np.percentile(late, [50, 99])
            line += f"; late p50 {p50:.2f}, p99 {p99:.2f}, max {self.performer.latest * 1e3:.2f} ms"
        return line

    def details(self) -> str:
        """What did not become sound, and which messages were refused; empty if there is nothing to tell."""
        counts = self.performer.counts
        parts = [
            f"predictions cancelled by a newer input: {counts.cancelled}" if counts.cancelled else "",
            f"inputs not answered, a newer one waited: {counts.skipped}" if counts.skipped else "",
            f"refused messages by kind: {self.refusals}" if self.refusals.total else "",
        ]
        return "\n".join(part for part in parts if part)

    def _obey(self, message: Message) -> None:
        action = self._routes.get(message.route)
        if action is None:
            routes = " ".join(self._routes)
            raise Refused("route", f"{quote(message.route)} is unknown, expected one of {routes}")
        action(message)

    def _guard(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Refused as refused:
            self.refusals.note(refused)

    def _output(self, values: Row, _: float) -> None:
        self._post("/output", *values.tolist())

    def _tell(self, refused: Refused) -> None:
        if refused.kind != "send":
            self._post("/status", "error", refused.kind, str(refused))

    def _status(self, message: Message) -> None:
        if message.values:  # the answer of another program: to answer it would begin an endless exchange
            return
        counts = self.performer.counts
        self._post("/status", "ready", 1)
        self._post("/status", "model", self._name)
        self._post("/status", "features", *(feature.name for feature in self.performer.form.features))
        self._post("/status", "input", *self.performer.form.shortest)
        for key in ("heard", "skipped", "played", "cancelled"):
            self._post("/status", key, getattr(counts, key))
        self._post("/status", "pending", self.performer.pending)
        self._post("/status", "refused", self.refusals.total)

    def _stop(self, _: Message) -> None:
        self.stopped = True

    def _post(self, route: str, *values: float | str) -> None:
        try:
            self._send(encode(route, *values))
        except OSError as error:
            self.refusals.note(Refused("send", f"cannot send {route}: {error.strerror or error}; see --out-address"))
