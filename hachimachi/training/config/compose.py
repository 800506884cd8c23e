"""Composing and checking the config of a training run, and its defaults that depend on the amount of data."""

from __future__ import annotations

import copy
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException, ValidationError

from hachimachi import plugins
from hachimachi.augment.expression import ExpressionError
from hachimachi.checkpoint import read_summary
from hachimachi.errors import expect
from hachimachi.models.backbones import AUTO, choose_size
from hachimachi.training.config.groups import find_conf, list_defaults, list_option_keys
from hachimachi.training.config.overrides import (
    FROM,
    STORED,
    Options,
    find_plugins,
    list_all_options,
    list_choices,
    offer,
    parse,
    quote,
    read_key,
    read_words,
)
from hachimachi.training.config.schema import OPEN, ConfigError, explain_key, list_schema_keys, schema_of, show
from hachimachi.training.config.targets import check_open, split_stored

NAMED = ("model", "head", "augment")  # groups whose options have keys of their own: the option is chosen first
LEFT = ("output", "ckpt_path", "plugins", "sweep", FROM)
"""Keys not taken from a model: where a run writes, what it went on from, the sweep it was a job of, and plug-ins."""


def start_from(path: Path, words: Sequence[str], config_dir: Path | None = None) -> tuple[list[str], list[str]]:
    """Let Hydra know the config in a model file (``.pt``) or checkpoint (``.ckpt``) as an option of the group `from`.

    What the words choose an option for, themselves or by an experiment, is theirs alone. What would run is left out:
    classes, and plug-ins that the words do not name. Return the overrides, with that option chosen, and lines to print.
    Raises `ConfigError` for a model that was not trained by a config or needs a plug-in which the words do not name,
    `HachimachiError` for no model.
    """
    summary, overrides = read_summary(path), read_words(words)
    stored = summary.get("config")
    if not isinstance(stored, dict):
        raise ConfigError(f"--from {path}: holds no config; expected a model that hxmx train has made")
    folders = [find_conf(), *([config_dir] if config_dir else [])]
    named = find_plugins(overrides, folders, "train")
    if missing := [name for name in summary["plugins"] if name not in named]:  # it has a part from there
        reason = f"it was made with the plug-in {missing[0]}, kept outside hachimachi"
        raise ConfigError(f"--from {path}: {reason}; if you trust it, add 'plugins=[{','.join([*named, *missing])}]'")
    offer(named)
    options = list_all_options(*folders)
    chosen = _choose(overrides, options, folders)
    kept, dropped, gone = split_stored(stored, {*LEFT, *(chosen & set(options))})
    dropped += [f"plugins ({name})" for name in stored.get("plugins") or [] if name not in named]
    names = {group: kept[group].get("name") for group in NAMED if group in kept and group not in chosen}
    defaults = [{f"override /{group}": name} for group, name in names.items() if name in options.get(group, [])]
    node = {"defaults": [*defaults, "_self_"], **kept}
    ConfigStore.instance().store(group=FROM, name=STORED, node=node, package="_global_")
    choice = f"{FROM}={STORED}"

    given = {override.key_or_group for override in overrides}
    lines = [f"From {path}: its config" + (", with what you say on top" if given else "")]
    left = [key for key in summary.get("decided", {}) if key not in given and key.partition(".")[0] not in given]
    if left:
        lines += textwrap.wrap(f"Decided from the data again: {', '.join(left)}", 80)
    if dropped:
        text = "Left out, for a model file brings in no code; name what you trust yourself"
        lines += textwrap.wrap(f"{text}: {', '.join(dropped)}", 80, break_on_hyphens=False)
    if gone:
        version = summary.get("versions", {}).get("hachimachi", "another version")
        lines.append(f"Left out, for this hachimachi does not have them ({version} did): {', '.join(gone)}")
    return [*([] if choice in words else [choice]), *words], lines


def _choose(overrides: Sequence[Override], options: Options, folders: Sequence[Path]) -> set[str]:
    """Return the keys and groups of overrides, and the groups that the options they choose override."""
    chosen = {override.key_or_group for override in overrides}
    for override in overrides:
        group = override.key_or_group
        names = list_choices(override, options) if group in options else []
        for file in (folder / group / f"{name}.yaml" for name in names for folder in folders):
            defaults = read_key(file, "defaults") if file.is_file() else None
            entries = [str(key) for entry in defaults or [] if isinstance(entry, Mapping) for key in entry]
            chosen |= {key.partition("/")[2] for key in entries if key.startswith("override /")}
    return chosen


