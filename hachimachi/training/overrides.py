"""The words after `hxmx train`: which are files, which are overrides, and whether conf/ knows them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, Quote, QuotedString, RangeSweep
from hydra.errors import HydraException

from hachimachi.errors import HachimachiError
from hachimachi.training.own import list_schema_keys

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
    files = list(takewhile(_is_file, words))
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
        elif not _is_key(override.key_or_group):
            raise ConfigError(explain_key(override.key_or_group, list(options)))
    return overrides


def read_words(words: Sequence[str]) -> list[Override]:
    """Read overrides as Hydra does, whatever they name.

    Raises:
        ConfigError: The first word that cannot be read.
    """
    return [_parse_word(word) for word in words]


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


def _is_file(word: str) -> bool:
    key = _OVERRIDE.match(word)
    if key is None or os.path.exists(word):  # noqa: PTH110  (Path.exists raises for a word too long for a name)
        return True
    return "/" in key[0] and not key[0].startswith("hydra/") and Path(word).parent.is_dir()  # a model in a folder


def _parse_word(word: str) -> Override:
    if re.match(r"feature[.=]", word):
        word = f"++{word}"  # names of features come from the data, so no config can hold these keys beforehand
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as error:
        hint = "expected key=value; text with special characters stands in quotes: \"key='a, b'\""
        raise ConfigError(f"{word}: cannot be read; {hint}") from error


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


def _is_key(key: str) -> bool:
    section, _, rest = key.partition(".")
    known = list_schema_keys(rest.partition(".")[0] or "<name>")
    return any(key == other or other.startswith(f"{key}.") for other in known) or section == key == "feature"
