"""The registry of parts: which class a name in a config or in a model file stands for.

A part registers itself where it is defined. Every file in ``backbones/`` and ``heads/`` is looked at, so a new part is
one new file; parts kept elsewhere are plug-ins, see :mod:`hachimachi.plugins`. Names outside the registry are refused;
nothing is ever imported because a file asks for it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hachimachi import plugins
from hachimachi.errors import HachimachiError

Part = TypeVar("Part", bound=type)
CONTEXT: dict[str, tuple[str, ...]] = {"backbone": ("size_in",), "head": ("columns", "size", "former")}
"""What the model decides for a part of each kind, by the names under which its constructor is given it."""
_PARTS: dict[str, dict[str, type]] = {kind: {} for kind in CONTEXT}


def register(kind: str, name: str) -> Callable[[Part], Part]:
    """Give a class its name among the parts of a kind (``backbone`` or ``head``).

    Raises:
        HachimachiError: No such kind, or a name that another part has.
    """
    if kind not in _PARTS:
        raise HachimachiError(f"no kind of part is called {kind!r}; expected one of {', '.join(_PARTS)}")

    def keep(part: Part) -> Part:
        if plugins.home(part):
            if name in names(kind) and plugin(kind, name) is None:
                raise HachimachiError(f"{kind} {name!r} of {part.__module__}: hachimachi has one; choose another name")
            plugins.note(kind, name, part)
        _PARTS[kind][name] = part
        return part

    return keep


def names(kind: str) -> list[str]:
    """Return the names of all parts of a kind."""
    home = importlib.import_module(f"hachimachi.models.{kind}s")
    for module in pkgutil.iter_modules(home.__path__):
        importlib.import_module(f"{home.__name__}.{module.name}")
    return sorted(_PARTS[kind])


def takes(kind: str, name: str, option: str) -> bool:
    """Return whether a part that is known takes an option."""
    return name in names(kind) and option in options(kind, name)


def options(kind: str, name: str) -> dict[str, inspect.Parameter]:
    """Return what the user may decide of a part that is known, by name, in the order of its constructor."""
    try:
        parameters = inspect.signature(_PARTS[kind][name], eval_str=True).parameters
    except NameError:  # a type that is imported for type checkers only
        parameters = inspect.signature(_PARTS[kind][name]).parameters
    named = {key: how for key, how in parameters.items() if how.kind not in (how.VAR_POSITIONAL, how.VAR_KEYWORD)}
    return {key: how for key, how in named.items() if key not in CONTEXT[kind]}


def plugin(kind: str, name: str) -> str | None:
    """Return which plug-in a part that is known comes from, `None` for one of this package."""
    return plugins.home(_PARTS[kind][name]) if name in names(kind) else None


def build(kind: str, name: str, context: Mapping[str, Any], **chosen: Any) -> Any:
    """Build a part by its name.

    Args:
        kind: ``backbone`` or ``head``.
        name: Its name.
        context: What the model decides for it: sizes, columns.
        chosen: What the user decides.

    Raises:
        HachimachiError: A name that is not registered, or options the part does not take.
    """
    known = names(kind)
    if name not in known:
        raise HachimachiError(f"{kind} {name!r} is not known; known are {', '.join(known)}")
    try:
        return _PARTS[kind][name](**context, **chosen)
    except TypeError as error:
        raise HachimachiError(f"{kind} {name!r} cannot be built from {chosen}: {error}") from error


AUTO = "auto"
SIZES = {
    "gru": {"xs": (64, 1), "s": (128, 1), "m": (192, 1), "l": (384, 1)},
    "lstm": {"xs": (64, 1), "s": (128, 1), "m": (192, 1), "l": (384, 1)},
    "mingru": {"xs": (64, 2), "s": (128, 2), "m": (192, 3), "l": (384, 3)},
    "transformer": {"xs": (64, 2), "s": (128, 2), "m": (192, 3), "l": (256, 4)},
}
"""Units in a layer, and layers. A backbone that is not here has the sizes of a GRU."""
NAMES = tuple(SIZES["gru"])
ENOUGH = {"m": 20_000, "l": 1_000_000}
"""From so many events on a size is worth its time. `xs` is for small computers and only taken when asked for."""


def choose_size(backbone: str, size: str | int, layers: int | None, events: int) -> tuple[int, int]:
    """Return units in a layer, and layers.

    Args:
        backbone: Name of the backbone.
        size: `auto`, the name of a size, or units in a layer.
        layers: Layers, `None` for as many as the size has; units in a number go with the layers of size s.
        events: Events to learn from, which decide where the size is `auto`.
    """
    named = SIZES.get(backbone, SIZES["gru"])
    width, depth = named[_name(size, events) if isinstance(size, str) else "s"]
    return (width if isinstance(size, str) else size), layers or depth


def explain_size(size: str | int, events: int) -> str:
    """Return why the size is what it is, in brackets, or nothing where it was given as a number."""
    if size == AUTO:
        return f" (auto: {_name(AUTO, events)}, for {events:,} events)"
    return f" (size {size})" if isinstance(size, str) else ""


def accepts_size(value: object) -> bool:
    """Return whether a value is a size: `auto`, a name, or a whole number from 1."""
    return value in (AUTO, *NAMES) if isinstance(value, str) else type(value) is int and value >= 1


def _name(size: str, events: int) -> str:
    if size != AUTO:
        return size
    return max((name for name, least in ENOUGH.items() if events >= least), key=NAMES.index, default="s")
