"""Parts kept outside this package: modules that register them, imported because the user names them.

A module is looked for where Python looks, and last in the working directory, so that nothing there ever takes the place
of something installed. No file brings one in: a model file tells which plug-ins it needs, and is refused without them.
"""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hachimachi.errors import HachimachiError

Part = type | Callable[..., Any]
OWN = __name__.partition(".")[0]
_registered: dict[tuple[str, str], str] = {}
"""Kind and name of each part from outside → the module that defines it."""
_named: list[str] = []
"""What was named by the user and imported, the first first."""


def load(names: Iterable[str]) -> None:
    """Import modules, each of which registers a backbone, a head, a reader, a writer or an augmentation.

    Raises:
        HachimachiError: A name that is no module's, a module that is not there, that fails, or that registers nothing.
    """
    for name in names:
        if name not in _named:
            _import(name)
            _named.append(name)


def note(kind: str, name: str, part: Part) -> None:
    """Take note of a part from outside this package that registers itself.

    Raises:
        HachimachiError: Another module has given that name already.
    """
    before = _registered.setdefault((kind, name), part.__module__)
    if before != part.__module__:
        raise HachimachiError(f"{kind} {name!r} of {part.__module__}: {before} has that name; choose another")


def names(kind: str) -> list[str]:
    """Return the names of all parts of a kind that come from outside."""
    return sorted(name for registered, name in _registered if registered == kind)


def home(part: Part) -> str | None:
    """Return which plug-in to name for a part, `None` for one of this package."""
    if _belongs(part.__module__, OWN):
        return None
    return next((name for name in _named if _belongs(part.__module__, name)), part.__module__)


def _belongs(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _import(name: str) -> None:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name):
        raise HachimachiError(f"plug-in {name!r}: expected the name of a Python module, as in mypackage.mymodule")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    importlib.invalidate_caches()
    count = len(_registered)
    try:
        module = importlib.import_module(name)
    except HachimachiError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not _belongs(name, error.name):
            raise HachimachiError(f"plug-in {name}: needs the module {error.name!r}, which is not installed") from error
        where = f"neither installed nor in {here}"
        raise HachimachiError(f"plug-in {name}: no module {error.name!r}, {where}") from error
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise HachimachiError(f"plug-in {name}: {what} ({place.filename}, line {place.lineno})") from error
    if len(_registered) == count and not any(_belongs(home, name) for home in _registered.values()):
        where = getattr(module, "__file__", None) or "built in"
        raise HachimachiError(f"plug-in {name} ({where}): registers nothing; expected a part under @register")
