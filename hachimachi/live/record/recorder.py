"""Recording over OSC: packets come in, events go to a journal. It knows neither sockets nor sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from hachimachi.errors import count
from hachimachi.live.history import InputForm
from hachimachi.live.osc import Inbox, Message, Wire
from hachimachi.live.protocols import Address, Refused, quote
from hachimachi.live.record.dataset import DURATION, PITCH, VELOCITY, are_notes
from hachimachi.live.record.journal import Journal

SHOW_SECONDS = 0.5  # how often the counter moves


class Recorder:
    """The routes of ``hxmx rec``, bound to one journal. ``show``: Shows how many events there are and come a second."""

    def __init__(
        self,
        journal: Journal,
        wire: Wire,
        *,
        show: Callable[[int, float], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.journal = journal
        self.refusals = wire.refusals
        self.stopped = False
        self.recorded = 0
        # a recording holds every column, those too that a model does not hear; but the end of a note tells its duration
        names = {feature.name for feature in journal.features}
        known = {DURATION} if {PITCH, VELOCITY} <= names else set[str]()
        self._form = InputForm([replace(f, masked=f.masked and f.name in known) for f in journal.features], {})
        self._velocity = next((i for i, f in enumerate(journal.features) if f.name == VELOCITY), None)
        self._ends: int | None = 0  # velocities of 0 that end notes; ``None``: they are values like others
        self._wire, self._show = wire, show
        self._clock, self._wall, self._inbox = clock, wall, Inbox(wire)
        self._shown = (clock(), 0)  # when the counter was shown, and the events heard until then
        self._heard = 0
        self._routes: dict[str, Callable[[Message, Address | None], None]]
        self._routes = {"/input": self._input, "/reset": self._reset, "/status": self._status, "/stop": self._stop}

    def start(self) -> None:
        """Send ``/status ready 1``."""
        self._wire.post("/status", "ready", 1)

    def receive(self, packet: bytes, sender: Address | None = None) -> None:
        """Obey what one datagram asks, and write what it brings to the journal. Never raises: it refuses."""
        for message in self._inbox.read(packet, sender, self._clock(), self._wall()):
            if self.stopped:
                break
            route = ""
            try:
                if isinstance(message, Refused):
                    raise message
                action = self._routes.get(message.route)
                if action is None:
                    routes = " ".join(self._routes)
                    raise Refused("route", f"{quote(message.route)} is unknown, expected one of {routes}")
                route = message.route
                action(message, sender)
            except Refused as refused:
                self.refusals.note(refused, sender, route)
        self.journal.flush()

    def turn(self) -> float | None:
        """Show the counter; return when it moves next, in seconds of the clock."""
        if self._show is None:
            return None
        now, (shown, before) = self._clock(), self._shown
        if now - shown >= SHOW_SECONDS:
            self._show(self.recorded, (self._heard - before) / (now - shown))
            self._shown = (now, self._heard)
        return self._shown[0] + SHOW_SECONDS

    def end(self) -> None:
        """Send ``/status ready 0``."""
        self._wire.post("/status", "ready", 0)

    def _input(self, message: Message, _: Address | None) -> None:
        row = self._form.row(message.values)
        self.journal.event(message.time, 0, row)
        self._heard += 1
        self.recorded += 1
        if self._ends is not None and not are_notes(self.journal.features, row[None]):
            self.recorded, self._ends = self.recorded + self._ends, None
        elif self._ends is not None and self._velocity is not None and row[self._velocity] == 0:
            self.recorded, self._ends = self.recorded - 1, self._ends + 1

    def _reset(self, message: Message, _: Address | None) -> None:
        if not message.pressed:
            return
        if self.recorded or self._ends:
            self._ends = 0
            self.journal.clear()
            dropped = count(self.recorded, "event")
            self._wire.say(f"/reset: {dropped} dropped; until the end they are in {self.journal.file}")
        self.recorded = 0

    def _status(self, message: Message, sender: Address | None) -> None:
        if message.values:  # the answer of another program: to answer it would begin an endless exchange
            return
        self.journal.flush()  # what it counts as recorded is in the file
        names = [feature.name for feature in self.journal.features]
        counts = [("recorded", self.recorded), ("lost", self.journal.lost), ("refused", self.refusals.total)]
        for values in [("ready", 1), ("file", str(self.journal.path)), ("input", *names), *counts]:
            self._wire.post("/status", *values, to=sender)

    def _stop(self, message: Message, _: Address | None) -> None:
        self.stopped |= message.pressed
