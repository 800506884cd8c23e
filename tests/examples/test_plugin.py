"""The worked example of a plug-in: formatted, trained with, looked at, played, and refused without it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hachimachi import plugins
from hachimachi.cli import main
from tests.plugins_apart import plugins_apart

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plugin"
QUIET = ("logger=none", "callbacks=quiet")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = tmp_path / "example"
    shutil.copytree(EXAMPLE, home)
    monkeypatch.chdir(home)
    with plugins_apart():
        yield home


def hxmx(*words: str) -> int:
    with plugins_apart(), pytest.raises(SystemExit) as done:  # every call begins as a new process would
        main(list(words))
    return int(done.value.code or 0)


def test_the_whole_road(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hxmx("format", "--plugin", "echo_parts", "steps.walk", "data.json") == 0
    words = ("model=echo", "model.decays=[0.5,0.9]", "model.size=8", "trainer.max_epochs=2")
    assert hxmx("train", "steps.walk", "echo.pt", "plugins=[echo_parts]", *words, *QUIET) == 0
    capsys.readouterr()
    assert hxmx("info", "echo.pt", "--plugin", "echo_parts") == 0
    assert "decays [0.5, 0.9]" in (said := capsys.readouterr().out)
    assert "of the plug-in echo_parts" in said
    assert hxmx("gen", "echo.pt", "output.walk", "--plugin", "echo_parts", "-n", "6") == 0
    assert len((folder / "output.walk").read_text().splitlines()) == 6
    capsys.readouterr()
    for call in (("gen", "echo.pt", "out.csv"), ("info", "echo.pt"), ("eval", "echo.pt", "data.json")):
        assert hxmx(*call) == 1
        assert "add --plugin echo_parts" in capsys.readouterr().err
    assert hxmx("train", "again.pt", "--from", "echo.pt", *QUIET) == 2
    assert "add 'plugins=[echo_parts]'" in capsys.readouterr().err
    assert hxmx("train", "again.pt", "--from", "echo.pt", "plugins=[echo_parts]", *QUIET) == 0
    assert (folder / "again.pt").is_file()


def test_its_configs(folder: Path) -> None:
    words = ("--config-dir", "conf", "experiment=walk", "trainer.max_epochs=1", "model.size=8")
    assert hxmx("train", *words, "output=walk.pt", *QUIET) == 0
    assert (folder / "walk.pt").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=echo", "model.decay=1"], "did you mean model.decays?"),
        (["model=echo", "model.bias=perhaps"], "model.bias: found 'perhaps', expected true or false"),
        (["model=echo", "model.size=0"], "model.size: found 0, expected auto, xs"),
        (["model=ech"], "did you mean model=echo?"),
        (["model.name=echo"], "model.layers: echo takes size, decays, bias, no layers; model=echo has its defaults"),
        (["head=crowd", "head.width=3"], "head.width"),
        (["model=echo", "plugins=echo_parts"], "plugins: found 'echo_parts', expected a list of modules"),
    ],
)
def test_its_keys_are_checked(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    named = [] if any(word.startswith("plugins=") for word in words) else ["plugins=[echo_parts]"]
    if not named:
        words = words[1:]
    assert hxmx("train", "steps.walk", *named, *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_constructor_that_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert hxmx("train", "steps.walk", "plugins=[echo_parts]", "model=echo", "model.decays=[2]", *QUIET) == 1
    assert "model.decays is [2]; expected numbers from 0 to below 1" in capsys.readouterr().err


def test_nothing_stays_of_it() -> None:
    assert "echo" not in plugins.names("backbone")
