"""The schema of a training run: each key with its type and range, and what is said of one that is not there."""

from __future__ import annotations

import inspect
import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal, Union, get_args, get_origin

from omegaconf import MISSING, DictConfig, OmegaConf

from hachimachi import plugins
from hachimachi.augment import apply
from hachimachi.errors import HachimachiError
from hachimachi.events import KINDS
from hachimachi.models import backbones
from hachimachi.training.config.groups import find_conf, list_options

LOGGERS = ("tensorboard", "csv")  # loggers of the curves
SHAPES = ("constant", "cosine", "onecycle")  # of the learning rate over a run; see hachimachi.training.limits
OPEN = ("optimizer", "trainer", "callbacks", "logger")  # sections that take more than their own keys; see targets.py
TARGET = "_target_"  # key that names a class


def _key(expected: str, accepts: Callable[[Any], bool] = lambda _: True, null: bool = False) -> Any:
    """Declare a key: its default stands in conf/; here one that may be null is null, others are missing."""
    if null:
        return field(default=None, metadata={"expected": f"{expected}, or null", "accepts": accepts})
    return field(default=MISSING, metadata={"expected": expected, "accepts": accepts})


def _whole(low: int, null: bool = False) -> Any:
    return _key(f"a whole number from {low}", lambda value: value >= low, null)


def _number(expected: str, accepts: Callable[[float], bool] = lambda _: True, null: bool = False) -> Any:
    return _key(expected, lambda value: math.isfinite(value) and accepts(value), null)


def _one_of(*names: str, null: bool = False) -> Any:
    return _key(f"one of {', '.join(names)}", lambda value: value in names, null)


def _one_of_or_class(*names: str, null: bool = False) -> Any:
    expected = f"one of {', '.join(names)}, a class {{{TARGET}: …}}"
    return _key(expected, lambda value: value in names if isinstance(value, str) else has_target(value), null)


def has_target(value: Any) -> bool:
    """Return whether a value names a class."""
    return isinstance(value, Mapping) and TARGET in value


def _part(group: str) -> Any:
    return _one_of(*list_options(find_conf()).get(group, []))


def _file(null: bool = False) -> Any:
    return _key("a file name", lambda value: value != "", null)


def _flag(null: bool = False) -> Any:
    return _key("true or false", null=null)


def _is_list(value: Any, accepts: Callable[[Any], bool]) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0 and all(map(accepts, value))


def _is_devices(value: Any) -> bool:
    listed = _is_list(value, lambda index: type(index) is int and index >= 0)
    return listed or value == "auto" or (type(value) is int and value >= 1)


def _is_loggers(value: Any) -> bool:
    return value in (*LOGGERS, "none") if isinstance(value, str) else _is_list(value, LOGGERS.__contains__)


def _is_ops(value: Any) -> bool:
    if not isinstance(value, str) and not (isinstance(value, Sequence) and all(isinstance(op, str) for op in value)):
        return False
    apply.parse(value)
    return True


@dataclass
class DatasetConfig:
    """The events, and the windows cut from them."""

    path: str = _file()
    split: str | None = _file(null=True)
    window: int | None = _whole(2, null=True)
    batch_size: int | None = _whole(1, null=True)
    valid_fraction: float = _number("a number from 0 to 0.5", lambda value: 0 <= value <= 0.5)
    limit_events: int | None = _whole(2, null=True)
    clock: bool | None = _flag(null=True)
    hear_masked: bool = _flag()
    num_workers: int = _whole(0)


@dataclass
class ModelConfig:
    """The backbone."""

    name: str = _part("model")
    size: int | str = _key(
        f"{backbones.AUTO}, {', '.join(backbones.NAMES)} or a whole number from 1", backbones.accepts_size
    )
    layers: int | None = _whole(1, null=True)
    dropout: float | None = _number("a number from 0 to below 1", lambda value: 0 <= value < 1, null=True)
    window: int | None = _whole(1, null=True)


