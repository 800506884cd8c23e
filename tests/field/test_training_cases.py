"""Training from the field: rates too high, runs gone on with, processes with little to do, logs under odd names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hachimachi import load_model
from hachimachi.training.sweep.results import Score
from tests.commands.test_board import ask, opened

from .conftest import Case, Said

QUICK = ("init=none", "model.size=8", "logger=none", "callbacks=quiet", "trainer.max_epochs=1")
HIGH = "optimizer.lr=1000"


def runs(kind: str = "train") -> list[Path]:
    return sorted(Path("outputs", kind).iterdir())


def test_42_a_rate_too_high_is_one_line_and_leaves_what_was_there(case: Case, hxmx_said: Said) -> None:
    case("42")
    Path("n.pt").write_bytes(b"what was there")
    status, _, err = hxmx_said("train", "notes.json", "n.pt", *QUICK[:-1], "trainer.max_steps=60", HIGH)
    assert (status, len(err.splitlines())) == (1, 1)
    assert "training diverged" in err
    assert Path("n.pt").read_bytes() == b"what was there"


@pytest.mark.parametrize("search", [(), ("sweep=optuna", "sweep.trials=2")])
def test_42_in_a_sweep_the_others_go_on(case: Case, hxmx_said: Said, search: tuple[str, ...]) -> None:
    if search:
        pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    case("42")
    rates = "optimizer.lr=1000,0.003"
    searched = [*search, "model.size=8", "model.dropout=0.1", "dataset.window=64"] if search else ["model.size=8"]
    words = [*QUICK[:1], *QUICK[2:-1], "trainer.max_steps=60", *searched]
    status, out, err = hxmx_said("train", "notes.json", "n.pt", "-m", rates, *words)
    scores = [Score.read(path.parent) for path in runs("sweep")[0].rglob("score.json")]
    failed = [score.error for score in scores if score and score.error]
    assert all("diverged" in error for error in failed)
    if any(score and score.val_nll is not None for score in scores):  # two draws of a search may be the same
        assert load_model("n.pt").summary["held_out"]["nats_per_event"] < 12
    if not search:
        assert (len(failed), status) == (1, 1)
        assert err.startswith("hxmx: 1 of 2 jobs failed: training diverged")
        jobs = [line for line in out.splitlines() if line.startswith("job ") and "nats/event" not in line]
        assert [line.split(":")[0] for line in jobs[:2]] == ["job 0", "job 1"]  # one line a job
        assert "What would help" not in out


def test_43_a_run_goes_on_with_its_own_data_alone(case: Case, hxmx_said: Said) -> None:
    case("43")
    assert hxmx_said("train", "notes.json", "a.pt", *QUICK, "seed=5")[0] == 0
    on = (*QUICK[:-1], "trainer.max_epochs=2", "seed=5", "ckpt_path=last")
    parts = json.loads(Path("notes.json").read_text())
    parts = {**parts, "data": parts["data"][:-1], "time": parts["time"][:-1]}
    Path("grown.json").write_text(json.dumps(parts))
    for data in ("half.json", "other.json", "grown.json"):
        status, _, err = hxmx_said("train", data, "b.pt", *on)
        assert (status, len(err.splitlines())) == (1, 1)
        assert "does not fit this run: its data was another" in err
        assert not Path("b.pt").exists()
    assert hxmx_said("train", "notes.json", "a.pt", *on)[0] == 0
    assert len(runs()) == 1  # it has gone on in its own folder
    assert load_model("a.pt").summary["steps"] > 0


def test_44_what_is_no_checkpoint_of_the_run_is_one_line(case: Case, hxmx_said: Said) -> None:
    case("44")
    assert hxmx_said("train", "notes.json", "a.pt", *QUICK)[0] == 0
    last = runs()[0] / "checkpoints" / "last.ckpt"
    Path("cut.ckpt").write_bytes(last.read_bytes()[:-2000])
    Path("cut.pt").write_bytes(Path("a.pt").read_bytes()[:-2000])
    Path("empty.ckpt").touch()
    for path, words, said in (
        ("a.pt", (), "not a checkpoint to go on from"),
        ("cut.ckpt", (), "damaged"),
        ("empty.ckpt", (), "damaged"),
        ("notes.json", (), "damaged"),
        (last, ("model=lstm",), "model=gru, not lstm"),
        (last, ("head=mixture",), "head=autoregressive, not mixture"),
        (last, ("model.size=9",), "model.size=8, not 9"),
        (last, ("trainer.max_epochs=1",), "had 1 epoch already"),
        ("none", (), "no such file, nor a run with"),
        (".", ("model.size=9",), "model.size=8, not 9"),
    ):
        status, _, err = hxmx_said(
            "train", "notes.json", "b.pt", *QUICK[:-1], "trainer.max_epochs=2", f"ckpt_path={path}", *words
        )
        assert (status, len(err.splitlines())) == (1, 1), (path, words)
        assert said in err
        assert not Path("b.pt").exists()
    for words in (("gen", "cut.pt", "x.csv"), ("info", "cut.pt"), ("run", "cut.pt"), ("eval", "cut.pt", "notes.json")):
        status, _, err = hxmx_said(*words)
        assert (status, len(err.splitlines())) == (1, 1)
        assert "cut.pt" in err


@pytest.mark.slow
@pytest.mark.parametrize("events", [25, 2])
def test_45_two_processes_with_less_to_do_than_there_are_of_them(case: Case, events: int) -> None:
    folder = case("45")
    tiny = json.loads((folder / "tiny.json").read_text())
    Path("few.json").write_text(json.dumps({**tiny, "data": tiny["data"][:events], "time": tiny["time"][:events]}))
    several = ("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", "trainer.max_epochs=2")
    command = [
        sys.executable,
        "-m",
        "hachimachi.cli",
        "train",
        "few.json",
        "d.pt",
        *several,
    ]  # Lightning starts it again
    done = subprocess.run([*command, "callbacks=quiet", "logger=none"], capture_output=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
    assert load_model("d.pt").parameter_count > 0


@pytest.mark.parametrize("name", ["tb a,b=c:d [x]", "ünï 'q' \"d\" ${h} {i} *"])
def test_46_runs_below_a_folder_of_any_name_are_shown(tmp_path: Path, name: str) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / name / "run 1" / "tensorboard")) as writer:
        writer.add_scalar("val/nll", 2.5, 3)
    with opened(name, cwd=tmp_path) as (_, address):
        assert ask(address, "runs") == ["run 1/tensorboard"]
