"""The model file: safe, versioned, complete, and read without torch.

Version 2 is a zip archive that ``torch.load(weights_only=True)`` reads. Beside the entries of torch it has one named
``hachimachi.json``: the model's description, and for each array its entry, dtype and shape. The entries of arrays are
their bytes, row by row, little-endian and not compressed, so NumPy is enough to read them and nothing is unpickled.
Version 1 and Lightning checkpoints lack that entry and are read through torch.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import textwrap
import warnings
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hachimachi import plugins as registry
from hachimachi.bases import find_base
from hachimachi.columns import Column
from hachimachi.errors import HachimachiError, expect
from hachimachi.io.atomic import replacing
from hachimachi.ngrams import KINDS, NGrams
from hachimachi.player.engine import Player, StoredModel, has_numpy_form
from hachimachi.sampling import Sampling

if TYPE_CHECKING:
    import torch

    from hachimachi.models.event_model import EventModel

FORMAT = "hachimachi.model"
VERSION = 2
INDEX = "hachimachi.json"  # the entry of the archive that says where which array is
DTYPES = re.compile(r"<f[248]|<[iu][248]|\|[biu]1|<c(8|16)")  # what an array may be made of, as NumPy names it
SPEC = "hachimachi_spec"  # key under which a Lightning checkpoint carries the spec
GRAMS = "hachimachi_grams"
"""Key under which a model file and a Lightning checkpoint carry runs of events of the training data."""
WEIGHTS = "model."  # prefix of the model's weights in a Lightning checkpoint
AVERAGE = "average.module."  # prefix of their running average, which is what is played, if one was kept
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
_PREAMBLE = "Error(s) in loading state_dict for EventModel:"
_EXPECTED = "expected one written by hxmx train"
# what comes of a description that does not fit its arrays, or that is none
_UNSOUND = (LookupError, TypeError, ValueError, AttributeError, RuntimeError)
_UNSOUND += (ArithmeticError, MemoryError, AssertionError)


def load_player(
    path: str | Path, seed: int | None = 0, sampling: Sampling | None = None, plugins: Iterable[str] = ()
) -> Player:
    """Read a model to play it, without torch where its parts have a form in NumPy and the file is of version 2.

    Path and plugins are as for :func:`load_model`, seed and sampling as for :class:`~hachimachi.player.engine.Player`.

    >>> from hachimachi import load_player
    >>> player = load_player("drums", seed=3)
    >>> player.observe(player.sample())
    >>> player.sample().shape
    (4,)
    """
    registry.load(plugins)
    return make_player(path, read_model(path), seed, sampling)


def make_player(
    path: str | Path, stored: StoredModel, seed: int | None = 0, sampling: Sampling | None = None
) -> Player:
    """Return a player of what :func:`read_model` has found in a file; see :func:`load_player`."""
    with _one_line(path):
        in_numpy = stored.version == VERSION and has_numpy_form(stored.parts)
        player = Player(stored if in_numpy else _build(stored))
        if sampling is not None:
            sampling.check(player.columns)
            player.sampling = sampling
        with suppress(HachimachiError):  # as of a column too fine for tables, which only some draws need
            player.sample()  # arrays that do not fit fail here, and not on stage
        player.reseed(seed)
        return player


def load_model(path: str | Path, plugins: Iterable[str] = ()) -> EventModel:
    """Read a model, as a torch module, from a model file (``.pt``) or a Lightning checkpoint (``.ckpt``).

    Only tensors, numbers and texts are read, never code; parts have to be registered, by ``plugins`` if need be, names
    of modules. HachimachiError for a file that is missing, damaged, no model, of another version or of unknown parts.

    >>> from hachimachi import load_model
    >>> model = load_model("drums")
    >>> [feature.name for feature in model.features], model.temporal
    (['pitch', 'velocity', 'duration'], True)
    """
    import torch  # noqa: F401  (without it there is no model, whatever the file)

    registry.load(plugins)
    stored = read_model(path)
    with _one_line(path):
        return _build(stored)


def read_model(path: str | Path) -> StoredModel:
    """Return what is in a model file of any version, or in a checkpoint; nothing is built, so parts need not fit.
    Where there is no such file, the name of a base model stands for its file."""
    expect(isinstance(path, str | os.PathLike), "model", path, "the path of a model file")
    path = path if (path := Path(path)).exists() else find_base(str(path)) or path
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "no such file"
        raise HachimachiError(f"{path}: {found}; expected a model written by hxmx train")
    damaged = f"{path}: damaged, or not a model file; {_EXPECTED}"
    try:
        with zipfile.ZipFile(path) as archive:
            top = archive.namelist()[0].partition("/")[0]
            entries = archive.infolist()
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if not stored or sum(entry.file_size for entry in entries) > path.stat().st_size:
                trap = "damaged: what is in it is compressed, or larger than the file"  # PyTorch compresses nothing
                raise HachimachiError(f"{path}: {trap}; {_EXPECTED}")
            if f"{top}/{INDEX}" in archive.namelist():
                return _read_index(path, archive, top)
            if f"{top}/data.pkl" not in archive.namelist():
                raise HachimachiError(damaged)
    except (OSError, EOFError, zipfile.BadZipFile, LookupError, ValueError, RuntimeError) as error:
        raise HachimachiError(damaged) from error
    return _read_by_torch(path)


def read_summary(path: str | Path) -> dict[str, Any]:
    """Return a model's training summary, and under ``plugins`` what its parts need; unknown parts do no harm."""
    stored = read_model(path)
    return {**stored.summary, "plugins": list(stored.plugins)}


