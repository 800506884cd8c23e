"""Pages made from the code: ``<!-- generated: NAME -->`` in a page is replaced by what a function here returns.

So nothing is described twice. The words are those of the command line's own parser, of the schema and the comments in
``conf/``, of the table of OSC routes, and of docstrings.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from gallery import make_takes, show_takes

import hachimachi
from hachimachi.augment.augmentation import known
from hachimachi.cli import COMMANDS, cli
from hachimachi.live import routes
from hachimachi.training.config.groups import describe, find_conf, list_defaults, list_keys, list_options
from hachimachi.training.config.schema import list_schema_keys

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r"<!-- generated: (\w+)((?: [\w./-]+)*) -->")
SECTIONS = {  # the rooms of the public names, and what each is for
    "Data": ("events", "io", "description", "errors"),
    "Models and their files": ("models", "checkpoint"),
    "Generating": ("generation", "sampling", "constraints"),
    "Judging": ("evaluation",),
    "Training": ("training",),
    "Playing live": ("live",),
    "Pictures": ("plot",),
}
# pages that show a file of the repository, and where its links lead on the site
FILES = {
    "CHANGELOG.md": "reference/changelog.md",
    "CONTRIBUTING.md": "how-to/contribute.md",
    "SECURITY.md": "why/security.md",
    "benchmarks/recipe.md": "why/recipe.md",
    "benchmarks/playing.md": "why/measured-playing.md",
    "benchmarks/live.md": "why/measured-live.md",
}


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _code(text: str, language: str = "") -> str:
    return f"```{language}\n{text}\n```\n"


def command_line() -> str:
    """Return every command with its usage, help and options, as click tells them."""
    pages = []
    for name in COMMANDS:
        command = cli.get_command(None, name)  # type: ignore[union-attr]
        context = click.Context(command, info_name=f"hxmx {name}", **command.context_settings)
        pages.append(f"## hxmx {name}\n")
        if type(command).format_help is not click.Command.format_help:  # it writes all of its help itself
            pages.append(_code(command.get_help(context)))
            continue
        pages.append(_code(command.get_usage(context).removeprefix("Usage: ")))
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
            kept = paragraph.lstrip().startswith("\b")
            pages.append(_code(paragraph.lstrip("\b\n")) if kept else f"{_escape(paragraph)}\n")
        rows = [
            param.get_help_record(context) for param in command.get_params(context) if isinstance(param, click.Option)
        ]
        pages.append(_table(["option", ""], [[f"`{names}`", _escape(text)] for names, text in filter(None, rows)]))
    return "\n".join(pages)


def _escape(text: str) -> str:
    escaped = re.sub(r"([*_<>])", r"\\\1", text.replace("\n", " "))
    return re.sub(r"(?<![\w`-])(--[a-z][a-z-]*|/[a-z]{3,})", r"`\1`", escaped)


def config() -> str:
    """Return each group with its options, and its keys with types, defaults and meanings, as in train.yaml."""
    options, expected = list_options(find_conf()), list_schema_keys()
    keys = {key.name: key for key in list_keys()}
    pages = []

    def rows(prefix: str) -> list[list[str]]:
        names = [name for name in expected if name.startswith(prefix) and name.count(".") == prefix.count(".")]
        said = [(name, keys.get(name), expected[name]) for name in names if name != "feature"]
        return [
            [f"`{name}`", text, f"`{key.value}`" if key else "", key.comment if key else ""] for name, key, text in said
        ]

    heads = ["key", "takes", "default", ""]
    pages.append(_table(heads, [row for row in rows("") if "." not in row[0]]))
    for group in (group for group in list_defaults() if group.name in options):
        pages.append(f"## {group.name}\n\n{group.comment[:1].upper()}{group.comment[1:]}.\n")
        if len(options[group.name]) > 1:
            said = [
                [f"`{group.name}={name}`" + (" (default)" if name == group.value else ""), describe(group.name, name)]
                for name in options[group.name]
            ]
            pages.append(_table(["option", ""], said))
        if group.value != "null":
            pages.append(_table(heads, rows(f"{group.name}.")))
        else:
            for name in options[group.name]:
                text = (find_conf() / group.name / f"{name}.yaml").read_text(encoding="utf-8")
                pages.append(f"### {group.name}={name}\n\n" + _code(text.strip(), "yaml"))
    pages.append("## feature\n\nWhat replaces the data's own declaration of a feature.\n")
    pages.append(_table(heads[:2], [row[:2] for row in rows("feature.<name>.")]))
    return "\n".join(pages)


def messages(table: str) -> str:
    """Return a table of OSC messages, `HEARD` or `SENT`."""
    entries = re.sub(r"\n    ", " ", getattr(routes, table)).splitlines()
    pairs = [entry.split("  ", 1) for entry in entries]
    return _table(
        ["message", ""], [[", ".join(f"`{one}`" for one in heads.split(", ")), text] for heads, text in pairs]
    )


def augmentations() -> str:
    """Return each operation of this package with its arguments and its docstring."""
    ours = {name: op for name, op in sorted(known().items()) if op.__module__ == "hachimachi.augment.ops"}
    said = {name: " ".join((inspect.getdoc(op) or "").split()) for name, op in ours.items()}
    rows = [[f"`{op.signature()}`", said[name].replace("``", "`")] for name, op in ours.items()]
    return _table(["operation and its defaults", "what it does"], rows)


def docstring(module: str) -> str:
    """Return what a module says of itself."""
    return _rst(inspect.getdoc(importlib.import_module(module)) or "")


def member(name: str) -> str:
    """Return one class or function, by autodoc."""
    home = importlib.import_module(name.rpartition(".")[0])
    return _rst(_autodoc(name, getattr(home, name.rpartition(".")[2])))


def api() -> str:
    """Return every public name, in rooms."""
    pages = []
    for title, rooms in SECTIONS.items():
        names = [name for name, home in hachimachi._HOMES.items() if home.partition(".")[0] in rooms]
        pages.append(f"## {title}\n")
        pages += [_rst(_autodoc(f"hachimachi.{name}", getattr(hachimachi, name))) for name in names]
    assert {home.partition(".")[0] for home in hachimachi._HOMES.values()} == {r for s in SECTIONS.values() for r in s}
    return "\n".join(pages)


def _autodoc(name: str, value: Any) -> str:
    if inspect.ismodule(value):
        return f".. automodule:: {name}\n   :members:"
    if not inspect.isclass(value):
        return f".. autofunction:: {name}"
    own = [each for each in vars(value) if not each.startswith("_")]
    members = f"   :members: {', '.join(own)}\n" if own else ""
    # fields of a dataclass have a comment behind them, which autodoc does not see
    commented = re.findall(r"^    (\w+): ([^#\n]+?)  # (.+)$", inspect.getsource(value), re.MULTILINE)
    fields = "".join(f"\n   - ``{field}``: ``{kind.partition(' = ')[0]}``, {text}" for field, kind, text in commented)
    return f".. autoclass:: {name}\n{members}{fields}"


def _rst(text: str) -> str:
    return f"````{{eval-rst}}\n{text}\n````\n"


def file(path: str) -> str:
    """Return a file of the repository, its links turned to where they lead on the site."""
    text = (ROOT / path).read_text(encoding="utf-8")
    here = (ROOT / "docs" / FILES[path]).parent

    def turn(link: re.Match[str]) -> str:
        where, hash_, heading = link[2].partition("#")
        if not where or where.startswith("http"):
            return link[0]
        target = (ROOT / path).parent.joinpath(where).resolve()
        name = target.relative_to(ROOT).as_posix()
        if name in FILES:
            target = ROOT / "docs" / FILES[name]
        elif not name.startswith("docs/"):
            return f"{link[1]} (`{name}`)" if link[1] != f"`{name}`" else link[1]
        up = len(here.relative_to(ROOT / "docs").parts)
        return f"[{link[1]}]({'../' * up}{target.relative_to(ROOT / 'docs').as_posix()}{hash_}{heading})"

    return re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", turn, text)


MAKERS: dict[str, Callable[..., str]] = {
    each.__name__: each for each in (command_line, config, messages, augmentations, docstring, member, api, file)
} | {"takes": show_takes}


def fill(text: str) -> str:
    """Return a page with what is generated in its place."""
    return PLACE.sub(lambda found: MAKERS[found[1]](*found[2].split()), text)


def _read(app: Any, name: str, source: list[str]) -> None:  # noqa: ARG001  (Sphinx's)
    source[0] = fill(source[0])


def setup(app: Any) -> dict[str, bool]:
    """Fill every page as it is read; what is seen and heard in the gallery is made first."""
    app.connect("builder-inited", make_takes)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
