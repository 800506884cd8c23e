"""What the arguments of augmentations may be: how each is read, checked and written.

An argument is a dataclass field made by one of the functions at the end. They know nothing of events.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import MISSING, field
from typing import Any

from hachimachi.augment.expression_error import near
from hachimachi.augment.grammar import Value
from hachimachi.augment.tokens import WORD, Token
from hachimachi.events import TIME

ALL = ":"
"""Stands for all features that are numbers. No feature's name holds a colon."""
_RESERVED = {"t": TIME, TIME: TIME, "all": ALL}
"""Words that name no feature; a feature of that name stands in quotes."""


class Argument(ABC):
    """What an argument may be.

    Args:
        expected: Its values, in the words of a message.
    """

    def __init__(self, expected: str) -> None:
        self.expected = expected

    @abstractmethod
    def read(self, value: Value) -> Any:
        """Return what is written, ``None`` where it is of another type."""

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Return whether a value may be taken."""

    @abstractmethod
    def show(self, value: Any) -> str:
        """Write a value so that :meth:`read` gives it back."""

    def hint(self, value: Value) -> str:
        """Return what may have been meant by a value that was not taken, as the end of a message."""
        del value
        return ""


class _Number(Argument):
    def __init__(self, expected: str, accepts: Callable[[float], bool]) -> None:
        super().__init__(expected)
        self.in_range = accepts

    def read(self, value: Value) -> float | None:
        return None if value.several else _number(value.scalars[0])

    def accepts(self, value: Any) -> bool:
        return _is_number(value) and self.in_range(value)

    def show(self, value: float) -> str:
        return _show(value)


class _Range(Argument):
    def read(self, value: Value) -> tuple[float, float] | None:
        numbers = tuple(_number(token) for token in value.scalars)
        return numbers if len(numbers) == 2 and None not in numbers else None  # pyright: ignore[reportReturnType]

    def accepts(self, value: Any) -> bool:
        return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]

    def show(self, value: tuple[float, float]) -> str:
        return f"({_show(value[0])}, {_show(value[1])})"


class _Word(Argument):
    def __init__(self, words: dict[str, Any]) -> None:
        super().__init__(" or ".join((", ".join([*words][:-1]), [*words][-1])))
        self.words = words

    def read(self, value: Value) -> Any:
        return None if value.several else self.words.get(value.scalars[0].text)

    def accepts(self, value: Any) -> bool:
        return any(type(value) is type(known) and value == known for known in self.words.values())

    def show(self, value: Any) -> str:
        return next(word for word, known in self.words.items() if known == value)

    def hint(self, value: Value) -> str:
        return near(value.source, self.words)


class _Operand(_Word):
    """A number, or a word."""

    def __init__(self, words: dict[str, Any]) -> None:
        super().__init__(words)
        self.expected = f"a number, {self.expected}"

    def read(self, value: Value) -> Any:
        number = None if value.several else _number(value.scalars[0])
        return super().read(value) if number is None else number

    def accepts(self, value: Any) -> bool:
        return _is_number(value) or super().accepts(value)

    def show(self, value: Any) -> str:
        return super().show(value) if isinstance(value, str) else _show(value)


class _Dims(Argument):
    """Features by name or number: ``pitch``, ``(t, duration)``, ``"left hand"``, ``2``, ``all``."""

    def read(self, value: Value) -> tuple[str | int, ...] | None:
        dims = tuple(_dim(token) for token in value.scalars)
        return None if None in dims else dims  # pyright: ignore[reportReturnType]

    def accepts(self, value: Any) -> bool:
        each = isinstance(value, tuple) and all(
            isinstance(dim, str) or (type(dim) is int and dim >= 0) for dim in value
        )
        return each and len(value) > 0

    def show(self, value: tuple[str | int, ...]) -> str:
        dims = [show_dim(dim) for dim in value]
        return dims[0] if len(dims) == 1 else f"({', '.join(dims)})"


def show_dim(dim: str | int) -> str:
    """Write a feature as it stands in an expression."""
    for word, name in _RESERVED.items():
        if dim == name:
            return word
    bare = isinstance(dim, int) or (re.fullmatch(WORD, dim) and dim not in _RESERVED)
    return str(dim) if bare else f'"{dim}"'


def _dim(token: Token) -> str | int | None:
    if token.kind == "number":
        return int(token.text) if token.text.isdecimal() else None
    return token.text[1:-1] if token.kind == "text" else _RESERVED.get(token.text, token.text)


def _number(token: Token) -> float | None:
    return float(token.text) if token.kind == "number" else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _show(value: float) -> str:
    whole = float(value).is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else repr(float(value))


def _field(argument: Argument, default: Any) -> Any:
    return field(default=default, metadata={"argument": argument})


def number(
    expected: str = "a number", default: Any = MISSING, accepts: Callable[[float], bool] = lambda _: True
) -> Any:
    """Declare a finite number; ``expected`` says in a message which numbers are accepted."""
    return _field(_Number(expected, accepts), default)


def limits(default: Any = MISSING) -> Any:
    """Declare two numbers, ``(low, high)``."""
    return _field(_Range("(low, high), such as (-6, 6)"), default)


def one_of(*words: str, default: Any = MISSING) -> Any:
    """Declare one of several words."""
    return _field(_Word({word: word for word in words}), default)


def flag(default: bool = False) -> Any:
    """Declare ``true`` or ``false``."""
    return _field(_Word({"true": True, "false": False}), default)


def number_or(*words: str, default: Any = MISSING) -> Any:
    """Declare a number or one of several words."""
    return _field(_Operand({word: word for word in words}), default)


def features(default: Any = MISSING) -> Any:
    """Declare features by name or number."""
    return _field(_Dims("features by name or number, such as pitch, (t, duration), 2 or all"), default)
