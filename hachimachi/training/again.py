"""Starting again with the config that a model was trained by, and overrides on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override

from hachimachi.checkpoint import read_summary
from hachimachi.training.conf import find_conf
from hachimachi.training.overrides import ConfigError, Options, list_choices, read_words
from hachimachi.training.own import FROM, STORED, find_plugins, list_all_options, list_schema_keys, offer, read_key

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
