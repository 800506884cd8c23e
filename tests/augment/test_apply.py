"""What holds around every augmentation: time, drums, ranges, names of features, one of your own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hachimachi import io
from hachimachi.augment.apply import augment, parse
from hachimachi.augment.augmentation import _KNOWN, Augmentation, Values, known, register
from hachimachi.augment.expression import ExpressionError
from hachimachi.columns import fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence

MUSIC = EventSequence(
    (Feature("pitch", "integer"), Feature("duration", masked=True), Feature("instrument", "categorical")),
    np.array([[60, 0.5, 0], [36, 0.1, 128], [64, 0.2, 5], [67, 1.0, 0]]),
    np.array([1.0, 1.0, 1.5, 3.0]),
    "music",
)


def music(ops: str) -> EventSequence:
    [made] = augment([MUSIC], ops).sequences
    assert made.features == MUSIC.features
    return made


def test_time_is_that_between_events() -> None:
    assert MUSIC.time is not None
    for ops, time in {
        "mul(value=2, dims=t)": [1, 1, 2, 5],
        "add(value=0.25, dims=t)": [1, 1.25, 2, 3.75],
        "sub(value=1, dims=t)": [1, 1, 1, 1.5],  # never negative
        "rev(dims=t)": [1, 2.5, 3, 3],
        "rev()": [1, 2.5, 3, 3],
        "sort(dims=t, falling=true)": [1, 2.5, 3, 3],
        "cumsum(dims=t)": [1, 1, 1.5, 3.5],
        "round(dims=t, step=1)": [1, 1, 2, 4],
    }.items():
        made = music(ops)
        assert made.time is not None
        assert made.time.tolist() == time, ops
    assert music("add(value=1, dims=pitch)").time is MUSIC.time


def test_whole_events_are_reversed_onsets_as_in_a_mirror() -> None:
    made = music("rev()")
    assert made.data.tolist() == MUSIC.data[::-1].tolist()
    assert made.time is not None
    assert MUSIC.time is not None
    assert (made.time - made.time[0]).tolist() == (MUSIC.time[-1] - MUSIC.time[::-1]).tolist()


def test_the_time_before_a_window_stays_where_events_change_places() -> None:
    columns = fit_columns([MUSIC])
    window = MUSIC.rows()[None]
    window[0, 0, 0] = 9.0
    for ops in ("rev", "rev(dims=t)", "sort(dims=t)", "cumsum(dims=t)", "diff(dims=t)"):
        assert parse(ops).bind(columns)(window, np.random.default_rng(0)).rows[0, 0, 0] == 9
    assert parse("mul(value=2, dims=t)").bind(columns)(window, np.random.default_rng(0)).rows[0, 0, 0] == 18


def test_drums_keep_their_pitches() -> None:
    for ops, pitches in {
        "add(value=12, dims=pitch)": [72, 36, 76, 79],
        "rev(dims=pitch)": [67, 36, 64, 60],
        "sort(dims=pitch, falling=true)": [67, 36, 64, 60],
        "diff(dims=pitch)": [60, 36, 4, 3],
        "sub(value=mean, dims=pitch); abs(dims=pitch)": [0, 36, 0, 3],  # and the mean is of the others; below 0 held
    }.items():
        assert music(ops).column("pitch").tolist() == pitches, ops


@pytest.mark.parametrize(
    ("channels", "drums"), [([9, 10, 0], [True, False, False]), ([9, 10, 16], [False, True, False])]
)
@pytest.mark.parametrize("kind", ["categorical", "integer"])
def test_drums_are_known_by_their_channel(channels: list[int], drums: list[bool], kind: Any) -> None:
    features = (Feature("pitch", "integer"), Feature("channel", kind))
    sequence = EventSequence(features, np.array([[60, channel] for channel in channels]))
    [made] = augment([sequence], "add(value=5, dims=pitch)").sequences
    assert made.column("pitch").tolist() == [60 if drum else 65 for drum in drums]


def test_what_leaves_its_range_is_held_and_counted() -> None:
    features = (Feature("pitch"), Feature("velocity"), Feature("knob", min=-1, max=0.5))
    sequence = EventSequence(features, np.array([[5, 3, 0.25], [60, 64, 0.0], [120, 127, -0.5]]))
    made = augment([sequence], "sub(value=10, dims=(pitch, velocity)); add(value=0.5, dims=knob)")
    assert made.sequences[0].data.tolist() == [[0, 1, 0.5], [50, 54, 0.5], [110, 117, 0]]
    assert [each.held.tolist() for each in made.counts] == [[1, 1, 0], [0, 0, 1]]
    assert [each.changed.tolist() for each in made.counts] == [[3, 3, 0], [0, 0, 3]]
    hertz = make_sequence([[440, 0], [880, 99]], names=["pitch", "velocity"])  # silence is heard in this data
    moved = augment([hertz], "sub(value=10, dims=velocity); add(value=1, dims=pitch)").sequences[0]
    assert moved.data.tolist() == [[441, 0], [880, 89]]
    gesture = make_sequence([[0.25], [-0.5]], names=["velocity"])  # no MIDI
    assert augment([gesture], "sub(value=1, dims=velocity)").sequences[0].data.tolist() == [[-0.75], [-1.5]]


@pytest.mark.parametrize(
    ("dims", "says"),
    [
        ("^pich", "no feature pich; did you mean pitch?"),
        ("(t, pitch, ^xyz)", "no feature xyz; there are t, pitch, duration, instrument"),
        ("^instrument", "instrument is a category; categories are not calculated with"),
        ("(pitch, ^3)", "no feature number 3; there are 3, counted from 0: pitch, duration, instrument"),
        ('^"T"', "no feature T; did you mean t?"),
    ],
)
def test_a_feature_that_is_not_there_is_shown(dims: str, says: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        music(f"abs(dims={dims.replace('^', '')})")
    message, shown, caret = str(caught.value).split("\n")
    assert says in message
    assert shown.replace('"', "").startswith(f"  abs(dims={dims.replace('^', '')})".replace('"', ""))
    assert caret.index("^") == 11 + dims.index("^")


def test_features_with_the_names_of_words() -> None:
    sequence = make_sequence([[0.5, 1.5]], names=["t", "all"])
    assert augment([sequence], "add(value=1, dims='t')").sequences[0].data.tolist() == [[1.5, 1.5]]
    assert augment([sequence], "add(value=1, dims='all')").sequences[0].data.tolist() == [[0.5, 2.5]]
    assert augment([sequence], "add(value=1, dims=all)").sequences[0].data.tolist() == [[1.5, 2.5]]
    with pytest.raises(ExpressionError, match='these events have no time; they have "t", "all"'):
        augment([sequence], "add(value=1, dims=t)")
    wide = make_sequence(np.zeros((1, 30)))
    with pytest.raises(ExpressionError, match='11" and 18 more'):
        augment([wide], "add(value=1, dims=99)")


def test_each_sequence_has_draws_of_its_own() -> None:
    before = [MUSIC, MUSIC, MUSIC[:0]]
    ops = "addrand(range=(0.1, 9), dims=duration)"
    alone = augment([MUSIC], ops, 3).sequences
    assert [made.name for made in alone] == ["music"]
    many = augment(before, ops, 3)
    assert np.array_equal(many.sequences[0].data, alone[0].data)  # whatever comes after
    assert not np.array_equal(many.sequences[0].data, many.sequences[1].data)
    assert not np.array_equal(augment([MUSIC], ops, 4).sequences[0].data, alone[0].data)
    assert len(many.sequences[2]) == 0
    assert many.counts[0].windows == 3


def test_real_music_with_drums(shared_data: Path, tmp_path: Path) -> None:
    [piece] = io.read(shared_data / "freedoom_small" / "midi" / "d_e3m9.mid")
    [made] = augment([piece], "add(value=3, dims=pitch); rev(); mul(value=2, dims=(t, duration))").sequences
    io.write(tmp_path / "made.mid", made)
    [heard] = io.read(tmp_path / "made.mid")
    drums = piece.column("instrument") == 128
    assert np.array_equal(made.column("pitch"), (piece.column("pitch") + 3 * ~drums)[::-1])
    assert made.seconds == pytest.approx(2 * piece.seconds)
    assert len(heard) == len(piece)
    assert heard.seconds == pytest.approx(made.seconds, abs=0.01)


def test_one_of_your_own() -> None:
    @register("test_own")
    @dataclass(frozen=True, kw_only=True)
    class Own(Augmentation):
        """Says nothing of its shape."""

        def change(self, values: Values, random: np.random.Generator) -> NDArray[np.float64]:
            values += 1  # may be written over
            return values if random.random() >= 0 and values.shape[1] != 2 else values[0]

    def own(values: list[float]) -> list[float]:
        return augment([make_sequence(np.transpose([values]))], "test_own(dims=0)").sequences[0].data[:, 0].tolist()

    try:
        assert known()["test_own"] is Own
        before = [0.5, 1.5, 2.5]
        assert own(before) == [1.5, 2.5, 3.5]
        with pytest.raises(HachimachiError, match=r"test_own returned shape \(2, 1\), expected .* \(1, 2, 1\)"):
            own([0.5, 1.5])
        register("test_own")(Own)  # a notebook's cell runs again
        with pytest.raises(HachimachiError, match=r"'test_own': .*Own has this name; choose another"):
            register("test_own")(type("Other", (Own,), {}))
        with pytest.raises(HachimachiError, match="'2nd': expected a name of letters"):
            register("2nd")
    finally:
        del _KNOWN["test_own"]
