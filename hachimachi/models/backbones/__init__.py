"""Backbones: sequence → hidden sequence, one file each; and their named sizes, which the config reads without torch."""

from __future__ import annotations

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
"""From so many events on a size is worth its time. `xs` is for small computers and only taken by name."""


def choose_size(backbone: str, size: str | int, layers: int | None, events: int) -> tuple[int, int]:
    """Return units in a layer, and layers, of a backbone by its name, and by a number of events where the size is auto.
    Without a number of layers there are as many as the size has; units in a number go with the layers of size s."""
    named = SIZES.get(backbone, SIZES["gru"])
    width, depth = named[_name(size, events) if isinstance(size, str) else "s"]
    return (width if isinstance(size, str) else size), layers or depth


def explain_size(size: str | int, events: int) -> str:
    """Return what decided the size, in brackets, or nothing where it was given as a number."""
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
