"""Runs of events of the training data are known again, and near duplicates are found whatever became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi import ngrams
from hachimachi.columns import fit_columns
from hachimachi.events import EventSequence, make_sequence
from hachimachi.io import Report, read
from hachimachi.io.collection import Collection
from hachimachi.ngrams import (
    ALIKE,
    NGrams,
    all_ngrams,
    drop_near_duplicates,
    find_continuation,
    find_near_duplicates,
    group_near_duplicates,
)

LETTERS = st.lists(st.integers(0, 2), min_size=1, max_size=30)


def melody(pitches: list[int], seconds: float = 0.25) -> EventSequence:
    return make_sequence([[float(p)] for p in pitches], seconds * np.arange(len(pitches)), ["pitch"])


def plainly(pitches: list[int], n: int) -> list[tuple[int, ...]]:
    steps = np.diff(pitches).tolist()
    return [tuple(steps[i : i + n]) for i in range(len(steps) - n + 1)]


@given(st.lists(LETTERS, min_size=1, max_size=4), LETTERS, st.integers(1, 5))
def test_they_are_found_as_by_comparing_each(heard: list[list[int]], asked: list[int], n: int) -> None:
    pieces = [melody(piece) for piece in heard]
    grams = NGrams.of(pieces, fit_columns(pieces), n, timed=False)
    known = {gram for piece in heard for gram in plainly(piece, n)}
    assert grams.found(melody(asked)).tolist() == [gram in known for gram in plainly(asked, n)]
    runs = (k for k in range(1, 30) if {g for piece in heard for g in plainly(piece, k)} & set(plainly(asked, k)))
    assert grams.longest_run(melody(asked)) == max(runs, default=0)


def test_a_transposed_copy_is_one_and_a_run_does_not_cross_pieces() -> None:
    pieces = [melody([60, 62, 64]), melody([64, 65, 67, 72])]
    grams = NGrams.of(pieces, fit_columns(pieces), 2, timed=True)
    assert grams.found(melody([48, 50, 52])).tolist() == [True]
    assert grams.found(melody([60, 62, 64, 65, 67])).tolist() == [True, False, True]
    assert grams.longest_run(melody([61, 62, 64, 69, 69])) == 3


def test_time_counts_where_it_is_asked_to() -> None:
    piece = melody([60, 62, 64, 65, 60])
    columns = fit_columns([piece])
    slow = melody([60, 62, 64, 65, 60], seconds=0.5)
    uneven = EventSequence(piece.features, piece.data, piece.time + np.array([0, 0.01, -0.01, 0.01, 0]))  # type: ignore[operator]
    for timed in (False, True):
        grams = NGrams.of([piece], columns, 4, timed)
        assert grams.found(slow).all() != timed
        assert grams.found(uneven).all()


def test_real_music_knows_itself_and_repeats_as_it_is_known_to(shared_data: Path) -> None:
    """In the piano piece nearly every gram of the test part was heard before; in the two others hardly any."""
    shares = {}
    for task in ("piano", "fresh", "drums", "control"):
        (train,), (test,) = (read(shared_data / "single" / f"{task}_{part}.json") for part in ("train", "test"))
        grams = all_ngrams([train], fit_columns([train]))
        for each in grams.values():
            assert each.found(train).all()
            assert each.longest_run(train) == len(train) - 1
        assert grams["fresh"].found(test).mean() >= grams["copying"].found(test).mean()
        shares[task] = grams["fresh"].found(test).mean()
    assert shares["piano"] > 0.9
    assert shares["fresh"] < 0.1


def test_what_is_quantised_where_there_is_no_pitch() -> None:
    values = np.sin(np.arange(200.0))[:, None] * [1.0, 50.0]
    piece = make_sequence(values, names=["x", "y"])
    grams = NGrams.of([piece], fit_columns([piece]), 7, timed=True)
    assert grams.found(piece).all()
    assert grams.found(make_sequence(values + 1e-9, names=["x", "y"])).mean() > 0.9
    assert not grams.found(make_sequence(values[:, ::-1], names=["x", "y"])).any()


@pytest.mark.parametrize("length", [0, 1, 5, 7])
def test_what_is_too_short_has_no_grams(length: int) -> None:
    piece = melody(list(range(60, 80)))
    grams = NGrams.of([piece], fit_columns([piece]), 7, timed=False)
    assert len(grams.found(piece[:length])) == 0
    assert grams.longest_run(piece[:length]) == max(length - 1, 0)


RANDOM = np.random.default_rng(5)


def play(name: str, events: int = 200) -> EventSequence:
    """Music of chance: chords, a rhythm, no two pieces alike."""
    gaps = RANDOM.choice([0, 0.25, 0.5, 1.0], events)
    data = np.column_stack([RANDOM.integers(40, 90, events), RANDOM.integers(1, 128, events)])
    return replace(make_sequence(data, time=np.cumsum(gaps), names=["pitch", "velocity"]), name=name)


def again(piece: EventSequence, name: str, shift: int = 0, tempo: float = 1.0, stray: float = 0.0) -> EventSequence:
    """The same piece by another player."""
    assert piece.time is not None
    time = np.maximum(piece.time * tempo + RANDOM.normal(0, stray, len(piece)) if stray else piece.time * tempo, 0)
    order = np.argsort(time, kind="stable")
    data = piece.data + np.array([shift, 0])
    return replace(piece, data=data[order], time=time[order], name=name)


PIECES = [play(f"piece {number}") for number in range(12)]
COPIES = {
    "equal": (again(PIECES[3], "copy"), 1.0, 0),
    "transposed": (again(PIECES[3], "copy", shift=-5), 1.0, -5),
    "faster": (again(PIECES[3], "copy", tempo=0.8), 0.99, 0),
    "played again": (again(PIECES[3], "copy", shift=2, tempo=1.05, stray=0.004), 0.8, 2),
    "excerpt": (replace(PIECES[3][60:140], name="copy"), 0.99, 0),
}


@pytest.mark.parametrize("case", COPIES)
@pytest.mark.parametrize("first", [False, True])
def test_a_copy_is_found_whatever_became_of_it(case: str, first: bool) -> None:
    copy, least, shift = COPIES[case]
    [pair] = find_near_duplicates([copy, *PIECES] if first else [*PIECES, copy])
    assert {pair.name, pair.of} == {"copy", "piece 3"}
    assert least <= pair.score <= 1
    assert pair.transposed == (shift if pair.name == "copy" else -shift)
    assert pair.name == "copy" or case != "excerpt"


@pytest.mark.parametrize(
    ("rows", "stray", "expected"),
    [
        (slice(None), 0.0, 150),
        (slice(None), 0.004, 150),
        (slice(30, 180), 0.0, 120),
        (slice(0, 140), 0.0, 140),
        (slice(160, 200), 0.0, 0),
    ],
)
def test_a_copy_is_told_where_it_goes_on_as_the_original(rows: slice, stray: float, expected: int) -> None:
    copy = again(PIECES[3], "copy", shift=2, tempo=1.05, stray=stray)[rows]
    assert abs(find_continuation(copy, PIECES[3], 150) - expected) <= (4 if stray else 0)
    assert find_continuation(PIECES[4], PIECES[3], 150) == 200
    assert find_continuation(copy[:5], PIECES[3], 150) == 5


def test_copies_are_grouped_and_rows_of_one_sequence_are_none() -> None:
    copies = [again(PIECES[0], "copy 0", shift=1), again(PIECES[5], "copy 5"), again(PIECES[0], "copy 1", shift=2)]
    group, pairs, note = group_near_duplicates(Collection.of([copies[0], *PIECES, *copies[1:]]))
    assert group.tolist() == [0, 0, *range(2, 13), 6, 0]
    assert sorted(pair.indices for pair in pairs) == [(1, 0), (13, 6), (14, 1)]
    assert note == ""
    whole = Collection.of([PIECES[0], copies[0]])
    group, pairs, _ = group_near_duplicates(whole.take([0, 0]))
    assert (group.tolist(), pairs) == ([0, 1], [])
    assert group_near_duplicates(whole.take([0]))[0].tolist() == [0]


def test_what_is_different_is_left_alone() -> None:
    assert find_near_duplicates(PIECES) == []
    rhythm = again(PIECES[0], "the same tones, another rhythm")
    slow = replace(rhythm, time=np.cumsum(RANDOM.permutation([0.1] * 100 + [3.0] * 100)))
    assert all(pair.score < 0.9 for pair in find_near_duplicates([*PIECES, slow]))


def test_of_many_copies_each_is_told_once() -> None:
    copies = [again(PIECES[0], f"copy {i}", shift=i) for i in range(6)]
    found = find_near_duplicates([*PIECES, *copies])
    assert [(pair.name, pair.score) for pair in found] == [(f"copy {i}", 1.0) for i in range(6)]


def test_short_sequences_are_told_only_if_they_are_equal() -> None:
    short = [play(f"short {i}", events=5) for i in range(30)]
    found = find_near_duplicates([*short, again(short[4], "copy"), again(short[5], "higher", shift=1)])
    assert [pair[:3] for pair in found] == [("copy", "short 4", 1.0)]


def control(name: str, seed: int) -> EventSequence:
    walk = np.cumsum(np.random.default_rng(seed).normal(0, 1, (300, 3)), axis=0)
    return replace(make_sequence(walk, time=np.arange(300) / 10.0), name=name)


def test_gestures_are_compared_too() -> None:
    pieces = [control(f"take {i}", i) for i in range(5)]
    late = replace(pieces[2][100:], name="late")
    [pair] = find_near_duplicates([*pieces, late])
    assert pair[:2] == ("late", "take 2")
    assert pair.score > 0.9
    ordered = [replace(piece, time=None) for piece in (*pieces, late)]
    assert [pair[:2] for pair in find_near_duplicates(ordered)] == [("late", "take 2")]


def test_a_sample_of_a_large_collection_finds_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [play(f"long {i}", events=2000) for i in range(4)]
    monkeypatch.setattr(ngrams, "_MOST", 2500)
    [pair] = find_near_duplicates([*whole, again(whole[1], "copy", stray=0.001)])
    assert {pair.name, pair.of} == {"copy", "long 1"}


def test_one_of_each_two_stays_and_the_other_is_counted() -> None:
    copies = [again(PIECES[0], f"copy {i}", shift=i) for i in range(3)]
    sequences, report = [*PIECES, *copies], Report()
    report.duplicates = find_near_duplicates(sequences)
    assert drop_near_duplicates(sequences, report) == PIECES
    assert report.dropped == {
        "in sequences that tell the same as others": dict.fromkeys(["copy 0", "copy 1", "copy 2"], 200)
    }
    assert not report.faults


def test_two_of_one_name_are_not_both_dropped() -> None:
    twice, report = [PIECES[0], PIECES[0]], Report()
    report.duplicates = find_near_duplicates(twice)
    assert drop_near_duplicates(twice, report) == [PIECES[0]]


def names(pairs: Sequence[ngrams.Duplicate]) -> set[frozenset[str]]:
    return {frozenset(Path(name).stem.partition("__")[2] for name in pair[:2]) for pair in pairs}


def test_real_corpora(shared_data: Path) -> None:
    drums = find_near_duplicates(read(shared_data / "groove_dev" / "midi"))
    assert drums[0].score == 1
    assert frozenset({"session2__7_rock_130_beat_4-4", "session2__8_rock_130_beat_4-4"}) in names(drums)
    assert len(drums) < 10
    assert all(pair.score >= ALIKE for pair in drums)
    assert find_near_duplicates(read(shared_data / "freedoom_small" / "midi")) == []


def test_the_largest_numbers_are_compared_like_others() -> None:
    chance = np.random.default_rng(0)
    for name in ("pitch", "knob"):
        rows = chance.choice([-1e308, 0.0, 5.0, 1e308], (200, 1))
        pieces = [make_sequence(each, np.arange(200.0), [name]) for each in (rows, rows, chance.permutation(rows))]
        pieces = [replace(piece, name=str(place)) for place, piece in enumerate(pieces)]
        assert [(pair.name, pair.of) for pair in find_near_duplicates(pieces)] == [("1", "0")]


def test_others_of_the_same_name_stay() -> None:
    """Several files may call their sequences alike."""
    pieces = [replace(piece, name="take") for piece in PIECES[:3]]
    report = Report(duplicates=find_near_duplicates([*pieces, pieces[1]]))
    assert drop_near_duplicates([*pieces, pieces[1]], report) == pieces
    assert [pair.indices for pair in report.duplicates] == [(3, 1)]
    [files] = report.dropped.values()
    assert files == {"take": len(pieces[1])}
