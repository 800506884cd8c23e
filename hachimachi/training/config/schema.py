"""The schema of a training run, each key with its type and range, and the overrides that name its keys."""

from __future__ import annotations

import math
import os
import re
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, Quote, QuotedString, RangeSweep
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hachimachi import plugins
from hachimachi.augment import apply
from hachimachi.errors import HachimachiError
from hachimachi.events import KINDS
from hachimachi.models import sizes
from hachimachi.training.config.groups import find_conf, list_options

LOGGERS = ("tensorboard", "csv")
"""Loggers of the curves."""
SHAPES = ("constant", "cosine", "onecycle")
"""Shapes of the learning rate over a run; see :mod:`hachimachi.training.limits`."""


def _is_any(value: Any) -> bool:  # noqa: ARG001  (as any key accepts a value)
    return True


def _key(expected: str, accepts: Callable[[Any], bool], null: bool = False) -> Any:
    """Declare a key, a field: its default stands in conf/; here one that may be null is null, others are missing."""
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
    """Declare the name of a part: conf/ has an option of that name for each."""
    return _one_of(*list_options(find_conf()).get(group, []))


def _file(null: bool = False) -> Any:
    return _key("a file name", lambda value: value != "", null)


def _flag(null: bool = False) -> Any:
    return _key("true or false", _is_any, null)


def _is_list(value: Any, accepts: Callable[[Any], bool]) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0 and all(map(accepts, value))


def _is_devices(value: Any) -> bool:
    if _is_list(value, lambda index: type(index) is int and index >= 0):
        return True
    return value == "auto" or (type(value) is int and value >= 1)


def _is_loggers(value: Any) -> bool:
    return value in (*LOGGERS, "none") if isinstance(value, str) else _is_list(value, LOGGERS.__contains__)


def _is_ops(value: Any) -> bool:
    """Return whether a value is an expression or a list of them; one with a mistake shows it."""
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
    batch_size: int = _whole(1)
    valid_fraction: float = _number("a number from 0 to 0.5", lambda value: 0 <= value <= 0.5)
    limit_events: int | None = _whole(2, null=True)
    num_workers: int = _whole(0)
    refit: bool = _flag()


@dataclass
class ModelConfig:
    """The backbone."""

    name: str = _part("model")
    size: int | str = _key(f"{sizes.AUTO}, {', '.join(sizes.NAMES)} or a whole number from 1", sizes.accepts_size)
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
    order: list[str] | None = _key("a list of columns, such as [pitch,time]", _is_any, null=True)  # noqa: RUF009
    any_order: float | None = _number("a number from 0 to 1", lambda value: 0 <= value <= 1, null=True)


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
    devices: Any = _key("a whole number from 1, a list of device numbers, or auto", _is_devices)  # noqa: RUF009
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

    name: Any = _key(f"one of {', '.join(LOGGERS)}, none, or a list of them", _is_loggers)  # noqa: RUF009


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
    plugins: list[str] = _key("a list of modules, such as [mypackage.mymodule]", _is_any)  # noqa: RUF009


Options = dict[str, list[str]]
_OVERRIDE = re.compile(r"~|\+{0,2}[\w$][\w$./@:-]*=")


GROUPS: dict[str, tuple[str, type]] = {"model": ("backbone", ModelConfig), "head": ("head", HeadConfig)}
"""Groups of configs whose options are parts: their kind, and the keys that parts of this package have."""
FROM, STORED = "from", "stored"
"""Group and option as which the config in a model file is composed; see :mod:`hachimachi.training.config.compose`."""
EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
"""Types that are checked, and how errors name them; of any other type a key takes what it is given."""


class ConfigError(HachimachiError):
    """An override or a config that does not say what a run needs: a wrong call, not bad data."""


