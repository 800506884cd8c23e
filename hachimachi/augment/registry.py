"""The registry of augmentations: which class a name in an expression stands for.

An augmentation registers itself where it is defined. Every file in ``ops/`` is looked at, so a new one is one new file;
one of your own may stand in any module that is imported before expressions are read.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from hachimachi import plugins
from hachimachi.augment.tokens import WORD
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.augment.augmentation import Augmentation

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
    home = importlib.import_module("hachimachi.augment.ops")
    for module in pkgutil.iter_modules(home.__path__):
        importlib.import_module(f"{home.__name__}.{module.name}")
    return dict(sorted(_KNOWN.items()))
