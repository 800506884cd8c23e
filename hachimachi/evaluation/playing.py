"""How a model plays: whether it collapses, copies its training data, and sounds like real music."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from hachimachi.errors import HachimachiError, expect
from hachimachi.evaluation import verdict
from hachimachi.evaluation.collapse import CollapseStats, measure_collapse
from hachimachi.evaluation.descriptors import Descriptor, Reference
from hachimachi.evaluation.likeness import TIMES, Likeness, measure_likeness
from hachimachi.events import EventSequence, check_alike
from hachimachi.generation import check_features, generate
from hachimachi.models.event_model import EventModel
from hachimachi.ngrams import NGrams
from hachimachi.sampling import Sampling

EVENTS = 1000  # events in a generation that is examined
PRIMER = 64  # events of real music that a primed generation goes on from, at most half of what there is
TEMPERATURES = 1.0, 0.9, 0.8  # at which generations are examined: as learned, and the two that are played most
BRIEF = 2, 500, 250, 1.5
"""In a look at the end of training: generations from nothing as learned and events in each, events under each other
condition, and seconds after which no further generation begins."""
POINTS = 0.05  # share of n-grams by which a model may copy more than unheard music does
RUN_TIMES = 2  # how many times as long as that of unheard music the longest copied run may be


@dataclass(frozen=True)
class Copies:
    """What of some sequences is found in the training data."""

    share: float  # of their n-grams, NaN where they are too short to have one
    longest: int  # events in the longest run that is there in one piece

    @staticmethod
    def of(sequences: Sequence[EventSequence], ngrams: NGrams) -> Copies:
        """Look sequences up in the n-grams of the training data."""
        found = np.concatenate([ngrams.found(sequence) for sequence in sequences])
        share = float(found.mean()) if len(found) else float("nan")
        return Copies(share, max(ngrams.longest_run(sequence) for sequence in sequences))


@dataclass(frozen=True)
class Copying:
    """What a model copies, beside what unheard music happens to have in common with the training data."""

    n: int  # steps in an n-gram
    generated: Copies
    real: Copies  # of unheard music

    @property
    def share_limit(self) -> float:
        """Share of copied n-grams that is still no copying."""
        return min(self.real.share + POINTS, 1.0)

    @property
    def longest_limit(self) -> int:
        """Longest run that is still no copying."""
        return RUN_TIMES * self.real.longest


class Figure(NamedTuple):
    """One figure of how a model plays, beside that of music that the model was not trained on."""

    group: str  # ``collapse``, ``copying`` or ``likeness``
    name: str
    generated: float  # for likeness the distance of the generations from real music
    real: float  # for likeness the distance between its halves
    limit: float | None  # what ``generated`` is to be at most, ``None`` where there is no limit

    @property
    def held(self) -> bool:
        """Whether it is within its limit."""
        return self.limit is None or not self.generated > self.limit


@dataclass(frozen=True)
class Condition:
    """How generations are played."""

    temperature: float | None = 1.0  # of all columns; ``None`` where other options of drawing were given
    primed: bool = False  # whether the model observes the beginning of real music first

    def __str__(self) -> str:
        drawn = "as given" if self.temperature is None else f"{self.temperature:g}"
        return f"{drawn}, primed" if self.primed else drawn


@dataclass(frozen=True)
class PlayReport:
    """How a model plays under one condition, and under others."""

    generated: tuple[CollapseStats, ...]  # how each generation behaves
    real: tuple[CollapseStats, ...]  # how each sequence of unheard music behaves
    copying: Copying | None  # ``None`` for a model that does not know its training data
    likeness: tuple[Likeness, ...]  # empty for data with nothing to compare
    events: int  # number of events of all generations
    notes: bool  # whether the events are notes
    # key, density and the like; see :class:`~hachimachi.evaluation.descriptors.Reference`
    descriptors: tuple[Descriptor, ...] = ()
    several: bool = False  # whether these are compared with several sequences
    condition: Condition = Condition()
    others: tuple[PlayReport, ...] = ()  # the same of generations under other conditions

    @property
    def collapsed(self) -> int:
        """Number of generations that collapse."""
        return sum(bool(each.failures) for each in self.generated)

    @property
    def worst(self) -> Likeness | None:
        """The aspect in which generations are least like real music."""
        return max(self.likeness, key=lambda aspect: aspect.ratio, default=None)

    @property
    def conditions(self) -> dict[Condition, PlayReport]:
        """This report and the others, by condition."""
        return {each.condition: each for each in (self, *self.others)}

    def by_temperature(self) -> dict[float | None, list[Descriptor]]:
        """Return the descriptors at each temperature, the mean of those from nothing and of those primed."""
        found: dict[float | None, list[PlayReport]] = {}
        for condition, report in self.conditions.items():
            found.setdefault(condition.temperature, []).append(report)
        return {
            temperature: [
                Descriptor(each[0].name, _mean(one.generated for one in each), each[0].real)
                for each in zip(*(report.descriptors for report in reports), strict=True)
            ]
            for temperature, reports in found.items()
        }

    def figures(self) -> list[Figure]:
        """Return all figures that have a limit, each beside that of real music."""
        found = [Figure("collapse", "collapsed", self.collapsed, sum(bool(each.failures) for each in self.real), 0)]
        for key, limit in self.generated[0].limits.items():
            made, real = (max(getattr(each, key) for each in part) for part in (self.generated, self.real))
            found.append(Figure("collapse", "repetition" if key == "repeats" else key, made, real, limit))
        made, real = (sum(each.beyond for each in part) / len(part) for part in (self.generated, self.real))
        found.append(Figure("collapse", "beyond", made, real, None))
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
            groups.setdefault(figure.group, {})[figure.name] = {key: _finite(value) for key, value in values.items()}
        for aspect in self.likeness:
            groups["likeness"][aspect.aspect]["ratio"] = aspect.ratio
        descriptors = {
            each.name: {"generated": _finite(each.generated), "real": _finite(each.real), "beyond": each.beyond}
            for each in self.descriptors
        }
        whole = {**vars(self.condition), "generations": len(self.generated), "events": self.events}
        worst = {"worst": self.worst.aspect, "ratio": self.worst.ratio} if self.worst else None
        others = {"others": [each.to_json() for each in self.others]} if self.others else {}
        return {**whole, "descriptors": descriptors, **groups, "worst_likeness": worst, **others}

    def sentence(self) -> str:
        """Say in the words of a musician how it plays."""
        return verdict.describe_playing(self)

    def warning(self) -> str:
        """Say in plain words how it collapses, nothing if it does not."""
        if not self.collapsed:
            return ""
        words = {"repeats": "the same events again and again", "silence": "silence", "astray": "far from what it heard"}
        counts = Counter(failure for each in self.generated for failure in each.failures)
        reasons = ", ".join(words[name] for name, _ in counts.most_common())
        return f"Collapses in {self.collapsed} of {len(self.generated)} generations: {reasons}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def list_conditions(primers: Sequence[EventSequence], sampling: Sampling | None = None) -> dict[Condition, Sampling]:
    """Return under which conditions a model is examined: from nothing and, where there are primers, primed, at three
    temperatures or by the given options of drawing alone."""
    drawn = {None: sampling} if sampling else {temperature: Sampling(temperature) for temperature in TEMPERATURES}
    primed = (False, True) if primers else (False,)
    return {Condition(temperature, each): how for each in primed for temperature, how in drawn.items()}


def cut_primers(sequences: Sequence[EventSequence], most: int = 64) -> list[EventSequence]:
    """Return the beginnings of the first real sequences, for a model to go on from."""
    found = (sequences[i] for i in range(min(most, len(sequences))))
    return [each[: min(PRIMER, len(each) // 2)].from_zero() for each in found if len(each) > 1]


def play(
    model: EventModel,
    count: int,
    events: int = EVENTS,
    sampling: Sampling | None = None,
    primers: Sequence[EventSequence] = (),
) -> Iterator[EventSequence]:
    """Let a model play again and again, with the seeds 0, 1, 2 and so on: from nothing, or after one primer each."""
    for seed in range(count):
        primer = primers[seed % len(primers)] if primers else None
        yield generate(model, events, primer=primer, sampling=sampling, seed=seed)


def play_briefly(model: EventModel, primers: Sequence[EventSequence] = ()) -> dict[Condition, list[EventSequence]]:
    """Let a model play a little under each condition, at most about two seconds of the user's time."""
    count, events, fewer, seconds = BRIEF
    began, made = time.monotonic(), {}
    for condition, sampling in list_conditions(primers).items():
        number = (1, fewer) if made else (count, events)
        for take in play(model, *number, sampling, primers if condition.primed else ()):
            made.setdefault(condition, []).append(take)
            if time.monotonic() - began > seconds:
                return made
    return made


