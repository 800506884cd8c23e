"""What meets: two of one command, and a file that is replaced under the one who uses it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hachimachi.checkpoint import load_player
from hachimachi.events import EventSequence
from hachimachi.io import write

from .patch import Patch


def start(words: list[str], folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hachimachi.cli", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_of_two_runs_on_one_port_the_second_is_refused_and_the_first_plays_on(
    models: dict[bool, Path], patch: Patch, address: str
) -> None:
    patch.start(models[False], "--log", "none")
    second = start(["run", str(models[False]), "--in-port", str(patch.model[1]), "--address", address], patch.folder)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert said.startswith(f"hxmx: port {patch.model[1]} of {address} is in use, perhaps by another hxmx run")
    patch.send("/input", 60, 127)
    assert patch.hear()[0] == "/output"


def test_two_runs_that_begin_at_once_keep_two_performances(models: dict[bool, Path], tmp_path: Path) -> None:
    patches = [Patch(tmp_path), Patch(tmp_path)]
    try:
        for each in patches:
            each.start(models[False])
        for each in patches:
            each.send("/input", 60, 127)
            assert each.hear()[0] == "/output"
            each.send("/stop")
            assert each.end()[0] == 0
    finally:
        for each in patches:
            each.socket.close()
            each.process.kill()
            each.process.communicate()
    assert len(list((tmp_path / "outputs" / "run").glob("*.json"))) == 2


@pytest.mark.parametrize("damage", [b"", b"not a model", None])
def test_a_model_overwritten_while_it_plays_plays_on(
    models: dict[bool, Path], patch: Patch, tmp_path: Path, damage: bytes | None
) -> None:
    """In place, as `cp` does, and by another that is renamed over it, as hxmx does; or it is removed."""
    files = [tmp_path / "lead.pt", tmp_path / "second.pt"]
    for file in files:
        file.write_bytes(models[False].read_bytes())
    patch.start(files[0], "--standby", str(files[1]), "--log", "none")
    for file in files:
        if damage is None:
            file.unlink()
        else:
            file.write_bytes(damage)
    for _ in range(3):
        patch.send("/input", 60, 127)
        assert patch.hear()[0] == "/output"
        patch.send("/load", "second")
        assert patch.hear() == ["/status", "model", "second"]
        patch.send("/load", "lead")
        assert patch.hear() == ["/status", "model", "lead"]
    patch.send("/stop")
    assert patch.end()[0] == 0


@pytest.mark.slow
def test_two_trainings_in_one_folder_write_one_whole_model_and_two_runs(
    make_pieces: Callable[..., list[EventSequence]], tmp_path: Path
) -> None:
    write(tmp_path / "data.json", make_pieces([300]))
    words = ["train", "data.json", "model.pt", "trainer.max_epochs=3", "model.size=8", "logger=none", "callbacks=quiet"]
    both = [start(words, tmp_path) for _ in range(2)]
    for process in both:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    load_player(tmp_path / "model.pt")
    assert len(list((tmp_path / "outputs" / "train").iterdir())) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"data.json", "model.pt", "outputs"}


@pytest.mark.skipif(os.name == "nt", reason="ports are shared otherwise there")
def test_a_flood_from_many_ports_holds_up_no_note(models: dict[bool, Path], patch: Patch) -> None:
    patch.start(models[True], "--loop", "--log", "none")
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(200)]
    try:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            for number, end in enumerate(ends):
                end.sendto(b"/" + bytes([97 + number % 26]) * number, patch.model)
            time.sleep(0.005)
    finally:
        for end in ends:
            end.close()
    patch.send("/pause")
    while (message := patch.hear())[:3] != ["/status", "state", "paused"]:
        pass
    patch.send("/status")
    while (message := patch.hear())[:2] != ["/status", "late"]:
        pass
    assert message[3] < 50  # milliseconds, of 99 in 100, whatever else this machine does
    patch.send("/stop")
    assert patch.end()[0] == 0
