"""How a model plays: whether it collapses, copies its training data, and is like real music."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import BEYOND, Categories, Column
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likeness import TIMES, Likeness, measure_likeness
from hachimachi.events import TIME, EventSequence, check_alike
from hachimachi.generation import check_features, generate
from hachimachi.models.event_model import EventModel
from hachimachi.ngrams import NGrams
from hachimachi.sampling import Sampling

EVENTS = 1000
"""Events in a generation that is examined."""
BRIEF = 4, 500, 1.5
"""Generations and events in a look at the end of training, and seconds after which no further one begins."""
CYCLE = 8
"""Events in the longest cycle that is searched for."""
REPEATS = 64
"""Events that a cycle may fill."""
SILENCE = 10.0
"""Seconds that may pass between two events."""
ASTRAY = 8
"""Events in a row that may have a value far beyond the training range: a stray one is no collapse, staying away is."""
CLOSE = 0.02, 0.2
"""Times that differ by so many seconds, or by such a share, are the same: small noise hides no repetition."""
POINTS = 0.05
"""Share of n-grams by which a model may copy more than unheard music does."""
RUN_TIMES = 2
"""How many times as long as that of unheard music the longest copied run may be."""


@dataclass(frozen=True)
class CollapseStats:
    """How one sequence behaves.

    Args:
        repeats: Events in the longest stretch that is one event or a cycle of up to :data:`CYCLE` events.
        silence: Longest time between two events in seconds, 0 without time.
        astray: Most events in a row with a value of one feature far beyond its training range.
        beyond: Share of events with a value beyond the training range, however near; no collapse by itself.
        allowed: Seconds that may pass between two events.
    """

    repeats: int
    silence: float
    astray: int
    beyond: float = 0.0
    allowed: float = SILENCE

    @property
    def failures(self) -> tuple[str, ...]:
        """In which ways it collapses: ``repeats``, ``silence``, ``astray``; none for what goes on as it should."""
        found = self.repeats > REPEATS, self.silence > self.allowed, self.astray > ASTRAY
        return tuple(name for name, bad in zip(("repeats", "silence", "astray"), found, strict=True) if bad)


def measure_collapse(sequence: EventSequence, columns: Sequence[Column]) -> CollapseStats:
    """Return how a sequence behaves.

    Args:
        sequence: Generated or real events.
        columns: Those of the model: their bins, and the training range.
    """
    between = np.diff(sequence.time) if sequence.time is not None else np.zeros(0)
    near, far = (_outside(sequence, columns, margin) for margin in (0.0, BEYOND))
    allowed = SILENCE  # of music; a controller may rest as long as it did in training if that is more
    for column in columns:
        if column.name == TIME and all(other.name != "pitch" for other in columns):
            allowed = max(SILENCE, _range(column)[1])
    return CollapseStats(
        repeats=_longest_cycle(sequence, columns),
        silence=float(between.max(initial=0.0)),
        astray=max((_longest_run(flags) for flags in far.T), default=0),
        beyond=float(near.any(1).mean()) if len(near) else 0.0,
        allowed=allowed,
    )


def _longest_cycle(sequence: EventSequence, columns: Sequence[Column]) -> int:
    """Return the number of events in the longest cycle, at least twice around; 1 where nothing comes again.

    Two notes are the same if their pitch and categories are, two other events if all their input features are.
    """
    features = columns[-len(sequence.features) :]
    notes = any(column.name == "pitch" for column in features)
    compared = [
        column.grid.index(values)
        for column, values in zip(features, sequence.data.T, strict=True)
        if (column.name == "pitch" or isinstance(column.grid, Categories) if notes else not column.feature.masked)
    ]
    bins = np.stack(compared, axis=1) if compared else np.zeros((len(sequence), 1), dtype=np.int64)  # (N, K)
    between, longest = sequence.rows()[:, 0], min(len(bins), 1)
    for period in range(1, min(CYCLE, len(bins) - 1) + 1):
        same = (bins[period:] == bins[:-period]).all(1)
        if sequence.temporal:
            some, others = between[period:], between[:-period]
            apart = np.abs(some - others)  # NaN before the first event
            same &= np.isnan(apart) | (apart <= np.maximum(CLOSE[0], CLOSE[1] * np.maximum(some, others)))
        run = _longest_run(same)
        longest = max(longest, run + period if run >= period else 1)
    return longest


def _outside(sequence: EventSequence, columns: Sequence[Column], margin: float) -> NDArray[np.bool_]:
    """Return which numbers lie beyond the training range widened by a share of its width, shape (N, numbers).

    Inter-event time is no range to leave: another tempo is no collapse, and silence is judged by itself.
    """
    flags = []
    for column, values in zip(columns, sequence.rows().T, strict=True):
        if column.name != TIME and not isinstance(column.grid, Categories):
            low, high = _range(column)
            beyond = column.grid.resolution / 2 + margin * (high - low)
            flags.append((values < low - beyond) | (values > high + beyond))
    return np.stack(flags, axis=1) if flags else np.zeros((len(sequence), 0), dtype=bool)


def _range(column: Column) -> tuple[float, float]:
    assert not isinstance(column.grid, Categories)
    low, high = column.grid.value(np.array([column.occupied[0], column.occupied[-1]])).tolist()
    return low, high


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


@dataclass(frozen=True)
class Copies:
    """What of some sequences is found in the training data.

    Args:
        share: Share of their n-grams, NaN where they are too short to have one.
        longest: Events in the longest run that is there in one piece.
    """

    share: float
    longest: int

    @staticmethod
    def of(sequences: Sequence[EventSequence], ngrams: NGrams) -> Copies:
        """Look sequences up in the n-grams of the training data."""
        found = np.concatenate([ngrams.found(sequence) for sequence in sequences])
        share = float(found.mean()) if len(found) else float("nan")
        return Copies(share, max(ngrams.longest_run(sequence) for sequence in sequences))


@dataclass(frozen=True)
class Copying:
    """What a model copies, beside what unheard music happens to have in common with the training data.

    Args:
        n: Steps in an n-gram.
        generated: Of the model.
        real: Of unheard music.
    """

    n: int
    generated: Copies
    real: Copies

    @property
    def share_limit(self) -> float:
        """Share of copied n-grams that is still no copying."""
        return min(self.real.share + POINTS, 1.0)

    @property
    def longest_limit(self) -> int:
        """Longest run that is still no copying."""
        return RUN_TIMES * self.real.longest


def measure_copying(generated: Sequence[EventSequence], real: Sequence[EventSequence], ngrams: NGrams) -> Copying:
    """Compare generations and unheard music by what they share with the training data."""
    return Copying(ngrams.n, Copies.of(generated, ngrams), Copies.of(real, ngrams))


@dataclass(frozen=True)
class Figure:
    """One figure of how a model plays.

    Args:
        group: ``collapse``, ``copying`` or ``likeness``.
        name: What is measured.
        generated: The figure for the generations; for likeness their distance from real music.
        real: The same for real music that the model was not trained on; for likeness the distance between its halves.
        limit: What ``generated`` is to be at most, ``None`` where there is no limit.
    """

    group: str
    name: str
    generated: float
    real: float
    limit: float | None

    @property
    def held(self) -> bool:
        """Whether it is within its limit."""
        return self.limit is None or not self.generated > self.limit


@dataclass(frozen=True)
class PlayReport:
    """How a model plays.

    Args:
        generated: How each generation behaves.
        real: How each sequence of unheard music behaves.
        copying: What is copied; ``None`` for a model that does not know its training data.
        likeness: Distances from real music; empty for data with nothing to compare.
        events: Number of events of all generations.
        notes: Whether the events are notes.
    """

    generated: tuple[CollapseStats, ...]
    real: tuple[CollapseStats, ...]
    copying: Copying | None
    likeness: tuple[Likeness, ...]
    events: int
    notes: bool

    @property
    def collapsed(self) -> int:
        """Number of generations that collapse."""
        return sum(bool(each.failures) for each in self.generated)

    @property
    def worst(self) -> Likeness | None:
        """The aspect in which generations are least like real music."""
        return max(self.likeness, key=lambda aspect: aspect.ratio, default=None)

    def figures(self) -> list[Figure]:
        """Return all figures, each beside that of real music and its limit."""

        def collapse(name: str, measure: Callable[[Sequence[CollapseStats]], float], limit: float | None) -> Figure:
            return Figure("collapse", name, measure(self.generated), measure(self.real), limit)

        found = [
            collapse("collapsed", lambda part: sum(bool(each.failures) for each in part), 0),
            collapse("repetition", lambda part: max(each.repeats for each in part), REPEATS),
            collapse("silence", lambda part: max(each.silence for each in part), self.generated[0].allowed),
            collapse("astray", lambda part: max(each.astray for each in part), ASTRAY),
            collapse("beyond", lambda part: sum(each.beyond for each in part) / len(part), None),
        ]
        if self.copying is not None:
            made, real = self.copying.generated, self.copying.real
            found.append(Figure("copying", "share", made.share, real.share, self.copying.share_limit))
            found.append(Figure("copying", "longest", made.longest, real.longest, self.copying.longest_limit))
        for each in self.likeness:
            limit = TIMES * max(each.real, each.step)
            found.append(Figure("likeness", each.aspect, each.distance, each.real, limit))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return all figures as plain numbers; what is no number is null."""
        groups: dict[str, dict[str, Any]] = {}
        for figure in self.figures():
            values = {"generated": figure.generated, "real": figure.real, "at_most": figure.limit}
            clean = {key: None if value is None or math.isnan(value) else value for key, value in values.items()}
            groups.setdefault(figure.group, {})[figure.name] = clean
        for aspect in self.likeness:
            groups["likeness"][aspect.aspect]["ratio"] = aspect.ratio
        counts = {"generations": len(self.generated), "events": self.events}
        worst = {"worst": self.worst.aspect, "ratio": self.worst.ratio} if self.worst else None
        return {**counts, **groups, "worst_likeness": worst}

    def sentence(self) -> str:
        """Say in plain words how much is copied, nothing for a model that does not know its training data."""
        if self.copying is None:
            return ""
        heard, unheard = ("the training piece", "unheard music") if self.notes else ("its training", "unheard data")
        longest, real = self.copying.generated.longest, self.copying.real.longest
        return f"Repeats {heard} for up to {longest} event{'' if longest == 1 else 's'}; {unheard} does for {real}"

    def warning(self) -> str:
        """Say in plain words how it collapses, nothing if it does not."""
        if not self.collapsed:
            return ""
        words = {"repeats": "the same events again and again", "silence": "silence", "astray": "far from what it heard"}
        counts = Counter(failure for each in self.generated for failure in each.failures)
        reasons = ", ".join(words[name] for name, _ in counts.most_common())
        return f"Collapses in {self.collapsed} of {len(self.generated)} generations: {reasons}"


