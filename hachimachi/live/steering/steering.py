"""What a performer asks of sampling over the wire, while a model plays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from hachimachi.columns import Column
from hachimachi.errors import HachimachiError
from hachimachi.events import TIME
from hachimachi.live.refusals import Refused, quote
from hachimachi.live.steering.arguments import Names, read_end, read_number, read_word
from hachimachi.live.steering.wish import KINDS, NUMBERS, SYNONYMS, Wish, Words
from hachimachi.models.constraint import Constraint
from hachimachi.models.sampling import Sampling
from hachimachi.text import count

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
        self.wish = Wish.of(sampling)
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

    def _checked(self, wish: Wish) -> Sampling:
        sampling = wish.sampling(self.names.all)
        sampling.check(self.columns)
        return sampling

    def _number(self, what: str, values: tuple[object, ...]) -> tuple[Wish, list[Words]]:
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

    def _polyphony(self, values: tuple[object, ...]) -> tuple[Wish, list[Words]]:
        if len(values) != 1:
            raise _wrong_length("/polyphony", values, "the number of notes, 0 for any")
        number = read_number("/polyphony", values[0])
        if number < 0 or not number.is_integer():
            raise Refused("value", f"/polyphony is {number:g}, expected a whole number of notes, 0 for any")
        return replace(self.wish, polyphony=int(number) or None), [("polyphony", int(number))]

    def _constrain(self, values: tuple[object, ...]) -> tuple[Wish, list[Words]]:
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

    def _release(self, values: tuple[object, ...]) -> tuple[Wish, list[Words]]:
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
