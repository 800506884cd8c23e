"""Checking a checkpoint before a run goes on from it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hachimachi.checkpoint import SPEC, WEIGHTS, pick
from hachimachi.errors import HachimachiError
from hachimachi.models.event_model import EventModel
from hachimachi.text import count


def check_checkpoint(path: str, model: EventModel, max_epochs: int | None) -> None:
    """Check that a run of this model can go on from a checkpoint, and has epochs left to do.

    Raises:
        HachimachiError: A file that is missing or no checkpoint, one of another model, or one that is done already.
    """
    content = _read(path)
    there = _shapes(pick(content["state_dict"], WEIGHTS))
    if there != _shapes(model.state_dict()):
        its = json.loads(content[SPEC])["parts"]
        found = f"it is of {its}, the config says {model.parts}" if its != model.parts else "its data was another"
        raise HachimachiError(f"ckpt_path={path}: does not fit this run: {found}")
    if max_epochs is not None and content["epoch"] >= max_epochs:
        expected = f"expected trainer.max_epochs above that, found {max_epochs}"
        raise HachimachiError(f"ckpt_path={path}: has had {count(content['epoch'], 'epoch')} already; {expected}")


def _read(path: str) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise HachimachiError(f"ckpt_path={path}: no such file; expected a checkpoint to go on from") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise HachimachiError(f"ckpt_path={path}: damaged, or not a checkpoint (.ckpt)") from error
    if not isinstance(content, dict) or not {SPEC, "state_dict", "optimizer_states", "epoch"} <= set(content):
        raise HachimachiError(
            f"ckpt_path={path}: not a checkpoint to go on from; expected the checkpoints/last.ckpt of a run"
        )
    return content


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in state.items()}
