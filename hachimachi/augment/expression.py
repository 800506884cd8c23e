"""Expressions such as ``addrand(range=(-6, 6), dims=pitch); rev(p=0.5)``: calls with keyword arguments, as in Python,
with ``;`` between them. A value is a number, a name, a string, or several of these in parentheses; nothing is
evaluated."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from rich.cells import cell_len

from hachimachi.errors import HachimachiError

WIDTH = 72  # columns of an expression shown around a mistake
LONGEST = 20_000  # most characters of an expression
_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[^\W\d]\w*)|(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign>[();,=])|(?P<odd>[^\s();,=]+)|(?P<end>$))"""
)
_VALUE = "a value: a number, a name, or several in parentheses"
_ARGUMENT = "an argument, name=value"


class ExpressionError(HachimachiError):
    """An invalid expression: its message has three lines, the last a caret under the mistake, ``at`` an offset."""

    def __init__(self, message: str, text: str, at: int) -> None:
        first = text.rfind("\n", 0, at) + 1
        line, column = text[first:].partition("\n")[0], at - first
        if len(line) > WIDTH:
            begin = min(max(column - WIDTH // 2, 0), len(line) - WIDTH)
            line, column = line[begin : begin + WIDTH], column - begin
        line = line.replace("\t", " ")
        super().__init__(f"{message}\n  {line}\n  {' ' * cell_len(line[:column])}^")


def near(name: str, known: Iterable[str]) -> str:
    """Return a suggestion of the nearest known name for the end of a message, or nothing."""
    known = list(known)
    found = get_close_matches(name, known, n=1) or [other for other in known if other.lower() == name.lower()]
    return f"; did you mean {found[0]}?" if found else ""


def is_word(name: str) -> bool:
    """Return whether a name can stand in an expression without quotes."""
    return re.fullmatch(r"[^\W\d]\w*", name) is not None


class Word(str):
    """A name without quotes."""

    __slots__ = ()


Scalar = float | int | str


@dataclass(frozen=True)
class Value:
    """The value of an argument."""

    value: Scalar | tuple[Scalar, ...]  # a number, a :class:`Word`, a string, or a tuple of these
    source: str  # as written
    at: int  # offset of the value
    key_at: int  # offset of the argument's name


@dataclass(frozen=True)
class Call:
    """An operation, its offset, and its arguments by name."""

    name: str
    at: int
    arguments: dict[str, Value]


def read_calls(text: str) -> list[Call]:
    """Return the operations of an expression, in order; ExpressionError where its syntax is invalid."""
    if len(text) > LONGEST:
        raise ExpressionError(f"{len(text):,} characters, expected at most {LONGEST:,}", text, LONGEST)
    reader, calls = _Reader(text), []
    while not calls or reader.kind != "end":
        calls.append(reader.call())
        if not reader.take(";") and reader.kind != "end":
            raise reader.wrong("; and another operation, or the end")
    return calls


class _Reader:
    """Reads from left to right: ``token`` of a ``kind`` is next, from offset ``at``; the last one ended at ``stop``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line = re.sub(r"[\t-\r]", " ", text).rstrip()  # one line, where any line break is a space
        self.token, self.end = "", 0
        self.next()

    def next(self) -> str:
        """Go on to the next token and return this one."""
        before, self.stop = self.token, self.end
        found = _TOKEN.match(self.line, self.end)
        assert found is not None
        assert found.lastgroup is not None
        self.kind, (self.at, self.end) = found.lastgroup, found.span(found.lastgroup)
        self.token = found[found.lastgroup]
        return before

    def take(self, sign: str) -> bool:
        """Go on if this sign is next."""
        there = self.kind == "sign" and self.token == sign
        if there:
            self.next()
        return there

    def call(self) -> Call:
        at, arguments = self.at, {}
        if self.kind != "name":
            raise self.wrong("the name of an operation")
        name = self.next()
        closed = not self.take("(") or self.take(")")
        while not closed:
            key_at, named = self.at, self.kind == "name"
            key = self.next() if named else ""
            if not named or not self.take("="):
                raise self.wrong(_ARGUMENT, key_at)
            if key in arguments:
                raise ExpressionError(f"{key} is given twice", self.text, key_at)
            value_at = self.at
            value = self.value()
            arguments[key] = Value(value, self.line[value_at : self.stop], value_at, key_at)
            comma = self.take(",")
            closed = self.take(")")
            if not comma and not closed:
                raise self.wrong("a comma or )")
        return Call(name, at, arguments)

    def value(self) -> Scalar | tuple[Scalar, ...]:
        if not self.take("("):
            return self.scalar()
        values, comma = [self.scalar()], self.take(",")
        while not self.take(")"):
            if not comma:
                raise self.wrong("a comma or )")
            values.append(self.scalar())
            comma = self.take(",")
        return tuple(values) if comma or len(values) > 1 else values[0]

    def scalar(self) -> Scalar:
        if self.kind == "name":
            return Word(self.next())
        if self.kind == "number":
            token = self.next()
            number = float(token)
            return int(token) if abs(number) < 2**53 and token.lstrip("+-").isdecimal() else number
        if self.kind == "text":
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")  # an unknown escape is an error
                    value = ast.literal_eval(self.token)
            except (SyntaxError, ValueError):
                raise self.wrong("text in quotes, where a backslash is written twice") from None
            self.next()
            return value
        if self.token[:1] in ("'", '"'):
            raise ExpressionError(f"this quote, {self.token[0]}, is never closed", self.text, self.at)
        other = "a name or a number; names with other signs stand in quotes"
        raise self.wrong(other if self.kind == "odd" else _VALUE)

    def wrong(self, expected: str, at: int | None = None) -> ExpressionError:
        """Return the error of an unexpected piece at an offset, by default of what is next."""
        at = self.at if at is None else at
        piece = re.compile(r"[^\s();,=]+|.|$").match(self.line, at)
        found = piece[0] if piece else ""
        found = repr(found if len(found) <= WIDTH else f"{found[:WIDTH]}…") if found else "the end"
        return ExpressionError(f"found {found}, expected {expected}", self.text, at)
