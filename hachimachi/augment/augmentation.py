"""What an augmentation is."""

from __future__ import annotations

import importlib
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from hachimachi import plugins
from hachimachi.augment.expression import WORD, Token, Value, near
from hachimachi.errors import HachimachiError
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


Values = NDArray[np.float64]


class ArgumentError(HachimachiError):
    """An argument that an augmentation does not take, by its key."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, kw_only=True)
class Augmentation(ABC):
    """One operation on events. ``str()`` writes it as the expression that reads back to it.

    One of your own is a frozen dataclass under ``@register("name")`` whose fields are made by the functions of
    :mod:`hachimachi.augment.augmentation`, and which has :meth:`change`. All else is done around it: which features are
    meant and which windows, padding, drums, rounding, ranges.

    Args:
        dims: Features by number or name, ``time`` for the inter-event time; ``None``, where a class allows it, for
            whole events, whose values may change places and nothing else.
        p: Probability with which a sequence, or a window of one, is changed.

    Raises:
        ArgumentError: A value that an argument cannot have.

    >>> from dataclasses import dataclass
    >>> from hachimachi.augment import Augmentation, augment, register
    >>> from hachimachi.augment.augmentation import number
    >>> from hachimachi.events import make_sequence
    >>> @register("doctest_fold")
    ... @dataclass(frozen=True, kw_only=True)
    ... class Fold(Augmentation):
    ...     top: float = number("a number above 0", accepts=lambda top: top > 0)
    ...     def change(self, values, random):
    ...         return values % self.top
    >>> events = make_sequence([[0.4], [1.6]], names=["x"])
    >>> augment([events], "doctest_fold(top=1.5, dims=x)").sequences[0].data.round(6).tolist()
    [[0.4], [0.1]]
    """

    name: ClassVar[str] = ""
    """Its name in expressions, given by :func:`~hachimachi.augment.augmentation.register`."""
    along: ClassVar[bool] = False
    """Whether values go from one event to another. Then the time before a window's first event, which belongs to none
    of its steps, stays."""

    dims: tuple[str | int, ...] | None = features()
    p: float = number("a number from 0 to 1", 1.0, lambda value: 0 <= value <= 1)

    def __post_init__(self) -> None:
        for key, argument, default_field in self.arguments():
            value = getattr(self, key)
            if value != default_field.default and not argument.accepts(value):
                raise ArgumentError(key, f"{key} is {value!r}, expected {argument.expected}")
        self.check()

    def check(self) -> None:  # noqa: B027  (most have nothing to add)
        """Refuse arguments that contradict each other, by :class:`ArgumentError`."""

    @abstractmethod
    def change(self, values: Values, random: np.random.Generator) -> Values:
        """Return the values that are to stand in their place.

        Args:
            values: The features asked for, shape (B, T, K): windows, events, features. NaN is what is not there or
                must stay: padding, the time before a sequence's first event, pitches of drums. The array may be
                written over.
            random: Where to draw from.

        Returns:
            Of the same shape. What stands where there was NaN is not used; what is not finite leaves a value as it was.
        """

    @classmethod
    def arguments(cls) -> list[tuple[str, Argument, Field[Any]]]:
        """Return each argument: its name, what it may be, and the field with its default; ``p`` is the last."""
        found = [
            (field.name, field.metadata["argument"], field) for field in fields(cls) if "argument" in field.metadata
        ]
        return sorted(found, key=lambda argument: argument[0] == "p")

    @classmethod
    def signature(cls) -> str:
        """Return its name and arguments with their defaults, as help shows them."""
        told = []
        for key, argument, default_field in cls.arguments():
            given = default_field.default is not MISSING and default_field.default is not None
            told.append(f"{key}={argument.show(default_field.default)}" if given else key)
        return f"{cls.name}({', '.join(told)})"

    def __str__(self) -> str:
        told = [
            f"{key}={argument.show(getattr(self, key))}"
            for key, argument, default_field in self.arguments()
            if getattr(self, key) != default_field.default
        ]
        return f"{self.name}({', '.join(told)})"


Part = TypeVar("Part", bound="type[Augmentation]")
_KNOWN: dict[str, type[Augmentation]] = {}


def register(name: str) -> Callable[[Part], Part]:
    """Give a class its name among the augmentations.

    Raises:
        HachimachiError: A name that no expression can hold, or that another class has.
    """
    if not re.fullmatch(WORD, name):
        raise HachimachiError(f"augmentation {name!r}: expected a name of letters, digits and _, a letter first")

    def keep(part: Part) -> Part:
        there = _KNOWN.get(name, part)
        if (there.__module__, there.__qualname__) != (part.__module__, part.__qualname__):
            where = f"{there.__module__}.{there.__qualname__}"
            raise HachimachiError(f"augmentation {name!r}: {where} has this name; choose another")
        if plugins.home(part) is not None:
            plugins.note("augmentation", name, part)
        part.name = name
        _KNOWN[name] = part
        return part

    return keep


def known() -> dict[str, type[Augmentation]]:
    """Return all augmentations by name, sorted."""
    importlib.import_module("hachimachi.augment.ops")  # its classes register themselves
    return dict(sorted(_KNOWN.items()))
