"""How a model is to sample, as messages ask while it plays; kept by column and kind, so that each can be released."""

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
from hachimachi.live.history import LARGEST, check_number
from hachimachi.live.protocols import Refused, quote
from hachimachi.sampling import Sampling, number_for

Line = tuple[str | float, ...]  # one line of what is answered or described, as it is sent after ``/status``
NUMBERS = {"temperature": 1.0, "top_p": 1.0, "min_p": 0.0}  # what takes a number, and the one that changes nothing
# of constraints: a column may have one of each, which hold together; start: given at the start, none of the others
KINDS = ("range", "scale", "values", "start")
SYNONYMS = {"only": "values", "given": "values"}
ROUTES = (*(f"/{name}" for name in NUMBERS), "/polyphony", "/constrain", "/release")
MOST_VALUES = 512  # that a column may be held to
LONGEST_NAME = 40  # letters in the name of a scale
MOST_NAMES = 16  # columns listed in a message


@dataclass(frozen=True)
class SamplingRequest:
    """How to sample. It is never written to: each request gives a new one. ``numbers``: By what they are and the
    column's name, which is empty for all columns. ``polyphony``: Most notes at once; ``None`` for any number."""

    numbers: Mapping[tuple[str, str], float] = field(default_factory=dict)
    constraints: Mapping[tuple[str, str], Constraint] = field(default_factory=dict)
    polyphony: int | None = None

    @staticmethod
    def of(sampling: Sampling) -> SamplingRequest:
        """Return the request that a sampling fulfils."""
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
        return SamplingRequest(_without_defaults(numbers), constraints, sampling.polyphony)

    def sampling(self, names: Sequence[str]) -> Sampling:
        """Return the sampling that fulfils it, given all columns' names. `HachimachiError`: a number out of range."""
        numbers: dict[str, float | dict[str, float]] = {}
        for what, default in NUMBERS.items():
            overall = self.numbers.get((what, ""), default)
            by_name = {name: self.numbers.get((what, name), number_for(name, overall, default)) for name in names}
            numbers[what] = by_name if any(key[0] == what and key[1] for key in self.numbers) else overall
        constraints: dict[str, Constraint] = {}
        for (name, _), constraint in self.constraints.items():
            constraints[name] = constraints[name] & constraint if name in constraints else constraint
        return Sampling(**numbers, constraints=constraints, polyphony=self.polyphony)

    def with_numbers(self, what: str, by_name: Mapping[str, float]) -> SamplingRequest:
        """Return the same with numbers for single columns; one for all, whose name is empty, replaces those before."""
        numbers = {key: value for key, value in self.numbers.items() if key[0] != what or "" not in by_name}
        numbers |= {(what, name): number for name, number in by_name.items()}
        return replace(self, numbers=_without_defaults(numbers))

    def lines(self, names: Sequence[str]) -> list[Line]:
        """Return what differs from what was learned: overall, then by column, in the order of the columns."""
        keys = [(what, name) for what in NUMBERS for name in ("", *names) if (what, name) in self.numbers]
        lines: list[Line] = [(what, *([name] if name else []), self.numbers[what, name]) for what, name in keys]
        held = [(name, kind) for name in names for kind in KINDS if (name, kind) in self.constraints]
        lines += [self.constraint_line(name, kind) for name, kind in held]
        return lines if self.polyphony is None else [*lines, ("polyphony", self.polyphony)]

    def constraint_line(self, name: str, kind: str) -> Line:
        """Return the constraint of a kind on a column as a line."""
        words = (word for clause in self.constraints[name, kind].clauses for word in clause.words)
        return "constrain", name, kind, *words


