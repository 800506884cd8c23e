"""The arguments of `hxmx train`: files and overrides, the keys they may name, and the keys of plug-ins."""

from __future__ import annotations

import inspect
import os
import re
import types
from collections.abc import Iterable, Sequence
from dataclasses import field, fields, is_dataclass, make_dataclass
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
from hachimachi.errors import HachimachiError
from hachimachi.training.config.groups import find_conf, list_options
from hachimachi.training.config.schema import FeatureConfig, HeadConfig, ModelConfig, TrainConfig

Options = dict[str, list[str]]
_OVERRIDE = re.compile(r"~|\+{0,2}[\w$][\w$./@:-]*=")


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
        ConfigError: The first word that is wrong, and what is allowed.
    """
    overrides = read_words(words)
    for override in overrides:
        if override.is_hydra_override():
            continue
        if override.is_sweep_override() and not multirun:
            raise ConfigError(f"{override.input_line}: several values; -m tries each, [a,b] is one list")
        if override.is_sweep_override() and override.key_or_group == "output":
            raise ConfigError(f"{override.input_line}: several files; expected one, for the best model of the sweep")
        if override.key_or_group in options:
            _check_option(override, options[override.key_or_group])
        else:
            key = override.key_or_group
            rest = key.partition(".")[2]
            known = list_schema_keys(rest.partition(".")[0] or "<name>")
            if key != "feature" and not any(key == other or other.startswith(f"{key}.") for other in known):
                raise ConfigError(explain_key(key, list(options)))
    return overrides


def read_words(words: Sequence[str]) -> list[Override]:
    """Read overrides as Hydra does, whatever they name.

    Raises:
        ConfigError: The first word that cannot be read.
    """
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


def _check_option(override: Override, names: list[str]) -> None:
    group, value = override.key_or_group, override.value()
    if override.is_delete():
        return
    chosen = list_choices(override, {group: names}) if override.is_sweep_override() else value
    if not chosen:
        raise ConfigError(f"{override.input_line}: fits no option; expected one of {', '.join(names)}")
    for name in chosen if isinstance(chosen, list) else [chosen]:
        if name not in names:
            near = get_close_matches(str(name), names, n=1)
            hint = f"; did you mean {group}={near[0]}?" if near else ""
            raise ConfigError(f"{override.input_line}: {name} is not one of {', '.join(names)}{hint}")


GROUPS: dict[str, tuple[str, type]] = {"model": ("backbone", ModelConfig), "head": ("head", HeadConfig)}
"""Groups of configs whose options are parts: their kind, and the keys that parts of this package have."""
FROM, STORED = "from", "stored"
"""Group and option as which the config in a model file is composed; see :mod:`hachimachi.training.config.compose`."""
EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
"""Types that are checked, and how errors name them; of any other type a key takes what it is given."""


def offer(names: Iterable[str]) -> None:
    """Import plug-ins, and let Hydra know each of their backbones and heads as an option with its defaults.

    Raises:
        HachimachiError: As :func:`hachimachi.plugins.load`.
    """
    plugins.load(names)
    for group, name in _list_custom():
        taken = _options(group, name)
        options = {key: MISSING if each.default is each.empty else each.default for key, each in taken}
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
        ConfigError: What is no YAML; Hydra would not say in which file.
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
    chosen = [(group, OmegaConf.select(cfg, f"{group}.name")) for group in GROUPS]
    schemas = [(group, _part_schema(group, name)) for group, name in chosen if (group, name) in _list_custom()]
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


def _options(group: str, name: str) -> list[tuple[str, inspect.Parameter]]:

    return list(plugins.options(GROUPS[group][0], name).items())


def _part_schema(group: str, name: str) -> type:
    """Return the keys of a part: those known from others with their rules, the rest with the types they are given."""
    kind, schema = GROUPS[group]
    known = {each.name: each for each in fields(schema)}
    taken = ", ".join(key for key, _ in _options(group, name)) or "nothing"
    names = list_options(find_conf())[group] + plugins.plugin_names(kind)
    rule = {
        "expected": f"one of {', '.join(names)}",
        "accepts": lambda value: value in names,
        "taken": taken,
        "part": name,
    }
    entries: list[Any] = [("name", str, field(default=MISSING, metadata=rule))]
    for key, option in _options(group, name):
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
        metadata = {"expected": expected, "accepts": lambda _: True}
        entries.append((key, annotation, field(default=None if null else MISSING, metadata=metadata)))
    return make_dataclass(f"{name.title()}Config", entries)


def _as_names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []
