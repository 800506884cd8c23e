"""Augmentations: their base class, the arguments they take, and the registry of their names."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from hachimachi import plugins
from hachimachi.augment.expression import Word, is_word
from hachimachi.errors import HachimachiError
from hachimachi.events import TIME

ALL = ":"  # all numeric features; no feature's name holds a colon
_RESERVED = {"t": TIME, TIME: TIME, "all": ALL}  # words that name no feature; one of that name stands in quotes


@dataclass(frozen=True)
class Argument:
    """The type of an argument."""

    expected: str  # its values, for messages
    accepts: Callable[[Any], bool]  # returns whether a value is valid
    show: Callable[[Any], str]  # writes a value as in an expression
    # returns the value of a parsed one; see :class:`~hachimachi.augment.expression.Value`
    read: Callable[[Any], Any] = lambda written: written
    words: Mapping[str, Any] = field(default_factory=dict)  # the words it may be, each with its value

    def field(self, default: Any) -> Any:
        """Return the field of a dataclass that holds it."""
        return field(default=default, metadata={"argument": self})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _show_number(value: float) -> str:
    whole = float(value).is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else repr(float(value))


def number(
    expected: str = "a number", default: Any = MISSING, accepts: Callable[[float], bool] = lambda _: True
) -> Any:
    """Declare a finite number; ``expected`` describes in messages which numbers are accepted."""
    return Argument(expected, lambda value: _is_number(value) and accepts(value), _show_number).field(default)


def limits(default: Any = MISSING) -> Any:
    """Declare two numbers, ``(low, high)``."""

    def accepts(value: Any) -> bool:
        return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]

    def show(value: tuple[float, float]) -> str:
        return f"({', '.join(map(_show_number, value))})"

    return Argument("(low, high), such as (-6, 6)", accepts, show).field(default)


def _declare_words(words: Mapping[str, Any], default: Any, or_number: bool = False) -> Any:
    *most, last = words
    expected = f"{'a number, ' * or_number}{', '.join(most)} or {last}"

    def accepts(value: Any) -> bool:
        a_word = any(type(value) is type(known) and value == known for known in words.values())
        return a_word or (or_number and _is_number(value))

    def show(value: Any) -> str:
        return next((word for word, known in words.items() if known == value), None) or _show_number(value)

    def read(written: Any) -> Any:
        return words.get(written) if isinstance(written, Word) else written

    return Argument(expected, accepts, show, read, words).field(default)


def one_of(*words: str, default: Any = MISSING, or_number: bool = False) -> Any:
    """Declare one of several words, or a number."""
    return _declare_words({word: word for word in words}, default, or_number)


def flag(default: bool = False) -> Any:
    """Declare ``true`` or ``false``."""
    return _declare_words({"true": True, "false": False}, default)


def features(default: Any = MISSING) -> Any:
    """Declare features by name or number: ``pitch``, ``(t, duration)``, ``"left hand"``, ``2``, ``all``."""

    def accepts(value: Any) -> bool:
        dims = value if isinstance(value, tuple) else ()
        return len(dims) > 0 and all(isinstance(dim, str) or (type(dim) is int and dim >= 0) for dim in dims)

    def show(value: tuple[str | int, ...]) -> str:
        dims = [show_dim(dim) for dim in value]
        return dims[0] if len(dims) == 1 else f"({', '.join(dims)})"

    def read(written: Any) -> tuple[Any, ...]:
        dims = written if isinstance(written, tuple) else (written,)
        return tuple(_RESERVED.get(dim, str(dim)) if isinstance(dim, Word) else dim for dim in dims)

    expected = "features by name or number, such as pitch, (t, duration), 2 or all"
    return Argument(expected, accepts, show, read).field(default)


def show_dim(dim: str | int) -> str:
    """Write a feature as in an expression."""
    for word, name in _RESERVED.items():
        if dim == name:
            return word
    if isinstance(dim, int) or (is_word(dim) and dim not in _RESERVED):
        return str(dim)
    return repr(dim) if '"' in dim else f'"{repr(chr(39) + dim)[2:]}'  # in double quotes if it has none


Values = NDArray[np.float64]


class ArgumentError(HachimachiError):
    """An invalid argument of an augmentation, by its key."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One operation on events. ``str()`` returns an expression that parses to it.

    A custom one is a frozen dataclass under ``@register("name")`` whose fields are made by the functions of
    :mod:`hachimachi.augment.augmentation`, and which has :meth:`change` (as in docs/how-to/augment.md), or in its
    place :meth:`change_events` where it has to know the columns. Selection of features and windows, padding, drums,
    rounding and ranges are handled by :class:`~hachimachi.augment.apply.Bound`.
    """

    name: ClassVar[str] = ""  # its name in expressions, given by :func:`~hachimachi.augment.augmentation.register`
    along: ClassVar[bool] = False
    """Whether values move between events; then the inter-event time of a window's first event is not changed."""

    # features by number or name, ``time`` for the inter-event time; ``None``, if a class allows it, for whole
    # events, which may only be reordered
    dims: tuple[str | int, ...] | None = features()
    # probability with which a sequence, or a window of one, is changed
    p: float = number("a number from 0 to 1", 1.0, lambda value: 0 <= value <= 1)

    def __post_init__(self) -> None:
        for key, argument, each in self.arguments():
            value = getattr(self, key)
            if value != each.default and not argument.accepts(value):
                raise ArgumentError(key, f"{key} is {value!r}, expected {argument.expected}")
        self.check()

    def check(self) -> None:
        """Refuse contradictory arguments by :class:`ArgumentError`."""

    def change(self, values: Values, random: np.random.Generator) -> Values:
        """Return the augmented values, of the same shape; what is not finite leaves a value unchanged.

        Args:
            values: The features in ``dims``, shape (B, T, K): windows, events, features. NaN marks padding, the first
                inter-event time and pitches of drums. The array may be modified.
            random: For random numbers.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither change nor change_events")

    def change_events(self, rows: Values, names: Sequence[str], random: np.random.Generator) -> Values:  # noqa: ARG002
        """Return the same as :meth:`change`, which it calls, given the names of the K features too; without ``dims``
        these are all columns, ``time`` first if there is time."""
        return self.change(rows, random)

    @classmethod
    def arguments(cls) -> list[tuple[str, Argument, Field[Any]]]:
        """Return name, type and field of each argument; ``p`` is the last."""
        found = [(each.name, each.metadata["argument"], each) for each in fields(cls) if "argument" in each.metadata]
        return sorted(found, key=lambda argument: argument[0] == "p")

    @classmethod
    def signature(cls) -> str:
        """Return its name and arguments with their defaults, for help."""
        shown = [
            key if each.default in (MISSING, None) else f"{key}={argument.show(each.default)}"
            for key, argument, each in cls.arguments()
        ]
        return f"{cls.name}({', '.join(shown)})"

    def __str__(self) -> str:
        values = ((key, argument, each, getattr(self, key)) for key, argument, each in self.arguments())
        shown = [f"{key}={argument.show(value)}" for key, argument, each, value in values if value != each.default]
        return f"{self.name}({', '.join(shown)})"


Class = TypeVar("Class", bound="type[Augmentation]")
_KNOWN: dict[str, type[Augmentation]] = {}


def register(name: str) -> Callable[[Class], Class]:
    """Register an augmentation under a name that can be in an expression and that no other class has."""
    if not is_word(name):
        raise HachimachiError(f"augmentation {name!r}: expected a name of letters, digits and _, a letter first")

    def keep(cls: Class) -> Class:
        other = _KNOWN.get(name, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            where = f"{other.__module__}.{other.__qualname__}"
            raise HachimachiError(f"augmentation {name!r}: {where} has this name; choose another")
        if plugins.home(cls) is not None:
            plugins.note("augmentation", name, cls)
        cls.name = name
        _KNOWN[name] = cls
        return cls

    return keep


def known() -> dict[str, type[Augmentation]]:
    """Return all augmentations by name, sorted."""
    importlib.import_module("hachimachi.augment.ops")  # its classes register themselves
    return dict(sorted(_KNOWN.items()))
