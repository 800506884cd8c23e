"""`hxmx demo` walks the whole road and can walk it again."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hachimachi.checkpoint import load_model
from hachimachi.cli import main
from hachimachi.commands import demo
from hachimachi.evaluation.playing import cut_primers, evaluate_playing, list_conditions, play
from hachimachi.io import read

MADE = {"prelude.mid", "prelude.json", "model.pt", "output.csv", "output.mid", "output.wav", "picture.png", "train"}


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["demo", *map(str, words)])
    return int(caught.value.code or 0)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Train for a few steps only, in a folder where nothing is yet."""
    command = demo._hxmx
    more = {"train": ["debug=fast", "trainer.accelerator=cpu"]}
    monkeypatch.setattr(demo, "_hxmx", lambda name, *words: command(name, *words, *more.get(name, [])))
    monkeypatch.setattr(demo, "SECONDS", 5)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(printed: str) -> list[list[str]]:
    """The command lines that were printed, as a shell takes them apart."""
    lines = printed.replace("\\\n", "").splitlines()
    return [shlex.split(line.partition("$ ")[2]) for line in lines if "$ " in line]


def test_walks_the_road_twice(hurried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    folder = hurried / "outputs" / "demo"
    assert {path.name for path in folder.iterdir()} == MADE
    assert run() == 0
    assert {path.name for path in folder.iterdir()} == MADE
    assert {path.name for path in (folder / "train").iterdir()} == {"1", "2"}
    assert {path.parts[-3] for path in folder.glob("train/*/tensorboard/events*")} == {"1", "2"}
    assert {path.name for path in hurried.iterdir()} == {"outputs"}
    assert len(read(folder / "output.mid")[0]) == len(read(folder / "output.csv")[0])

    first = capsys.readouterr().out.partition("four times over")[2].partition("four times over")[0]
    commands = typed(first)
    assert [words[:2] for words in commands] == [
        ["hxmx", "format"], ["hxmx", "train"], *[["hxmx", "gen"]] * 3,
        ["hxmx", "board"], ["hxmx", "run"], ["hxmx", "format"], ["hxmx", "train"],
    ]  # fmt: skip
    assert commands[0] == ["hxmx", "format", "outputs/demo/prelude.mid", "outputs/demo/prelude.json"]
    assert Path(commands[5][2]).is_dir()
    assert re.search(r"\d\.\d\d nats per event\n(below|above) the marginal baseline", first)
    assert "outputs/demo/picture.png" in first


def test_any_folder_a_system_allows(hurried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("it's, a demo=1") == 0
    assert {path.name for path in (hurried / "it's, a demo=1").iterdir()} == MADE
    assert typed(capsys.readouterr().out)[0][2] == "it's, a demo=1/prelude.mid"


def test_a_command_that_fails_ends_it(hurried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (hurried / "folder" / "model.pt").mkdir(parents=True)
    assert run("folder") == 1
    assert "model.pt" in capsys.readouterr().err
    assert not (hurried / "folder" / "output.csv").exists()


def test_a_folder_that_cannot_be(hurried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (hurried / "file").touch()
    assert run("file") == 2
    assert run("file/folder") == 1
    assert "file/folder: cannot be made" in capsys.readouterr().err


@pytest.mark.slow
def test_the_demo_itself_learns_and_stays_in_c(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run() == 0
    assert "below the marginal baseline" in capsys.readouterr().out
    model, [data] = load_model("outputs/demo/model.pt"), read("outputs/demo/prelude.json")
    conditions = list_conditions(cut_primers([data]))
    takes = {
        condition: list(play(model, 4, 500, sampling, cut_primers([data]) if condition.primed else ()))
        for condition, sampling in conditions.items()
    }
    for condition, report in evaluate_playing(model, [data], takes).conditions.items():
        found = {each.name: each for each in report.descriptors}
        assert found["key"].generated > found["key"].real - 0.25, condition  # 0.1 to 0.5 where it is lost
        assert 0.6 < found["density"].generated / found["density"].real < 1.6, condition
        assert report.collapsed == 0, condition
