"""What a performer asks of sampling over the wire, while a model plays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from hachimachi.columns import Column
from hachimachi.constraints import Constraint
from hachimachi.errors import HachimachiError, count
from hachimachi.events import TIME
from hachimachi.live.history import LARGEST
from hachimachi.live.protocols import Refused, quote
from hachimachi.sampling import Sampling

Words = tuple[str | float, ...]
"""One line of what is answered or described, as it goes onto the wire after `/status`."""
NUMBERS = {"temperature": 1.0, "top_p": 1.0, "min_p": 0.0}
"""What takes a number, and the one that changes nothing."""
KINDS = ("range", "scale", "values", "start")
"""Kinds of constraints; one of a kind holds for a column, and those of different kinds hold together. ``start`` is what
was given at the start and is none of the others."""
SYNONYMS = {"only": "values", "given": "values"}


@dataclass(frozen=True)
class SamplingRequest:
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
    def of(sampling: Sampling) -> SamplingRequest:
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
        return SamplingRequest(_without_plain(numbers), constraints, sampling.polyphony)

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

    def with_number(self, what: str, number: float) -> SamplingRequest:
        """Return the same with a number for all columns; those said by name are forgotten."""
        kept = {key: value for key, value in self.numbers.items() if key[0] != what}
        return replace(self, numbers=_without_plain({**kept, (what, ""): number}))

    def with_numbers(self, what: str, by_name: Mapping[str, float]) -> SamplingRequest:
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


OPEN = "-"
"""Stands for an end that has no bound."""
LISTED = 16
"""As many names are listed."""


def read_number(what: str, value: object) -> float:
    """Return a number that was sent as one or as text.

    Single precision is read as the shortest decimal that it stands for: 0.8, not 0.800000011920929.

    Args:
        what: The route, and what the number is for: it begins the message.
        value: What was sent.

    Raises:
        Refused: It is no finite number of sensible size.
    """
    number = _as_number(value)
    if number is None:
        raise Refused("type", f"{what} is {quote(value)}, expected a number")
    if not math.isfinite(number):
        raise Refused("finite", f"{what} is {number}, expected a finite number")
    if abs(number) > LARGEST:
        raise Refused("size", f"{what} is {number:g}, expected at most {LARGEST:g} in size")
    single = np.float32(number)
    return float(str(single)) if single == number and not number.is_integer() else number


def read_end(what: str, value: object, unbound: float) -> float:
    """Return a bound; ``-``, nil or the infinity that stands for none are none.

    Args:
        what: The route, and which bound it is.
        value: What was sent.
        unbound: What stands for none.

    Raises:
        Refused: It is neither.
    """
    if value is None or value == OPEN or _as_number(value) == unbound:
        return unbound
    return read_number(what, value)


def read_word(what: str, value: object) -> str:
    """Return a word.

    Raises:
        Refused: It is not text.
    """
    if not isinstance(value, str):
        raise Refused("type", f"{what} is {quote(value)}, expected a word")
    return value


class Names:
    """The names by which a model's columns are called.

    Args:
        names: Of all columns, time included.

    >>> Names(["time", "pitch", "velocity"]).find("/release", 1.0)
    'velocity'
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.all = tuple(names)
        self.features = tuple(name for name in names if name != TIME)

    def find(self, what: str, value: object) -> str:
        """Return the name of a column that was called by its name, or a feature by its number from 0.

        Raises:
            Refused: There is no such column.
        """
        if isinstance(value, str) and value in self.all:
            return value
        number = _as_number(value)
        if number is not None and number in range(len(self.features)):
            return self.features[int(number)]
        more = ", …" if len(self.all) > LISTED else ""
        numbers = f"; features also by number, 0 to {len(self.features) - 1}" if self.features else ""
        there = f"there are {', '.join(self.all[:LISTED])}{more}{numbers}"
        raise Refused("name", f"{what}: no feature is called {quote(value)}; {there}")


def _as_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
    except OverflowError:
        return math.inf


MOST = 512
"""Most values that a column may be held to."""
LONGEST = 40
"""Most letters in the name of a scale."""
ROUTES = ("/temperature", "/top_p", "/min_p", "/polyphony", "/constrain", "/release")


