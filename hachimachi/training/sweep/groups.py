"""Jobs that differ in their seed alone, taken together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from hachimachi.training.sweep.results import SEED, Job


@dataclass(frozen=True)
class Group:
    """What jobs came to that differ in their seed alone.

    Args:
        values: What was chosen for each key that differs between groups, as text.
        scores: Held-out nats per event of each that ended by itself.
    """

    values: dict[str, str]
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean of the scores."""
        return mean(self.scores)

    @property
    def deviation(self) -> float:
        """Standard deviation between seeds (n - 1), NaN of a single one."""
        return stdev(self.scores) if len(self.scores) > 1 else math.nan

    def __str__(self) -> str:
        spread = "" if math.isnan(self.deviation) else f" ± {self.deviation:.4f}"
        return f"{self.mean:.4f}{spread}"


def group_by_seed(jobs: Sequence[Job]) -> list[Group]:
    """Return groups of jobs that differ in their seed alone, best mean first; none where no seed was varied."""
    together: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for job in jobs:
        if SEED in job.values and not job.state and math.isfinite(job.score):
            others = tuple((key, value) for key, value in job.values.items() if key != SEED)
            together.setdefault(others, []).append(job.score)
    groups = [Group(dict(values), tuple(scores)) for values, scores in together.items()]
    return sorted(groups, key=lambda group: group.mean) if any(len(group.scores) > 1 for group in groups) else []
