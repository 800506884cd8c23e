"""`hxmx train` through the real command line, with training itself replaced."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from hachimachi.cli import main
from hachimachi.errors import HachimachiError
from tests.commands.conftest import Hxmx, Training, only
from tests.conftest import Process


@pytest.fixture
def hxmx(hxmx_train: Hxmx) -> Hxmx:
    return hxmx_train


def test_files_and_overrides_reach_training(hxmx: Hxmx, training: Training, tmp_path: Path) -> None:
    before = sys.argv.copy()
    assert hxmx("data.json", "my model.pt", "model=gru", "trainer.max_epochs=50") == 0
    [call] = training.calls
    assert (call.path, call.cfg.output, call.cfg.model.name) == ("data.json", "my model.pt", "gru")
    assert call.cfg.trainer.max_epochs == 50
    assert call.folder == only(tmp_path, "outputs/train/*")
    assert json.loads((call.folder / "score.json").read_text())["val_nll"] == 10.0
    kept = OmegaConf.load(call.folder / ".hydra" / "config.yaml")
    assert isinstance(kept, DictConfig)
    assert kept.model.name == "gru"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.json", "my model.pt", "outputs"]
    # other devices' processes start with the same words
    assert call.argv[1:] == ["train", "dataset.path='data.json'", "output='my model.pt'", *call.argv[-2:]]
    assert call.argv[-2:] == ["model=gru", "trainer.max_epochs=50"]
    assert sys.argv == before
    assert "HYDRA_FULL_ERROR" not in os.environ


@pytest.mark.parametrize("name", ["it's ${odd}, = {x}\\.json", "a=b.json", "[é]\n.json", "~home #1.json"])
def test_odd_file_names(hxmx: Hxmx, training: Training, tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "out").mkdir()
    assert hxmx(name, f"out/{name}.pt") == 0
    assert hxmx(name, f"out/{name}.pt", "-m", "seed=0,1") == 0
    assert [call.path for call in training.calls] == [name] * 3
    assert (tmp_path / "out" / f"{name}.pt").read_text() == "seed 1"
    # what a process of another device would read in its own words is the same
    more = ('hydra.run.dir="outputs/here"', "hydra.job.name=train_ddp_process_1", "hydra.output_subdir=null")
    assert hxmx(*training.calls[-1].argv[2:], *more) == 0
    assert training.calls[-1].path == name
    assert training.calls[-1].cfg.output == training.calls[-2].cfg.output
    assert training.calls[-1].folder == tmp_path / "outputs" / "here"


def test_nothing_held_out_scores_null(hxmx: Hxmx, training: Training) -> None:
    assert hxmx("seed=99") == 0
    assert json.loads((training.calls[0].folder / "score.json").read_text())["val_nll"] is None


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["seed=1", "data.json"], ["data.json", "after an override"]),
        (["data.json", "m.pt", "n.pt"], ["n.pt", "third file"]),
        (["trainer.max_epoch=3"], ["trainer.max_epoch", "did you mean trainer.max_epochs"]),
        (["model=gruu"], ["gruu", "did you mean model=gru"]),
        (["trainer.max_epochs=abc"], ["'abc'", "whole number"]),
        (["-m", "model=gru,rnn"], ["rnn", "gru, lstm"]),
        (["seed=1,2"], ["seed=1,2", "-m"]),
        (["-m", "--cfg", "job"], ["--multirun", "--cfg"]),
        (["--resolve"], ["--resolve", "--cfg job"]),
    ],
)
def test_wrong_calls_end_with_2_in_one_line(
    hxmx: Hxmx,
    training: Training,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    parts: list[str],
) -> None:
    assert hxmx(*words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(part in error for part in parts)
    assert not training.calls
    assert [path.name for path in tmp_path.iterdir()] == ["data.json"]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["nowhere.json"], ["nowhere.json", "no such file"]),
        (["x" * 300], ["xxx", "no such file"]),
        (["data.json", "nowhere/model.pt"], ["nowhere/model.pt", "folder that exists"]),
        (["data.json", "y" * 300], ["yyy", "name too long"]),
        (["data.json", "."], ["expected the name of a file"]),
        (["data.json", "./data.json"], ["data.json", "overwrite"]),
        (["data.json", "more.json"], ["more.json", "ends as data do", "hxmx format"]),
        (["data.json", "ckpt_path=last.ckpt"], ["last.ckpt", "no such file"]),
    ],
)
def test_files_are_looked_for_before_anything_starts(
    hxmx: Hxmx, training: Training, capsys: pytest.CaptureFixture[str], words: list[str], parts: list[str]
) -> None:
    assert hxmx(*words) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(part.lower() in error.lower() for part in parts)
    assert not training.calls


def test_bad_data_is_one_line(hxmx: Hxmx, training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    training.fails = lambda cfg: HachimachiError(f"{cfg.dataset.path}: row 3: found nan")
    assert hxmx() == 1
    assert capsys.readouterr().err == "hxmx: data.json: row 3: found nan\n"


def test_a_folder_that_cannot_be_made(hxmx: Hxmx, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "outputs").write_text("a file in the way")
    assert hxmx() == 1
    error = capsys.readouterr().err
    assert "outputs" in error
    assert error.count("\n") == 1


def test_a_mistake_of_ours_keeps_its_traceback(hxmx: Hxmx, training: Training) -> None:
    training.fails = lambda cfg: ZeroDivisionError("ours")  # noqa: ARG005
    with pytest.raises(ZeroDivisionError):
        main(["train"])
    del hxmx


def test_interrupted(hxmx: Hxmx, training: Training) -> None:
    training.interrupted = lambda cfg: True  # noqa: ARG005
    assert hxmx() == 130
    assert (training.calls[0].folder / "score.json").is_file()


def test_prints_the_config(hxmx: Hxmx, training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hxmx("absent.json", "--cfg", "job", "model=gru") == 0
    printed = OmegaConf.create(capsys.readouterr().out)
    assert (printed.dataset.path, printed.model.name, printed.seed) == ("absent.json", "gru", 0)
    assert hxmx("--cfg", "job", "--package", "optimizer", "--resolve") == 0
    assert "weight_decay" in capsys.readouterr().out
    for words in (["--info", "defaults"], ["--info=searchpath"], ["--hydra-help"], ["--cfg", "hydra"]):
        assert hxmx(*words) == 0
        assert capsys.readouterr().out
    assert not training.calls
    assert [path.name for path in tmp_path.iterdir()] == ["data.json"]


def test_own_configs(hxmx: Hxmx, training: Training, tmp_path: Path) -> None:
    (tmp_path / "my" / "model").mkdir(parents=True)
    (tmp_path / "my" / "model" / "mine.yaml").write_text("name: gru\nsize: 3\nlayers: 1\ndropout: 0\n")
    assert hxmx("--config-dir", "my", "model=mine") == 0
    assert training.calls[0].cfg.model.size == 3
    assert training.calls[0].argv[1:3] == ["train", "--config-dir=my"]


def test_help_is_one_screen(hxmx: Hxmx, capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("--help", "-h"):
        assert hxmx(word) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= 64
        assert max(map(len, lines)) <= 80
        text = "\n".join(lines)
        for part in ("hxmx train data.json model.pt", "gru*", "lstm ", "trainer.max_epochs=null", "--multirun"):
            assert part in text


def python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "hachimachi.cli", *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment, check=False, timeout=60
    )


def test_help_loads_neither_hydra_nor_torch() -> None:
    done = python("train", "--help")
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "hachimachi.training.config.groups" in loaded
    assert not loaded & {"hydra", "omegaconf", "torch", "lightning", "numpy"}


@pytest.mark.parametrize(
    ("line", "place", "found"),
    [
        ("hxmx train model=", 2, ["model=gru", "model=lstm"]),
        ("hxmx train model = ", 4, ["gru", "lstm"]),
        ("hxmx train model = l", 4, ["lstm"]),
        ("hxmx train seed=1 trainer.max_e", 3, ["trainer.max_epochs="]),
        ("hxmx train seed=1 opt", 3, ["optimizer=adamw", "optimizer.name=", "optimizer.lr="]),
        ("hxmx train --multi", 2, ["--multirun"]),
    ],
)
def test_completion(line: str, place: int, found: list[str]) -> None:
    done = python(_HXMX_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(place))
    values = {row.partition(",")[2] for row in done.stdout.splitlines()}
    assert set(found) <= values


def test_completion_of_files() -> None:
    for line, place in [("hxmx train ", 2), ("hxmx train data.json ", 3), ("hxmx train my", 2)]:
        done = python(_HXMX_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(place))
        assert done.stdout.startswith("file,")
    done = python(_HXMX_COMPLETE="bash_complete", COMP_WORDS="hxmx train d.json m.pt ", COMP_CWORD="4")
    assert "file," not in done.stdout
    assert "plain,model=gru" in done.stdout


def test_as_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "hachimachi.cli", "train", "--cfg", "job", "model.size=7"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "size: 7" in done.stdout
    assert not done.stderr


def test_what_is_there_and_is_no_model_stays(hxmx: Hxmx, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, said in (("notes.txt", "is no model"), ("other.json", "ends as data do")):
        (tmp_path / name).write_text("precious")
        assert hxmx("data.json", name) == 1
        assert said in capsys.readouterr().err
        assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize(
    "word", ["trainer.max_epoch=2", "modle=gru", "model=gur", "optimizer.lrr=1", "feature.a b.knd=1"]
)
def test_a_misspelt_key_is_told_before_anything_slow_is_imported(
    tmp_path: Path, python_process: Process, word: str
) -> None:
    (tmp_path / "data.json").write_text("{}")
    called = "import sys; from hachimachi.cli import main\ntry:\n    main(sys.argv[1:])\n"
    code = called + "finally:\n    print('torch' in sys.modules)"
    found = python_process("-c", code, "train", "data.json", word, cwd=tmp_path)
    assert (found.returncode, found.stdout) == (2, "False\n")
    assert len(found.stderr.splitlines()) == 1
