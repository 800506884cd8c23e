"""What is asked of sampling, as it was asked: kept apart by feature and by kind, so that each can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hachimachi.models.constraint import Constraint
from hachimachi.models.sampling import Sampling

Words = tuple[str | float, ...]
"""One line of what is answered or described, as it goes onto the wire after `/status`."""
NUMBERS = {"temperature": 1.0, "top_p": 1.0, "min_p": 0.0}
"""What takes a number, and the one that changes nothing."""
KINDS = ("range", "scale", "values", "start")
"""Kinds of constraints; one of a kind holds for a column, and those of different kinds hold together. ``start`` is what
was given at the start and is none of the others."""
SYNONYMS = {"only": "values", "given": "values"}


@dataclass(frozen=True)
class Wish:
    """What is asked. It is never written to: each answer is a new one.

    Args:
        numbers: For all columns or one, by what they are and the column's name, which is empty for all.
        constraints: By column and kind.
        polyphony: Most notes at once, or none said.
    """

    numbers: Mapping[tuple[str, str], float] = field(default_factory=dict)
    constraints: Mapping[tuple[str, str], Constraint] = field(default_factory=dict)
    polyphony: int | None = None

    @staticmethod
    def of(sampling: Sampling) -> Wish:
        """Return what a sampling asks."""
        numbers: dict[tuple[str, str], float] = {}
        for what in NUMBERS:
            given = getattr(sampling, what)
            for name, number in given.items() if isinstance(given, Mapping) else [("", given)]:
                numbers[what, name] = number
        constraints: dict[tuple[str, str], Constraint] = {}
        for name, constraint in sampling.constraints.items():
            for clause in constraint.clauses or constraint.called("start").clauses:
                key = name, SYNONYMS.get(clause.kind, clause.kind)
                part = Constraint(clause.intervals, (clause,))
                constraints[key] = constraints[key] & part if key in constraints else part
        return Wish(_without_plain(numbers), constraints, sampling.polyphony)

    def sampling(self, names: Sequence[str]) -> Sampling:
        """Return the sampling that does it.

        Args:
            names: Of all columns.

        Raises:
            HachimachiError: A number out of range.
        """
        numbers = {what: self._by_column(what, names) for what in NUMBERS}
        constraints: dict[str, Constraint] = {}
        for (name, _), constraint in self.constraints.items():
            constraints[name] = constraints[name] & constraint if name in constraints else constraint
        return Sampling(**numbers, constraints=constraints, polyphony=self.polyphony, yields=True)

    def with_number(self, what: str, number: float) -> Wish:
        """Return the same with a number for all columns; those said by name are forgotten."""
        kept = {key: value for key, value in self.numbers.items() if key[0] != what}
        return replace(self, numbers=_without_plain({**kept, (what, ""): number}))

    def with_numbers(self, what: str, by_name: Mapping[str, float]) -> Wish:
        """Return the same with numbers for single columns."""
        more = {(what, name): number for name, number in by_name.items()}
        return replace(self, numbers=_without_plain({**self.numbers, **more}))

    def lines(self, names: Sequence[str]) -> list[Words]:
        """Return what differs from what was learned: overall, then by column, in the order of the columns."""
        ways = [(what, name) for what in NUMBERS for name in ("", *names) if (what, name) in self.numbers]
        held = [(name, kind) for name in names for kind in KINDS if (name, kind) in self.constraints]
        lines = [(what, *([name] if name else []), self.numbers[what, name]) for what, name in ways]
        lines += [self.line(name, kind) for name, kind in held]
        return lines if self.polyphony is None else [*lines, ("polyphony", self.polyphony)]

    def line(self, name: str, kind: str) -> Words:
        """Return what holds of a kind for a column."""
        words = (word for clause in self.constraints[name, kind].clauses for word in clause.words)
        return "constrain", name, kind, *words

    def _by_column(self, what: str, names: Sequence[str]) -> float | dict[str, float]:
        overall = self.numbers.get((what, ""), NUMBERS[what])
        if not any(key[0] == what and key[1] for key in self.numbers):
            return overall
        return {name: self.numbers.get((what, name), overall) for name in names}


def _without_plain(numbers: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Leave out what says no more than what holds without it."""
    alls = {key: number for key, number in numbers.items() if not key[1] and number != NUMBERS[key[0]]}
    named = {key: number for key, number in numbers.items() if key[1]}
    return {**alls, **{key: n for key, n in named.items() if n != alls.get((key[0], ""), NUMBERS[key[0]])}}
