"""hachimachi: an instrument that learns. Short names are loaded when first used (PEP 562)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what type checkers and editors see
    from hachimachi import plot as plot
    from hachimachi.checkpoint import load_model as load_model
    from hachimachi.checkpoint import load_player as load_player
    from hachimachi.checkpoint import save_model as save_model
    from hachimachi.constraints import Constraint as Constraint
    from hachimachi.description.describe import describe as describe
    from hachimachi.errors import HachimachiError as HachimachiError
    from hachimachi.evaluation.compare import compare as compare
    from hachimachi.evaluation.likelihood import evaluate as evaluate
    from hachimachi.evaluation.playing import evaluate_playing as evaluate_playing
    from hachimachi.events import EventSequence as EventSequence
    from hachimachi.events import Feature as Feature
    from hachimachi.generation import generate as generate
    from hachimachi.generation import generate_many as generate_many
    from hachimachi.io import Report as Report
    from hachimachi.io import read as read
    from hachimachi.io import write as write
    from hachimachi.live.performer import Performer as Performer
    from hachimachi.live.stage import Manner as Manner
    from hachimachi.live.stage import PlaySettings as PlaySettings
    from hachimachi.live.stage import perform as perform
    from hachimachi.models.event_model import EventModel as EventModel
    from hachimachi.models.event_model import build_model as build_model
    from hachimachi.sampling import Sampling as Sampling
    from hachimachi.training.config.compose import compose as compose
    from hachimachi.training.data import EventDataModule as EventDataModule
    from hachimachi.training.fit import fine_tune as fine_tune
    from hachimachi.training.fit import train as train
    from hachimachi.training.module import EventModule as EventModule
    from hachimachi.training.runs import read_curves as read_curves
    from hachimachi.training.runs import read_runs as read_runs

_NAMES = {
    "events": "Feature EventSequence",
    "errors": "HachimachiError",
    "io": "Report read write",
    "models.event_model": "build_model EventModel",
    "checkpoint": "load_model load_player save_model",
    "generation": "generate generate_many",
    "sampling": "Sampling",
    "constraints": "Constraint",
    "evaluation.likelihood": "evaluate",
    "evaluation.compare": "compare",
    "evaluation.playing": "evaluate_playing",
    "training.data": "EventDataModule",
    "training.module": "EventModule",
    "training.fit": "train fine_tune",
    "training.config.compose": "compose",
    "training.runs": "read_runs read_curves",
    "live.performer": "Performer",
    "live.stage": "perform PlaySettings Manner",
    "description.describe": "describe",
    "plot": "plot",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"hachimachi.{_HOMES[name]}")
    return module if name == "plot" else getattr(module, name)
