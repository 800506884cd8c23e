"""What stands in the folder `conf`, read as text: help and completion answer without loading Hydra."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hachimachi.errors import HachimachiError

_KEY = re.compile(r"(?!defaults:)(?P<name>\w+): *(?P<value>[^#]*?)\s*(?:# *(?P<comment>.*))?")
_CHOICE = re.compile(r" +- (?:optional )?(?P<name>\w+): *(?P<value>\w+)\s*(?:# *(?P<comment>.*))?")


@dataclass(frozen=True)
class Entry:
    """One line of a YAML file, `name: value # comment`, as it stands there."""

    name: str
    value: str
    comment: str


def find_conf() -> Path:
    """Return the folder of the Hydra configs, in the package where a wheel put it, else beside it; raises if none."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise HachimachiError(f"{package / 'conf'}: the configs are missing; install hachimachi again")


def list_options(*folders: Path) -> dict[str, list[str]]:
    """Return the options of each group, sorted: `{"model": ["gru", "lstm"], …}`."""
    options: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.rglob("*/*.yaml"):
            options.setdefault(path.parent.relative_to(folder).as_posix(), set()).add(path.stem)
    return {group: sorted(names) for group, names in sorted(options.items())}


def list_defaults() -> list[Entry]:
    """Return the defaults list of train.yaml in its order: each group with the option it takes."""
    return _entries(find_conf() / "train.yaml", _CHOICE)


def list_keys() -> list[Entry]:
    """Return every key with its default, `trainer.max_epochs` and so on, in the order of train.yaml."""
    keys = []
    for group in list_defaults():
        # the keys of the option that a group takes, and after them those that only another option has
        others = [] if group.value == "null" else sorted((find_conf() / group.name).glob("*.yaml"))
        found: dict[str, Entry] = {}
        for path in (find_conf() / group.name / f"{group.value}.yaml", *others):
            found = {entry.name: entry for entry in _entries(path, _KEY)} | found
        keys += [Entry(f"{group.name}.{key.name}", key.value, key.comment) for key in found.values()]
    top = _entries(find_conf() / "train.yaml", _KEY)
    return keys + [key for key in top if key.value]


def list_option_keys(group: str, option: str) -> list[str]:
    """Return the keys that an option's file has."""
    return [entry.name for entry in _entries(find_conf() / group / f"{option}.yaml", _KEY)]


def describe(group: str, option: str) -> str:
    """Return the first comment of an option's file."""
    lines = (find_conf() / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    comments = (line[1:].strip() for line in lines if line.startswith("#") and "@package" not in line)
    return next(comments, "")


def _entries(path: Path, pattern: re.Pattern[str]) -> list[Entry]:
    if not path.is_file():  # `debug: null` names no file
        return []
    found = (pattern.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines())
    named = (match for match in found if match and match["name"] != "defaults")
    return [Entry(match["name"], match["value"], match["comment"] or "") for match in named]
