"""What looks wrong is found where it is, with its place and what to do, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hachimachi.description.describe import Finding, describe
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io.midi import NOTES

N = 2000
CHANCE = np.random.default_rng(1)
SMOOTH = np.cumsum(CHANCE.normal(size=N)) / 100
TIME = np.cumsum(CHANCE.exponential(0.1, N))
MODES = CHANCE.integers(0, 3, N)


def findings(*sequences: EventSequence) -> dict[str, Finding]:
    return {finding.kind: finding for finding in describe(list(sequences)).findings}


def made(column: np.ndarray, time: np.ndarray | None = TIME, **declared) -> EventSequence:
    name = declared.pop("name", "v")
    features = (Feature("x"), Feature(name, **declared))
    return EventSequence(features, np.column_stack([SMOOTH, column]), time, "take.csv")


def changed(values: np.ndarray, **at: float) -> np.ndarray:
    values = values.astype(float).copy()
    for place, value in at.items():
        values[int(place[1:])] = value
    return values


PAUSE = TIME + np.where(np.arange(N) >= 700, 300.0, 0)
WRONG = {
    "constant": (made(np.full(N, 0.5)), "v", ["0.5 throughout", "--drop v"]),
    "outlier": (made(changed(SMOOTH, _41=1e6)), "v", ["1 value", "1e+06 (event 42 of take.csv)", "leave it out"]),
    "rare category": (made(changed(MODES, _9=7), kind="categorical"), "v", ["1 value seen once: 7"]),
    "names": (made(MODES), "v", ["3 whole numbers only (0, 1, 2)", "v# in CSV", "feature.v.kind=categorical"]),
    "milliseconds": (made(SMOOTH, np.round(TIME * 1000)), "time", ["milliseconds", "time (ms)"]),
    "one time": (made(SMOOTH, np.zeros(N)), "time", ["all events", "--drop time"]),
    "gap": (made(SMOOTH, PAUSE), "time", ["1 gap", "300", "before event 701 of take.csv", "--max-gap 5"]),
    "short": (made(CHANCE.random(N) * (MODES > 0), name="duration"), "duration", ["3", "%", "5 ms"]),
    "pitch": (made(SMOOTH * 10 + 440, name="pitch"), "pitch", ["event", "0–127", "hertz"]),
    "range": (made(SMOOTH, min=50.0), "v", ["min 50", "training will refuse it"]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_found_alone_with_its_place_and_what_to_do(kind: str) -> None:
    sequence, column, words = WRONG[kind]
    found = findings(sequence)
    assert set(found) == {kind}
    assert found[kind].column == column
    assert all(word in str(found[kind]) for word in words), str(found[kind])
    assert "\n" not in str(found[kind])


def test_outliers_below() -> None:
    assert "-99 (event 5 of take.csv)" in str(findings(made(changed(SMOOTH, _4=-99)))["outlier"])


def test_too_few_events() -> None:
    few = findings(made(SMOOTH)[:10])["too few"]
    assert "10 events only" in str(few)
    assert "nothing can be held out" in str(few)
    assert "held out" not in str(findings(made(SMOOTH)[:500])["too few"])


def test_sequences_on_another_scale() -> None:
    takes = [made(SMOOTH, TIME) for _ in range(5)]
    odd = EventSequence(takes[0].features, takes[0].data * [1, 127], TIME, "midi.csv")
    found = findings(*takes, odd)["scale"]
    assert found.column == "v"
    assert "1 sequence on another scale: in midi.csv" in str(found)
    slow = EventSequence(takes[0].features, takes[0].data, TIME * 1000, "ms.csv")
    assert findings(*takes, slow)["scale"].column == "time"
    assert "scale" not in findings(*takes)


@pytest.mark.parametrize(
    "sequence",
    [
        made(SMOOTH),
        made(SMOOTH, None),
        made(CHANCE.normal(size=N)),
        made(np.exp(0.7 * CHANCE.normal(size=N))),
        made(CHANCE.exponential(0.3, N) + 0.01, name="duration", masked=True),
        made(MODES, kind="categorical"),
        made(MODES, kind="integer"),
        made(CHANCE.integers(36, 40, N), name="pitch"),
    ],
)
def test_what_is_healthy_is_left_in_peace(sequence: EventSequence) -> None:
    assert findings(sequence) == {}


def test_real_performances_are_healthy(shared_data: Path) -> None:
    for name in ("fresh", "piano", "multi", "control"):
        assert describe(shared_data / "single" / f"{name}_train.json").findings == (), name
    assert {finding.kind for finding in describe(shared_data / "single" / "drums_train.json").findings} == {"short"}
    [gap] = describe(shared_data / "control_impsy4d_small").findings
    assert "247.4 s before event 177 of csv/impsy4d_34.csv" in str(gap)


def test_declared_bounds_are_trusted() -> None:
    notes = np.column_stack([CHANCE.integers(60, 64, N), np.full(N, 100), np.full(N, 0.3), np.zeros(N)]).astype(
        np.float64
    )
    notes[7, 1] = 1
    found = findings(EventSequence(NOTES, notes, TIME))
    assert "outlier" not in found
    assert {finding for finding in found if finding != "constant"} == set()


def test_without_names_it_still_says_which_event() -> None:
    assert "(event 3)" in str(findings(make_sequence(changed(SMOOTH, _2=1e5)[:, None]))["outlier"])