def save_model(model: EventModel, path: str | Path, *, half: bool = False) -> None:
    """Write a model file, beside first and then renamed, so that there is never half a file. With ``half``, weights are
    written in half precision, for a smaller file; they are read in single."""
    import torch

    expect(hasattr(model, "state_dict"), "model", model, "an EventModel: save_model(model, path)")
    state = {}
    for name, array in model.state_dict().items():
        kept = array.float() if array.dtype == torch.bfloat16 else array  # which NumPy does not know
        kept = array.half() if half and array.dtype == torch.float32 else kept
        state[name] = kept.detach().cpu().contiguous().clone()  # what is written of a view is all that it is a view of
    learned, grams, spec = {name for name, _ in model.named_parameters()}, keep_grams(model), describe(model)
    weights = {name: array for name, array in state.items() if name in learned}
    buffers = {name: array for name, array in state.items() if name not in learned}
    written = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, "spec": spec, "state_dict": state, GRAMS: grams}, written)
    with zipfile.ZipFile(written, "a") as archive:
        top = archive.namelist()[0].partition("/")[0]  # torch takes no entry beside its folder
        entries = {archive.read(name): name.removeprefix(f"{top}/") for name in archive.namelist() if "/data/" in name}
        index: dict[str, Any] = {"format": FORMAT, "version": VERSION, "spec": json.loads(spec)}
        for group, tensors in {"weights": weights, "buffers": buffers, "grams": grams}.items():
            arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
            index[group] = {
                name: {"entry": entries[array.tobytes()], "dtype": array.dtype.str, "shape": list(array.shape)}
                for name, array in arrays.items()
            }
        archive.writestr(zipfile.ZipInfo(f"{top}/{INDEX}"), json.dumps(index))
    with replacing(path) as temporary:
        temporary.write_bytes(written.getvalue())


def describe(model: EventModel) -> str:
    """Return, as JSON, all it takes to build the model again: columns, parts, training summary, modules of plug-ins."""
    columns = [column.to_json() for column in model.columns]
    needed = {registry.plugin_of(kind, chosen["name"]) for kind, chosen in model.parts.items()} - {None}
    spec = {"columns": columns, "parts": model.parts, "summary": model.summary}
    return json.dumps(spec | ({"plugins": sorted(map(str, needed))} if needed else {}))


