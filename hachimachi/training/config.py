"""Composing what a training run is made of, and checking it against the schema before any data is read."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException, ValidationError

from hachimachi.augment.expression_error import ExpressionError
from hachimachi.errors import HachimachiError
from hachimachi.training.conf import find_conf, list_defaults, list_option_keys
from hachimachi.training.overrides import (
    ConfigError,
    Options,
    explain_key,
    list_choices,
    parse,
    quote,
    read_words,
    show,
)
from hachimachi.training.own import find_plugins, list_all_options, list_schema_keys, offer, schema_of
from hachimachi.training.schema import TrainConfig

__all__ = ["ConfigError", "TrainConfig", "check", "check_words", "compose", "find_conf"]


def compose(overrides: Sequence[str] = (), source: str | Path | None = None) -> DictConfig:
    """Compose conf/train.yaml with overrides, `["model=gru", "trainer.max_epochs=5"]`, and check it.

    Works in a notebook, in a test and inside `hydra.main`, as often as wanted.

    Args:
        overrides: As on the command line.
        source: A model whose config to start from, in place of the defaults.

    Raises:
        ConfigError: One line that names the key and what is allowed.

    >>> from hachimachi import compose
    >>> cfg = compose(["model=lstm", "optimizer.lr=1e-3"])
    >>> cfg.model.name, cfg.optimizer.lr, cfg.head.name
    ('lstm', 0.001, 'autoregressive')
    >>> compose(["trainer.max_epoch=5"])
    Traceback (most recent call last):
    hachimachi.training.overrides.ConfigError: trainer.max_epoch: no such key; did you mean trainer.max_epochs?
    """
    if source is not None:
        from hachimachi.training.again import start_from

        overrides, _ = start_from(Path(source), overrides)
    _, cfg = check_words(overrides)
    return cfg


def check_words(
    words: Sequence[str], multirun: bool = False, config_name: str = "train", config_dir: Path | None = None
) -> tuple[list[str], DictConfig]:
    """Check overrides and what they compose to; of a sweep every choice, one at a time.

    Returns:
        The overrides as Hydra is to get them, and the typed config (of a sweep, of its first choices).

    Raises:
        ConfigError: As `compose`.
    """
    folders = [find_conf(), *([config_dir] if config_dir else [])]
    _offer(find_plugins(read_words(words), folders, config_name))
    options = list_all_options(*folders)
    given = parse(words, options, multirun)
    overrides, first, choices = _first(given, options)
    if multirun and (space := _space(first, config_name, config_dir, options)):
        chosen = {override.key_or_group for override in given}
        added = [override for override in space if override.key_or_group not in chosen]
        overrides, first, choices = _first([*given, *added], options)
    cfg = _compose(first, config_name, config_dir)
    typed = check(cfg)
    for place, override in enumerate(overrides):
        for choice in choices[place][1:]:
            word = _word(override, choice)
            words_now = [*first[:place], word, *first[place + 1 :]]
            chosen = override.key_or_group in options or override.is_hydra_override()
            check(_compose(words_now, config_name, config_dir) if chosen else _update(cfg, override, word, options))
    return [str(override.input_line) for override in given], typed


def _first(overrides: list[Override], options: Options) -> tuple[list[Override], list[str], list[list[str]]]:
    """Return overrides, words that take the first choice of each, and all choices of each."""
    choices = [list_choices(override, options) for override in overrides]
    return overrides, [_word(override, values[0]) for override, values in zip(overrides, choices, strict=True)], choices


def _space(words: list[str], config_name: str, config_dir: Path | None, options: Options) -> list[Override]:
    """Return what the config itself has a sweep vary, as overrides."""
    params = OmegaConf.select(_compose(words, config_name, config_dir, whole=True), "hydra.sweeper.params") or {}
    return parse([f"{key}={value}" for key, value in params.items()], options, multirun=True)


def check(cfg: DictConfig) -> DictConfig:
    """Merge a composed config into the schema: types are converted, ranges checked.

    Raises:
        ConfigError: The first key that is unknown, missing, or of a wrong type or range.
    """
    named = cfg.get("plugins")
    _offer(map(str, named if OmegaConf.is_list(named) else []))
    schema = schema_of(cfg)
    try:
        typed = OmegaConf.merge(OmegaConf.structured(schema), cfg)
    except ConfigKeyError as error:
        raise ConfigError(_explain_own(str(error.full_key), schema) or explain_key(str(error.full_key))) from error
    except ValidationError as error:
        raise _wrong(str(error.full_key), OmegaConf.select(cfg, str(error.full_key))) from error
    assert isinstance(typed, DictConfig)
    for key, node, rule in _walk(schema, typed):
        _check_value(key, node, rule)
    return typed


def _offer(names: Iterable[str]) -> None:
    try:
        offer(names)
    except HachimachiError as error:
        raise ConfigError(f"plugins: {error}") from error


def _explain_own(key: str, schema: type[TrainConfig]) -> str:
    """Say which keys a part of one's own has, where the key is of its group; else nothing."""
    group, _, rest = key.partition(".")
    part = next((each.default_factory for each in fields(schema) if each.name == group), None)
    told = next((each.metadata for each in fields(part) if each.name == "name"), {}) if is_dataclass(part) else {}
    if "taken" not in told:
        return ""
    return f"{key}: {told['part']} takes {told['taken']}, no {rest}; {group}={told['part']} has its defaults"


