"""What cannot be obeyed: said once, counted always, and never in the way of the next message."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.live.outlet import Address

Refusal = Literal["packet", "route", "length", "type", "finite", "size", "name", "value", "model", "send"]
SAY_SECONDS = 2.0
"""On the screen, at most one new line of a kind in this time."""
TELL_SECONDS = 1.0
"""At most one ``/status error`` of a kind in this time: a stream of bad messages is not answered by a
stream."""


class Refused(HachimachiError):  # noqa: N818  (it is an answer, not a fault)
    """One message that was not obeyed, or one answer that could not be given.

    Args:
        kind: ``packet`` is not OSC, ``route`` is unknown, ``length``: too many or too few values, ``type``:
            a value is not a number, ``finite``: it is NaN or infinite, ``size``: it is beyond all sense,
            ``name``: no feature is called so, ``value``: it is not among what can be done,
            ``model``: nothing finite can be predicted, ``send``: the system refuses to send.
        text: One line: what, found, expected.
    """

    def __init__(self, kind: Refusal, text: str) -> None:
        super().__init__(text)
        self.kind: Refusal = kind


Tell = Callable[[Refused, "Address | None"], None]


class Refusals:
    """Counts refusals by kind; what is new of a kind goes to the screen, and one a second to the wire.

    Args:
        say: Shows one line to the person at the screen.
        tell: Answers the program at the other end, and the one that sent the message, if it is known.
        clock: Seconds that never go back.
    """

    def __init__(self, say: Callable[[str], None], tell: Tell, clock: Callable[[], float]) -> None:
        self.counts: Counter[Refusal] = Counter()
        self._say = say
        self._tell = tell
        self._clock = clock
        self._told: dict[Refusal, float] = {}
        self._said: dict[Refusal, tuple[str, float]] = {}

    @property
    def total(self) -> int:
        """How many there were, of all kinds."""
        return sum(self.counts.values())

    def note(self, refused: Refused, asker: Address | None = None) -> None:
        """Count one, and say it where it is new."""
        kind, now = refused.kind, self._clock()
        self.counts[kind] += 1
        text, at = self._said.get(kind, ("", -math.inf))
        if str(refused) != text and now - at >= SAY_SECONDS:
            self._said[kind] = str(refused), now
            self._say(f"refused: {refused}")
        if now - self._told.get(kind, -math.inf) >= TELL_SECONDS:
            self._told[kind] = now
            self._tell(refused, asker)

    def __str__(self) -> str:
        return ", ".join(f"{kind} {count}" for kind, count in self.counts.most_common())


def quote(value: object) -> str:
    """Show something from the network: short, on one line, and without control characters for the
    terminal."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
