"""From what is to be said to packets: plain messages, and bundles that are to sound later."""

from __future__ import annotations

import time
from collections.abc import Callable

from hachimachi.live.instrumentalist import Row
from hachimachi.live.osc.packets import encode, encode_bundle
from hachimachi.live.outlet import Address
from hachimachi.live.playing.ledger import Note
from hachimachi.live.refusals import Refusals, Refused

Send = Callable[[bytes, Address | None], None]
"""Sends one packet to those who listen, and to one who asked; may raise OSError."""
Value = float | str


class Wire:
    """Says things to the programs at the other end. It never raises.

    Args:
        send: Sends a packet.
        say: Shows one line on the screen.
        clock: Seconds that never go back.
        rehearse: Sends a packet to where nobody listens.
    """

    def __init__(
        self,
        send: Send,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
        rehearse: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.refusals = Refusals(say, self._tell, clock)
        self.rehearse = rehearse
        self._send = send

    def post(self, route: str, *values: Value, to: Address | None = None) -> None:
        """Send a message, also to one who asked."""
        self.post_packet(encode(route, *values), route, to)

    def post_packet(self, packet: bytes, route: str, to: Address | None) -> None:
        """Send a packet that is ready; the route is for what is said if it cannot be sent."""
        try:
            self._send(packet, to)
        except OSError as error:
            why = error.strerror or error
            self.refusals.note(Refused("send", f"cannot send {route}: {why}; see --out"))

    def _tell(self, refused: Refused, asker: Address | None) -> None:
        if refused.kind != "send":
            self.post("/status", "error", refused.kind, str(refused), to=asker)


class OscOutlet:
    """Sends what a model plays as ``/output``, and the end of notes as ``/noteoff pitch [channel]``.

    Args:
        wire: Where to.
        prefix: Comes before the routes; empty where only one model plays.
        note_offs: Whether notes that end in their own time are told; those that end early always are.
        ahead: Whether packets carry, as the time tag of a bundle, when they are to sound.
        clock: Seconds that never go back.
        wall: Seconds since 1970.
    """

    def __init__(
        self,
        wire: Wire,
        prefix: str = "",
        *,
        note_offs: bool = False,
        ahead: bool = False,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wire = wire
        self._output, self._noteoff = f"{prefix}/output", f"{prefix}/noteoff"
        self._note_offs = note_offs
        self._ahead = ahead
        self._clock = clock
        self._wall = wall

    def began(self) -> None:
        """Nothing to say."""

    def heard(self, row: Row, at: float) -> None:
        """Nothing to say."""

    def played(self, row: Row, at: float, asker: Address | None) -> None:
        """Send ``/output``."""
        self._post(encode(self._output, *row.tolist()), self._output, at, asker)

    def rehearse(self, row: Row) -> None:
        """Encode and send to where nobody listens."""
        self._wire.rehearse(encode(self._output, *row.tolist()))

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Send ``/noteoff``."""
        if early or self._note_offs:
            values = [note.pitch] if note.channel is None else [note.pitch, note.channel]
            self._post(encode(self._noteoff, *values), self._noteoff, at, None)

    def _post(self, packet: bytes, route: str, at: float, asker: Address | None) -> None:
        if self._ahead:
            packet = encode_bundle(packet, self._wall() + at - self._clock())
        self._wire.post_packet(packet, route, asker)