def as_overrides(words: Sequence[str], named: Sequence[str] = ("dataset.path",)) -> list[str]:
    """Turn the leading files into overrides: DATA into `dataset.path`, MODEL.pt into `output`.

    Args:
        words: Files, then overrides.
        named: What a lone file that ends in `.pt` stands for.

    Raises:
        ConfigError: A third file, or a file after an override.
    """

    def is_file(word: str) -> bool:
        key = _OVERRIDE.match(word)
        if key is None or os.path.exists(word):  # noqa: PTH110  (Path.exists raises for a word too long for a name)
            return True
        # a model in a folder
        return "/" in key[0] and not key[0].startswith("hydra/") and Path(word).parent.is_dir()

    files = list(takewhile(is_file, words))
    rest = list(words[len(files) :])
    if len(files) > 2:
        raise ConfigError(f"{files[2]}: a third file; expected hxmx train [DATA [MODEL.pt]] [key=value …]")
    for word in rest:
        if "=" not in word and not word.startswith("~"):
            raise ConfigError(f"{word}: a file after an override; files come first, overrides are key=value")
    keys = named if len(files) == 1 and files[0].endswith(".pt") else ("dataset.path", "output")
    return [f"{key}={quote(name)}" for key, name in zip(keys, files, strict=False)] + rest


def quote(name: str) -> str:
    r"""Quote a file name so that Hydra and OmegaConf give it back as it is.

    >>> print(quote("it's ${odd}.json"))
    'it\'s \${odd}.json'
    """
    return QuotedString(plain(name), Quote.single).with_quotes()


def plain(name: str) -> str:
    """Write a file name so that OmegaConf sees no reference, `${…}`, and no missing value, `???`, in it."""
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", "./???" if name == "???" else name)


def parse(words: Sequence[str], options: Options, multirun: bool = False) -> list[Override]:
    """Parse overrides and check the groups, options and keys they name. Keys of `hydra.` are left to Hydra.

    Raises:
        ConfigError: A word that is wrong, and what is allowed.
    """
    overrides = read_words(words)
    for override in overrides:
        if override.is_hydra_override():
            continue
        if override.is_sweep_override() and not multirun:
            raise ConfigError(f"{override.input_line}: several values; -m tries each, [a,b] is one list")
        if override.is_sweep_override() and override.key_or_group == "output":
            raise ConfigError(f"{override.input_line}: several files; expected one, for the best model of the sweep")
        key = override.key_or_group
        if key not in options:
            known = list_schema_keys(key.partition(".")[2].partition(".")[0] or "<name>")
            if key != "feature" and not any(key == other or other.startswith(f"{key}.") for other in known):
                raise ConfigError(explain_key(key, list(options)))
        elif not override.is_delete():
            _check_option(override, options[key])
    return overrides


def _check_option(override: Override, names: list[str]) -> None:
    group, value = override.key_or_group, override.value()
    chosen = list_choices(override, {group: names}) if override.is_sweep_override() else value
    if not chosen:
        raise ConfigError(f"{override.input_line}: fits no option; expected one of {', '.join(names)}")
    for name in chosen if isinstance(chosen, list) else [chosen]:
        if name not in names:
            near = get_close_matches(str(name), names, n=1)
            hint = f"; did you mean {group}={near[0]}?" if near else ""
            raise ConfigError(f"{override.input_line}: {name} is not one of {', '.join(names)}{hint}")


def read_words(words: Sequence[str]) -> list[Override]:
    """Read overrides as Hydra does, whatever they name; a `ConfigError` is raised for a word that cannot be read."""
    overrides = []
    for word in words:
        # names of features come from the data, so no config can hold these keys beforehand
        text = f"++{word}" if re.match(r"feature[.=]", word) else word
        try:
            overrides.append(OverridesParser.create().parse_override(text))
        except HydraException as error:
            hint = "expected key=value; text with special characters stands in quotes: \"key='a, b'\""
            raise ConfigError(f"{text}: cannot be read; {hint}") from error
    return overrides


def list_choices(override: Override, options: Options) -> list[str]:
    """Return the values that a sweep will give to its key, as text; of a range or interval, only its ends."""
    value = override.value()
    if not override.is_sweep_override():
        return [override.input_line.partition("=")[2] if override.input_line else ""]
    if isinstance(value, Glob):
        return value.filter(options.get(override.key_or_group, []))
    if isinstance(value, IntervalSweep):
        return [str(value.start), str(value.end)]
    if isinstance(value, RangeSweep):
        numbers = list(value.range())
        return [str(min(numbers)), str(max(numbers))]
    return list(override.sweep_string_iterator())


