"""The model file: safe, versioned, complete."""

from __future__ import annotations

import json
import pickle
import re
import textwrap
import warnings
import zipfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hachimachi import plugins as registry
from hachimachi.columns import Column
from hachimachi.errors import HachimachiError
from hachimachi.io.atomic import replacing
from hachimachi.models.event_model import EventModel
from hachimachi.ngrams import KINDS, NGrams

FORMAT = "hachimachi.model"
VERSION = 2
RENAMED = [
    (r"^first$", "bos"),
    (r"^encoder\.mark$", "encoder.augmented"),
    (r"^encoder\.modules_of_parts\.", "encoder.parts."),
    (r"^head\.project\.", "head.out_proj."),
    (r"^head\.layers\.", "head.out_proj."),
    (r"^head\.listen\.", "head.context_proj."),
    (r"^head\.relate$", "head.cross_column"),
    (r"^head\.parts\.", "head.encoders."),
    (r"^head\.start_", "head.marginal_bias_"),
    (r"^backbone\.enter\.", "backbone.in_proj."),
    (r"^backbone\.modules_of_layers\.", "backbone.layers."),
    (r"^(backbone\.layers\.\d+)\.leave\.", r"\1.out_proj."),
    (r"^(backbone\.layers\.\d+)\.attend\.", r"\1.qkv."),
    (r"^(backbone\.layers\.\d+)\.widen\.", r"\1.up_proj."),
    (r"^(backbone\.layers\.\d+)\.narrow\.", r"\1.down_proj."),
    (r"^(backbone\.layers\.\d+)\.norm_wide\.", r"\1.norm_mlp."),
]
"""Names of weights in files of version 1, and in checkpoints of its time, and what they are called since."""
SPEC = "hachimachi_spec"
"""Key under which a Lightning checkpoint carries the spec."""
GRAMS = "hachimachi_grams"
"""Key under which a model file and a Lightning checkpoint carry runs of events of the training data."""
WEIGHTS = "model."
"""Prefix of the model's weights in a Lightning checkpoint."""
AVERAGE = "average.module."
"""Prefix of their running average, which is what is played, if one was kept."""
_PREAMBLE = "Error(s) in loading state_dict for EventModel:"


def describe(model: EventModel) -> str:
    """Return all that is needed to build the model again, as JSON: columns, parts, training summary and scores.

    Where a part comes from a plug-in, ``plugins`` has the name of its module.
    """
    columns = [column.to_json() for column in model.columns]
    needed = {registry.plugin_of(kind, chosen["name"]) for kind, chosen in model.parts.items()} - {None}
    spec = {"columns": columns, "parts": model.parts, "summary": model.summary}
    return json.dumps(spec | ({"plugins": sorted(map(str, needed))} if needed else {}))


def save_model(model: EventModel, path: str | Path) -> None:
    """Write a model file, beside first and then renamed, so that there is never half a file."""
    content = {"format": FORMAT, "version": VERSION, "spec": describe(model), "state_dict": model.state_dict()}
    content[GRAMS] = keep_grams(model)
    with replacing(Path(path)) as temporary:
        torch.save(content, temporary)


def keep_grams(model: EventModel) -> dict[str, torch.Tensor]:
    """Return the symbols of the training data by the names of grams, int64, empty where the model has none."""
    return {name: torch.from_numpy(grams.symbols.view(np.int64)) for name, grams in model.grams.items()}


