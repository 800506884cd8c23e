"""An expression in pieces, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hachimachi.augment.expression_error import ExpressionError

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
