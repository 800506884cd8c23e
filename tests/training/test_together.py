"""Several real processes that learn together."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hachimachi import io
from hachimachi.checkpoint import load_model
from hachimachi.training.data import EventDataModule, Windows
from hachimachi.training.interruption import ResumeState

DDP = ("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu")
TINY = ("model.size=8", "head.components=2", "logger=none", "callbacks.pictures=false")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def learn(data: Path, folder: Path, *words: str) -> list[dict[str, Any]]:
    """Run two processes of rank.py; return what each wrote down."""
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    command = [sys.executable, str(Path(__file__).with_name("rank.py")), str(data), str(folder), *words]
    started = [
        subprocess.Popen(command, env={**common, "RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in "01"
    ]
    try:
        said = [process.communicate(timeout=240)[1][-3000:] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(said)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in "01"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, make_pieces: Any) -> tuple[Path, list[dict[str, Any]]]:
    """What two processes saw that learned from the same pieces, and where."""
    folder = tmp_path_factory.mktemp("two processes")
    io.write(folder / "data.json", make_pieces([30, 40, 50, 60, 70, 80, 90]))
    # a rate that follows the clock, which no two processes read at the same moment
    return folder, learn(folder / "data.json", folder, "optimizer=onecycle", "trainer.max_minutes=1")


def test_they_see_different_windows_and_together_all(both: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, (first, second) = both
    assert len(first["seen"]) == len(second["seen"]) > 0
    assert len(set(first["seen"]) & set(second["seen"])) <= 1  # of an odd number one is seen twice
    data = EventDataModule(folder / "data.json", window=16, batch_size=4, valid_fraction=0.4)
    data.setup()
    alone = sum(len(batch) for batch in Windows(data.train, 16, 4, 0))
    assert len(set(first["seen"]) | set(second["seen"])) == alone


def test_they_end_with_the_same_weights(both: tuple[Path, list[dict[str, Any]]]) -> None:
    _, (first, second) = both
    assert first["weights"] == second["weights"]


def test_the_score_is_that_of_one_process_alone(both: tuple[Path, list[dict[str, Any]]]) -> None:
    _, (first, second) = both
    assert first["told"] == second["told"]
    assert first["told"] == pytest.approx(first["alone"], rel=1e-6)


def test_one_of_them_writes(both: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, _ = both
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    run = {"run/config.yaml", "run/origin.json", "run/score.json", "run/checkpoints/last.ckpt"}
    assert left == {"data.json", "model.pt", "0.json", "1.json", *run}
    assert load_model(folder / "model.pt").summary["held_out"]["nats_per_event"] > 0


def test_going_on_they_do_not_all_draw_what_the_first_would() -> None:
    data = EventDataModule("data.json")
    kept = ResumeState(data).state_dict()
    for processes, restored in [(2, False), (1, True)]:
        resume = ResumeState(data)
        resume.load_state_dict({**kept, "batch": 3})
        torch.manual_seed(99)
        here = torch.get_rng_state()
        trainer: Any = SimpleNamespace(world_size=processes)
        resume.on_train_batch_start(trainer, None, None, 0)  # pyright: ignore[reportArgumentType]
        assert torch.equal(torch.get_rng_state(), kept["random"]["torch"] if restored else here)


def test_the_command_starts_them_itself(tmp_path: Path, make_pieces: Any, hxmx_process: Any) -> None:
    io.write(tmp_path / "my data.json", make_pieces([120]))
    words = ("my data.json", "my model.pt", *TINY, *DDP, "trainer.max_epochs=2")
    done = hxmx_process("train", *words, cwd=tmp_path, timeout=480)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("nats per event on what was held out") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my data.json", "my model.pt", "outputs"]
    [run] = (tmp_path / "outputs" / "train").iterdir()
    assert {path.name for path in run.iterdir()} == {
        *(".hydra", "checkpoints", "config.yaml", "origin.json", "score.json")
    }


@pytest.mark.slow
def test_jobs_of_a_sweep_have_processes_of_their_own(tmp_path: Path, make_pieces: Any, hxmx_process: Any) -> None:
    io.write(tmp_path / "data.json", make_pieces([120]))
    words = ("data.json", "best.pt", *TINY, *DDP, "trainer.max_epochs=2", "callbacks.progress=false")
    done = hxmx_process("train", *words, "-m", "seed=1,2", "sweep.prune=true", cwd=tmp_path, timeout=480)
    assert (done.returncode, done.stderr) == (0, "")
    [sweep] = (tmp_path / "outputs" / "sweep").iterdir()
    assert [(sweep / job / "score.json").is_file() for job in "012"] == [True, True, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "data.json", "outputs"]
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["sweep"]
    side_by_side = hxmx_process("train", *words, "-m", "seed=1,2", "hydra/launcher=joblib", cwd=tmp_path, timeout=480)
    assert side_by_side.returncode == 1
    assert "jobs side by side have one device each" in side_by_side.stderr
