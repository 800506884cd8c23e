"""Grams: what was heard in training is known again, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import fit_columns
from hachimachi.events import EventSequence, make_sequence
from hachimachi.io import read
from hachimachi.ngrams import Grams, all_grams

LETTERS = st.lists(st.integers(0, 2), min_size=1, max_size=30)


def melody(pitches: list[int], seconds: float = 0.25) -> EventSequence:
    return make_sequence([[float(p)] for p in pitches], seconds * np.arange(len(pitches)), ["pitch"])


def plainly(pitches: list[int], n: int) -> list[tuple[int, ...]]:
    steps = np.diff(pitches).tolist()
    return [tuple(steps[i : i + n]) for i in range(len(steps) - n + 1)]


@given(st.lists(LETTERS, min_size=1, max_size=4), LETTERS, st.integers(1, 5))
def test_they_are_found_as_by_comparing_each(heard: list[list[int]], asked: list[int], n: int) -> None:
    pieces = [melody(piece) for piece in heard]
    grams = Grams.of(pieces, fit_columns(pieces), n, timed=False)
    known = {gram for piece in heard for gram in plainly(piece, n)}
    assert grams.found(melody(asked)).tolist() == [gram in known for gram in plainly(asked, n)]
    runs = (k for k in range(1, 30) if {g for piece in heard for g in plainly(piece, k)} & set(plainly(asked, k)))
    assert grams.longest_run(melody(asked)) == max(runs, default=0)


def test_a_transposed_copy_is_one_and_a_run_does_not_cross_pieces() -> None:
    pieces = [melody([60, 62, 64]), melody([64, 65, 67, 72])]
    grams = Grams.of(pieces, fit_columns(pieces), 2, timed=True)
    assert grams.found(melody([48, 50, 52])).tolist() == [True]
    assert grams.found(melody([60, 62, 64, 65, 67])).tolist() == [True, False, True]
    assert grams.longest_run(melody([61, 62, 64, 69, 69])) == 3


def test_time_counts_where_it_is_asked_to() -> None:
    piece = melody([60, 62, 64, 65, 60])
    columns = fit_columns([piece])
    slow = melody([60, 62, 64, 65, 60], seconds=0.5)
    uneven = EventSequence(piece.features, piece.data, piece.time + np.array([0, 0.01, -0.01, 0.01, 0]))  # type: ignore[operator]
    for timed in (False, True):
        grams = Grams.of([piece], columns, 4, timed)
        assert grams.found(slow).all() != timed
        assert grams.found(uneven).all()


def test_real_music_knows_itself_and_repeats_as_it_is_known_to(shared_data: Path) -> None:
    """In the piano piece nearly every gram of the test part was heard before; in the two others hardly any."""
    shares = {}
    for task in ("piano", "fresh", "drums", "control"):
        (train,), (test,) = (read(shared_data / "single" / f"{task}_{part}.json") for part in ("train", "test"))
        grams = all_grams([train], fit_columns([train]))
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
    grams = Grams.of([piece], fit_columns([piece]), 7, timed=True)
    assert grams.found(piece).all()
    assert grams.found(make_sequence(values + 1e-9, names=["x", "y"])).mean() > 0.9
    assert not grams.found(make_sequence(values[:, ::-1], names=["x", "y"])).any()


@pytest.mark.parametrize("length", [0, 1, 5, 7])
def test_what_is_too_short_has_no_grams(length: int) -> None:
    piece = melody(list(range(60, 80)))
    grams = Grams.of([piece], fit_columns([piece]), 7, timed=False)
    assert len(grams.found(piece[:length])) == 0
    assert grams.longest_run(piece[:length]) == max(length - 1, 0)
