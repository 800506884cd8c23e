"""The command line as a whole: what it lists, and how it ends."""

import importlib
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from hachimachi.cli import COMMANDS, cli, main
from hachimachi.errors import HachimachiError


def status(*words: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(words))
    assert isinstance(done.value.code, int)
    return done.value.code


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Make `hxmx info` raise what is put in a list."""
    errors: list[BaseException] = []

    @click.command("info")
    def command() -> None:
        raise errors[0]

    monkeypatch.setattr("hachimachi.commands.info.command", command)
    return errors


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert status("--version") == 0
    assert capsys.readouterr().out == f"hxmx, version {version('hachimachi')}\n"


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_lists_every_command_on_80_columns(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert status(word) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines[lines.index("Commands:") + 1 :] if line]
    assert listed == list(COMMANDS)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_and_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"hachimachi.commands.{name}")
    assert module.command.name in (name, "command")
    assert status(name, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: hxmx {name}")
    assert max(map(len, shown.splitlines())) <= 80
    assert "\b" not in shown


def test_every_command_module_is_listed() -> None:
    folder = Path(importlib.import_module("hachimachi.commands").__path__[0])
    with_command = {path.stem for path in folder.glob("*.py") if "\ndef command(" in path.read_text(encoding="utf-8")}
    assert with_command == set(COMMANDS)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["trian"], ["'trian'", "did you mean train?"]),
        (["infos"], ["'infos'", "did you mean info?"]),
        (["xyzzy"], ["no command 'xyzzy'"]),
        (["--nothing"], ["--nothing"]),
        (["gen"], ["Missing argument", "MODEL"]),
        (["gen", "model.pt", "out.csv", "-n", "0"], ["0", "x>=1"]),
        (["gen", "model.pt", "out.csv", "--tempreature", "1"], ["--tempreature", "--temperature"]),
    ],
)
def test_wrong_calls_end_with_2(capsys: pytest.CaptureFixture[str], words: list[str], parts: list[str]) -> None:
    assert status(*words) == 2
    shown = capsys.readouterr().err
    assert all(part in shown for part in parts)
    assert "Traceback" not in shown


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert status() == 2
    assert "Commands:" in "".join(capsys.readouterr())


def test_bad_data_ends_with_1_in_one_line(failing: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    failing.append(HachimachiError("data.json: row 3: found nan"))
    assert status("info") == 1
    assert capsys.readouterr().err == "hxmx: data.json: row 3: found nan\n"


@pytest.mark.parametrize("words", [["--debug", "info"], ["info", "--debug"]])
def test_debug_shows_where(failing: list[BaseException], words: list[str]) -> None:
    failing.append(HachimachiError("data.json: row 3: found nan"))
    with pytest.raises(HachimachiError):
        main(words)


def test_ctrl_c_ends_with_130(failing: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    failing.append(KeyboardInterrupt())
    assert status("info") == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_mistake_of_ours_is_not_hidden(failing: list[BaseException]) -> None:
    failing.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["info"])


def test_traceback_only_with_debug(hxmx_process: Any, tmp_path: Path) -> None:
    plain, debug = (hxmx_process("info", "nowhere.json", *words, cwd=tmp_path) for words in ([], ["--debug"]))
    assert (plain.returncode, debug.returncode) == (1, 1)
    assert plain.stderr.count("\n") == 1
    assert plain.stderr.startswith("hxmx: nowhere.json: ")
    assert "Traceback" in debug.stderr


def test_completion_asks_for_an_unknown_command_in_peace() -> None:
    context = click.Context(cli, resilient_parsing=True)
    assert cli.get_command(context, "trian") is None  # pyright: ignore[reportAttributeAccessIssue]
    done = CliRunner().invoke(cli, ["trian"])
    assert done.exit_code == 2
