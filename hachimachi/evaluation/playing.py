"""How a model plays: whether it collapses, copies, and is like real music."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hachimachi.errors import HachimachiError
from hachimachi.evaluation.collapse import ASTRAY, REPEATS, Conduct, observe
from hachimachi.evaluation.copying import Copying, measure_copying
from hachimachi.evaluation.likeness import TIMES, Likeness, measure_likeness
from hachimachi.events import EventSequence, check_alike
from hachimachi.generation import check_features, generate
from hachimachi.models.event_model import EventModel

EVENTS = 1000
"""Events in a generation that is examined."""


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
class Playing:
    """How a model plays.

    Args:
        generated: How each generation behaves.
        real: How each sequence of unheard music behaves.
        copying: What is copied; ``None`` for a model that does not know its training data.
        likeness: Distances from real music; empty for data with nothing to compare.
        events: Number of events of all generations.
    """

    generated: tuple[Conduct, ...]
    real: tuple[Conduct, ...]
    copying: Copying | None
    likeness: tuple[Likeness, ...]
    events: int

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
        """Say in plain words how much is copied and whether it collapses."""
        said = []
        if self.copying:
            times = f"for up to {self.copying.generated.longest} events; unheard music does for"
            said.append(f"Repeats its training data {times} {self.copying.real.longest}")
        if self.collapsed:
            said.append(f"{self.collapsed} of {len(self.generated)} generations collapse: {self._reasons()}")
        return ". ".join(said)

    def _reasons(self) -> str:
        words = {
            "repeats": f"the same few events for over {REPEATS}",
            "silence": "silent for too long",
            "astray": "far from what was heard",
        }
        counts = Counter(failure for conduct in self.generated for failure in conduct.failures)
        return ", ".join(words[name] for name, _ in counts.most_common())

    def _collapse(self) -> list[Figure]:
        parts = self.generated, self.real

        def most(name: str) -> list[float]:
            return [max(float(getattr(conduct, name)) for conduct in part) for part in parts]

        allowed = self.generated[0].allowed
        collapsed = [float(sum(bool(conduct.failures) for conduct in part)) for part in parts]
        beyond = [sum(conduct.beyond for conduct in part) / len(part) for part in parts]
        return [
            Figure("collapse", "collapsed", *collapsed, 0),
            Figure("collapse", "longest repetition", *most("repeats"), REPEATS),
            Figure("collapse", "longest silence", *most("silence"), allowed),
            Figure("collapse", "longest astray", *most("astray"), ASTRAY),
            Figure("collapse", "beyond the range", *beyond, None),
        ]

    def _copying(self) -> list[Figure]:
        if self.copying is None:
            return []
        made, real = self.copying.generated, self.copying.real
        return [
            Figure("copying", f"share of {self.copying.grams}-grams", made.share, real.share, self.copying.share_limit),
            Figure("copying", "longest run", made.longest, real.longest, self.copying.longest_limit),
        ]

    def _likeness(self) -> list[Figure]:
        return [
            Figure("likeness", each.aspect, each.distance, each.real, TIMES * max(each.real, each.step))
            for each in self.likeness
        ]


def play(model: EventModel, count: int, events: int = EVENTS) -> Iterator[EventSequence]:
    """Let a model play from nothing, again and again, with the seeds 0, 1, 2 and so on."""
    for seed in range(count):
        yield generate(model, events, seed=seed)


def examine(model: EventModel, held_out: Sequence[EventSequence], generations: Sequence[EventSequence]) -> Playing:
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
    conducts = [tuple(observe(each, model.columns) for each in part) for part in (generations, held_out)]
    grams = model.grams.get("copying")
    copying = measure_copying(generations, held_out, grams) if grams else None
    likeness = measure_likeness(generations, held_out, model.columns)
    return Playing(conducts[0], conducts[1], copying, likeness, sum(map(len, generations)))