@dataclass
class HeadConfig:
    """The head."""

    name: str = _part("head")
    components: int = _whole(1)
    width: int | None = _whole(1, null=True)
    dropout: float | None = _number("a number from 0 to below 1", lambda value: 0 <= value < 1, null=True)
    order: list[str] | None = _key("a list of columns, such as [pitch,time]", null=True)  # noqa: RUF009
    any_order: float | None = _number("a number from 0 to 1", lambda value: 0 <= value <= 1, null=True)
    intervals: int | None = _whole(0, null=True)


@dataclass
class AugmentConfig:
    """How windows are augmented before they are learned from."""

    name: str = _part("augment")
    share: float | None = _number("a number from 0 to 1", lambda value: 0 <= value <= 1, null=True)
    transpose: int | None = _whole(0, null=True)
    louder: int = _whole(0)
    stretch: float = _number("a number from 0 to 1", lambda value: 0 <= value <= 1)
    ops: Any = _key(  # noqa: RUF009
        'a list of augmentations, such as ["addrand(range=(-6, 6), dims=pitch)"]', _is_ops, null=True
    )
    as_data: bool | None = _flag(null=True)


@dataclass
class OptimizerConfig:
    """The optimizer; with `_target_` one of another class, whose arguments are keys besides."""

    name: str = _part("optimizer")
    lr: float | None = _number("a number above 0", lambda value: value > 0, null=True)
    weight_decay: float = _number("a number from 0", lambda value: value >= 0)
    schedule: str = _one_of(*SHAPES)
    warmup: int = _whole(0)
    average: float = _number("a number from 0 to below 1", lambda value: 0 <= value < 1)


@dataclass
class TrainerConfig:
    """On what it computes, and how long. Names are those of `lightning.Trainer`, whose others may be there too."""

    accelerator: str = _one_of("auto", "cpu", "cuda")
    devices: Any = _key("a whole number from 1, a list of device numbers, or auto", _is_devices)  # noqa: RUF009
    num_nodes: int = _whole(1)
    strategy: Any = _one_of_or_class("auto", "ddp")  # noqa: RUF009
    max_epochs: int | None = _whole(1, null=True)
    max_steps: int = _key("a whole number from 1, or -1 for no limit", lambda value: value == -1 or value >= 1)
    max_minutes: float | None = _number("a number above 0", lambda value: value > 0, null=True)
    precision: str = _one_of("32-true", "64-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed")
    gradient_clip_val: float = _number("a number from 0", lambda value: value >= 0)
    check_val_every_n_epoch: int | None = _whole(1, null=True)
    deterministic: bool = _flag()
    compile: bool | None = _flag(null=True)
    threads: int | None = _whole(1, null=True)
    overfit_batches: int = _whole(0)
    detect_anomaly: bool = _flag()
    profiler: Any = _one_of_or_class("simple", "advanced", null=True)  # noqa: RUF009


@dataclass
class CallbacksConfig:
    """When to stop, and what to show; besides, callbacks by their classes."""

    patience: int = _whole(1)
    min_delta: float = _number("a number from 0", lambda value: value >= 0)
    progress: bool = _flag()
    pictures: bool = _flag()


@dataclass
class LoggerConfig:
    """The loggers of the curves: one, or a list of them; besides, others by their classes."""

    name: Any = _key(f"one of {', '.join(LOGGERS)}, none, or a list of them", _is_loggers)  # noqa: RUF009


@dataclass
class SweepConfig:
    """What `-m` tries."""

    name: str = _part("sweep")
    trials: int | None = _whole(1, null=True)
    jobs: int | None = _whole(1, null=True)
    prune: bool = _flag()
    prune_after: int = _whole(1)
    warmup: int = _whole(0)


