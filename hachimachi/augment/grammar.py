"""The grammar of expressions, read by recursive descent.

chain = call { ";" call } [ ";" ]
call = word [ "(" [ argument { "," argument } [ "," ] ] ")" ]
argument = word "=" value
value = scalar | "(" scalar { "," scalar } [ "," ] ")"
scalar = number | word | text in quotes
"""

from __future__ import annotations

from dataclasses import dataclass

from hachimachi.augment.expression_error import ExpressionError
from hachimachi.augment.tokens import Token, tokenize


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
