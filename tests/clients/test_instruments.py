"""The instruments of `examples/` in the real programs, played with the real `hxmx run`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from hachimachi.events import EventSequence, Feature
from tests.clients.processes import free_ports, running
from tests.clients.programs import MODES, Program, pure_data, supercollider

Open = Callable[[int, int, Path], AbstractContextManager[Program]]
PROGRAMS: dict[str, Open] = {"puredata": pure_data, "supercollider": supercollider}
SILENT = 30.0
"""Decibels, of which a note in full has some 80."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def notes_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of quick notes that knows how often each value occurs and no more."""
    from hachimachi.checkpoint import save_model
    from hachimachi.models.event_model import build_model

    chance = np.random.default_rng(0)
    features = (Feature("pitch", kind="integer"), Feature("velocity", kind="integer"), Feature("duration", masked=True))
    columns = [chance.integers(48, 72, 300), chance.integers(60, 100, 300), chance.uniform(0.05, 0.3, 300)]
    events = EventSequence(features, np.column_stack(columns), np.cumsum(chance.exponential(0.05, 300)))
    path = tmp_path_factory.mktemp("models") / "notes.pt"
    save_model(build_model([events]), path)
    return path


@contextmanager
def stage(name: str, model: Path, folder: Path, *options: str) -> Iterator[Program]:
    """Open an instrument in its program, then start the model that plays with it: in this order, as happens."""
    hears, plays = free_ports(2)
    ports = ["--in-port", str(hears), "--out-port", str(plays)]
    words = [sys.executable, "-m", "hachimachi.cli", "run", model, *ports, "--seed", "1", "--log", "none", *options]
    with PROGRAMS[name](hears, plays, folder) as program, running(*words, PYTHONUNBUFFERED="1"):
        program.wait_for_status("ready 1")
        yield program


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest, notes_model: Path, tmp_path: Path) -> Iterator[Program]:
    with stage(request.param, notes_model, tmp_path, "--note-offs") as program:
        yield program


def test_it_answers_what_is_played_and_both_sound(program: Program) -> None:
    assert program.level < SILENT
    program.turn("phrase", 1)
    program.wait_for_outputs(10)
    assert program.level > SILENT
    program.turn("phrase", 0)
    program.process.wait("silence", lambda: program.level < SILENT)


def test_it_goes_on_alone_until_the_pause(program: Program) -> None:
    program.turn("mode", MODES.index("loop"))
    program.wait_for_status("mode loop")
    program.tap("start")
    program.wait_for_status("state playing")
    program.wait_for_outputs(100)
    assert all(len(values) == 3 for values in program.outputs)
    assert len({pitch for pitch, *_ in program.outputs}) > 5
    program.tap("pause")
    program.wait_for_status("state paused")
    before = len(program.outputs)
    time.sleep(0.5)  # ten events of this model
    assert len(program.outputs) == before


def test_fed_back_by_the_patch_it_goes_on_too(program: Program) -> None:
    program.turn("feedback", 1)
    program.tap("sample")
    program.wait_for_outputs(100)
    program.turn("feedback", 0)
    since = len(program.process.lines)
    program.ask("status")
    program.wait_for_status("heard ", since)
    assert int(program.process.said("status: heard ", since)[0]) >= 99


def test_temperature_changes_how_much_it_varies(program: Program) -> None:
    def firsts() -> list[tuple[float, ...]]:
        """Return the notes with which it begins, again and again."""
        since = len(program.outputs)
        for _ in range(20):
            program.tap("reset")
            program.tap("sample")
            program.wait_for_outputs(1)
        return [note[:2] for note in program.outputs[since:]]

    program.turn("temperature", 1.5)
    program.wait_for_status("temperature 1.5")
    assert len(set(firsts())) > 10
    program.turn("temperature", 0)
    program.wait_for_status("temperature 0")
    assert len(set(firsts())) == 1


def test_panic_ends_all_sound_and_the_model_stands_still(program: Program) -> None:
    program.turn("mode", MODES.index("duet"))
    program.tap("start")
    program.wait_for_outputs(20)
    program.tap("panic")
    program.wait_for_status("state listening")
    program.process.wait("silence", lambda: program.level < SILENT)
    before = len(program.outputs)
    time.sleep(0.5)
    assert len(program.outputs) == before


def test_errors_reach_the_player(program: Program) -> None:
    program.ask("nonsense")
    program.wait_for_status("error route")


def test_panic_takes_back_what_was_told_ahead(notes_model: Path, tmp_path: Path) -> None:
    with stage("supercollider", notes_model, tmp_path, "--loop", "--lookahead", "1000") as program:
        program.wait_for_outputs(40)
        program.tap("panic")
        program.wait_for_status("state listening")
        program.process.wait("silence", lambda: program.level < SILENT)
        time.sleep(2)  # longer than the notes were told ahead
        assert program.level < SILENT
        program.process.type('("sounding: " ++ s.numSynths).postln;\x0c')
        program.process.wait("a count", lambda: program.process.said("sounding: "))
        assert program.process.said("sounding: ") == ["1"]  # the probe