@dataclass
class FeatureConfig:
    """What replaces the data's own declaration of one feature; null replaces nothing."""

    kind: str | None = _one_of(*KINDS, null=True)
    masked: bool | None = _flag(null=True)
    min: float | None = _number("a number", null=True)
    max: float | None = _number("a number", null=True)
    resolution: float | None = _number("a number above 0", lambda value: value > 0, null=True)


@dataclass
class TrainConfig:
    """One training run."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    callbacks: CallbacksConfig = field(default_factory=CallbacksConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    feature: dict[str, FeatureConfig] = field(default_factory=dict)
    output: str = _file()
    init: str = _key("auto, none, a base model or a model file", lambda value: value != "")
    seed: int = _key("a whole number from 0 to 4294967295", lambda value: 0 <= value < 2**32)
    ckpt_path: str | None = _file(null=True)
    test: bool = _flag()
    tags: list[str] = _key("a list of words, such as [baseline,evening]")  # noqa: RUF009
    plugins: list[str] = _key("a list of modules, such as [mypackage.mymodule]")  # noqa: RUF009


GROUPS: dict[str, tuple[str, type]] = {"model": ("backbone", ModelConfig), "head": ("head", HeadConfig)}
"""Groups of configs whose options are parts: their kind, and the keys that parts of this package have."""


def spell(word: str) -> str:
    """Write the name of a feature in an override so that Hydra takes it for one key; any other word is left as it is.

    >>> spell("feature.left hand.x.kind=categorical"), name_of("left$u20$hand$u2e$x")
    ('feature.left$u20$hand$u2e$x.kind=categorical', 'left hand.x')
    """
    if not (found := re.match(r"(\+{0,2}feature\.)(.+?)(\.\w+=.*)", word, re.DOTALL)):
        return word
    odd = r"[^A-Za-z0-9_$-]|^-|^\d(?=.*\D)"
    return found[1] + re.sub(odd, lambda letter: f"$u{ord(letter[0]):x}$", found[2]) + found[3]


def name_of(text: str) -> str:
    """Return a text with names of features as they are in the data, see `spell`."""
    return re.sub(r"\$u([0-9a-f]{1,6})\$", lambda code: chr(int(code[1], 16)), text)


class ConfigError(HachimachiError):
    """An override or a config that does not say what a run needs: a wrong call, not bad data."""

    def __init__(self, message: str) -> None:
        super().__init__(name_of(message))


NAMES = {  # types that YAML has, and how errors name them
    **{int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "null"},
    **{list: "a list", tuple: "a list", dict: "keys and values"},
}


def accepts(kind: Any, value: Any) -> bool:  # noqa: PLR0911  (one a kind)
    """Return whether a value of YAML is of the type that a constructor's argument is annotated with.

    A reference to another key is of any. Of classes that YAML does not have, none is: they come by `_target_`.
    """
    if kind in (inspect.Parameter.empty, Any) or (isinstance(value, str) and "${" in value):
        return True
    if get_origin(kind) in (Union, types.UnionType):
        return any(accepts(each, value) for each in get_args(kind))
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    kind = type(None) if kind is None else get_origin(kind) or kind
    if kind in (list, tuple):
        return isinstance(value, Sequence) and not isinstance(value, str)
    if kind is dict:
        return isinstance(value, Mapping)
    if kind in (int, float):
        return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if kind in NAMES or not isinstance(kind, type):
        return kind not in NAMES or isinstance(value, kind)
    wider = any(issubclass(each, kind) for each in NAMES)  # a sequence, a number, an object
    return wider or (isinstance(value, str) and hasattr(kind, "__fspath__"))


def name_kind(kind: Any) -> str:
    """Return how an error names the type of an argument."""
    if kind in (inspect.Parameter.empty, Any):
        return "a value"
    if get_origin(kind) in (Union, types.UnionType):
        # typing gives back the first union that was made of the same types, in whatever order they stood
        ordered = sorted(get_args(kind), key=lambda each: (each not in (int, float), each is float))
        return " or ".join(dict.fromkeys(map(name_kind, ordered)))
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    kind = type(None) if kind is None else get_origin(kind) or kind
    return NAMES.get(kind) or f"a {getattr(kind, '__name__', kind)}, {{{TARGET}: …}}"


def explain_key(key: str, others: Sequence[str] = (), also: str = "") -> str:
    """Say that there is no such key, and which is nearest or what its section holds, ``also`` what else it takes."""
    section, _, rest = key.partition(".")
    known = [*list_schema_keys(rest.partition(".")[0] or "<name>"), *others]
    siblings = [other for other in known if rest and other.startswith(f"{section}.")]
    ends = {other.rpartition(".")[2]: other for other in siblings}
    last = key.rpartition(".")[2]
    near = [other for other in known if other.endswith(f".{last}") and section != "feature" and last != "name"]
    if not near:
        near = [ends[end] for end in get_close_matches(last, list(ends), n=1, cutoff=0.6 if also else 0.5)]
    if not near and not siblings:
        near = get_close_matches(key, known, n=1)
    if near:
        return f"{key}: no such key; did you mean {' or '.join(near)}?"
    own = [end for end, other in ends.items() if other not in others]
    tops = dict.fromkeys(other.partition(".")[0] for other in known)
    return f"{key}: no such key; {section if ends else 'a run'} has {', '.join(own or tops)}{also}"


def show(value: object) -> str:
    """Return a value as the user would write it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def schema_of(cfg: DictConfig) -> type[TrainConfig]:
    """Return the schema of a run, in which parts of plug-ins have the keys that their constructors take."""
    custom = [(group, name) for group, name in list_custom_parts() if OmegaConf.select(cfg, f"{group}.name") == name]
    schemas = [(group, _part_schema(group, name)) for group, name in custom]
    entries = [(group, schema, field(default_factory=schema)) for group, schema in schemas]
    return make_dataclass("CustomTrainConfig", entries, bases=(TrainConfig,)) if entries else TrainConfig


