"""What is asked of the real process while it plays."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hachimachi.constraints import notes_of_scale
from hachimachi.io import read, write

from .patch import Patch

LOUD = 127
"""Louder than the models play: an input that equals an output is its echo."""
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


def outputs(patch: Patch, count: int) -> list[list[float]]:
    heard: list[list[float]] = []
    while len(heard) < count:
        route, *values = patch.hear()
        if route.endswith("/output"):
            heard.append(values)
    return heard


def answer(patch: Patch, *words: Any) -> list[Any]:
    """Send a message; return what `/status` says to it, past whatever is played meanwhile."""
    patch.send(*words)
    while (message := patch.hear())[0] != "/status":
        pass
    return message[1:]


def test_a_scale_asked_for_while_it_plays_is_kept_from_then_on(models: dict[bool, Path], patch: Patch) -> None:
    patch.start(models[False], "--log", "none", "--seed", "1")
    assert answer(patch, "/constrain", "pitch", "scale", "C", "minor") == ["constrain", "pitch", "scale", "C minor"]
    scale = notes_of_scale("C minor")
    for _ in range(60):
        patch.send("/input", 60, LOUD)
        ((pitch, *_),) = outputs(patch, 1)
        assert pitch in scale
    assert answer(patch, "/release", "pitch")[0] == "release"
    pitches = set()
    for _ in range(200):
        patch.send("/input", 60, LOUD)
        pitches.add(outputs(patch, 1)[0][0])
    assert not pitches <= set(scale)


def test_cold_it_plays_the_same_and_says_so(models: dict[bool, Path], patch: Patch) -> None:
    patch.start(models[False], "--temperature", "0", "--log", "none", "--seed", "1")
    patch.send("/input", 60, LOUD)
    first = outputs(patch, 1)[0]
    for _ in range(5):
        patch.send("/reset")
        patch.send("/input", 60, LOUD)
        assert outputs(patch, 1)[0][0] == first[0]
    assert answer(patch, "/temperature", 1.0) == ["temperature", 1.0]
    pitches = set()
    for _ in range(50):
        patch.send("/reset")
        patch.send("/input", 60, LOUD)
        pitches.add(outputs(patch, 1)[0][0])
    assert len(pitches) > 5


def test_it_goes_on_alone_from_start_to_pause(models: dict[bool, Path], patch: Patch) -> None:
    patch.start(models[True], "--mode", "loop", "--note-offs")
    assert answer(patch, "/status")[0] == "ready"
    patch.send("/start")
    assert len(outputs(patch, 50)) == 50
    patch.send("/panic")
    while patch.hear()[:2] != ["/status", "state"]:
        pass
    patch.send("/stop")
    rest = []
    while (message := patch.hear()) != ["/status", "ready", 0]:
        rest.append(message)
    assert not [message for message in rest if message[0] == "/output"]
    assert patch.end()[0] == 0


def test_two_models_and_one_that_waits(models: dict[bool, Path], patch: Patch, tmp_path: Path) -> None:
    for name in ("lead", "bass", "third"):
        (tmp_path / f"{name}.pt").write_bytes(models[False].read_bytes())
    patch.start(tmp_path / "lead.pt", str(tmp_path / "bass.pt"), "--standby", str(tmp_path / "third.pt"))
    patch.send("/2/input", 60, 80)
    assert patch.hear()[0] == "/2/output"
    patch.send("/input", 60, LOUD)
    assert {patch.hear()[0], patch.hear()[0]} == {"/1/output", "/2/output"}
    patch.send("/1/load", "third")
    assert patch.hear() == ["/1/status", "model", "third"]
    patch.send("/stop")
    status, rest = patch.end()
    assert status == 0 and "third: heard 1, played 1" in rest
    kept = read(next((tmp_path / "outputs" / "run").glob("*.json")))
    # 0 is you, who were heard twice: by one, then by both; 1 and 2 are the models
    assert sorted(kept[0].column("player").tolist()) == [0, 0, 1, 2, 2]


def test_what_is_played_is_kept_and_can_be_learned_from(models: dict[bool, Path], patch: Patch, tmp_path: Path) -> None:
    patch.start(models[True], "--log", "night.json")
    for pitch in (60, 62, 64):
        patch.send("/input", pitch, LOUD)
    sent = outputs(patch, 1)
    patch.send("/reset")
    patch.send("/input", 65, LOUD)
    sent += outputs(patch, 1)
    patch.send("/stop")
    status, rest = patch.end()
    assert status == 0 and "night.json" in rest
    sequences = read(tmp_path / "night.json")
    assert [feature.name for feature in sequences[0].features][-1] == "player"
    assert sum(len(sequence) for sequence in sequences) == 4 + len(sent)
    mine = [row for sequence in sequences for row in sequence.data.tolist() if row[-1] == 0]
    assert [row[0] for row in mine] == [60, 62, 64, 65]
    assert list(tmp_path.glob("*.journal")) == []


@posix
def test_killed_it_loses_nothing_and_the_next_start_rescues_it(
    models: dict[bool, Path], patch: Patch, tmp_path: Path
) -> None:
    patch.start(models[False])
    for _ in range(50):
        patch.send("/input", 60, LOUD)
        outputs(patch, 1)
    assert answer(patch, "/status")[0] == "ready"
    patch.process.send_signal(signal.SIGKILL)
    patch.process.wait()
    again = Patch(tmp_path)
    with again.socket:
        again.start(models[False], "--log", "new.json")
        again.send("/stop")
        again.end()
    assert "100 events rescued" in again.screen
    (kept,) = (tmp_path / "outputs" / "run").glob("*.json")
    assert sum(map(len, read(kept))) == 100


def test_a_primer_is_gone_on_from(models: dict[bool, Path], patch: Patch, tmp_path: Path) -> None:
    from hachimachi.events import EventSequence

    from .conftest import FEATURES

    song = EventSequence(FEATURES, np.array([[60 + i % 5, 80, 0.5, 0] for i in range(40)]), None, "song")
    write(tmp_path / "song.json", song)
    patch.start(models[False], "--primer-file", "song.json", "--log", "none")
    assert answer(patch, "/prime", "song") == ["prime", "song"]
    assert answer(patch, "/prime", "another")[:2] == ["error", "value"]
    patch.send("/sample")
    assert len(outputs(patch, 1)) == 1


def test_a_log_that_would_be_lost_is_told_at_once(models: dict[bool, Path], tmp_path: Path, hxmx_said: Any) -> None:
    there = tmp_path / "there.json"
    there.write_text(json.dumps({"data": [[1]]}))
    for name, said in (
        (there, "is there already"),
        ("x.mid", ".json or .csv"),
        (tmp_path / "no" / "x.csv", "no folder"),
    ):
        status, _, error = hxmx_said("run", models[True], "--log", name)
        assert status == 1 and said in error and error.count("\n") == 1


def test_a_velocity_of_0_ends_a_note(models: dict[bool, Path], patch: Patch, tmp_path: Path) -> None:
    patch.start(models[False], "--log", "night.json")
    patch.send("/input", 60, LOUD)
    outputs(patch, 1)
    for pitch in (60, 60, 99):  # the last two are of keys that are not down
        patch.send("/input", pitch, 0)
    patch.send("/status")
    answers: dict[str, list[Any]] = {}
    while "refused" not in answers:
        route, key, *values = patch.hear()
        assert route == "/status"  # nothing is answered but this
        answers[key] = values
    assert (answers["heard"], answers["released"], answers["refused"]) == ([1], [3], [0])
    patch.send("/stop")
    status, rest = patch.end()
    assert status == 0 and "duration not known" not in rest
    assert "\nreleases received, the ends of notes by velocity 0: 3\n" in rest
    kept = read(tmp_path / "night.json")[0]
    assert [row[:2] for row in kept.data.tolist() if row[-1] == 0] == [[60, LOUD]]
