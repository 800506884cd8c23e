"""The grammar of expressions, read by recursive descent.

chain = call { ";" call } [ ";" ]
call = word [ "(" [ argument { "," argument } [ "," ] ] ")" ]
argument = word "=" value
value = scalar | "(" scalar { "," scalar } [ "," ] ")"
scalar = number | word | text in quotes
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from rich.cells import cell_len

from hachimachi.errors import HachimachiError

WIDTH = 72
"""Columns of an expression that are shown around a mistake: with the margin they fit on any terminal."""


class ExpressionError(HachimachiError):
    """An expression that cannot be read: its message has three lines, the last a caret under the place.

    Args:
        message: What was found there, and what was expected.
        text: The whole expression.
        at: Where in it.
    """

    def __init__(self, message: str, text: str, at: int) -> None:
        first = text.rfind("\n", 0, at) + 1
        line, place = text[first:].partition("\n")[0], at - first
        if len(line) > WIDTH:
            begin = min(max(place - WIDTH // 2, 0), len(line) - WIDTH)
            line, place = line[begin : begin + WIDTH], place - begin
        line = line.replace("\t", " ")
        super().__init__(f"{message}\n  {line}\n  {' ' * cell_len(line[:place])}^")


def near(name: str, known: Iterable[str]) -> str:
    """Return the nearest right name as the end of a message, or nothing."""
    known = list(known)
    found = get_close_matches(name, known, n=1) or [other for other in known if other.lower() == name.lower()]
    return f"; did you mean {found[0]}?" if found else ""


Kind = Literal["number", "word", "text", "mark", "end"]
WORD = r"[^\W\d]\w*"
_TOKEN = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])"
    rf"|(?P<word>{WORD})"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<mark>[();,=])"
)
_SPACE = re.compile(r"\s*")
_PIECE = re.compile(r"[^\s();,=]+")


@dataclass(frozen=True)
class Token:
    """A piece of an expression.

    Args:
        kind: ``number``, ``word``, ``text`` (in quotes), ``mark`` (one of ``( ) ; , =``) or ``end``.
        text: As it is written.
        at: Where it begins.
    """

    kind: Kind
    text: str
    at: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.at + len(self.text)

    @property
    def found(self) -> str:
        """The piece as a message names it."""
        return repr(self.text) if self.kind != "end" else "the end"


def tokenize(text: str) -> list[Token]:
    """Return the pieces of an expression, the end as the last.

    Raises:
        ExpressionError: A character that begins none.
    """
    tokens: list[Token] = []
    place = _skip(text, 0)
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _unreadable(text, place)
        kind: Kind = found.lastgroup  # pyright: ignore[reportAssignmentType]  (each alternative is a named group)
        tokens.append(Token(kind, found[0], place))
        place = _skip(text, found.end())
    return [*tokens, Token("end", "", len(text.rstrip()))]


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    assert found is not None  # it may match nothing
    return found.end()


def _unreadable(text: str, place: int) -> ExpressionError:
    if text[place] in "\"'":
        return ExpressionError(f"this quote, {text[place]}, is never closed", text, place)
    piece = _PIECE.match(text, place)
    found = piece[0] if piece else text[place]
    return ExpressionError(
        f"found {found!r}, expected a name or a number; names with other signs stand in quotes", text, place
    )


@dataclass(frozen=True)
class Value:
    """What stands behind an ``=``: one scalar, or several in parentheses.

    Args:
        scalars: The pieces.
        several: Whether they stand in parentheses.
        source: As it is written.
        at: Where it begins.
    """

    scalars: tuple[Token, ...]
    several: bool
    source: str
    at: int


@dataclass(frozen=True)
class Call:
    """An operation and its arguments, by name; ``keys`` has each argument's name with its place."""

    name: Token
    keys: dict[str, Token]
    values: dict[str, Value]


def read_calls(text: str) -> list[Call]:
    """Return the operations of an expression, in order.

    Raises:
        ExpressionError: What follows no grammar, and what was expected.
    """
    return _Reader(text).chain()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.place = text, tokenize(text), 0

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    def take(self, kind: str, expected: str) -> Token:
        token = self.next
        if token.kind != kind:
            raise self.wrong(expected)
        self.place += 1
        return token

    def has(self, mark: str) -> bool:
        """Go past a mark, if it is the next."""
        if self.next.kind != "mark" or self.next.text != mark:
            return False
        self.place += 1
        return True

    def wrong(self, expected: str) -> ExpressionError:
        return ExpressionError(f"found {self.next.found}, expected {expected}", self.text, self.next.at)

    def chain(self) -> list[Call]:
        calls = [self.call()]
        while self.next.kind != "end":
            if not self.has(";"):
                raise self.wrong("; and another operation, or the end")
            if self.next.kind != "end":
                calls.append(self.call())
        return calls

    def call(self) -> Call:
        call = Call(self.take("word", "the name of an operation"), {}, {})
        if not self.has("("):
            return call
        while not self.has(")"):
            if call.keys and not self.has(","):
                raise self.wrong("a comma or )")
            if self.has(")"):
                break
            self.argument(call)
        return call

    def argument(self, call: Call) -> None:
        key = self.take("word", "an argument, name=value")
        if not self.has("="):
            self.place -= 1
            raise self.wrong("an argument, name=value")
        if key.text in call.keys:
            raise ExpressionError(f"{key.text} is given twice", self.text, key.at)
        call.keys[key.text], call.values[key.text] = key, self.value()

    def value(self) -> Value:
        at = self.next.at
        scalars, several = [], self.has("(")
        scalars.append(self.scalar())
        while several and not self.has(")"):
            if not self.has(","):
                raise self.wrong("a comma or )")
            if self.has(")"):
                break
            scalars.append(self.scalar())
        return Value(tuple(scalars), several, self.text[at : self.tokens[self.place - 1].end], at)

    def scalar(self) -> Token:
        if self.next.kind in ("end", "mark"):
            raise self.wrong("a value: a number, a name, or several in parentheses")
        return self.take(self.next.kind, "a value")