def keep_grams(model: EventModel) -> dict[str, torch.Tensor]:
    """Return the symbols of the training data by the names of grams, int64, empty where the model has none."""
    import torch

    return {name: torch.from_numpy(np.array(grams.symbols).view(np.int64)) for name, grams in model.grams.items()}


def rename_weights(state: Mapping[str, Any], expected: Collection[str]) -> dict[str, Any]:
    """Return weights under the names that they have now; a plug-in may have kept one of the old names."""
    renamed = {}
    for name, weight in state.items():
        now = name
        for pattern, replacement in RENAMED if name not in expected else ():
            now = re.sub(pattern, replacement, now)
        renamed[now] = weight
    return renamed


def pick(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return what has a prefix in a checkpoint's state, without it."""
    return {str(key).removeprefix(prefix): weight for key, weight in state.items() if str(key).startswith(prefix)}


def _read_index(path: Path, archive: zipfile.ZipFile, top: str) -> StoredModel:
    """Return what is in a file of version 2; nothing larger than the file is made of it."""
    left = path.stat().st_size

    def array(described: Mapping[str, Any]) -> NDArray[Any]:
        nonlocal left
        entry, dtype, shape = (described[key] for key in ("entry", "dtype", "shape"))
        if not DTYPES.fullmatch(dtype) or not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"{entry} is {dtype} of shape {shape}")
        expected = math.prod(shape) * np.dtype(dtype).itemsize
        left -= expected
        # many names of one entry may not add up to more than there is
        content = archive.read(f"{top}/{entry}") if left >= 0 else b""
        if len(content) != expected:
            raise ValueError(f"{entry} has {len(content):,} bytes in place of {expected:,}")
        return np.frombuffer(content, dtype).reshape(shape)

    with _one_line(path):
        index = json.loads(archive.read(f"{top}/{INDEX}"))
        _check_version(index)
        weights, buffers, grams = (
            {name: array(described) for name, described in index[group].items()}
            for group in ("weights", "buffers", "grams")
        )
        if not all(np.isfinite(weight).all() for weight in weights.values()):
            raise HachimachiError("its weights are not all finite numbers; train it again")
        weights |= {name: weight.astype(np.float32) for name, weight in weights.items() if weight.dtype == np.float16}
        return _stored(index["spec"], weights, buffers, grams, VERSION)


def _read_by_torch(path: Path) -> StoredModel:
    """Return what is in a file of version 1, or in a checkpoint."""
    import pickle

    with _one_line(path):
        reason = "a checkpoint, or a model of version 1, which are read by PyTorch"
        torch = _import_torch(reason, "pip install torch, or renew it where PyTorch is: hxmx upgrade OLD NEW")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of archives of other kinds, refused all the same
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise HachimachiError(f"{path}: refused, it holds more than numbers and texts and may run code") from error
    except Exception as error:  # PyTorch gives what builds tensors whatever a damaged file says
        raise HachimachiError(f"{path}: damaged, or not a model file; {_EXPECTED}") from error
    content = content if isinstance(content, dict) else {}
    with _one_line(path):
        state, version = content.get("state_dict"), 0
        if isinstance(content.get(SPEC), str):
            spec, state = content[SPEC], state if isinstance(state, dict) else {}
            state = pick(state, AVERAGE) or pick(state, WEIGHTS)
        else:
            _check_version(content)
            spec, version = content["spec"], 1
        if sum(weight.numel() * weight.element_size() for weight in state.values()) > path.stat().st_size:
            raise ValueError("its weights are larger than the file")
        arrays, grams = (
            {str(key): (each.float() if each.dtype == torch.bfloat16 else each).numpy() for key, each in group.items()}
            for group in (state, content.get(GRAMS, {}))
        )
        return _stored(json.loads(spec), arrays, {}, grams, version)


