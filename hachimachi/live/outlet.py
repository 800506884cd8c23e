"""Who is told what a performer hears and plays: the network, a MIDI port, the record of the evening, the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hachimachi.live.instrumentalist import Row
from hachimachi.live.playing.ledger import Note

Address = tuple[str, int]
"""Host and port of a program that sent something."""


class Outlet(Protocol):
    """Is told what happens, in the playing thread: it must be quick, and must not raise.

    Times are seconds of the performer's clock. What the performer has played and comes back as an input is not told
    again.
    """

    def began(self) -> None:
        """The model is back in its start state, or in that of a primer: what follows is a new sequence."""
        ...

    def heard(self, row: Row, at: float) -> None:
        """Somebody played: features, shape (F,), NaN where unknown, and when."""
        ...

    def played(self, row: Row, at: float, asker: Address | None) -> None:
        """The model plays: features, shape (F,), when they sound, and who asked, if somebody did."""
        ...

    def rehearse(self, row: Row) -> None:
        """Go through the motions of `played`, to no effect, while the last half millisecond before it passes: code and
        data that have rested for some milliseconds take ten times as long."""
        ...

    def ended(self, note: Note, at: float, early: bool) -> None:
        """A note ends; early, if something cut it short: panic, reset, another mode, the end."""
        ...


class Outlets:
    """Several outlets as one."""

    def __init__(self, outlets: Sequence[Outlet] = ()) -> None:
        self.all = tuple(outlets)

    def began(self) -> None:
        """Tell all; see `Outlet`."""
        for outlet in self.all:
            outlet.began()

    def heard(self, row: Row, at: float) -> None:
        """Tell all; see `Outlet`."""
        for outlet in self.all:
            outlet.heard(row, at)

    def played(self, row: Row, at: float, asker: Address | None) -> None:
        """Tell all; see `Outlet`."""
        for outlet in self.all:
            outlet.played(row, at, asker)

    def rehearse(self, row: Row) -> None:
        """Let all rehearse; see `Outlet`."""
        for outlet in self.all:
            outlet.rehearse(row)

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Tell all; see `Outlet`."""
        for outlet in self.all:
            outlet.ended(note, at, early)