def _without_defaults(numbers: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Leave out every number that holds without it too."""
    overall = {key: number for key, number in numbers.items() if not key[1] and number != NUMBERS[key[0]]}

    def without(what: str, name: str) -> float:
        return number_for(name, overall.get((what, ""), NUMBERS[what]), NUMBERS[what])

    return {**overall, **{key: n for key, n in numbers.items() if key[1] and n != without(*key)}}


class Steering:
    """Reads messages about sampling, and says how to sample from then on; what cannot be obeyed changes nothing. Where
    polyphony needs a wait that is not allowed it gives way. `HachimachiError`: the columns cannot be sampled so."""

    def __init__(self, columns: Sequence[Column], sampling: Sampling) -> None:
        self._use(columns, SamplingRequest.of(sampling))
        self._routes = {f"/{what}": partial(self._number, what) for what in NUMBERS}
        self._routes |= {"/polyphony": self._polyphony, "/constrain": self._constrain, "/release": self._release}

    def obey(self, route: str, values: Sequence[object]) -> tuple[Sampling, list[Line]]:
        """Do what a message with a route of `ROUTES` and values (numbers, texts, nil) asks; return the sampling and
        what to answer. Raises `Refused`: it cannot be done; then all is as it was."""
        if route not in self._routes:
            raise Refused("route", f"{quote(route)} is unknown, expected one of {', '.join(ROUTES)}")
        try:
            request, lines = self._routes[route](tuple(values))
            self._use(self.columns, request)
        except Refused:
            raise
        except HachimachiError as error:
            raise Refused("value", f"{route}: {error}") from error
        return self.sampling, lines

    def adapt(self, columns: Sequence[Column]) -> Sampling:
        """Request the same of another model, and return its sampling; raises, and changes nothing, where it cannot."""
        self._use(columns, self.request)
        return self.sampling

    def _use(self, columns: Sequence[Column], request: SamplingRequest) -> None:
        names = tuple(column.name for column in columns)
        sampling = request.sampling(names)
        sampling.check(columns)
        self.columns, self.names = tuple(columns), names
        self.request, self.sampling = request, sampling
        self.lines = request.lines(names)  # all that differs from what was learned: overall, then by column, in order

    def _number(self, what: str, values: tuple[object, ...]) -> tuple[SamplingRequest, list[Line]]:
        route = f"/{what}"
        if len(values) == 1 and values[0] in self.names:
            raise Refused("length", f"{route} {values[0]}: expected a number after the name")
        if len(values) == 1:
            number = read_number(route, values[0])
            return self.request.with_numbers(what, {"": number}), [(what, number)]
        if not values or len(values) % 2:
            raise _wrong_length(route, values, "X for all or NAME X, NAME X …")
        names = [self._find(route, value) for value in values[::2]]
        by_name = {n: read_number(f"{route}: {n}", value) for n, value in zip(names, values[1::2], strict=True)}
        return self.request.with_numbers(what, by_name), [(what, name, number) for name, number in by_name.items()]

    def _polyphony(self, values: tuple[object, ...]) -> tuple[SamplingRequest, list[Line]]:
        if len(values) != 1:
            raise _wrong_length("/polyphony", values, "the number of notes, 0 for any")
        number = read_number("/polyphony", values[0])
        if number < 0 or not number.is_integer():
            raise Refused("value", f"/polyphony is {number:g}, expected a whole number of notes, 0 for any")
        return replace(self.request, polyphony=int(number) or None), [("polyphony", int(number))]

    def _constrain(self, values: tuple[object, ...]) -> tuple[SamplingRequest, list[Line]]:
        if len(values) < 3:
            raise _wrong_length("/constrain", values, "NAME range LOW HIGH, NAME values V … or NAME scale WORDS …")
        name = self._find("/constrain", values[0])
        kind = _read_kind("/constrain", values[1], KINDS[:3])
        what, values = f"/constrain {name} {kind}", values[2:]
        if kind == "range":
            constraint = _read_range(what, values)
        elif kind == "values":
            if len(values) > MOST_VALUES:
                raise _wrong_length(what, values, f"at most {MOST_VALUES}; a range has two")
            constraint = Constraint.among([read_number(what, value) for value in values])
        else:
            scale = " ".join(" ".join(_read_word(what, value) for value in values[:LONGEST_NAME]).split())
            if len(scale) > LONGEST_NAME or len(values) > LONGEST_NAME:
                raise Refused("size", f"{what} {quote(scale)}: expected a note and a scale, such as C minor")
            constraint = Constraint.scale(scale)
        if name == TIME and constraint.intervals[-1][1] <= 0:
            raise Refused("value", f"/constrain {name} {kind}: events would never pause; expected some time above 0")
        request = replace(self.request, constraints={**self.request.constraints, (name, kind): constraint})
        return request, [request.constraint_line(name, kind)]

    def _release(self, values: tuple[object, ...]) -> tuple[SamplingRequest, list[Line]]:
        if len(values) > 2:
            raise _wrong_length("/release", values, "nothing, NAME or NAME KIND")
        names = [self._find("/release", value) for value in values[:1]] or self.names
        kinds = [_read_kind("/release", value, KINDS) for value in values[1:]] or KINDS
        freed = [(name, kind) for name in names for kind in kinds if (name, kind) in self.request.constraints]
        held = {key: value for key, value in self.request.constraints.items() if key not in freed}
        return replace(self.request, constraints=held), [("release", *key) for key in freed] or [("release", "nothing")]

    def _find(self, what: str, value: object) -> str:
        """Return the name of a column that is given by its name, or a feature by its number from 0."""
        if isinstance(value, str) and value in self.names:
            return value
        features = [name for name in self.names if name != TIME]
        number = _as_number(value)
        if number is not None and number in range(len(features)):
            return features[int(number)]
        more = ", …" if len(self.names) > MOST_NAMES else ""
        numbers = f"; features also by number, 0 to {len(features) - 1}" if features else ""
        there = f"there are {', '.join(self.names[:MOST_NAMES])}{more}{numbers}"
        raise Refused("name", f"{what}: no feature is called {quote(value)}; {there}")


def read_number(what: str, value: object, largest: float = LARGEST) -> float:
    """Return a number sent as one or as text; ``what`` begins the message of an error. Single precision is read as the
    shortest decimal it stands for: 0.8, not 0.800000011920929. Raises `Refused`: no finite number of sensible size."""
    number = _as_number(value)
    if number is None:
        raise Refused("type", f"{what} is {quote(value)}, expected a number")
    single = np.float32(check_number(what, number, largest))
    return float(str(single)) if float(single) == number and not number.is_integer() else number


def _as_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
    except OverflowError:
        return math.inf


def _wrong_length(what: str, values: Sequence[object], expected: str) -> Refused:
    return Refused("length", f"{what} has {count(len(values), 'value')}, expected {expected}")


def _read_word(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise Refused("type", f"{what} is {quote(value)}, expected a word")
    return value


def _read_kind(route: str, value: object, kinds: Sequence[str]) -> str:
    word = _read_word(f"{route}: the kind", value)
    kind = SYNONYMS.get(word, word)
    if kind not in kinds:
        expected = ", ".join(each for each in kinds if each != "start")  # what came without a kind needs no name
        raise Refused("value", f"{route}: the kind is {quote(word)}, expected {expected}")
    return kind


def _read_range(what: str, values: Sequence[object]) -> Constraint:
    if len(values) != 2:
        raise _wrong_length(what, values, "LOW HIGH, - for an open end")
    ends: list[float] = []
    for end, value, open_end in zip(("low", "high"), values, (-math.inf, math.inf), strict=True):
        is_open = value is None or value == "-" or _as_number(value) == open_end
        ends.append(open_end if is_open else read_number(f"{what}: {end}", value))
    low, high = ends
    if low > high:
        raise Refused("value", f"{what} {low:g} {high:g}: expected the lower number first")
    if math.isinf(low) and math.isinf(high):
        raise Refused("value", f"{what}: both ends are open, expected at least one; /release lifts a range")
    return Constraint.between(low, high)