def _check_version(content: Mapping[str, Any]) -> None:
    if content.get("format") != FORMAT:
        raise HachimachiError(f"not a model file; {_EXPECTED}")
    if content.get("version") not in range(1, VERSION + 1):
        found = f"a model of version {content.get('version')}, this hxmx reads version {VERSION}"
        raise HachimachiError(f"{found}; train it again")


def _stored(
    spec: Mapping[str, Any],
    weights: dict[str, NDArray[Any]],
    buffers: dict[str, NDArray[Any]],
    grams: Mapping[str, NDArray[Any]],
    version: int,
) -> StoredModel:
    """Return a model by what a file says of it."""
    columns = tuple(Column.from_json(column) for column in spec["columns"])
    parts = {kind: dict(spec["parts"][kind]) for kind in spec["parts"]}
    known = {name: symbols for name, symbols in grams.items() if name in KINDS}
    if not all(symbols.dtype == np.int64 and symbols.ndim == 1 for symbols in known.values()):
        raise ValueError("grams that are no hashes")
    runs = {name: NGrams(columns, *KINDS[name], symbols.view(np.uint64)) for name, symbols in known.items()}
    plugins = tuple(map(str, spec.get("plugins", ())))
    return StoredModel(columns, parts, weights, buffers, dict(spec["summary"]), plugins, runs, version)


def _build(stored: StoredModel) -> EventModel:
    """Return the torch model of what a file holds, ready to play."""
    torch = _import_torch("its parts are played by PyTorch")
    from hachimachi.models.event_model import EventModel

    for kind, chosen in stored.parts.items():  # parts of plug-ins have to be named: a file brings in no code
        if stored.plugins and chosen["name"] not in registry.names(kind):
            needed = " ".join(f"--plugin {name}" for name in stored.plugins)
            found = f"its {kind} {chosen['name']!r} is kept outside hachimachi"
            raise HachimachiError(f"{found}; if you trust where it comes from, add {needed}")
    state = {name: torch.from_numpy(np.array(array)) for name, array in stored.arrays.items()}
    # a file of version 1 has one number of augmentation; what a model has no use for is not there
    augmentation, clock = len(state.get("encoder.augmented", [0])), state.get("encoder.clock")
    inputs = {"augmentation": augmentation, "clock": None if clock is None else clock.tolist()}
    inputs["hear_masked"] = "encoder.masked" in state
    if has_numpy_form(stored.parts):  # a description may lie: nothing is made that is larger than what is in the file
        numbers = sum(array.size for array in stored.arrays.values())
        sizes = [value for part in stored.parts.values() for value in part.values() if isinstance(value, int)]
        if max(sizes, default=0) > numbers or stored.parts["backbone"].get("layers", 1) > len(state):
            raise ValueError(f"{max(sizes):,} units or layers in {numbers:,} numbers")
        with torch.device("meta"):
            described = EventModel(stored.columns, **stored.parts, **inputs)
        described.load_state_dict(rename_weights(state, described.state_dict()), assign=True)
    model = EventModel(stored.columns, **stored.parts, **inputs)
    model.summary, model.grams = dict(stored.summary), dict(stored.grams)
    model.load_state_dict(rename_weights(state, model.state_dict()))
    if not all(weight.isfinite().all() for weight in model.parameters()):
        raise HachimachiError("its weights are not all finite numbers; train it again")
    return model.eval()


def _import_torch(reason: str, advice: str = "pip install torch") -> Any:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise HachimachiError(f"{reason}, and that is not installed here; {advice}") from error
    return torch


@contextmanager
def _one_line(path: str | Path) -> Iterator[None]:
    """Say in one line, and with the path, what is wrong with a file."""
    try:
        yield
    except HachimachiError as error:
        raise HachimachiError(f"{path}: {error}") from error
    except _UNSOUND as error:
        reason = textwrap.shorten(str(error).removeprefix(_PREAMBLE), 100)
        found = f"its description and its weights do not fit ({reason})"
        raise HachimachiError(f"{path}: {found}; train it again") from error
