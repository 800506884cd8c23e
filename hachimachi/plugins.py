"""The registry of parts, and the modules outside this package that add to it.

A backbone or a head registers itself by :func:`register`, a file format by ``register_format``. Each file in
``models/backbones/`` and ``models/heads/`` is one of this package's own; others are plug-ins: modules that
:func:`load` imports because the user names them. They are looked for where Python looks, and last in the working
directory, so that nothing there takes the place of something installed. No model file brings one in: it tells which
plug-ins it needs, and is refused without them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hachimachi.errors import HachimachiError

Part = TypeVar("Part", bound=type)
PACKAGE = __name__.partition(".")[0]
CONTEXT: dict[str, tuple[str, ...]] = {"backbone": ("size_in",), "head": ("columns", "size", "previous")}
"""What the model decides for a part of each kind, by the names under which its constructor is given it."""
_parts: dict[str, dict[str, type]] = {kind: {} for kind in CONTEXT}
_registered: dict[tuple[str, str], str] = {}  # kind and name of each part from a plug-in → the module that defines it
loaded: list[str] = []  # modules that the user named and that were imported, in that order


def register(kind: str, name: str) -> Callable[[Part], Part]:
    """Give a class its name, which no other may have, among the parts of a kind (``backbone`` or ``head``)."""
    if kind not in _parts:
        raise HachimachiError(f"no kind of part is called {kind!r}; expected one of {', '.join(_parts)}")

    def keep(part: Part) -> Part:
        if home(part):
            if name in names(kind) and plugin_of(kind, name) is None:
                raise HachimachiError(f"{kind} {name!r} of {part.__module__}: hachimachi has one; choose another name")
            note(kind, name, part)
        _parts[kind][name] = part
        return part

    return keep


def __getattr__(name: str) -> Any:
    if name == "register_format":  # formats import this module
        return importlib.import_module("hachimachi.io.formats").register_format
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def names(kind: str) -> list[str]:
    """Return the names of all backbones or heads."""
    package = importlib.import_module(f"{PACKAGE}.models.{kind}s")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return sorted(_parts[kind])


def plugin_names(kind: str) -> list[str]:
    """Return the names of all parts of a kind, formats and augmentations too, that come from plug-ins."""
    return sorted(name for registered, name in _registered if registered == kind)


def options(kind: str, name: str) -> dict[str, inspect.Parameter]:
    """Return what the user may decide of a part that is known, by name, in the order of its constructor."""
    try:
        parameters = inspect.signature(_parts[kind][name], eval_str=True).parameters
    except NameError:  # a type that is imported for type checkers only
        parameters = inspect.signature(_parts[kind][name]).parameters
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {key: each for key, each in parameters.items() if each.kind not in variadic and key not in CONTEXT[kind]}


def part(kind: str, name: str) -> Any:
    """Return the class of a part that is known."""
    return _parts[kind][name]


def takes(kind: str, name: str, option: str) -> bool:
    """Return whether a part is known and takes an option."""
    return name in names(kind) and option in options(kind, name)


def build(kind: str, name: str, context: Mapping[str, Any], **chosen: Any) -> Any:
    """Build a backbone or a head by its name, of what the model (:data:`CONTEXT`) and the user decide for it."""
    known = names(kind)
    if name not in known:
        raise HachimachiError(f"{kind} {name!r} is not known; known are {', '.join(known)}")
    try:
        return _parts[kind][name](**context, **chosen)
    except TypeError as error:
        raise HachimachiError(f"{kind} {name!r} cannot be built from {chosen}: {error}") from error


def plugin_of(kind: str, name: str) -> str | None:
    """Return which plug-in a part that is known comes from, `None` for one of this package."""
    return home(_parts[kind][name]) if name in names(kind) else None


def home(part: type | Callable[..., Any]) -> str | None:
    """Return which plug-in to name for a part, `None` for one of this package."""
    if _belongs(part.__module__, PACKAGE):
        return None
    return next((name for name in loaded if _belongs(part.__module__, name)), part.__module__)


def note(kind: str, name: str, part: type | Callable[..., Any]) -> None:
    """Take note of a part from a plug-in that registers itself; HachimachiError if another module has that name."""
    before = _registered.setdefault((kind, name), part.__module__)
    if before != part.__module__:
        raise HachimachiError(f"{kind} {name!r} of {part.__module__}: {before} has that name; choose another")


def load(modules: Iterable[str]) -> None:
    """Import plug-ins, each of which registers a backbone, a head, a reader, a writer or an augmentation."""
    for name in [modules] if isinstance(modules, str) else modules:
        if name in loaded:
            continue
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name):
            raise HachimachiError(f"plug-in {name!r}: expected the name of a Python module, as in mypackage.mymodule")
        here, count = look_here(), len(_registered)
        try:
            module = importlib.import_module(name)
        except HachimachiError:
            raise
        except ModuleNotFoundError as error:
            found = f"needs the module {error.name!r}, which is not installed"
            if error.name is not None and _belongs(name, error.name):
                found = f"no module {error.name!r}, neither installed nor in {here}"
            raise HachimachiError(f"plug-in {name}: {found}") from error
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            found = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise HachimachiError(f"plug-in {name}: {found} ({where.filename}, line {where.lineno})") from error
        if len(_registered) == count and not any(_belongs(each, name) for each in _registered.values()):
            file = getattr(module, "__file__", None) or "built in"
            raise HachimachiError(f"plug-in {name} ({file}): registers nothing; expected a part under @register")
        loaded.append(name)


def look_here() -> str:
    """Have Python look for modules in the working directory too, last of all, and return it."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    importlib.invalidate_caches()
    return here


def _belongs(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
