"""What is learned from and what is held out: nothing lost, nothing twice, the test never touched."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hachimachi import io
from hachimachi.errors import HachimachiError, count
from hachimachi.events import EventSequence, make_sequence
from hachimachi.io.collection import Collection
from hachimachi.io.split import PARTS, read_split
from hachimachi.training.data import EventDataModule
from hachimachi.training.holdout import DataSplit, hold_out, sample, split_by_file

LENGTHS = st.lists(st.integers(0, 90), min_size=1, max_size=12)


def tagged(lengths: Sequence[int]) -> list[EventSequence]:
    """Make sequences in which every event has a number of its own, and the number of its sequence."""
    starts = np.cumsum([0, *lengths])
    pieces = []
    for place, length in enumerate(lengths):
        data = np.column_stack([starts[place] + np.arange(length), np.full(length, place)]).reshape(length, 2)
        piece = make_sequence(data, names=["tag", "piece"])
        pieces.append(EventSequence(piece.features, piece.data, name=f"{place}.mid"))
    return pieces


def parts_of(pieces: Sequence[EventSequence], fraction: float, seed: int) -> tuple[Collection, Collection]:
    parts = hold_out(pieces, fraction, seed)
    return parts.train, parts.valid


@given(LENGTHS, st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5]), st.integers(0, 9))
@example([5000, 40, 40, 40, 40, 40], 0.1, 0)
@example([20, 0, 0, 0, 0], 0.1, 0)
@example([1] * 40, 0.1, 0)
def test_a_split_loses_nothing_and_leaves_something_to_learn(lengths: list[int], fraction: float, seed: int) -> None:
    pieces, total = tagged(lengths), sum(lengths)
    train, valid = parts_of(pieces, fraction, seed)
    seen = [tag for part in (*train, *valid) for tag in part.column("tag").tolist()]
    assert sorted(seen) == list(range(total))
    assert all(len(part) >= 2 for part in valid)  # the first of each is not scored
    held = sum(map(len, valid))
    assert held == 0 if total < 20 or fraction == 0 else held < total
    again = parts_of(pieces, fraction, seed)
    assert [part.data.tolist() for part in again[1]] == [part.data.tolist() for part in valid]


@given(st.lists(st.integers(20, 300), min_size=1, max_size=4), st.sampled_from([0.1, 0.2, 0.5]))
def test_of_few_sequences_the_end_of_each_is_held_out(lengths: list[int], fraction: float) -> None:
    pieces = tagged(lengths)
    train, valid = parts_of(pieces, fraction, seed=0)
    for piece, kept, held in zip(pieces, train, valid, strict=True):
        assert kept.column("tag").tolist() + held.column("tag").tolist() == piece.column("tag").tolist()
        assert len(held) == round(len(piece) * fraction)


@given(st.lists(st.integers(2, 300), min_size=10, max_size=40), st.integers(0, 9))
def test_of_several_sequences_whole_ones_are_held_out(lengths: list[int], seed: int) -> None:
    pieces = tagged(lengths)
    train, valid = parts_of(pieces, 0.1, seed)
    assert len(train) + len(valid) == len(pieces)
    held, total = sum(map(len, valid)), sum(lengths)
    assert held
    # as near as the lengths allow: at most one sequence too many, or none that would bring it nearer
    assert held <= max(0.2 * total, min(lengths))
    missing = 0.1 * total - held
    assert all(len(piece) > 2 * missing for piece in train)


def chance(seed: int, count: int, lengths: Sequence[int] = (60,)) -> list[EventSequence]:
    """Make melodies of chance, no two alike."""
    random, pieces = np.random.default_rng(seed), []
    for i in range(count):
        length = lengths[i % len(lengths)]
        time = np.cumsum(random.choice([0.1, 0.25, 0.5], length))
        piece = make_sequence(random.integers(40, 90, (length, 1)), time, ["pitch"])
        pieces.append(replace(piece, name=f"{i}.mid"))
    return pieces


def copied(piece: EventSequence, name: str, shift: int = 0, rows: slice = slice(None)) -> EventSequence:
    return replace(replace(piece, data=piece.data + shift)[rows], name=name)


def intervals(sequences: Sequence[EventSequence]) -> set[tuple[float, ...]]:
    """Return all runs of nine notes, as intervals."""
    steps = [np.diff(each.column("pitch")) for each in sequences]
    return {tuple(each[i : i + 8]) for each in steps for i in range(len(each) - 7)}


SEEDS = st.integers(0, 10**6)
COPIES = st.lists(st.tuples(st.integers(0, 11), st.integers(-6, 6)), min_size=1, max_size=10)


@settings(deadline=None, max_examples=50)
@given(SEEDS, COPIES, st.sampled_from([0.1, 0.3, 0.5]), st.integers(0, 9))
def test_a_duplicated_piece_never_lands_in_both_parts(
    made: int, copies: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    pieces = chance(made, 12)
    pieces += [copied(pieces[i], f"{i}.mid copy {n}", shift) for n, (i, shift) in enumerate(copies)]
    order = np.random.default_rng(made).permutation(len(pieces))
    parts = hold_out([pieces[i] for i in order], fraction, seed)
    originals = [{name.split()[0] for name in part.names} for part in (parts.train, parts.valid)]
    assert not originals[0] & originals[1]
    assert len(originals[0]) > 0 < len(originals[1])
    assert len(parts.train) + len(parts.valid) == len(pieces)
    assert parts.by_sequence
    [note] = parts.notes
    assert note.startswith(f"near copies of others, kept on one side: {count(len(copies), 'sequence')}, ")


@settings(deadline=None, max_examples=50)
@given(
    SEEDS,
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(-6, 6), st.integers(0, 100), st.integers(45, 200))),
    st.sampled_from([0.1, 0.2, 0.5]),
)
def test_of_few_pieces_no_end_stands_in_a_copy(
    made: int, count: int, copies: list[tuple[int, int, int, int]], fraction: float
) -> None:
    pieces = chance(made, count, (200, 150, 170))
    pieces += [
        copied(pieces[i % count], f"copy {n}", shift, slice(start, start + length))
        for n, (i, shift, start, length) in enumerate(copies)
    ]
    parts = hold_out(pieces, fraction, 0)
    assert not intervals(parts.train) & intervals(parts.valid)
    assert sum(map(len, (*parts.train, *parts.valid))) == sum(map(len, pieces))
    assert parts.valid
    assert not parts.by_sequence


def test_what_a_piece_repeats_may_stand_in_both_its_parts() -> None:
    [piece] = chance(0, 1, (60,))
    assert piece.time is not None
    rondo = replace(piece, data=np.tile(piece.data, (5, 1)), time=np.cumsum(np.tile(np.diff(piece.time, prepend=0), 5)))
    parts = hold_out([rondo], 0.2, 0)
    assert intervals(parts.valid) <= intervals(parts.train)
    equal = hold_out([rondo, copied(rondo, "copy", 2)], 0.2, 0)  # and an equal copy is cut where it is
    assert [len(part) for part in equal.train] == [240, 240]


def test_of_a_large_collection_the_beginnings_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = chance(0, 20, (200,))
    pieces += [copied(pieces[i], f"{i}.mid copy", 3) for i in range(10)]
    for compared, looked in [
        (3000, "in the first 100 events of each sequence"),
        (640, "in the first 64 events of 10 of 30 sequences"),
    ]:
        monkeypatch.setattr("hachimachi.ngrams.COMPARED", compared)
        parts = hold_out(pieces, 0.3, 0)
        assert parts.notes[0] == f"near copies are looked for {looked}"
        originals = [{name.split()[0] for name in part.names} for part in (parts.train, parts.valid)]
        assert compared == 640 or not originals[0] & originals[1]


def test_one_long_sequence_among_short_ones_is_never_held_out() -> None:
    pieces = tagged([5000, 90, 90, 90, 90, 90])
    held = [parts_of(pieces, 0.1, seed)[1] for seed in range(20)]
    assert {sum(map(len, valid)) for valid in held} == {450}
    assert all(len(part) == 90 for valid in held for part in valid)


def test_seeds_hold_out_different_sequences() -> None:
    pieces = tagged([30] * 20)
    held = {tuple(part.column("piece")[0] for part in parts_of(pieces, 0.1, seed)[1]) for seed in range(10)}
    assert len(held) > 1


@pytest.fixture
def divide(tmp_path: Path) -> Any:
    """Divide ten sequences by a split."""

    def run(lengths: Sequence[int] = (30,) * 10, **listed: Any) -> tuple[DataSplit, io.Report]:
        (tmp_path / "split.json").write_text(json.dumps(listed))
        report = io.Report()
        return split_by_file(tagged(lengths), read_split(tmp_path / "split.json"), 0.2, 0, report), report

    return run


def names(sequences: Sequence[EventSequence]) -> list[str]:
    return [sequence.name for sequence in sequences]


def test_a_split_is_followed(divide: Any) -> None:
    parts, report = divide(train=["0.mid", "3"], valid=["1.mid"], test=["2.mid", "4.mid"])
    assert names(parts.train) == ["0.mid", "3.mid"]
    assert names(parts.valid) == ["1.mid"]
    assert parts.notes == [
        "left alone for the test: 2 sequences (60 events)",
        "left out, in no part of split.json: 5 sequences (150 events): 5.mid …",
    ]
    assert not report.refused


def test_names_that_are_not_there_are_told(divide: Any) -> None:
    parts, report = divide(train=["0.mid", "gone.mid"], valid=["1.mid"], test=["far.mid"])
    assert names(parts.train) == ["0.mid"]
    assert report.lines() == ["left out: gone.mid: under train in split.json, but not in the data"]
    assert parts.notes[0] == "under test in split.json, but not in the data: far.mid"  # where it need not be
    with pytest.raises(HachimachiError, match=r"split.json: valid names far.mid; not found"):
        divide(train=["0.mid"], valid=["far.mid"])


@pytest.mark.parametrize("listed", [{}, {"valid": []}])
def test_without_a_part_to_validate_by_some_is_held_out_of_train(divide: Any, listed: dict[str, Any]) -> None:
    parts, _ = divide(train=[f"{i}.mid" for i in range(9)], test=["9.mid"], **listed)
    assert parts.valid
    assert "nothing under 'valid' in split.json: held out of what is under 'train'" in parts.notes


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ({"train": [], "valid": ["1.mid"]}, r"no names under 'train'"),
        ({"valid": ["1.mid"]}, r"no part 'train'"),
        ({"train": ["0.mid"], "valid": ["1.mid"], "test": ["1"]}, r"'1.mid' is named under valid and test"),
        ({"train": ["0.mid", "0"], "valid": ["1.mid"]}, r"'0.mid' is named under train and train"),
        ({"train": ["0.mid"], "valid": {"1.mid": [0, 1]}}, r"valid: no sequence has two events"),
    ],
)
def test_a_split_that_cannot_be_followed_is_one_line(divide: Any, listed: dict[str, Any], told: str) -> None:
    with pytest.raises(HachimachiError, match=told) as error:
        divide(**listed)
    assert "\n" not in str(error.value)


def test_copies_across_a_split_are_told_and_left(tmp_path: Path) -> None:
    pieces = chance(1, 6)
    pieces += [copied(pieces[0], "again.mid", 5), copied(pieces[1], "part.mid", rows=slice(10, 55)), pieces[2]]
    pieces[-1] = replace(pieces[-1], name="same.mid")
    listed = {"train": ["0.mid", "1.mid", "2.mid"], "valid": ["3.mid", "again.mid", "part.mid"], "test": ["same.mid"]}
    (tmp_path / "split.json").write_text(json.dumps(listed))
    parts = split_by_file(pieces, read_split(tmp_path / "split.json"), 0.2, 0, io.Report())
    [told] = [note for note in parts.notes if "copies" in note]
    which = "3 of 4 sequences under 'valid' or 'test' in split.json"
    assert told.startswith(f"near copies of what is under 'train', so that scores flatter: {which}: ")
    assert told.endswith(" …")
    assert names(parts.train) == listed["train"]
    assert names(parts.valid) == listed["valid"]
    (tmp_path / "split.json").write_text(json.dumps({"train": ["0.mid"], "valid": ["3.mid"], "test": ["again.mid"]}))
    parts = split_by_file(pieces, read_split(tmp_path / "split.json"), 0.2, 0, io.Report())
    assert parts.notes[1].endswith(
        "flatter: 1 of 2 sequences under 'valid' or 'test' in split.json: again.mid of 0.mid"
    )


def test_what_one_piece_repeats_is_no_copy_across_a_split(tmp_path: Path) -> None:
    [piece] = chance(0, 1, (60,))
    rondo = replace(piece, data=np.tile(piece.data, (2, 1)), time=None)
    (tmp_path / "split.json").write_text(json.dumps({"train": {"0.mid": [0, 60]}, "valid": {"0.mid": [60, 120]}}))
    assert split_by_file([rondo], read_split(tmp_path / "split.json"), 0.2, 0, io.Report()).notes == []


def test_rows_of_one_sequence_may_be_in_different_parts(divide: Any) -> None:
    parts, _ = divide(lengths=[100], train={"0.mid": [0, 60]}, valid={"0.mid": [60, 80]}, test={"0.mid": [80, 100]})
    assert [len(part) for part in (*parts.train, *parts.valid)] == [60, 20]
    assert parts.notes == ["left alone for the test: 1 sequence (20 events)"]


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=40), st.integers(1, 20_000), st.integers(0, 9))
def test_a_sample_is_bounded_and_made_of_beginnings(lengths: list[int], most: int, seed: int) -> None:
    pieces = tagged(lengths)
    drawn = sample(pieces, most, seed)
    total = sum(map(len, drawn))
    assert total <= most
    assert total == sum(lengths) or total > most - len(drawn) or len(drawn) < len(pieces)
    by_name = {piece.name: piece for piece in pieces}
    assert len(set(names(drawn))) == len(drawn)
    assert all(part.data.tolist() == by_name[part.name].data[: len(part)].tolist() for part in drawn)
    assert names(sample(pieces, most, seed)) == names(drawn)


def test_a_sample_of_many_or_of_one() -> None:
    assert sorted(len(part) for part in sample(tagged([1000, 10, 1000]), 610, 0)) == [10, 300, 300]
    [part] = sample(tagged([5000]), 300, 0)
    assert len(part) == 300
    assert 20 <= len(sample(tagged([300] * 500), 25 * 256, 0)) <= 25


@pytest.mark.parametrize(
    ("corpus", "folder"),
    [("piano_midi_de_small", "midi"), ("freedoom_small", "midi"), ("control_impsy4d_small", "csv")],
)
def test_the_corpora(shared_data: Path, corpus: str, folder: str) -> None:
    path = shared_data / corpus / "split.json"
    listed = json.loads(path.read_text())
    data = EventDataModule(shared_data / corpus / folder, split=path)
    data.setup()
    assert names(data.train) == listed["train"]
    assert names(data.valid) == listed["valid"]
    assert data.columns[0].events == data.events - len(data.train)  # histograms know the training part alone
    assert set(PARTS) < set(listed)
