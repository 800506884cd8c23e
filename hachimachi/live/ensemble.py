"""All the instruments of one performance behind OSC: packets come in, packets go out. It knows neither sockets nor
sleep."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from hachimachi.errors import HachimachiError
from hachimachi.live.instrument import Instrument
from hachimachi.live.osc import Message, Wire, parse
from hachimachi.live.protocols import Address, Refused, quote


class Ensemble:
    """Several instruments, each under ``/<n>/…`` from 1 on, and all under the bare address.

    Args:
        instruments: At least one.
        wire: Says what concerns all, and what cannot be obeyed.
        clock: Seconds that never go back.
        wall: Seconds since 1970, for time tags.
        begin: Whether they begin to play alone at once, where their mode does.
        inlets: Called before each turn, to hear what has come otherwise than over OSC.
        chores: Called after each turn; each returns when it wants to be called again at the latest, ``None`` for
            whenever. Inlets and chores must be quick and not raise.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        wire: Wire,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
        *,
        begin: bool = False,
        inlets: Sequence[Callable[[], None]] = (),
        chores: Sequence[Callable[[], float | None]] = (),
    ) -> None:
        self.instruments = list(instruments)
        self.refusals = wire.refusals
        self._wire = wire
        self._clock = clock
        self._wall = wall
        self._begin = begin
        self.inlets, self.chores = list(inlets), list(chores)

    @property
    def stopped(self) -> bool:
        """Whether all have been stopped."""
        return all(instrument.stopped for instrument in self.instruments)

    def start(self) -> None:
        """Begin, and say ``/status ready 1``; the models should be warm."""
        for instrument in self.instruments:
            self.guard(instrument.performer.reset)
        self._wire.post("/status", "ready", 1)
        if self._begin:
            for instrument in self.instruments:
                self.guard(instrument.performer.start)

    def receive(self, packet: bytes, sender: Address | None = None) -> None:
        """Obey what one datagram asks. Nothing in it raises; what cannot be obeyed is refused, to its sender too."""
        for message in parse(packet, self._clock(), self._wall()):
            if isinstance(message, Refused):
                self.refusals.note(message, sender)
            else:
                self.guard(lambda message=message: self._obey(message, sender), sender)

    def rehearse(self) -> None:
        """Let those rehearse whose next note is not far."""
        for instrument in self.instruments:
            if not instrument.stopped:
                instrument.performer.rehearse()

    def turn(self) -> float | None:
        """Play what is due and return the next deadline, in seconds of the clock, ``None`` if nothing
        waits."""
        for hear in self.inlets:
            hear()
        deadlines: list[float | None] = []
        for instrument in self.instruments:
            if not instrument.stopped:
                self.guard(instrument.performer.play)
                deadlines.append(instrument.performer.next)
        deadlines += [chore() for chore in self.chores]
        return min((at for at in deadlines if at is not None), default=None)

    def end(self) -> None:
        """End every note, and say ``/status ready 0``."""
        for instrument in self.instruments:
            instrument.performer.end()
        for chore in self.chores:
            chore()
        self._wire.post("/status", "ready", 0)

    def guard(self, action: Callable[[], object], asker: Address | None = None) -> None:
        """Do something that may be refused."""
        try:
            action()
        except Refused as refused:
            self.refusals.note(refused, asker)
        except HachimachiError as error:
            self.refusals.note(Refused("value", str(error)), asker)

    def _obey(self, message: Message, sender: Address | None) -> None:
        instruments, message = self._addressed(message)
        for instrument in instruments:
            self.guard(partial(instrument.obey, message, sender), sender)  # one that refuses keeps it from no other
        if message.route == "/status" and not message.values:
            self._wire.post("/status", "refused", self.refusals.total, to=sender)

    def _addressed(self, message: Message) -> tuple[Iterable[Instrument], Message]:
        number, slash, rest = message.route[1:].partition("/")
        if not (slash and number.isdecimal()):
            return [each for each in self.instruments if not each.stopped], message
        place = int(number[:9]) - 1
        if not 0 <= place < len(self.instruments):
            known = f"/1/… to /{len(self.instruments)}/…" if len(self.instruments) > 1 else "/1/…, or no number"
            raise Refused("route", f"{quote(message.route)}: no model has this number, expected {known}")
        if self.instruments[place].stopped:
            raise Refused("route", f"{quote(f'/{rest}')}: this model has been stopped; start hxmx run again")
        return [self.instruments[place]], message._replace(route=f"/{rest}")