def load_model(path: str | Path, plugins: Iterable[str] = ()) -> EventModel:
    """Read a model from a model file (``.pt``) or a Lightning checkpoint (``.ckpt``), ready to play.

    Only tensors, numbers and texts are read, never code; parts are looked up among those that are registered.

    Args:
        path: The file.
        plugins: Modules that register parts the model needs; see :mod:`hachimachi.plugins`.

    Raises:
        HachimachiError: A file that is missing, damaged, not a model, of another version, or that names unknown parts.

    >>> import tempfile
    >>> from hachimachi import build_model, load_model, save_model
    >>> from hachimachi.events import make_sequence
    >>> folder = tempfile.TemporaryDirectory()
    >>> save_model(build_model([make_sequence([[60, 80], [64, 75]], [0, 0.25])]), f"{folder.name}/model.pt")
    >>> model = load_model(f"{folder.name}/model.pt")
    >>> [feature.name for feature in model.features], model.temporal
    (['0', '1'], True)
    >>> folder.cleanup()
    """
    registry.load(plugins)
    content = _read(Path(path))
    try:
        spec = json.loads(content["spec"])
        for kind, chosen in spec["parts"].items():  # parts of plug-ins have to be named: a file brings in no code
            if spec.get("plugins") and chosen["name"] not in registry.names(kind):
                needed = " ".join(f"--plugin {name}" for name in spec["plugins"])
                found = f"its {kind} {chosen['name']!r} is kept outside hachimachi"
                raise HachimachiError(f"{found}; if you trust where it comes from, add {needed}")
        state = content["state_dict"]
        augmentation = len(state.get("encoder.augmented", [0]))  # a file of version 1 has one number
        columns = [Column.from_json(column) for column in spec["columns"]]
        model = EventModel(columns, **spec["parts"], augmentation=augmentation)
        model.summary = dict(spec["summary"])
        model.load_state_dict(rename_weights(state, model.state_dict()))
        grams = {name: symbols for name, symbols in content.get(GRAMS, {}).items() if name in KINDS}
        if not all(symbols.dtype == torch.int64 and symbols.ndim == 1 for symbols in grams.values()):
            raise ValueError("grams that are no hashes")
        for name, symbols in grams.items():
            model.grams[name] = NGrams(model.columns, *KINDS[name], symbols.numpy().view(np.uint64))
        if not all(weight.isfinite().all() for weight in model.parameters()):
            raise HachimachiError("its weights are not all finite numbers; train it again")
    except HachimachiError as error:
        raise HachimachiError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError) as error:
        reason = textwrap.shorten(str(error).removeprefix(_PREAMBLE), 100)
        found = f"its description and its weights do not fit ({reason})"
        raise HachimachiError(f"{path}: {found}; train it again") from error
    return model.eval()


def read_summary(path: str | Path) -> dict[str, Any]:
    """Return the training summary in a model file or a checkpoint, and under ``plugins`` what its parts need.

    Nothing is built, so parts that are not known do no harm.

    Raises:
        HachimachiError: As :func:`load_model`.
    """
    content = _read(Path(path))
    try:
        spec = json.loads(content["spec"])
        return {**spec["summary"], "plugins": list(spec.get("plugins", []))}
    except (LookupError, TypeError, ValueError) as error:
        raise HachimachiError(f"{path}: its description cannot be read; train it again") from error


def rename_weights(state: Mapping[str, Any], expected: Collection[str]) -> dict[str, Any]:
    """Return weights under the names that they have now; a plug-in may have kept one of the old names."""
    renamed = {}
    for name, weight in state.items():
        now = name
        for pattern, replacement in RENAMED if name not in expected else ():
            now = re.sub(pattern, replacement, now)
        renamed[now] = weight
    return renamed


def check_resumable(path: str, state: Mapping[str, Any]) -> None:
    """Check that training can go on from a checkpoint's state: that its weights have the names they have now.

    Raises:
        HachimachiError: It was written before they were renamed.
    """
    if f"{WEIGHTS}first" in state:
        found = "a checkpoint of an earlier hachimachi; it plays, but training cannot go on from it"
        raise HachimachiError(f"ckpt_path={path}: {found}; train again")


def pick(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return what has a prefix in a checkpoint's state, without it."""
    return {str(key).removeprefix(prefix): weight for key, weight in state.items() if str(key).startswith(prefix)}


def _read(path: Path) -> dict[str, Any]:
    """Return what is in the file, in the form of a model file."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "no such file"
        raise HachimachiError(f"{path}: {found}; expected a model written by hxmx train")
    content = _load(path)
    if isinstance(content, dict) and isinstance(content.get(SPEC), str):
        weights = content.get("state_dict")
        weights = weights if isinstance(weights, dict) else {}
        named = pick(weights, AVERAGE) or pick(weights, WEIGHTS)
        return {"spec": content[SPEC], "state_dict": named, GRAMS: content.get(GRAMS, {})}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise HachimachiError(f"{path}: not a model file; expected one written by hxmx train")
    if content.get("version") not in range(1, VERSION + 1):
        found = content.get("version")
        raise HachimachiError(f"{path}: a model of version {found}, this hxmx reads version {VERSION}; train it again")
    return content


def _load(path: Path) -> object:
    """Unpickle tensors, numbers and texts; anything that is no zip file is not even looked into."""
    damaged = f"{path}: damaged, or not a model file; expected one written by hxmx train"
    if not zipfile.is_zipfile(path):
        raise HachimachiError(damaged)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of archives of other kinds, refused all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise HachimachiError(f"{path}: refused, it holds more than numbers and texts and may run code") from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, zipfile.BadZipFile) as error:
        raise HachimachiError(damaged) from error
