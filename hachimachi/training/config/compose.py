"""Composing what a training run is made of, and checking it against the schema before any data is read."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields, is_dataclass
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

from hachimachi.augment.expression import ExpressionError
from hachimachi.checkpoint import read_summary
from hachimachi.errors import HachimachiError
from hachimachi.training.config.groups import find_conf, list_defaults, list_option_keys
from hachimachi.training.config.overrides import (
    FROM,
    STORED,
    ConfigError,
    Options,
    explain_key,
    find_plugins,
    list_all_options,
    list_choices,
    list_schema_keys,
    offer,
    parse,
    quote,
    read_key,
    read_words,
    schema_of,
    show,
)
from hachimachi.training.config.schema import TrainConfig

NAMED = ("model", "head", "augment")
"""Groups whose options have keys of their own, so that the same option is chosen before its values are set."""
LEFT = ("output", "ckpt_path", "plugins", "sweep", FROM)
"""What is not taken over: where a run writes, what it went on from, the sweep that it was a job of, and code, which no
file brings in."""


def start_from(path: Path, words: Sequence[str], config_dir: Path | None = None) -> tuple[list[str], list[str]]:
    """Let Hydra know the config in a model file (``.pt``) or checkpoint (``.ckpt``) as an option of the group `from`.

    A group of which the words choose an option, themselves or by an experiment, is the words' alone: what the model had
    in it is left out.

    Args:
        path: The model.
        words: Overrides.
        config_dir: A folder of one's own configs.

    Returns:
        The overrides, with that option chosen, and what there is to say.

    Raises:
        ConfigError: A model that was not trained by a config, or that needs a plug-in which the words do not name.
        HachimachiError: No model.
    """
    summary, overrides = read_summary(path), read_words(words)
    stored = summary.get("config")
    if not isinstance(stored, dict):
        raise ConfigError(f"--from {path}: holds no config; expected a model that hxmx train has made")
    folders = [find_conf(), *([config_dir] if config_dir else [])]
    _offer_plugins(path, [*summary["plugins"], *stored.get("plugins", [])], find_plugins(overrides, folders, "train"))
    options = list_all_options(*folders)
    chosen = _choose(overrides, options, folders)
    kept, gone = _sort_out(stored, chosen & set(options))
    ConfigStore.instance().store(group=FROM, name=STORED, node=_as_node(kept, folders, chosen), package="_global_")
    choice = f"{FROM}={STORED}"
    return [*([] if choice in words else [choice]), *words], _tell(path, summary, overrides, gone)


def _offer_plugins(path: Path, needed: Sequence[str], named: Sequence[str]) -> None:
    missing = [name for name in dict.fromkeys(needed) if name not in named]
    if missing:
        told = f"it was made with the plug-in {missing[0]}, kept outside hachimachi"
        raise ConfigError(f"--from {path}: {told}; if you trust it, add 'plugins=[{','.join([*named, *missing])}]'")
    offer(named)


def _choose(overrides: Sequence[Override], options: Options, folders: Sequence[Path]) -> set[str]:
    """Return what overrides say something of: their keys and groups, and groups that the options they choose choose."""
    chosen = {override.key_or_group for override in overrides}
    for override in overrides:
        group = override.key_or_group
        names = list_choices(override, options) if group in options else []
        for file in (folder / group / f"{name}.yaml" for name in names for folder in folders):
            defaults = read_key(file, "defaults") if file.is_file() else None
            entries = [str(key) for entry in defaults or [] if isinstance(entry, Mapping) for key in entry]
            chosen |= {key.partition("/")[2] for key in entries if key.startswith("override /")}
    return chosen


def _sort_out(stored: Mapping[str, Any], chosen: set[str]) -> tuple[dict[str, Any], list[str]]:
    """Return what is taken over, and the keys that this version does not have."""
    known = list_schema_keys()
    kept: dict[str, Any] = {}
    gone: list[str] = []
    for section, value in stored.items():
        if section in LEFT or section in chosen:
            continue
        if section == "feature" or section in known:
            kept[section] = value
        elif not isinstance(value, dict):
            gone.append(section)
        else:
            gone += [f"{section}.{key}" for key in value if f"{section}.{key}" not in known]
            if there := {key: each for key, each in value.items() if f"{section}.{key}" in known}:
                kept[section] = there
    return kept, gone


def _as_node(kept: Mapping[str, Any], folders: Sequence[Path], chosen: set[str]) -> dict[str, Any]:
    """Return what Hydra is to compose: the same options of groups, then their values."""
    options = list_all_options(*folders)
    names = {group: kept[group].get("name") for group in NAMED if group in kept and group not in chosen}
    defaults = [{f"override /{group}": name} for group, name in names.items() if name in options.get(group, [])]
    return {"defaults": [*defaults, "_self_"], **kept}


def _tell(path: Path, summary: Mapping[str, Any], overrides: Sequence[Override], gone: Sequence[str]) -> list[str]:
    given = {override.key_or_group for override in overrides}
    lines = [f"From {path}: its config" + (", with what you say on top" if given else "")]
    left = [key for key in summary.get("decided", {}) if key not in given and key.partition(".")[0] not in given]
    if left:
        lines.append(f"Decided from the data again: {', '.join(left)}")
    if gone:
        version = summary.get("versions", {}).get("hachimachi", "another version")
        lines.append(f"Left out, for this hachimachi does not have them ({version} did): {', '.join(gone)}")
    return lines


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
    hachimachi.training.config.overrides.ConfigError: trainer.max_epoch: no such key; did you mean trainer.max_epochs?
    """
    if source is not None:
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