def play(
    model: EventModel, count: int, events: int = EVENTS, sampling: Sampling | None = None
) -> Iterator[EventSequence]:
    """Let a model play from nothing, again and again, with the seeds 0, 1, 2 and so on."""
    for seed in range(count):
        yield generate(model, events, sampling=sampling, seed=seed)


def play_briefly(model: EventModel) -> list[EventSequence]:
    """Let a model play a little, at most about two seconds of the user's time."""
    count, events, seconds = BRIEF
    began, made = time.monotonic(), []
    for generation in play(model, count, events):
        made.append(generation)
        if time.monotonic() - began > seconds:
            break
    return made


def evaluate_playing(
    model: EventModel, held_out: Sequence[EventSequence], generations: Sequence[EventSequence]
) -> PlayReport:
    """Measure how a model plays, beside real music that it was not trained on.

    Args:
        model: The model; only its columns and what it keeps of its training data are used.
        held_out: Real sequences, not of its training data.
        generations: What it played; see :func:`play`.

    Raises:
        HachimachiError: No sequences, or other features than the model's.
    """
    for sequences in (held_out, generations):
        check_alike(sequences)
        check_features(model, sequences[0])
    if not any(map(len, held_out)):
        raise HachimachiError("the real music has no events; expected some to compare with")
    made, real = ([measure_collapse(each, model.columns) for each in part] for part in (generations, held_out))
    ngrams = model.grams.get("copying")
    return PlayReport(
        generated=tuple(made),
        real=tuple(real),
        copying=measure_copying(generations, held_out, ngrams) if ngrams else None,
        likeness=measure_likeness(generations, held_out, model.columns),
        events=sum(map(len, generations)),
        notes=any(feature.name == "pitch" for feature in model.features),
    )
