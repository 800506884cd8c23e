"""What a recipe leaves to the data: options that suit a performance or a collection."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from hachimachi import plugins

COLLECTION = 20_000
"""Events to learn from, from which on they are a collection: there is less to learn by heart, and more to remember."""
SUITED: dict[str, tuple[float, float]] = {
    "dataset.window": (64, 128),
    "model.dropout": (0.4, 0.2),
    "head.dropout": (0.2, 0.1),
    "augment.share": (0.75, 0.5),
}
"""Options by key, for a performance and for a collection."""


def suit(key: str, events: int) -> float:
    """Return the value of an option that suits so many events."""
    performance, collection = SUITED[key]
    return collection if events >= COLLECTION else performance


def fill(cfg: DictConfig, events: int) -> DictConfig:
    """Return a config in which options that were left open (null) are decided for so many events.

    A part that does not take an option does not get it.
    """
    filled = cfg.copy()
    for key in SUITED:
        if OmegaConf.select(filled, key) is None and not _lacks(filled, key):
            OmegaConf.update(filled, key, suit(key, events))
    return filled


def _lacks(cfg: DictConfig, key: str) -> bool:
    group, option = key.split(".")
    kind = {"model": "backbone", "head": "head"}.get(group)
    return kind is not None and not plugins.takes(kind, cfg[group].name, option)