class Steering:
    """Takes what is asked of sampling over the wire, and says how to draw.

    What cannot be obeyed changes nothing. Where the wait that polyphony asks for is not allowed, polyphony gives way:
    the model plays on.

    Args:
        columns: The model's columns.
        sampling: How to draw at the start. Its constraints are released as others are.

    Raises:
        HachimachiError: The columns cannot be drawn so.
    """

    def __init__(self, columns: Sequence[Column], sampling: Sampling) -> None:
        self.columns, self.names = tuple(columns), Names([column.name for column in columns])
        self.wish = SamplingRequest.of(sampling)
        self.sampling = self._checked(self.wish)
        """How to draw now."""
        numbers = {f"/{what}": partial(self._number, what) for what in NUMBERS}
        others = {"/polyphony": self._polyphony, "/constrain": self._constrain, "/release": self._release}
        self._routes = {**numbers, **others}

    def obey(self, route: str, values: Sequence[object]) -> tuple[Sampling, list[Words]]:
        """Do what a message asks.

        Args:
            route: One of :data:`ROUTES`.
            values: Its arguments: numbers, texts, nil.

        Returns:
            How to draw from now on, and what is answered.

        Raises:
            Refused: It cannot be done; then all is as it was.
        """
        if route not in self._routes:
            raise Refused("route", f"{quote(route)} is unknown, expected one of {', '.join(ROUTES)}")
        try:
            wish, said = self._routes[route](tuple(values))
            sampling = self._checked(wish)
        except Refused:
            raise
        except HachimachiError as error:
            raise Refused("value", f"{route}: {error}") from error
        self.wish, self.sampling = wish, sampling
        return sampling, said

    def move(self, columns: Sequence[Column]) -> Sampling:
        """Ask the same of another model, and return how it is to draw.

        Raises:
            HachimachiError: It cannot be drawn so; then all is as it was.
        """
        moved = Steering(columns, self.sampling)
        moved.sampling = moved._checked(self.wish)
        self.columns, self.names, self.sampling = moved.columns, moved.names, moved.sampling
        return self.sampling

    def describe(self) -> list[Words]:
        """Return all that differs from what was learned: overall, then by column, in the order of the columns."""
        return self.wish.lines(self.names.all)

    def _checked(self, wish: SamplingRequest) -> Sampling:
        sampling = wish.sampling(self.names.all)
        sampling.check(self.columns)
        return sampling

    def _number(self, what: str, values: tuple[object, ...]) -> tuple[SamplingRequest, list[Words]]:
        if len(values) == 1 and values[0] in self.names.all:
            raise Refused("length", f"/{what} {values[0]}: expected a number after the name")
        if len(values) == 1:
            number = read_number(f"/{what}", values[0])
            return self.wish.with_number(what, number), [(what, number)]
        if not values or len(values) % 2:
            raise Refused(
                "length", f"/{what} has {count(len(values), 'value')}, expected X for all or NAME X, NAME X …"
            )
        pairs = dict(self._pairs(f"/{what}", values))
        return self.wish.with_numbers(what, pairs), [(what, name, number) for name, number in pairs.items()]

    def _pairs(self, route: str, values: tuple[object, ...]) -> list[tuple[str, float]]:
        names = [self.names.find(route, value) for value in values[::2]]
        return [(n, read_number(f"{route}: {n}", value)) for n, value in zip(names, values[1::2], strict=True)]

    def _polyphony(self, values: tuple[object, ...]) -> tuple[SamplingRequest, list[Words]]:
        if len(values) != 1:
            raise _wrong_length("/polyphony", values, "the number of notes, 0 for any")
        number = read_number("/polyphony", values[0])
        if number < 0 or not number.is_integer():
            raise Refused("value", f"/polyphony is {number:g}, expected a whole number of notes, 0 for any")
        return replace(self.wish, polyphony=int(number) or None), [("polyphony", int(number))]

    def _constrain(self, values: tuple[object, ...]) -> tuple[SamplingRequest, list[Words]]:
        if len(values) < 3:
            expected = "NAME range LOW HIGH, NAME values V … or NAME scale WORDS …"
            raise _wrong_length("/constrain", values, expected)
        name = self.names.find("/constrain", values[0])
        kind = _kind("/constrain", values[1], KINDS[:3])
        make = {"range": _range, "scale": _scale, "values": _values}[kind]
        constraint = make(f"/constrain {name} {kind}", values[2:])
        if name == TIME and constraint.intervals[-1][1] <= 0:
            raise Refused("value", f"/constrain {name} {kind}: events would never pause; expected some time above 0")
        wish = replace(self.wish, constraints={**self.wish.constraints, (name, kind): constraint})
        return wish, [wish.line(name, kind)]

    def _release(self, values: tuple[object, ...]) -> tuple[SamplingRequest, list[Words]]:
        if len(values) > 2:
            raise _wrong_length("/release", values, "nothing, NAME or NAME KIND")
        names = [self.names.find("/release", value) for value in values[:1]] or self.names.all
        kinds = [_kind("/release", value, KINDS) for value in values[1:]] or KINDS
        freed = [(name, kind) for name in names for kind in kinds if (name, kind) in self.wish.constraints]
        held = {key: value for key, value in self.wish.constraints.items() if key not in freed}
        return replace(self.wish, constraints=held), [("release", *key) for key in freed] or [("release", "nothing")]


def _wrong_length(what: str, values: Sequence[object], expected: str) -> Refused:
    return Refused("length", f"{what} has {count(len(values), 'value')}, expected {expected}")


def _kind(route: str, value: object, kinds: Sequence[str]) -> str:
    word = read_word(f"{route}: the kind", value)
    kind = SYNONYMS.get(word, word)
    if kind not in kinds:
        said = ", ".join(each for each in kinds if each != "start")  # what came without a kind needs no name
        raise Refused("value", f"{route}: the kind is {quote(word)}, expected {said}")
    return kind


def _range(what: str, values: Sequence[object]) -> Constraint:
    if len(values) != 2:
        raise _wrong_length(what, values, "LOW HIGH, - for an open end")
    low, high = read_end(f"{what}: low", values[0], -math.inf), read_end(f"{what}: high", values[1], math.inf)
    if low > high:
        raise Refused("value", f"{what} {low:g} {high:g}: expected the lower number first")
    if math.isinf(low) and math.isinf(high):
        raise Refused("value", f"{what}: both ends are open, expected at least one; /release lifts a range")
    return Constraint.between(low, high)


def _values(what: str, values: Sequence[object]) -> Constraint:
    if len(values) > MOST:
        raise _wrong_length(what, values, f"at most {MOST}; a range has two")
    return Constraint.among([read_number(what, value) for value in values])


def _scale(what: str, values: Sequence[object]) -> Constraint:
    name = " ".join(" ".join(read_word(what, value) for value in values[:LONGEST]).split())
    if len(name) > LONGEST or len(values) > LONGEST:
        raise Refused("size", f"{what} {quote(name)}: expected a note and a scale, such as C minor")
    return Constraint.scale(name)
