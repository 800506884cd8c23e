"""What an event is: a moment in time and a row of features."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hachimachi.errors import HachimachiError, expect

Kind = Literal["continuous", "integer", "categorical"]
KINDS: tuple[str, ...] = get_args(Kind)
TIME = "time"  # name of the inter-event time among a model's columns. No feature of a data set may take it.
_NAME = re.compile(r"(?! )[^,=:#~\"\x00-\x1f\x7f]+(?<! )")


@dataclass(frozen=True)
class Feature:
    """One column of an event; what is ``None`` is left to the training data."""

    name: str  # how the column is called on screen, in CSV headers and in options
    kind: Kind | None = None
    masked: bool = False  # predicted but never an input: a note's duration is not known when the note begins
    min: float | None = None  # lowest value of the support
    max: float | None = None  # highest value of the support
    resolution: float | None = None  # width of the bins on which likelihood is stated

    def __post_init__(self) -> None:
        where = f"feature {self.name!r}"
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            rule = 'without , = : # ~ " or line breaks, and with no space at either end'
            raise HachimachiError(f"{where}: a name is text {rule}")
        if self.kind is not None and self.kind not in KINDS:
            raise HachimachiError(f"{where}: kind is {self.kind!r}, expected one of {', '.join(KINDS)}")
        if self.resolution is not None and not 0 < self.resolution < np.inf:
            raise HachimachiError(f"{where}: resolution is {self.resolution}, expected a number above 0")
        for bound in (self.min, self.max):
            if bound is not None and not np.isfinite(bound):
                raise HachimachiError(f"{where}: a bound is {bound}, expected a finite number; leave it out for none")
        if self.min is not None and self.max is not None and not self.min < self.max:
            raise HachimachiError(f"{where}: min is {self.min} and max is {self.max}, expected min below max")


@dataclass(frozen=True, eq=False)
class EventSequence:
    """Events in the order in which they happen.

    HachimachiError where shapes do not fit, values are not finite, or time is negative or goes back.
    """

    features: tuple[Feature, ...]  # what the columns of ``data`` are, F of them
    data: NDArray[np.float64]  # values, shape (N, F), all finite
    time: NDArray[np.float64] | None = None  # seconds from 0, shape (N,), never falling; ``None`` for an order only
    name: str = field(default="")  # where the events come from, usually a file's name

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "data", np.asarray(self.data, dtype=np.float64))
        names, data = [feature.name for feature in self.features], self.data
        if not names:
            raise HachimachiError("events have no features: expected at least one column besides time")
        if TIME in names:
            raise HachimachiError(f"feature {TIME!r}: this name is kept for the time of events; choose another")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise HachimachiError(f"two features are named {twice!r}; names must differ")
        if data.ndim != 2 or data.shape[1] != len(names):
            raise HachimachiError(f"data has shape {data.shape}, expected (events, {len(names)})")
        if not np.isfinite(data).all():
            row, column = np.argwhere(~np.isfinite(data))[0]
            found = f"row {row + 1}, column {names[column]!r}: found {data[row, column]}"
            raise HachimachiError(f"{found}, expected a finite number")
        if self.time is None:
            return
        time = np.asarray(self.time, dtype=np.float64)
        object.__setattr__(self, "time", time)
        if time.shape != (len(data),):
            raise HachimachiError(f"time has {time.size} values for {len(data)} events; expected one for each event")
        if not np.isfinite(time).all():
            row = int(np.argmin(np.isfinite(time)))
            raise HachimachiError(f"row {row + 1}: time is {time[row]}, expected a finite number of seconds")
        if len(data) and time[0] < 0:
            raise HachimachiError(f"row 1: time is {time[0]}, expected seconds from 0")
        back = np.flatnonzero(np.diff(time) < 0)
        if back.size:
            row = int(back[0]) + 1
            found = f"row {row + 1}: time goes back from {time[row - 1]} to {time[row]}"
            raise HachimachiError(f"{found}; expected rows sorted by time")

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, rows: slice) -> EventSequence:
        """Return a part of the events; times stay as they are."""
        time = None if self.time is None else self.time[rows]
        return EventSequence(self.features, self.data[rows], time, self.name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EventSequence):
            return NotImplemented
        same_time = (self.time is None) == (other.time is None) and (
            self.time is None or other.time is None or np.array_equal(self.time, other.time)
        )
        same_data = np.array_equal(self.data, other.data)
        return same_time and same_data and (self.features, self.name) == (other.features, other.name)

    __hash__ = None  # type: ignore[assignment]  # holds arrays

    @property
    def temporal(self) -> bool:
        """Whether the events carry time."""
        return self.time is not None

    @property
    def seconds(self) -> float:
        """Time from the first event to the last, 0 without time."""
        return float(self.time[-1] - self.time[0]) if self.time is not None and len(self) else 0.0

    def column(self, name: str) -> NDArray[np.float64]:
        """Return the values of one feature, shape (N,), by its name."""
        names = [feature.name for feature in self.features]
        if name not in names:
            raise HachimachiError(f"no feature {name!r}; there are {', '.join(names)}")
        return self.data[:, names.index(name)]

    def from_zero(self) -> EventSequence:
        """Return the same events with the first at time 0."""
        if self.time is None or not len(self):
            return self
        return replace(self, time=self.time - self.time[0])

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Return what a model sees: inter-event time (if temporal; NaN for a sequence's first event, which has none)
        and features, shape (N, 1 + F) or (N, F)."""
        data = self.data[start:stop]
        if self.time is None:
            return data.copy()
        between = np.diff(self.time[start:stop], prepend=self.time[start - 1] if start else np.nan)
        return np.column_stack([between, data])