def explain_key(key: str, groups: Sequence[str] = ()) -> str:
    """Say that there is no such key, and which is nearest or what its section holds."""
    section, _, rest = key.partition(".")
    known = [*list_schema_keys(rest.partition(".")[0] or "<name>"), *groups]
    siblings = [other for other in known if rest and other.startswith(f"{section}.")]
    ends = {other.rpartition(".")[2]: other for other in siblings}
    near = [ends[end] for end in get_close_matches(rest.rpartition(".")[2], list(ends), n=1, cutoff=0.5)]
    if not siblings:
        near = [other for other in known if other.endswith(f".{key}")] or get_close_matches(key, known, n=1)
    if near:
        return f"{key}: no such key; did you mean {' or '.join(near)}?"
    tops = dict.fromkeys(other.partition(".")[0] for other in known)
    return f"{key}: no such key; {section if ends else 'a run'} has {', '.join(ends or tops)}"


def show(value: object) -> str:
    """Return a value as the user would write it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def offer(names: Iterable[str]) -> None:
    """Import plug-ins, and let Hydra know each of their backbones and heads as an option with its defaults.

    Raises:
        HachimachiError: As :func:`hachimachi.plugins.load`.
    """
    plugins.load(names)
    for group, name in _list_custom():
        taken = plugins.options(GROUPS[group][0], name)
        options = {key: MISSING if each.default is each.empty else each.default for key, each in taken.items()}
        ConfigStore.instance().store(group=group, name=name, node={"name": name, **options})


def list_all_options(*folders: Path) -> dict[str, list[str]]:
    """Return the options of each group, as `list_options`, custom parts included."""
    found = list_options(*folders)
    for group, name in _list_custom():
        found[group] = sorted({*found[group], name})
    return found | ({FROM: [STORED]} if FROM in ConfigStore.instance().repo else {})


def find_plugins(overrides: Sequence[Override], folders: Sequence[Path], config_name: str) -> list[str]:
    """Return what `plugins=` names, in the overrides or at the top of the configs that they choose."""
    files = [folder / f"{config_name}.yaml" for folder in folders]
    named: list[str] = []
    for override in overrides:
        if override.key_or_group == "plugins" and not override.is_delete():
            named += _as_names(override.value())
        elif "/" not in override.key_or_group:
            files += [folder / override.key_or_group / f"{override.value()}.yaml" for folder in folders]
    for file in files:
        named += _as_names(read_key(file, "plugins")) if file.is_file() else []
    return named


def read_key(file: Path, key: str) -> Any:
    """Return what a config's file has at its top under a key, as it stands there; nothing if it cannot be read.

    Raises:
        ConfigError: What is no YAML; Hydra would not name the file.
    """
    try:
        value = OmegaConf.select(OmegaConf.create(file.read_text(encoding="utf-8")), key)
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    except (OSError, ValueError, OmegaConfBaseException):  # Hydra will say what is wrong with it
        return None
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def schema_of(cfg: DictConfig) -> type[TrainConfig]:
    """Return the schema of a run, in which parts of plug-ins have the keys that their constructors take."""
    custom = [(group, name) for group, name in _list_custom() if OmegaConf.select(cfg, f"{group}.name") == name]
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
    for group, name in _list_custom():
        expected = {**list_section(group, _part_schema(group, name)), **expected}
    return expected


def _list_custom() -> list[tuple[str, str]]:
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
        union = get_origin(option.annotation) in (Union, types.UnionType)
        kinds = get_args(option.annotation) if union else (option.annotation,)
        null = option.default is None or type(None) in kinds
        [first, *others] = [each for each in kinds if each is not type(None)] or [Any]
        checked = first if first in EXPECTED and not others else Any
        expected = EXPECTED.get(checked, "a value") + (", or null" if null else "")
        annotation = checked | None if null and checked is not Any else checked
        default = field(default=None if null else MISSING, metadata={"expected": expected, "accepts": _is_any})
        entries.append((key, annotation, default))
    return make_dataclass(f"{name.title()}Config", entries)


def _as_names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []
