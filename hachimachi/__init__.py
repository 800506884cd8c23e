"""hachimachi: an instrument that learns. Short names are loaded when first used (PEP 562)."""

from __future__ import annotations

import importlib

_HOMES = {
    "Feature": "events",
    "EventSequence": "events",
    "HachimachiError": "errors",
    "Report": "io",
    "read": "io",
    "write": "io",
    "build_model": "models.event_model",
    "EventModel": "models.event_model",
    "load_model": "checkpoint",
    "save_model": "checkpoint",
    "generate": "generation",
    "generate_many": "generation",
    "Sampling": "models.sampling",
    "Constraint": "models.constraint",
    "evaluate": "evaluation.likelihood",
    "compare": "evaluation.comparing",
    "EventDataModule": "training.data",
    "EventModule": "training.module",
    "train": "training.run",
    "compose": "training.config",
    "read_runs": "training.runs",
    "read_curves": "training.runs",
    "Performer": "live.playing.performer",
    "perform": "live.perform",
    "Manner": "live.assemble",
    "describe": "description.describe",
    "plot": "plot",
}
__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"hachimachi.{_HOMES[name]}")
    return home if name == "plot" else getattr(home, name)