def evaluate_playing(
    model: EventModel,
    held_out: Sequence[EventSequence],
    generations: Sequence[EventSequence] | Mapping[Condition, Sequence[EventSequence]],
    source: Sequence[EventSequence] = (),
) -> PlayReport:
    """Measure how a model plays, beside real music.

    Args:
        model: The model; only its columns and what it keeps of its training data are used.
        held_out: Real sequences, not of its training data, whose likeness to that is what is no copying.
        generations: What it played, see :func:`play`; or that by condition, the one that the report is of first.
        source: Real sequences that generations are to sound like, those it learned from; ``held_out`` by default.

    HachimachiError for no sequences, or other features than the model's.
    """
    expect(hasattr(model, "grams"), "model", model, "a model, as load_model(…) returns it")
    conditions = generations if isinstance(generations, Mapping) else {Condition(): generations}
    for sequences in (held_out, *conditions.values(), *([source] if len(source) else [])):
        check_alike(sequences)
        check_features(model, sequences[0])
    if not any(map(len, held_out)):
        raise HachimachiError("the real music has no events; expected some to compare with")
    source = source if len(source) else held_out
    reference, ngrams = Reference(source, model.columns), model.grams.get("copying")
    real = tuple(measure_collapse(each, model.columns) for each in held_out)
    unheard = Copies.of(held_out, ngrams) if ngrams else None
    first, *others = [
        PlayReport(
            generated=tuple(measure_collapse(each, model.columns) for each in made),
            real=real,
            copying=Copying(ngrams.n, Copies.of(made, ngrams), unheard) if ngrams and unheard else None,
            likeness=measure_likeness(made, held_out, model.columns),
            events=sum(map(len, made)),
            notes=reference.notes,
            descriptors=tuple(reference.compare(made)),
            several=len(source) > 1,
            condition=condition,
        )
        for condition, made in conditions.items()
    ]
    return replace(first, others=tuple(others))
