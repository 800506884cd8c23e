"""Who listens to a performer, and `Refused`, the answer to what cannot be done."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError

Row = NDArray[np.float64]
Address = tuple[str, int]  # host and port of a program that sent something
Refusal = Literal[
    "packet", "route", "length", "type", "finite", "size", "name", "value", "model", "sender", "learn", "send"
]
SHOW_SECONDS, ANSWER_SECONDS = 2.0, 1.0  # at most one line, and one ``/status error``, of a kind and route in this time


class Note(NamedTuple):
    """What a note-off has to name."""

    pitch: int
    channel: int | None = None  # value of the feature ``channel`` or ``instrument``, where there is one


class Listener(Protocol):
    """Is called when something happens, in the playing thread: it must be quick, and must not raise. Times are seconds
    of the performer's clock. An output that comes back as an input is not reported again."""

    def began(self) -> None:
        """The model is back in its start state, or in that of a primer: what follows is a new sequence."""

    def heard(self, row: Row, at: float) -> None:
        """An input: features, shape (F,), NaN where unknown, and when."""

    def released(self, note: Note, at: float) -> None:
        """A player's note ends: with the time of its event that is how long it was. Perhaps none had begun."""

    def played(self, row: Row, at: float, asker: Address | None) -> None:
        """An output: features, shape (F,), when they sound, and who asked, if somebody did."""

    def ended(self, note: Note, at: float, early: bool) -> None:
        """A note ends; early, if something cut it short: panic, reset, another mode, the end."""


class Refused(HachimachiError):  # noqa: N818  (it is an answer, not a fault)
    """One message that was not obeyed, or one answer that could not be given. ``kind``: ``packet`` is not OSC,
    ``route`` is unknown, ``length``: too many or too few values, ``type``: a value is not a number, ``finite``: it is
    NaN or infinite, ``size``: it is far too large, ``name``: no feature has this name, ``value``: it is not among what
    can be done, ``model``: nothing finite can be predicted, ``sender``: who asks may not, ``learn``: nothing can be
    learned, ``send``: the system refuses to send. ``text``: One line: what, found, expected."""

    def __init__(self, kind: Refusal, text: str) -> None:
        super().__init__(text)
        self.kind: Refusal = kind


class Refusals:
    """Counts refusals by kind, shows new ones and answers all, of a kind and route each `SHOW_SECONDS` at most."""

    def __init__(
        self, show: Callable[[str], None], answer: Callable[[Refused, Address | None], None], clock: Callable[[], float]
    ) -> None:
        self.counts: Counter[Refusal] = Counter()
        self.total = 0
        self._show, self._answer, self._clock = show, answer, clock
        self._shown: dict[tuple[Refusal, str], tuple[str, float]] = {}  # the last line, and when
        self._answered: dict[tuple[Refusal, str], float] = {}

    def note(self, refused: Refused, asker: Address | None = None, route: str = "") -> None:
        """Count one, show it where it is new, and answer; ``route`` is the message's, if it is one of the protocol."""
        key: tuple[Refusal, str] = (refused.kind, route)
        now = self._clock()
        self.counts[refused.kind] += 1
        self.total += 1
        text, at = self._shown.get(key, ("", -math.inf))
        if str(refused) != text and now - at >= SHOW_SECONDS:
            self._shown[key] = str(refused), now
            self._show(f"refused: {refused}")
        if now - self._answered.get(key, -math.inf) >= ANSWER_SECONDS:
            self._answered[key] = now
            self._answer(refused, asker)

    def __str__(self) -> str:
        return ", ".join(f"{kind} {count}" for kind, count in self.counts.most_common())


def quote(value: object) -> str:
    """Show something from the network: short, on one line, and without control characters for the terminal."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