def _check_value(key: str, node: DictConfig, rule: Field[Any]) -> None:
    try:
        value = node[rule.name]
    except MissingMandatoryValue as error:
        raise ConfigError(f"{key}: missing, expected {rule.metadata['expected']}") from error
    except OmegaConfBaseException as error:  # an interpolation that leads nowhere, or to a wrong type
        raise _wrong(key, OmegaConf.to_container(node).get(rule.name)) from error  # pyright: ignore
    try:
        accepted = value is None or rule.metadata["accepts"](value)
    except ExpressionError as error:  # it shows the place
        raise ConfigError(f"{key}: {error}") from error
    if not accepted:
        raise _wrong(key, value)


def _walk(schema: Any, node: DictConfig, prefix: str = "") -> Iterator[tuple[str, DictConfig, Field[Any]]]:
    """Yield every key with the node that holds it and its rule."""
    for rule in fields(schema):
        key = f"{prefix}{rule.name}"
        if rule.metadata:
            yield key, node, rule
        elif is_dataclass(rule.default_factory):
            yield from _walk(rule.default_factory, node[rule.name], f"{key}.")
        else:  # one more storey: feature.<name>
            for name, feature in node[rule.name].items():
                yield from _walk(OmegaConf.get_type(feature), feature, f"{key}.{name}.")


def _wrong(key: str, found: Any) -> ConfigError:
    names = key.split(".")
    expected = list_schema_keys(names[1] if names[0] == "feature" and len(names) > 1 else "<name>")
    inside = [other.removeprefix(f"{key}.") for other in expected if other.startswith(f"{key}.")]
    return ConfigError(f"{key}: found {show(found)}, expected {expected.get(key) or 'keys ' + ', '.join(inside)}")


def _word(override: Override, value: str) -> str:
    if override.is_delete():
        return str(override.input_line)
    return f"{override.get_key_element()}={value}"


def _update(cfg: DictConfig, override: Override, word: str, options: Options) -> DictConfig:
    """Change one value of a composed config: much faster than composing again, for a thousand seeds."""
    changed = copy.deepcopy(cfg)
    [parsed] = parse([word], options)
    OmegaConf.update(changed, override.key_or_group, parsed.value(), force_add=True)
    return changed


def _compose(overrides: list[str], config_name: str, config_dir: Path | None, *, whole: bool = False) -> DictConfig:
    home, more = find_conf(), []
    if config_dir is not None:
        own = (config_dir / f"{config_name}.yaml").is_file()  # Hydra wants the main config in the first folder
        home, other = (config_dir.resolve(), home) if own else (home, config_dir.resolve())
        more = [f"hydra.searchpath=[{quote(f'file://{other}')}]"]
    try:
        with _one_more_hydra(), hydra.initialize_config_dir(str(home), version_base="1.3"):
            return hydra.compose(config_name, [*overrides, *more], return_hydra_config=whole)
    except yaml.YAMLError as error:
        where = config_dir or find_conf()
        raise ConfigError(f"a config in {where} cannot be read: {' '.join(str(error).split())}") from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        text = " ".join(str(error).partition("Config search path")[0].split())
        raise ConfigError(_explain_option(text, overrides) or text) from error


def _explain_option(text: str, overrides: Sequence[str]) -> str:
    """Say which keys the chosen option of a group has, where Hydra says that it lacks one; else nothing."""
    lacking = re.match(r"Could not override '(\w+)\.(\w+)'", text)
    if lacking is None:
        return ""
    group, key = lacking.groups()
    chosen = {entry.name: entry.value for entry in list_defaults()}
    chosen |= {name: option for name, _, option in (word.partition("=") for word in overrides)}
    keys = list_option_keys(group, chosen.get(group, ""))
    return f"{group}.{key}: {group}={chosen.get(group)} has no such key; it has {', '.join(keys)}" if keys else ""


@contextmanager
def _one_more_hydra() -> Iterator[None]:
    """Let Hydra compose where a Hydra is at work already, inside `hydra.main`."""
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="hydra|omegaconf")
            yield
    finally:
        GlobalHydra.instance().hydra = outer
