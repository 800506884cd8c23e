"""Starting several processes, and ending them together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hachimachi import io
from hachimachi.errors import HachimachiError
from hachimachi.training import distributed
from hachimachi.training.config.compose import compose
from hachimachi.training.fit import train

ROOT = Path(__file__).parents[2]
STARTED = (*("SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"), "RANK", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in STARTED:
        monkeypatch.delenv(name, raising=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(said: str, process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if said in line:
            return
    pytest.fail(f"it never said {said!r}")


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def is_there(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return state.strip()[:1] not in ("", "Z")


def test_one_process_is_the_first_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (distributed.is_first(), distributed.is_started(), distributed.is_external()) == (True, False, False)
    monkeypatch.setenv("SLURM_PROCID", "3")  # a script of SLURM that is not run by srun
    monkeypatch.setenv("NODE_RANK", "3")
    assert (distributed.is_first(), distributed.is_started()) == (True, False)


@pytest.mark.parametrize(
    ("environment", "external"),
    [
        ({"RANK": "3", "LOCAL_RANK": "0"}, True),
        ({"SLURM_PROCID": "3", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1"}, False),
    ],
    ids=["torchrun", "srun", "Lightning", "Lightning on a second machine"],
)
def test_a_process_that_others_started_is_not_the_first(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], external: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (distributed.is_first(), distributed.is_started(), distributed.is_external()) == (False, True, external)


@pytest.mark.parametrize(
    ("words", "number"),
    [([], 1), (["trainer.devices=3"], 3), (["trainer.devices=[0,2]"], 2), (["trainer.devices=auto"], 1)],
)
def test_one_process_a_device(words: list[str], number: int) -> None:
    assert distributed.count(compose([*words, "trainer.num_nodes=2"])) == 2 * number


def test_several_machines_have_to_be_told_apart(save: Callable[..., None]) -> None:
    save(60)
    words = ["trainer.num_nodes=2", "trainer.max_steps=1", "model.size=8", "callbacks=quiet", "logger=none"]
    with pytest.raises(HachimachiError, match=r"trainer.num_nodes=2: .*NODE_RANK not set; start it with torchrun"):
        train(compose(words), "run")


def begin(folder: Path, make_pieces: Any) -> "subprocess.Popen[str]":
    io.write(folder / "data.json", make_pieces([200]))
    words = ["data.json", "model.pt", "model.size=8", "head.components=2", "logger=none", "callbacks.pictures=false"]
    words += ["trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", "trainer.max_minutes=10"]
    command = [sys.executable, "-u", "-m", "hachimachi.cli", "train", *words, "callbacks.patience=9999"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    started = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for("Learns for", started)
    return started


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_all_and_keeps_the_best(tmp_path: Path, make_pieces: Any, number: int) -> None:
    process = begin(tmp_path, make_pieces)
    while not (tmp_path / "model.pt").is_file():  # the first validation is over
        time.sleep(0.1)
    others = children_of(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    assert (process.returncode, err) == (130, "")
    assert f"Stopped by {'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'}; the best model so far is kept" in out
    assert not any(map(is_there, others))
    assert (tmp_path / "model.pt").is_file()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_a_further_process_that_is_killed_ends_all(tmp_path: Path, make_pieces: Any) -> None:
    process = begin(tmp_path, make_pieces)
    while not (tmp_path / "model.pt").is_file():
        time.sleep(0.1)
    [other] = children_of(process.pid)
    os.kill(other, signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert (process.returncode, err) == (1, "hxmx: process 1 of 2 was ended by SIGKILL; the others were ended\n")
    assert (tmp_path / "model.pt").is_file()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
@pytest.mark.parametrize("early", [False, True])
def test_further_processes_end_with_the_command(tmp_path: Path, make_pieces: Any, early: bool) -> None:
    process = begin(tmp_path, make_pieces)
    while not ((others := children_of(process.pid)) if early else (tmp_path / "model.pt").is_file()):
        time.sleep(0.1)
    others = children_of(process.pid)
    process.kill()
    process.communicate(timeout=240)
    ended = time.monotonic() + 60
    while any(map(is_there, others)) and time.monotonic() < ended:
        time.sleep(0.1)
    assert len(others) == 1
    assert not any(map(is_there, others))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_two_machines_by_torchrun(tmp_path: Path, make_pieces: Any) -> None:
    """Two groups of processes on this machine, which know each other by an address only."""
    io.write(tmp_path / "my data.json", make_pieces([120]))
    words = ["my data.json", "my model.pt", "model.size=8", "head.components=2", "logger=none", "trainer.max_epochs=2"]
    command = [
        "sh",
        str(ROOT / "examples" / "cluster" / "torchrun.sh"),
        *words,
        "trainer=ddp",
        "trainer.accelerator=cpu",
    ]
    port = str(free_port())
    common = {**os.environ, "NODES": "2", "HEAD": "127.0.0.1", "PORT": port, "PYTHON": sys.executable}
    started = [
        subprocess.Popen(command, cwd=tmp_path, env={**common, "NODE": node}, stdout=subprocess.PIPE, text=True)
        for node in "01"
    ]
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert [text.count("nats per event on what was held out") for text in said] == [1, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my data.json", "my model.pt", "outputs"]
    assert len(list((tmp_path / "outputs" / "train").iterdir())) == 1
