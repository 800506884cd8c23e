"""Who is told what a performer hears and plays: the network, a MIDI port, the record of the evening, the screen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import Column
from hachimachi.errors import HachimachiError
from hachimachi.events import Feature
from hachimachi.sampling import Sampling

if TYPE_CHECKING:
    from hachimachi.models.event_model import EventModel


class Note(NamedTuple):
    """What a note-off has to name."""

    pitch: int
    channel: int | None = None
    """Value of the feature ``channel`` or ``instrument``, where there is one."""


Row = NDArray[np.float64]


class PlayableModel(Protocol):
    """What a performer needs of a model; `hachimachi.player.engine.Player` is one.

    A row is [dt, f0, f1, …] where ``temporal``, with dt NaN for a first event, else [f0, f1, …].
    """

    sampling: Sampling
    """How it draws; may be replaced between two events."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """The F features, in column order."""
        ...

    @property
    def columns(self) -> Sequence[Column]:
        """What a row holds: the inter-event time first where ``temporal``, then the features."""
        ...

    @property
    def temporal(self) -> bool:
        """Whether rows begin with the inter-event time in seconds."""
        ...

    @property
    def constants(self) -> Mapping[int, float]:
        """Column of a feature that had one value in training → that value."""
        ...

    def reset(self) -> None:
        """Go back to the learned start state."""
        ...

    def reseed(self, seed: int, /) -> None:
        """Begin the random numbers anew."""
        ...

    def observe(self, row: Row, /) -> None:
        """Advance the state by one event; unknown values are NaN."""
        ...

    def sample(self) -> Row:
        """Draw the next event from the present state, and leave the state as it is."""
        ...

    def fork(self, seed: int, /) -> PlayableModel:
        """Return a model that has heard the same and goes on by itself, with random numbers of its own."""
        ...

    def remember(self) -> Any:
        """Return the state, to `recall` it later; it is never written to."""
        ...

    def recall(self, memory: Any, /) -> None:
        """Go back to a state."""
        ...


Playable: TypeAlias = "PlayableModel | EventModel"


def as_playable(player: Playable) -> PlayableModel:
    """Return who plays a model: itself, if it can already be played."""
    from hachimachi.models.event_model import EventModel
    from hachimachi.player.engine import Player

    return Player(player) if isinstance(player, EventModel) else player


Address = tuple[str, int]
"""Host and port of a program that sent something."""


class Listener(Protocol):
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


class Listeners:
    """Several listeners as one."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self.all = tuple(listeners)

    def began(self) -> None:
        """Tell all; see `Listener`."""
        for listener in self.all:
            listener.began()

    def heard(self, row: Row, at: float) -> None:
        """Tell all; see `Listener`."""
        for listener in self.all:
            listener.heard(row, at)

    def played(self, row: Row, at: float, asker: Address | None) -> None:
        """Tell all; see `Listener`."""
        for listener in self.all:
            listener.played(row, at, asker)

    def rehearse(self, row: Row) -> None:
        """Let all rehearse; see `Listener`."""
        for listener in self.all:
            listener.rehearse(row)

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Tell all; see `Listener`."""
        for listener in self.all:
            listener.ended(note, at, early)


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
