"""Augmentations: variations of events by short expressions, `addrand(range=(-6, 6), dims=pitch)`."""

from __future__ import annotations

import importlib

_HOMES = {
    "Augmentation": "augmentation",
    "register": "augmentation",
    "parse": "apply",
    "augment": "apply",
}
__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