def list_schema_keys(feature: str = "<name>") -> dict[str, str]:
    """Return every key of a run and what it expects: `{"dataset.path": "a file name", …}`."""

    def list_section(section: str, schema: Any) -> dict[str, str]:
        return {f"{section}.{each.name}": each.metadata["expected"] for each in fields(schema)}

    expected: dict[str, str] = {}
    for each in fields(TrainConfig):
        if each.name == "feature":
            expected |= list_section(f"feature.{feature}", FeatureConfig)
        elif is_dataclass(each.default_factory):
            expected |= list_section(each.name, each.default_factory)
        else:
            expected[each.name] = each.metadata["expected"]
    for group, name in list_custom_parts():
        expected = {**list_section(group, _part_schema(group, name)), **expected}
    return expected


def list_custom_parts() -> list[tuple[str, str]]:
    """Return group and name of each backbone and head that a plug-in has registered."""
    return [(group, name) for group, (kind, _) in GROUPS.items() for name in plugins.plugin_names(kind)]


def _part_schema(group: str, name: str) -> type:
    """Return the keys of a part: those known from others with their rules, the rest with the types they are given."""
    kind, schema = GROUPS[group]
    known, options = {each.name: each for each in fields(schema)}, plugins.options(kind, name)
    names = list_options(find_conf())[group] + plugins.plugin_names(kind)
    rule = {"expected": f"one of {', '.join(names)}", "accepts": lambda value: value in names}
    rule |= {"taken": ", ".join(options) or "nothing", "part": name}
    entries: list[Any] = [("name", str, field(default=MISSING, metadata=rule))]
    for key, option in options.items():
        if like := known.get(key):
            entries.append((key, like.type, field(default=like.default, metadata=dict(like.metadata))))
            continue
        kind = option.annotation
        rule = {"expected": name_kind(kind), "accepts": partial(accepts, kind)}
        entries.append((key, Any, field(default=None if option.default is None else MISSING, metadata=rule)))
    return make_dataclass(f"{name.title()}Config", entries)