def compose(overrides: Sequence[str] = (), source: str | Path | None = None) -> DictConfig:
    """Compose conf/train.yaml with overrides, and check it: in a notebook, a test or inside `hydra.main` alike.

    ``source`` is a model whose config to start from, in place of the defaults. Raises `ConfigError`: one line that
    names the key and what is allowed.

    >>> from hachimachi import compose
    >>> cfg = compose(["model=lstm", "optimizer.lr=1e-3"])
    >>> cfg.model.name, cfg.optimizer.lr, cfg.head.name
    ('lstm', 0.001, 'autoregressive')
    >>> compose(["trainer.max_epoch=5"])
    Traceback (most recent call last):
    hachimachi.training.config.schema.ConfigError: trainer.max_epoch: no such key; did you mean trainer.max_epochs?
    """
    listed = isinstance(overrides, Sequence) and not isinstance(overrides, str)
    expect(listed and all(isinstance(word, str) for word in overrides), "overrides", overrides, '["key=value", …]')
    if source is not None:
        overrides, _ = start_from(Path(source), overrides)
    _, cfg = check_words(overrides)
    return cfg


def check_words(
    words: Sequence[str], multirun: bool = False, config_name: str = "train", config_dir: Path | None = None
) -> tuple[list[str], DictConfig]:
    """Check overrides and what they compose to, of a sweep every choice, one at a time; raises as `compose`. Return the
    overrides as Hydra is to get them, and the typed config (of a sweep, of its first choices)."""
    folders = [find_conf(), *([config_dir] if config_dir else [])]
    offer(find_plugins(read_words(words), folders, config_name))
    options = list_all_options(*folders)
    given = parse(words, options, multirun)
    overrides = list(given)
    first = [_word(override, list_choices(override, options)[0]) for override in given]
    if multirun:  # the config itself may have keys for a sweep to vary
        params = OmegaConf.select(_compose(first, config_name, config_dir, whole=True), "hydra.sweeper.params") or {}
        space = parse([f"{key}={value}" for key, value in params.items()], options, multirun=True)
        chosen = {override.key_or_group for override in given}
        overrides += [override for override in space if override.key_or_group not in chosen]
        first += [_word(override, list_choices(override, options)[0]) for override in overrides[len(given) :]]
    cfg = _compose(first, config_name, config_dir)
    typed = check(cfg)
    for i, override in enumerate(overrides):
        for choice in list_choices(override, options)[1:]:
            word = _word(override, choice)
            if override.key_or_group in options or override.is_hydra_override():
                check(_compose([*first[:i], word, *first[i + 1 :]], config_name, config_dir))
                continue
            changed = copy.deepcopy(cfg)  # much faster than composing again, for a thousand seeds
            [parsed] = parse([word], options)
            OmegaConf.update(changed, override.key_or_group, parsed.value(), force_add=True)
            check(changed)
    return [str(override.input_line) for override in given], typed


def check(cfg: DictConfig) -> DictConfig:
    """Merge a composed config into the schema: types are converted, ranges checked, open sections get their defaults.
    Raises `ConfigError`: a key that is unknown, missing, or of a wrong type or range."""
    cfg = DictConfig(OmegaConf.to_container(cfg))  # untyped: that of a plug-in has a schema of its own each time
    named = cfg.get("plugins")
    offer(map(str, named if OmegaConf.is_list(named) else []))
    schema = schema_of(cfg)
    structured = OmegaConf.structured(schema)
    for section in OPEN:
        OmegaConf.set_struct(structured[section], False)
    try:
        typed = OmegaConf.merge(structured, {name: keys for name, keys in _open_defaults().items() if name in cfg}, cfg)
    except ConfigKeyError as error:
        key = str(error.full_key)
        group, _, rest = key.partition(".")
        part = next((each.default_factory for each in fields(schema) if each.name == group), None)
        rule = next((each.metadata for each in fields(part) if each.name == "name"), {}) if is_dataclass(part) else {}
        if "taken" in rule:  # a part of a plug-in
            taken = f"{rule['part']} takes {rule['taken']}, no {rest}; {group}={rule['part']} has its defaults"
            raise ConfigError(f"{key}: {taken}") from error
        raise ConfigError(explain_key(key)) from error
    except ValidationError as error:
        raise _wrong(str(error.full_key), OmegaConf.select(cfg, str(error.full_key))) from error
    assert isinstance(typed, DictConfig)
    for key, node, rule in _walk(schema, typed):
        try:
            value = node[rule.name]
            accepted = value is None or rule.metadata["accepts"](value)
        except MissingMandatoryValue as error:
            raise ConfigError(f"{key}: missing, expected {rule.metadata['expected']}") from error
        except OmegaConfBaseException as error:  # an interpolation that leads nowhere, or to a wrong type
            raise _wrong(key, OmegaConf.to_container(node).get(rule.name)) from error  # pyright: ignore
        except ExpressionError as error:  # it shows where
            raise ConfigError(f"{key}: {error}") from error
        if not accepted:
            raise _wrong(key, value)
    check_open(typed)
    return typed


