"""A performance into its journal: what is heard and what the model plays."""

from __future__ import annotations

import math

from hachimachi.live.instrumentalist import Row
from hachimachi.live.outlet import Address
from hachimachi.live.playing.ledger import Note
from hachimachi.live.record.journal import Journal

Heard = tuple[float, bytes]


class JournalOutlet:
    """The outlet of one performer into a journal, which several may share.

    Several performers that hear the same event at the same moment note it once.

    Args:
        journal: Where to; who flushes it is not decided here.
        who: The performer's number in ``journal.who``, from 1; what it hears is of number 0.
        shared: What was heard last and by which performers; several that share a journal share it, see `make_outlets`.
    """

    def __init__(self, journal: Journal, who: int = 1, shared: dict[Heard, set[int]] | None = None) -> None:
        self._journal, self._who = journal, who
        self._shared: dict[Heard, set[int]] = {} if shared is None else shared
        names = [feature.name for feature in journal.features]
        self._pitch, self._duration = (names.index(name) if name in names else None for name in ("pitch", "duration"))
        self._held: dict[int, tuple[int, float]] = {}  # pitch → number of the event and when it began

    def began(self) -> None:
        """A new sequence begins, if the last one has events."""
        self._held.clear()
        self._journal.begin()

    def heard(self, row: Row, at: float) -> None:
        """Note a player's event."""
        key = (at, row.tobytes())
        who = self._shared.get(key)
        if who is not None and self._who not in who:
            who.add(self._who)
            return
        self._shared.clear()
        self._shared[key] = {self._who}
        number = self._journal.event(at, 0, row)
        self._hold(row, number, at)

    def played(self, row: Row, at: float, asker: Address | None) -> None:  # noqa: ARG002  (an outlet's signature)
        """Note a model's event."""
        self._journal.event(at, self._who, row)

    def rehearse(self, row: Row) -> None:
        """Make the line and leave it."""
        self._journal.line(0.0, self._who, row)

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Nothing: a model's durations are known when its notes begin."""

    def released(self, pitch: int, at: float) -> None:
        """The person lets go of a note whose duration was not known when it was heard."""
        held = self._held.pop(pitch, None)
        if held is not None and self._duration is not None:
            number, began = held
            self._journal.amend(number, self._duration, max(0.0, at - began))

    def _hold(self, row: Row, number: int, at: float) -> None:
        if self._pitch is None or self._duration is None:
            return
        pitch, duration = float(row[self._pitch]), float(row[self._duration])
        if math.isnan(duration) and pitch.is_integer() and 0 <= pitch < 128:
            self._held[int(pitch)] = (number, at)


def make_outlets(journal: Journal) -> list[JournalOutlet]:
    """Return an outlet for each performer whose name is in ``journal.who``."""
    shared: dict[Heard, set[int]] = {}
    return [JournalOutlet(journal, who, shared) for who in range(1, len(journal.who))]