def as_sequences(events: EventSequence | Iterable[EventSequence], what: str = "events") -> list[EventSequence]:
    """Return one sequence, or several, as a list. Raises `HachimachiError`: anything else, such as the path of one."""
    one = isinstance(events, str | EventSequence) or not isinstance(events, Iterable)
    sequences: list[EventSequence] = [events] if one else list(events)  # pyright: ignore[reportAssignmentType, reportArgumentType]
    for each in sequences:
        expect(isinstance(each, EventSequence), what, each, "event sequences, as read(…) returns them")
    return sequences


def check_alike(sequences: Sequence[EventSequence]) -> None:
    """Raise HachimachiError unless there are sequences, with the same features, and all or none of them carry time."""
    if not sequences:
        raise HachimachiError("no sequences: expected at least one")
    first, *others = as_sequences(sequences)
    for sequence in others:
        pair = f"{sequence.name or 'a sequence'} and {first.name or 'the first'}"
        if sequence.features != first.features:
            raise HachimachiError(f"{pair} differ in features; expected the same names, kinds and bounds in all")
        if sequence.temporal != first.temporal:
            raise HachimachiError(f"{pair}: one has time, the other has none; expected all or none")


def join(first: EventSequence, second: EventSequence) -> EventSequence:
    """Return the events of one sequence after those of another; features and name are the second's."""
    time = None if first.time is None or second.time is None else np.concatenate([first.time, second.time])
    return EventSequence(second.features, np.concatenate([first.data, second.data]), time, second.name)


def make_sequence(data: ArrayLike, time: ArrayLike | None = None, names: Sequence[str] = ()) -> EventSequence:
    """Make a sequence from plain numbers, with default features named ``0``, ``1``, … unless names are given.

    >>> make_sequence([[60, 80], [64, 75]], time=[0.0, 0.25], names=["pitch", "velocity"]).seconds
    0.25
    """
    values = np.asarray(data, dtype=np.float64)
    labels = list(names) or [str(i) for i in range(values.shape[-1])]
    features = tuple(Feature(name) for name in labels)
    return EventSequence(features, values, None if time is None else np.asarray(time, dtype=np.float64))
