"""Defaults that depend on the amount of data: what suits a performance, and what a collection."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from hachimachi import plugins

COLLECTION = 20_000
"""Events to learn from, from which on they are a collection: there is less to learn by heart, and more to remember."""
DEFAULTS: dict[str, tuple[float, float]] = {
    "dataset.window": (64, 128),
    "model.dropout": (0.4, 0.2),
    "head.dropout": (0.2, 0.1),
    "augment.share": (0.75, 0.5),
}
"""Values by key, for a performance and for a collection."""


def default_for(key: str, events: int) -> float:
    """Return the default of a key for so many events."""
    performance, collection = DEFAULTS[key]
    return collection if events >= COLLECTION else performance


def resolve_defaults(cfg: DictConfig, events: int) -> DictConfig:
    """Return a config in which the keys above that are null have values, where the chosen part takes them."""
    resolved = cfg.copy()
    for key in DEFAULTS:
        group, option = key.split(".")
        kind = {"model": "backbone", "head": "head"}.get(group)
        taken = kind is None or plugins.takes(kind, cfg[group].name, option)
        if taken and OmegaConf.select(resolved, key) is None:
            OmegaConf.update(resolved, key, default_for(key, events))
    return resolved
