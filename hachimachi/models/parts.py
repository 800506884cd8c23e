"""The registry of parts: which class a name in a config or in a model file stands for.

A part registers itself where it is defined. Every file in ``backbones/`` and ``heads/`` is looked at, so a new part is
one new file. Names outside the registry are refused; nothing is ever imported because a file asks for it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hachimachi.errors import HachimachiError

Part = TypeVar("Part", bound=type)
_PARTS: dict[str, dict[str, type]] = {"backbone": {}, "head": {}}


def register(kind: str, name: str) -> Callable[[Part], Part]:
    """Give a class its name among the parts of a kind (``backbone`` or ``head``)."""

    def keep(part: Part) -> Part:
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
    return name in names(kind) and option in inspect.signature(_PARTS[kind][name]).parameters


def build(kind: str, name: str, context: Mapping[str, Any], **options: Any) -> Any:
    """Build a part by its name.

    Args:
        kind: ``backbone`` or ``head``.
        name: Its name.
        context: What the model decides for it: sizes, columns.
        options: What the user decides.

    Raises:
        HachimachiError: A name that is not registered, or options the part does not take.
    """
    known = names(kind)
    if name not in known:
        raise HachimachiError(f"{kind} {name!r} is not known; known are {', '.join(known)}")
    try:
        return _PARTS[kind][name](**context, **options)
    except TypeError as error:
        raise HachimachiError(f"{kind} {name!r} cannot be built from {options}: {error}") from error
