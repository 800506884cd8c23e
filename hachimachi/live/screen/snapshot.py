"""What a screen is told of a performance: plain data, one JSON line a snapshot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from hachimachi.errors import HachimachiError

YOU, MODEL, CUT = 0, 1, 2
"""Who an event is from; ``CUT``: a note of the model, its pitch the only value, ends before its time."""
MOST_TRACES = 8
"""More features than these are counted on a screen and not drawn."""


class Seen(NamedTuple):
    """An event as it is drawn: seconds of the playing clock, who, and the values of the `shown` features."""

    at: float
    who: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class ModelState:
    """One model, as it stands. Counts are those since the start, lateness is in milliseconds.

    Args:
        name: How the model is called, its file name as a rule.
        features: Names of all features, in column order.
        mode: ``follow``, ``loop``, ``respond`` or ``duet``.
        state: ``playing``, ``listening`` or ``paused``.
        steering: What was asked of sampling, one text each: ``temperature 0.8``.
        late: Median, 99th percentile and maximum; ``None`` while nothing was late or early.
        events: What happened since the snapshot before, as `hachimachi.live.screen.trace.Trace.take` gives it.
    """

    name: str
    features: tuple[str, ...]
    mode: str = "follow"
    state: str = "playing"
    steering: tuple[str, ...] = ()
    heard: int = 0
    skipped: int = 0
    played: int = 0
    cancelled: int = 0
    refused: int = 0
    pending: int = 0
    late: tuple[float, float, float] | None = None
    events: tuple[Seen, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """A whole performance at one moment.

    Args:
        at: Seconds of the playing clock, the same as in events.
        hears: Where it is heard on: ``127.0.0.1:8000``, a MIDI port.
        plays_to: Where it plays to.
        models: One or more, in the order of their numbers.
        said: Lines for the person at the screen since the snapshot before: refusals, warnings.
    """

    at: float
    hears: tuple[str, ...] = ()
    plays_to: tuple[str, ...] = ()
    models: tuple[ModelState, ...] = ()
    said: tuple[str, ...] = ()

    def to_line(self) -> bytes:
        """Return it as one line of JSON, ended by a newline. NaN and infinities are Python's."""
        return json.dumps(vars(self), default=vars, separators=(",", ":")).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Snapshot:
        """Read what `to_line` wrote.

        Raises:
            HachimachiError: A line that is not whole, as the last one of a process that was killed.
        """
        try:
            told = {key: _frozen(value) for key, value in json.loads(line).items() if key != "models"}
            return cls(**told, models=tuple(_model(one) for one in json.loads(line)["models"]))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise HachimachiError(f"not a snapshot: {line[:40]!r}, expected a line of Snapshot.to_line") from error


class Screen(Protocol):
    """Shows a performance: a panel, or lines of text. Neither method raises, and neither waits for long."""

    @property
    def interval(self) -> float:
        """Seconds between two snapshots; more often is of no use."""
        ...

    def send(self, snapshot: Snapshot) -> None:
        """Show how things stand."""
        ...

    def close(self) -> None:
        """End, with what came last on the screen."""
        ...


def shown(features: Sequence[str]) -> list[int]:
    """Return the columns that a screen draws: of notes pitch and duration, else the first few.

    >>> shown(["velocity", "pitch", "duration"]), shown(["x", "y"])
    ([1, 2], [0, 1])
    """
    if "pitch" in features:
        return [features.index(name) for name in ("pitch", "duration") if name in features]
    return list(range(min(len(features), MOST_TRACES)))


def _model(told: dict[str, Any]) -> ModelState:
    state = {key: _frozen(value) for key, value in told.items()}
    return ModelState(**{**state, "events": tuple(Seen(*event) for event in state["events"])})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
