"""What is said of how a model plays, its grade and what would help, follow from the figures."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hachimachi.evaluation.collapse import CollapseStats
from hachimachi.evaluation.descriptors import Descriptor
from hachimachi.evaluation.playing import Condition, Copies, Copying, PlayReport
from hachimachi.evaluation.verdict import GRADES, find_faults, judge

REAL = {"key": 0.9, "density": 6.0, "silence": 0.1, "polyphony": 2.5, "velocity": 70.0}
FINE = CollapseStats(repeats=4, silence=1.0, astray=0)
STUCK = CollapseStats(repeats=65, silence=1.0, astray=0)


def report(
    *, longest: int = 6, at: dict[float, dict[str, float]] | None = None, real: Any = None, **more: Any
) -> PlayReport:
    """A report of figures that are the real ones, but for some by temperature."""
    real = real or REAL
    options: dict[str, Any] = {
        "generated": (FINE, FINE),
        "real": (FINE,),
        "copying": Copying(8, Copies(0.1, longest), Copies(0.1, 9)),
        "likeness": (),
        "events": 1000,
        "notes": True,
    }
    conditions = []
    for temperature in (1.0, 0.9, 0.8):
        made = real | (at or {}).get(temperature, {})
        descriptors = tuple(Descriptor(name, made[name], real[name]) for name in real)
        own = {key: value for key, value in more.items() if temperature == 1.0 or key != "generated"}
        conditions.append(PlayReport(**(options | own), descriptors=descriptors, condition=Condition(temperature)))
    first, *others = conditions
    return PlayReport(**{**vars(first), "others": tuple(others)})


def test_all_is_well() -> None:
    assert report().sentence() == (
        "Stays in the key of the piece; as dense as it; as many notes at once; "
        "repeats at most 6 notes of it in a row (music it has not heard: 9)"
    )
    assert not find_faults(report())


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"key": 0.2}, "Leaves the key of the piece"),
        ({"density": 9.6}, "1.6 times as dense as it"),
        ({"density": 3.0}, "0.5 times as dense as it"),
        ({"silence": 0.43}, "silent for 43% of the time (10% in it)"),
        ({"polyphony": 5.0}, "5.0 notes at once (2.5 in it)"),
    ],
)
def test_a_fault_is_said_with_its_figures(change: dict[str, float], phrase: str) -> None:
    [name] = change
    faulty = report(at={1.0: change})
    assert phrase in faulty.sentence()
    assert find_faults(faulty) == [name]


def test_what_cannot_be_told_is_not_said() -> None:
    unknown = dict.fromkeys(REAL, math.nan)
    assert report(real=unknown, copying=None).sentence() == ""
    assert report(real=REAL | {"key": 0.3, "polyphony": 1.0}).sentence().startswith("As dense as the piece; repeats")
    assert "stays in a key as the pieces do; as dense as them" in report(several=True).sentence().lower()


def test_copying_is_said() -> None:
    copying = report(longest=120)
    assert copying.sentence().endswith("copies up to 120 notes of it in a row (music it has not heard: 9)")
    assert find_faults(copying) == ["copying"]
    assert "repeats at most 1 note of it" in report(longest=1).sentence()
    trained = report(copying=Copying(8, Copies(0.1, 6), Copies(0.99, 500)))
    assert trained.sentence().endswith("; repeats at most 6 notes of it in a row")


KNOBS = {"density": 50.0, "range x": 1.0, "range y": 1.0, "jumps": 0.0}


def test_controllers_have_words_of_their_own() -> None:
    assert report(real=KNOBS, notes=False).sentence() == (
        "As many events a second as the data; reaches as far; never jumps further; "
        "repeats at most 6 events of it in a row (data it has not heard: 9)"
    )
    wild = report(real=KNOBS, notes=False, at={1.0: {"density": 20.0, "range x": 0.3, "jumps": 0.031}})
    assert wild.sentence().startswith(
        "0.4 times as many events a second as the data; x reaches 0.3 times as far as in it; "
        "jumps further than it ever does in 3.1% of its steps; "
    )
    assert find_faults(wild) == ["density", "jumps", "range"]


@pytest.mark.parametrize(
    ("gain", "stderr", "told", "grade"),
    [
        (0.1, 0.06, report(), 0),
        (-1.0, 0.1, report(), 0),
        (0.1, 0.04, report(), 1),
        (0.6, 0.1, report(), 2),
        (1.6, 0.1, report(), 3),
        (1.6, 0.1, None, 3),
        (9.0, math.nan, report(), 1),
        (9.0, 0.1, report(at={1.0: {"key": 0.1}}), 2),
        (9.0, 0.1, report(at={1.0: {"key": 0.1, "density": 20, "polyphony": 9}}), 1),
        (9.0, 0.1, report(generated=(STUCK, FINE)), 1),
        (9.0, 0.1, report(generated=(STUCK, FINE, FINE)), 2),
        (9.0, 0.1, report(longest=120), 2),
        (9.0, 0.1, report(at={0.8: {"density": 20}}), 3),
    ],
)
def test_the_grade_follows_from_gain_error_and_faults(gain: float, stderr: float, told: Any, grade: int) -> None:
    assert judge(gain, stderr, told, events=9000).grade == GRADES[grade]


def advice(told: PlayReport | None, gain: float = 2.0, events: int = 9000, **known: Any) -> tuple[str, ...]:
    return judge(gain, 0.1, told, events=events, **known).advice


def test_only_what_follows_is_advised() -> None:
    assert advice(report()) == ()
    assert advice(report(), improving=True) == ("longer training, such as trainer.max_minutes=5",)
    assert advice(report(), gain=0.0) == ()
    assert advice(report(), gain=0.0, events=1976) == ("more data: it has learned from 1,976 events",)
    rushes = {"density": 9.6}
    assert advice(report(at={1.0: rushes})) == ("--temperature 0.9",)
    assert advice(report(at={1.0: rushes, 0.9: rushes})) == ("--temperature 0.8",)
    assert advice(report(at=dict.fromkeys((1.0, 0.9, 0.8), rushes))) == ()
    lost = report(at={temperature: {"key": 0.1} for temperature in (1.0, 0.9, 0.8)})
    assert advice(lost, varied=["time", "pitch"]) == ("augment.transpose=0",)
    assert advice(lost, varied=["time"]) == ()
    assert advice(report(longest=120), events=500) == ("more data: it has learned from 500 events",)
    lines = judge(2.0, 0.1, report(at={1.0: rushes}), events=9000).lines()
    assert lines == ["Verdict: good", "What would help: --temperature 0.9"]
