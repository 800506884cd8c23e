"""The typed schema of a training run: each key with its type, its range, and the errors about both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from hachimachi.augment.apply import parse
from hachimachi.events import KINDS
from hachimachi.models import sizes
from hachimachi.training.config.groups import find_conf, list_options

LOGGERS = ("tensorboard", "csv")
"""Loggers of the curves."""
SHAPES = ("constant", "cosine", "onecycle")
"""Shapes of the learning rate over a run; see :mod:`hachimachi.training.limits`."""


def _key(expected: str, accepts: Callable[[Any], bool], null: bool = False) -> Any:
    """Declare a key. Its default stands in conf/; here one that may be null is null, any other is missing."""
    if null:
        return field(default=None, metadata={"expected": f"{expected}, or null", "accepts": accepts})
    return field(default=MISSING, metadata={"expected": expected, "accepts": accepts})


def _whole(low: int, null: bool = False) -> Any:
    return _key(f"a whole number from {low}", lambda value: value >= low, null)


def _number(expected: str, accepts: Callable[[float], bool] = lambda _: True, null: bool = False) -> Any:
    return _key(expected, lambda value: math.isfinite(value) and accepts(value), null)


def _one_of(*names: str, null: bool = False) -> Any:
    return _key(f"one of {', '.join(names)}", lambda value: value in names, null)


def _part(group: str) -> Any:
    """Declare the name of a part. Each part has an option of that name, so conf/ is the list of them."""
    return _one_of(*list_options(find_conf()).get(group, []))


def _file(null: bool = False) -> Any:
    return _key("a file name", lambda value: value != "", null)


def _flag(null: bool = False) -> Any:
    return _key("true or false", lambda _: True, null)


def _is_list(value: Any, accepts: Callable[[Any], bool]) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0 and all(map(accepts, value))


def _is_devices(value: Any) -> bool:
    if _is_list(value, lambda index: type(index) is int and index >= 0):
        return True
    return value == "auto" or (type(value) is int and value >= 1)


def _devices() -> Any:
    return _key("a whole number from 1, a list of device numbers, or auto", _is_devices)


def _is_loggers(value: Any) -> bool:
    return value in (*LOGGERS, "none") if isinstance(value, str) else _is_list(value, LOGGERS.__contains__)


def _loggers() -> Any:
    return _key(f"one of {', '.join(LOGGERS)}, none, or a list of them", _is_loggers)


def _modules() -> Any:
    return _key("a list of modules, such as [mypackage.mymodule]", lambda _: True)


def _size() -> Any:
    return _key(f"{sizes.AUTO}, {', '.join(sizes.NAMES)} or a whole number from 1", sizes.accepts_size)


def _names() -> Any:
    return _key("a list of columns, such as [pitch,time]", lambda _: True, null=True)


def _is_ops(value: Any) -> bool:
    """Return whether a value is an expression or a list of them; one with a mistake shows it."""
    if not isinstance(value, str) and not (isinstance(value, Sequence) and all(isinstance(op, str) for op in value)):
        return False
    parse(value)
    return True


def _ops() -> Any:
    return _key('a list of augmentations, such as ["addrand(range=(-6, 6), dims=pitch)"]', _is_ops, null=True)


@dataclass
class DatasetConfig:
    """The events, and the windows cut from them."""

    path: str = _file()
    split: str | None = _file(null=True)
    window: int | None = _whole(2, null=True)
    batch_size: int = _whole(1)
    valid_fraction: float = _number("a number from 0 to 0.5", lambda value: 0 <= value <= 0.5)
    limit_events: int | None = _whole(2, null=True)
    num_workers: int = _whole(0)
    refit: bool = _flag()


@dataclass
class ModelConfig:
    """The backbone."""

    name: str = _part("model")
    size: int | str = _size()
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
    order: list[str] | None = _names()  # noqa: RUF009  (makes a field)
    any_order: float | None = _number("a number from 0 to 1", lambda value: 0 <= value <= 1, null=True)


@dataclass
class AugmentConfig:
    """How windows are augmented before they are learned from."""

    name: str = _part("augment")
    share: float | None = _number("a number from 0 to 1", lambda value: 0 <= value <= 1, null=True)
    transpose: int = _whole(0)
    louder: int = _whole(0)
    stretch: float = _number("a number from 0 to 1", lambda value: 0 <= value <= 1)
    ops: Any = _ops()  # noqa: RUF009  (makes a field)


@dataclass
class OptimizerConfig:
    """The optimizer."""

    name: str = _part("optimizer")
    lr: float = _number("a number above 0", lambda value: value > 0)
    weight_decay: float = _number("a number from 0", lambda value: value >= 0)
    schedule: str = _one_of(*SHAPES)
    warmup: int = _whole(0)
    average: float = _number("a number from 0 to below 1", lambda value: 0 <= value < 1)


@dataclass
class TrainerConfig:
    """On what it computes, and for how long. Names are those of `lightning.Trainer` where it has them."""

    accelerator: str = _one_of("auto", "cpu", "cuda")
    devices: Any = _devices()  # noqa: RUF009  (makes a field)
    num_nodes: int = _whole(1)
    strategy: str = _one_of("auto", "ddp")
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
    profiler: str | None = _one_of("simple", "advanced", null=True)


@dataclass
class CallbacksConfig:
    """When to stop, and what to show."""

    patience: int = _whole(1)
    min_delta: float = _number("a number from 0", lambda value: value >= 0)
    progress: bool = _flag()
    pictures: bool = _flag()


@dataclass
class LoggerConfig:
    """The loggers of the curves: one, or a list of them."""

    name: Any = _loggers()  # noqa: RUF009  (makes a field)


@dataclass
class SweepConfig:
    """What `-m` tries."""

    name: str = _part("sweep")
    trials: int | None = _whole(1, null=True)
    jobs: int | None = _whole(1, null=True)
    resume: str | None = _file(null=True)
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
    seed: int = _key("a whole number from 0 to 4294967295", lambda value: 0 <= value < 2**32)
    ckpt_path: str | None = _file(null=True)
    plugins: list[str] = _modules()  # noqa: RUF009  (makes a field)
