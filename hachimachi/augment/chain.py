"""Augmentations in a row, read from an expression and written as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any

from hachimachi.augment.augmentation import ArgumentError, Augmentation
from hachimachi.augment.expression_error import ExpressionError, near
from hachimachi.augment.grammar import Call, read_calls
from hachimachi.augment.registry import known

if TYPE_CHECKING:
    from hachimachi.augment.bound import Bound
    from hachimachi.columns import Column


@dataclass(frozen=True)
class Chain:
    """Augmentations, one after the other. ``str()`` writes the expression that reads back to it."""

    ops: tuple[Augmentation, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.ops))

    def bind(self, columns: Sequence[Column]) -> Bound:
        """Make it ready for rows of events; see :func:`~hachimachi.augment.bound.bind`."""
        from hachimachi.augment.bound import bind

        return bind(self.ops, columns)


def parse(source: str | Sequence[str] | Chain) -> Chain:
    """Read an expression, or several, each of which may hold several operations: ``"abs(dims=x); rev(p=0.5)"``.

    Nothing is evaluated: names stand for what is registered, and only for that.

    Raises:
        ExpressionError: What cannot be read, and where; the message has three lines.

    >>> str(parse("addrand(range=(-6.0, +6), dims=(pitch))"))
    'addrand(dims=pitch, range=(-6, 6))'
    >>> parse(["rev", "clip(min=0.0, dims=t)"]) == parse("rev(); clip(dims=t, min=0)")
    True
    >>> parse("addrand(range=(-6, 6), dim=pitch)")
    Traceback (most recent call last):
        ...
    hachimachi.augment.expression_error.ExpressionError: addrand has no argument dim; did you mean dims?
      addrand(range=(-6, 6), dim=pitch)
                             ^
    """
    if isinstance(source, Chain):
        return source
    texts = [source] if isinstance(source, str) else source
    return Chain(tuple(_build(call, text) for text in texts for call in read_calls(text)))


def _build(call: Call, text: str) -> Augmentation:
    """Make the augmentation that a call stands for."""
    name, table = call.name.text, known()
    if name not in table:
        hint = near(name, table) or f"; there are {', '.join(table)}"
        raise ExpressionError(f"no operation {name}{hint}", text, call.name.at)
    kind = table[name]
    values = _read_values(call, kind, text)
    for key, argument, field in kind.arguments():
        if field.default is MISSING and key not in values:
            raise ExpressionError(f"{name} lacks {key}: expected {argument.expected}", text, call.name.at)
    try:
        return kind(**values)
    except ArgumentError as error:
        place = call.values[error.key].at if error.key in call.values else call.name.at
        raise ExpressionError(str(error), text, place) from error


def _read_values(call: Call, kind: type[Augmentation], text: str) -> dict[str, Any]:
    arguments = {key: argument for key, argument, _ in kind.arguments()}
    values = {}
    for key, token in call.keys.items():
        if key not in arguments:
            hint = near(key, arguments) or f"; it has {', '.join(arguments)}"
            raise ExpressionError(f"{call.name.text} has no argument {key}{hint}", text, token.at)
        written, argument = call.values[key], arguments[key]
        values[key] = argument.read(written)
        if values[key] is None or not argument.accepts(values[key]):
            found = f"{key} is {written.source}, expected {argument.expected}{argument.hint(written)}"
            raise ExpressionError(found, text, written.at)
    return values
