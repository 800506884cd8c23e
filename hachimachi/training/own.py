"""Parts of one's own among the configs: each is an option of its group, and its keys are what its constructor takes."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hachimachi import plugins
from hachimachi.training.conf import find_conf, list_options
from hachimachi.training.schema import FeatureConfig, HeadConfig, ModelConfig, TrainConfig


@dataclass(frozen=True)
class Group:
    """A group of configs whose options are parts: their kind, and the keys that parts of this package have."""

    kind: str
    schema: type


GROUPS = {"model": Group("backbone", ModelConfig), "head": Group("head", HeadConfig)}
FROM, STORED = "from", "stored"
"""Group and option as which the config in a model file is composed; see :mod:`hachimachi.training.again`."""
EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
"""Types that are checked, and how errors name them; of any other type a key takes what it is given."""


def offer(names: Iterable[str]) -> None:
    """Import plug-ins, and let Hydra know each of their backbones and heads as an option with its defaults.

    Raises:
        HachimachiError: As :func:`hachimachi.plugins.load`.
    """
    plugins.load(names)
    for group, name in _list_own():
        options = {key: MISSING if how.default is how.empty else how.default for key, how in _options(group, name)}
        ConfigStore.instance().store(group=group, name=name, node={"name": name, **options})


def list_all_options(*folders: Path) -> dict[str, list[str]]:
    """Return the options of each group, as :func:`~hachimachi.training.conf.list_options`, parts of one's own too."""
    found = list_options(*folders)
    for group, name in _list_own():
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
    from hachimachi.training.overrides import ConfigError

    try:
        value = OmegaConf.select(OmegaConf.create(file.read_text(encoding="utf-8")), key)
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    except (OSError, ValueError, OmegaConfBaseException):  # Hydra will say what is wrong with it
        return None
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def schema_of(cfg: DictConfig) -> type[TrainConfig]:
    """Return the schema of a run, in which parts of one's own have the keys that their constructors take."""
    own = [(group, OmegaConf.select(cfg, f"{group}.name")) for group in GROUPS]
    places = [(group, _part_schema(group, name)) for group, name in own if (group, name) in _list_own()]
    entries = [(group, schema, field(default_factory=schema)) for group, schema in places]
    return make_dataclass("OwnTrainConfig", entries, bases=(TrainConfig,)) if entries else TrainConfig


def list_schema_keys(feature: str = "<name>") -> dict[str, str]:
    """Return every key of a run and what it expects: `{"dataset.path": "a file name", …}`."""
    expected: dict[str, str] = {}
    for each in fields(TrainConfig):
        if each.name == "feature":
            expected |= _list_keys(f"feature.{feature}", FeatureConfig)
        elif is_dataclass(each.default_factory):
            expected |= _list_keys(each.name, each.default_factory)
        else:
            expected[each.name] = each.metadata["expected"]
    for group, name in _list_own():
        expected = {**_list_keys(group, _part_schema(group, name)), **expected}
    return expected


def _list_own() -> list[tuple[str, str]]:
    """Return group and name of each backbone and head that a plug-in has registered."""
    return [(group, name) for group, what in GROUPS.items() for name in plugins.names(what.kind)]


def _options(group: str, name: str) -> list[tuple[str, inspect.Parameter]]:
    from hachimachi.models import parts  # loads PyTorch, as the plug-in has done

    return list(parts.options(GROUPS[group].kind, name).items())


def _part_schema(group: str, name: str) -> type:
    """Return the keys of a part: those known from others with their rules, the rest with the types they are given."""
    known = {each.name: each for each in fields(GROUPS[group].schema)}
    taken = ", ".join(key for key, _ in _options(group, name)) or "nothing"
    names = list_options(find_conf())[group] + plugins.names(GROUPS[group].kind)
    rule = {
        "expected": f"one of {', '.join(names)}",
        "accepts": lambda value: value in names,
        "taken": taken,
        "part": name,
    }
    entries: list[Any] = [("name", str, field(default=MISSING, metadata=rule))]
    for key, how in _options(group, name):
        like = known.get(key)
        if like is not None:
            entries.append((key, like.type, field(default=like.default, metadata=dict(like.metadata))))
        else:
            entries.append(_own_key(key, how))
    return make_dataclass(f"{name.title()}Config", entries)


def _own_key(key: str, how: inspect.Parameter) -> tuple[str, Any, Any]:
    kinds = get_args(how.annotation) if get_origin(how.annotation) in (Union, types.UnionType) else (how.annotation,)
    null = how.default is None or type(None) in kinds
    [kind, *others] = [each for each in kinds if each is not type(None)] or [Any]
    checked = kind if kind in EXPECTED and not others else Any
    expected = EXPECTED.get(checked, "a value") + (", or null" if null else "")
    rule = {"expected": expected, "accepts": lambda _: True}
    return (
        key,
        checked | None if null and checked is not Any else checked,
        field(default=None if null else MISSING, metadata=rule),
    )


def _list_keys(section: str, schema: Any) -> dict[str, str]:
    return {f"{section}.{each.name}": each.metadata["expected"] for each in fields(schema)}


def _as_names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []
