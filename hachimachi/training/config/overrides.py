"""The words of the command line: files, then overrides in Hydra's grammar, and the groups and options they choose."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, Quote, QuotedString, RangeSweep
from hydra.errors import HydraException
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hachimachi import plugins
from hachimachi.errors import HachimachiError
from hachimachi.training.config.groups import list_options
from hachimachi.training.config.schema import (
    GROUPS,
    OPEN,
    ConfigError,
    explain_key,
    list_custom_parts,
    list_schema_keys,
    spell,
)

Options = dict[str, list[str]]
_OVERRIDE = re.compile(r"~|\+{0,2}[\w$][\w$./@:-]*=")
FROM, STORED = "from", "stored"  # group and option as which the config in a model file is composed; see compose.py


def as_overrides(words: Sequence[str], named: Sequence[str] = ("dataset.path",)) -> list[str]:
    """Turn the leading files into overrides: DATA into `dataset.path`, MODEL.pt into `output`.

    A lone file that ends in `.pt` is ``named``. What a shell has cut at a space within braces is one word again.
    Raises `ConfigError` for a third file, or a file after an override.
    """

    def is_file(word: str) -> bool:
        key = _OVERRIDE.match(word)
        if key is None or os.path.exists(word):  # noqa: PTH110  (Path.exists raises for a word too long for a name)
            return True
        # a model in a folder
        return "/" in key[0] and not key[0].startswith("hydra/") and Path(word).parent.is_dir()

    words = [spell(word) for word in words]
    files = list(takewhile(is_file, words))
    if len(files) > 2:
        raise ConfigError(f"{files[2]}: a third file; expected hxmx train [DATA [MODEL.pt]] [key=value …]")
    rest: list[str] = []
    for word in words[len(files) :]:
        if rest and re.search(r"={_target_:", rest[-1]) and rest[-1].count("{") > rest[-1].count("}"):
            rest[-1] += f" {word}"
        elif "=" not in word and not word.startswith("~"):
            raise ConfigError(f"{word}: a file after an override; files come first, overrides are key=value")
        else:
            rest.append(word)
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
    """Parse overrides and check the groups, options and keys they name, but those of `hydra.` and open sections.
    Raises `ConfigError`: A word that is wrong, and what is allowed."""
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
            left = key == "feature" or (key.partition(".")[0] in OPEN and "." in key)
            if not left and not any(key == other or other.startswith(f"{key}.") for other in known):
                raise ConfigError(explain_key(key, list(options)))
            continue
        if override.is_delete():
            continue
        names = options[key]
        chosen = list_choices(override, options) if override.is_sweep_override() else override.value()
        if not chosen:
            raise ConfigError(f"{override.input_line}: fits no option; expected one of {', '.join(names)}")
        for name in chosen if isinstance(chosen, list) else [chosen]:
            if name not in names:
                near = get_close_matches(str(name), names, n=1)
                hint = f"; did you mean {key}={near[0]}?" if near else ""
                hint += "; one of your own comes by plugins=[MODULE]" if key in ("model", "head") else ""
                raise ConfigError(f"{override.input_line}: {name} is not one of {', '.join(names)}{hint}")
    return overrides


def read_words(words: Sequence[str]) -> list[Override]:
    """Read overrides as Hydra does; raises a `ConfigError` for a word that cannot be read."""
    overrides, known = [], list_schema_keys()
    for word in map(spell, words):
        # names of features come from the data, and open sections take what is not there beforehand: Hydra wants a plus
        key = re.match(rf"feature[.=]|({'|'.join(OPEN)})\.[\w.]+(?==)", word)
        text = f"++{word}" if key and key[0] not in known else word
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


def offer(names: Iterable[str]) -> None:
    """Import plug-ins, or raise a `ConfigError`; Hydra then has their backbones and heads as options with defaults."""
    try:
        plugins.load(names)
    except HachimachiError as error:
        raise ConfigError(f"plugins: {error}") from error
    for group, name in list_custom_parts():
        taken = plugins.options(GROUPS[group][0], name)
        options = {key: MISSING if each.default is each.empty else each.default for key, each in taken.items()}
        ConfigStore.instance().store(group=group, name=name, node={"name": name, **options})


def list_all_options(*folders: Path) -> Options:
    """Return the options of each group, as `list_options`, custom parts included."""
    found = list_options(*folders)
    for group, name in list_custom_parts():
        found[group] = sorted({*found[group], name})
    return found | ({FROM: [STORED]} if FROM in ConfigStore.instance().repo else {})


def find_plugins(overrides: Sequence[Override], folders: Sequence[Path], config_name: str) -> list[str]:
    """Return what `plugins=` names, in the overrides or at the top of the configs that they choose."""
    files = [folder / f"{config_name}.yaml" for folder in folders]
    values: list[Any] = []
    for override in overrides:
        if override.key_or_group == "plugins" and not override.is_delete():
            values.append(override.value())
        elif "/" not in override.key_or_group:
            files += [folder / override.key_or_group / f"{override.value()}.yaml" for folder in folders]
    values += [read_key(file, "plugins") for file in files if file.is_file()]
    return [str(name) for value in values if isinstance(value, list) for name in value]


def read_key(file: Path, key: str) -> Any:
    """Return what a config's file has at its top under a key, nothing if unreadable; `ConfigError` if it is no YAML."""
    try:
        value = OmegaConf.select(OmegaConf.create(file.read_text(encoding="utf-8")), key)
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    except (OSError, ValueError, OmegaConfBaseException):  # Hydra will say what is wrong with it
        return None
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