@cache
def _open_defaults() -> dict[str, Any]:
    files = {entry.name: f"{entry.value}.yaml" for entry in list_defaults() if entry.name in OPEN}
    return {name: OmegaConf.load(find_conf() / name / file) for name, file in files.items()}


def _walk(schema: Any, node: DictConfig, prefix: str = "") -> Iterator[tuple[str, DictConfig, Field[Any]]]:
    for rule in fields(schema):
        key = f"{prefix}{rule.name}"
        if rule.metadata:
            yield key, node, rule
        elif is_dataclass(rule.default_factory):
            yield from _walk(rule.default_factory, node[rule.name], f"{key}.")
        else:  # one more level: feature.<name>
            for name, feature in node[rule.name].items():
                yield from _walk(OmegaConf.get_type(feature), feature, f"{key}.{name}.")


def _wrong(key: str, found: Any) -> ConfigError:
    names = key.split(".")
    expected = list_schema_keys(names[1] if names[0] == "feature" and len(names) > 1 else "<name>")
    inside = [other.removeprefix(f"{key}.") for other in expected if other.startswith(f"{key}.")]
    return ConfigError(f"{key}: found {show(found)}, expected {expected.get(key) or 'keys ' + ', '.join(inside)}")


def _word(override: Override, value: str) -> str:
    return str(override.input_line) if override.is_delete() else f"{override.get_key_element()}={value}"


def _compose(overrides: list[str], config_name: str, config_dir: Path | None, *, whole: bool = False) -> DictConfig:
    home, more = find_conf(), []
    if config_dir is not None:
        custom = (config_dir / f"{config_name}.yaml").is_file()  # Hydra wants the main config in the first folder
        home, other = (config_dir.resolve(), home) if custom else (home, config_dir.resolve())
        more = [f"hydra.searchpath=[{quote(f'file://{other}')}]"]
    try:
        with _nested_hydra(), hydra.initialize_config_dir(str(home), version_base="1.3"):
            return hydra.compose(config_name, [*overrides, *more], return_hydra_config=whole)
    except yaml.YAMLError as error:
        where = config_dir or find_conf()
        raise ConfigError(f"a config in {where} cannot be read: {' '.join(str(error).split())}") from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        text = " ".join(str(error).partition("Config search path")[0].split())
        if lacking := re.match(r"Could not override '(\w+)\.(\w+)'", text):
            group, key = lacking.groups()
            chosen = {entry.name: entry.value for entry in list_defaults()}
            chosen |= {name: option for name, _, option in (word.partition("=") for word in overrides)}
            if keys := list_option_keys(group, chosen.get(group, "")):
                text = f"{group}.{key}: {group}={chosen[group]} has no such key; it has {', '.join(keys)}"
        raise ConfigError(text) from error


@contextmanager
def _nested_hydra() -> Iterator[None]:
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="hydra|omegaconf")
            yield
    finally:
        GlobalHydra.instance().hydra = outer


COLLECTION = 20_000  # events to learn from, from which on they are a collection: less to overfit, more to remember
DEFAULTS: dict[str, tuple[Any, Any, Any]] = {  # for a performance, for a collection, for either in fine-tuning
    "dataset.window": (64, 128, 64),
    "dataset.batch_size": (16, 16, 8),
    "model.dropout": (0.4, 0.2, 0.2),
    "head.dropout": (0.2, 0.1, 0.1),
    "augment.share": (0.75, 0.5, 0.5),
    "augment.as_data": (False, False, True),
    "optimizer.lr": (3e-3, 3e-3, 1e-3),
}


def default_for(key: str, events: int, *, fine_tuned: bool = False) -> Any:
    """Return the default of a key for so many events."""
    return DEFAULTS[key][2 if fine_tuned else events >= COLLECTION]


def resolve_defaults(cfg: DictConfig, events: int, *, fine_tuned: bool = False) -> DictConfig:
    """Return a config with values for null keys of `DEFAULTS`, and the model's size and layers where it has them."""
    resolved = cfg.copy()
    for key in DEFAULTS:
        group, option = key.split(".")
        kind = {"model": "backbone", "head": "head"}.get(group)
        taken = kind is None or plugins.takes(kind, cfg[group].name, option)
        if taken and OmegaConf.select(resolved, key) is None:
            OmegaConf.update(resolved, key, default_for(key, events, fine_tuned=fine_tuned))
    size, layers = (OmegaConf.select(cfg, f"model.{key}") for key in ("size", "layers"))  # a plug-in may have neither
    shape = choose_size(cfg.model.name, size or AUTO, layers, events)
    for option, number in zip(("size", "layers"), shape, strict=True):
        if plugins.takes("backbone", cfg.model.name, option):
            resolved.model[option] = number
    return resolved
