"""The README and its further pages are true: their Python runs, and its commands and options exist."""

from __future__ import annotations

import os
import re
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from hachimachi import EventSequence, io
from hachimachi.checkpoint import save_model
from hachimachi.cli import COMMANDS, LazyGroup, cli
from hachimachi.models.event_model import build_model
from tests.plugins_apart import plugins_apart

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    *(f"docs/{name}.md" for name in ("data", "generating", "training", "live", "commands", "field")),
)
README = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.S))
CALLS = [shlex.split(line, comments=True) for line in SHELL.splitlines() if line.startswith("hxmx ")]


@pytest.mark.parametrize("place", range(len(BLOCKS)))
def test_its_python_runs(place: int, tmp_path: Path, make_pieces: Callable[[list[int]], list[EventSequence]]) -> None:
    [piece] = make_pieces([120])
    io.write(tmp_path / "data.json", piece)
    io.write(tmp_path / "output.csv", piece)
    io.write(tmp_path / "takes.arrow", piece)
    save_model(build_model([piece]), tmp_path / "model.pt")
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        with warnings.catch_warnings(), plugins_apart():  # some register parts
            warnings.simplefilter("ignore")  # Lightning's advice
            exec(compile(BLOCKS[place], "README.md", "exec"), {})
    finally:
        os.chdir(before)


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_its_commands_exist(words: list[str]) -> None:
    assert isinstance(cli, LazyGroup)
    if words[1] in ("--help", "--version"):
        return
    assert words[1] in COMMANDS
    command = cli.get_command(None, words[1])  # pyright: ignore[reportArgumentType]
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words[2:] if re.fullmatch(r"--?[a-z][a-z-]*", word)} <= known


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_its_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        where, _, heading = link.partition("#")
        if where.startswith("http"):
            continue
        target = (ROOT / page).parent / where if where else ROOT / page
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.M)
            assert heading in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}, link
