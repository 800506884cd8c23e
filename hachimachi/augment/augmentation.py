"""What an augmentation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hachimachi.augment.arguments import Argument, features, number
from hachimachi.errors import HachimachiError

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
    :mod:`hachimachi.augment.arguments`, and which has :meth:`change`. All else is done around it: which features are
    meant and which windows, padding, drums, rounding, ranges.

    Args:
        dims: Features by number or name, ``time`` for the inter-event time; ``None``, where a class allows it, for
            whole events, whose values may change places and nothing else.
        p: Probability with which a sequence, or a window of one, is changed.

    Raises:
        ArgumentError: A value that an argument cannot have.

    >>> from dataclasses import dataclass
    >>> from hachimachi.augment import Augmentation, augment, register
    >>> from hachimachi.augment.arguments import number
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
    """Its name in expressions, given by :func:`~hachimachi.augment.registry.register`."""
    along: ClassVar[bool] = False
    """Whether values go from one event to another. Then the time before a window's first event, which belongs to none
    of its steps, stays."""

    dims: tuple[str | int, ...] | None = features()
    p: float = number("a number from 0 to 1", 1.0, lambda value: 0 <= value <= 1)

    def __post_init__(self) -> None:
        for key, argument, field in self.arguments():
            value = getattr(self, key)
            if value != field.default and not argument.accepts(value):
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
        for key, argument, field in cls.arguments():
            given = field.default is not MISSING and field.default is not None
            told.append(f"{key}={argument.show(field.default)}" if given else key)
        return f"{cls.name}({', '.join(told)})"

    def __str__(self) -> str:
        told = [
            f"{key}={argument.show(getattr(self, key))}"
            for key, argument, field in self.arguments()
            if getattr(self, key) != field.default
        ]
        return f"{self.name}({', '.join(told)})"
