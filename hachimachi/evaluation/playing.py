"""How a model plays: whether it collapses, copies, and is like real music."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.evaluation.collapse import ASTRAY, REPEATS, CollapseStats, measure_collapse
from hachimachi.evaluation.likeness import TIMES, Likeness, measure_likeness
from hachimachi.events import EventSequence, check_alike
from hachimachi.generation import check_features, generate
from hachimachi.models.event_model import EventModel
from hachimachi.ngrams import Grams
from hachimachi.sampling import Sampling

POINTS = 0.05
"""Share of grams by which a model may copy more than unheard music does."""
RUN_TIMES = 2
"""How many times as long as that of unheard music the longest copied run may be."""


@dataclass(frozen=True)
class Copies:
    """What of some sequences is found in the training data.

    Args:
        share: Share of their grams, NaN where they are too short to have one.
        longest: Events in the longest run that is there in one piece.
    """

    share: float
    longest: int

    @staticmethod
    def of(sequences: Sequence[EventSequence], grams: Grams) -> Copies:
        """Look sequences up in the grams of the training data."""
        found = np.concatenate([grams.found(sequence) for sequence in sequences])
        share = float(found.mean()) if len(found) else float("nan")
        return Copies(share, max(grams.longest_run(sequence) for sequence in sequences))


@dataclass(frozen=True)
class Copying:
    """What a model copies, beside what music that it has not heard happens to have in common with the training data.

    Args:
        grams: Events in a gram.
        generated: Of the model.
        real: Of unheard music.
    """

    grams: int
    generated: Copies
    real: Copies

    @property
    def share_limit(self) -> float:
        """Share of copied grams that is still no copying."""
        return min(self.real.share + POINTS, 1.0)

    @property
    def longest_limit(self) -> int:
        """Longest run that is still no copying."""
        return RUN_TIMES * self.real.longest


def measure_copying(generated: Sequence[EventSequence], real: Sequence[EventSequence], grams: Grams) -> Copying:
    """Compare generations and unheard music by what they share with the training data."""
    return Copying(grams.n, Copies.of(generated, grams), Copies.of(real, grams))


EVENTS = 1000
"""Events in a generation that is examined."""
BRIEF = 4, 500, 1.5
"""Generations and events in a look at the end of training, and seconds after which no further one begins."""


@dataclass(frozen=True)
class Figure:
    """One figure of how a model plays.

    Args:
        group: ``collapse``, ``copying`` or ``likeness``.
        name: What is measured.
        generated: The figure for the generations; for likeness their distance from real music.
        real: The same for real music that the model has not heard; for likeness the distance between its halves.
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
        return sum(bool(conduct.failures) for conduct in self.generated)

    @property
    def worst(self) -> Likeness | None:
        """The aspect in which generations are least like real music."""
        return max(self.likeness, key=lambda aspect: aspect.ratio, default=None)

    def figures(self) -> list[Figure]:
        """Return all figures, each beside that of real music and its limit."""
        return [*self._collapse(), *self._copying(), *self._likeness()]

    def to_json(self) -> dict[str, Any]:
        """Return all figures as plain numbers; what is no number is null."""
        groups: dict[str, dict[str, Any]] = {}
        for figure in self.figures():
            told = {"generated": figure.generated, "real": figure.real, "at_most": figure.limit}
            clean = {key: None if value is None or math.isnan(value) else value for key, value in told.items()}
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
        counts = Counter(failure for conduct in self.generated for failure in conduct.failures)
        reasons = ", ".join(words[name] for name, _ in counts.most_common())
        return f"Collapses in {self.collapsed} of {len(self.generated)} generations: {reasons}"

    def _collapse(self) -> list[Figure]:
        def figure(name: str, tell: Callable[[tuple[CollapseStats, ...]], float], limit: float | None) -> Figure:
            return Figure("collapse", name, tell(self.generated), tell(self.real), limit)

        return [
            figure("collapsed", lambda part: sum(bool(conduct.failures) for conduct in part), 0),
            figure("repetition", lambda part: max(conduct.repeats for conduct in part), REPEATS),
            figure("silence", lambda part: max(conduct.silence for conduct in part), self.generated[0].allowed),
            figure("astray", lambda part: max(conduct.astray for conduct in part), ASTRAY),
            figure("beyond", lambda part: sum(conduct.beyond for conduct in part) / len(part), None),
        ]

    def _copying(self) -> list[Figure]:
        if self.copying is None:
            return []
        made, real = self.copying.generated, self.copying.real
        return [
            Figure("copying", "share", made.share, real.share, self.copying.share_limit),
            Figure("copying", "longest", made.longest, real.longest, self.copying.longest_limit),
        ]

    def _likeness(self) -> list[Figure]:
        return [
            Figure("likeness", each.aspect, each.distance, each.real, TIMES * max(each.real, each.step))
            for each in self.likeness
        ]


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
    """Look at how a model plays, beside real music that it has not heard.

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
    conducts = [tuple(measure_collapse(each, model.columns) for each in part) for part in (generations, held_out)]
    grams = model.grams.get("copying")
    copying = measure_copying(generations, held_out, grams) if grams else None
    likeness = measure_likeness(generations, held_out, model.columns)
    return PlayReport(conducts[0], conducts[1], copying, likeness, sum(map(len, generations)), _has_pitch(model))


def _has_pitch(model: EventModel) -> bool:
    return any(feature.name == "pitch" for feature in model.features)
