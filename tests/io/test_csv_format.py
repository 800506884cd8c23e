from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import Report, read, write
from hachimachi.io.csv_format import parse, render, unheld


def save(folder: Path, content: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_marks_and_absolute_time(tmp_path: Path) -> None:
    (sequence,) = read(save(tmp_path, "time,pitch,~duration,instrument#,~both#\n0.5,60,.25,0,1\n1,61,2e-1,1,2\n"))
    assert sequence.features == (
        Feature("pitch"),
        Feature("duration", masked=True),
        Feature("instrument", "categorical"),
        Feature("both", "categorical", masked=True),
    )
    assert sequence.time is not None
    assert sequence.time.tolist() == [0.5, 1.0]


def test_dt_counts_from_zero(tmp_path: Path) -> None:
    (sequence,) = read(save(tmp_path, "dt,x\n0.5,1\n0,2\n0.25,3\n"))
    assert sequence.time is not None
    assert sequence.time.tolist() == [0.5, 0.5, 0.75]


def test_byte_order_mark_spaces_and_other_line_ends(tmp_path: Path) -> None:
    (sequence,) = read(save(tmp_path, b'\xef\xbb\xbf time , x ,"y"\r\n 0 , 1 ,2\r\n1,2, 3 \r\n\r\n \r\n'))
    assert sequence == make_named([[1, 2], [2, 3]], [0, 1], ["x", "y"])


def make_named(data: list, time: list, names: list[str]) -> EventSequence:
    plain = make_sequence(data, time, names)
    return EventSequence(plain.features, plain.data, plain.time, "data.csv")


def test_written_as_documented(tmp_path: Path) -> None:
    features = (Feature("pitch", "integer", min=0), Feature("duration", masked=True), Feature("p", "categorical"))
    write(tmp_path / "x.csv", EventSequence(features, np.array([[60, 0.1, 3]]), np.array([1 / 3])))
    assert (tmp_path / "x.csv").read_text() == "time,pitch,~duration,p#\n0.3333333333333333,60,0.1,3\n"
    assert unheld(features) == ["pitch"]


def test_controllers(shared_data: Path) -> None:
    paths = sorted((shared_data / "control_impsy4d_small" / "csv").glob("*.csv"))
    sequences = read(paths)
    assert sum(map(len, sequences)) == 32_014
    for path, sequence in zip(paths, sequences, strict=True):
        raw = np.loadtxt(path, delimiter=",", skiprows=1)
        assert sequence.time is not None
        np.testing.assert_allclose(sequence.time, np.cumsum(raw[:, 0]), atol=1e-9)
        np.testing.assert_array_equal(sequence.data, raw[:, 1:])


WRONG = {
    "short row": ("time,x,y\n0,1,2\n1,2\n", ["row 3", "found 2", "expected 3", "time,x,y"]),
    "long row": ("time,x\n0,1,2\n", ["row 2", "found 3", "expected 2"]),
    "blank row": ("time,x\n0,1\n\n1,2\n", ["row 3", "found 0"]),
    "word": ("time,x\n0,a\n", ["row 2", "column x", "'a'"]),
    "missing": ("time,x\n0,\n", ["row 2", "column x", "''"]),
    "nan": ("time,x\n0,1\n1,nan\n", ["row 3", "column x", "'nan'", "finite"]),
    "infinite": ("x,y\n0,1\n1,inf\n", ["row 3", "column y", "'inf'"]),
    "underscore": ("x\n1_000\n", ["row 2", "'1_000'"]),
    "negative dt": ("dt,x\n0,1\n-0.5,2\n", ["row 3", "column dt", "-0.5"]),
    "unsorted": ("time,x\n1,1\n0.5,2\n", ["row 3", "column time", "0.5", "sorted"]),
    "negative time, going back": ("time,x\n-1,1\n-2,1\n", ["row 3", "column time", "-2", "-1 or more"]),
    "no header": ("0,1\n1,2\n", ["row 1", "header"]),
    "no events": ("time,x\n", ["no events", "header"]),
    "only time": ("time\n1\n", ["no features"]),
    "only space": (" \n\n", ["row 1", "empty"]),
    "twice": ("x,x\n1,2\n", ["two features", "'x'"]),
    "later time": ("x,time\n1,2\n", ["'time'"]),
    "semicolons": ("time;x\n0;1\n1;2;3\n", ["row 3", "found 3", "expected 2"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_refused_with_the_place(tmp_path: Path, case: str) -> None:
    content, words = WRONG[case]
    with pytest.raises(HachimachiError) as caught:
        read(save(tmp_path, content))
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "data.csv" in message


def test_names_that_change_their_meaning_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(HachimachiError, match="'dt'"):
        write(tmp_path / "x.csv", make_sequence([[1, 2]], names=["dt", "x"]))
    assert list(tmp_path.iterdir()) == []


@given(
    st.lists(
        st.text(st.sampled_from("ab;# %.0(ms)timestamp\u00e9|'"), min_size=1), min_size=1, max_size=3, unique=True
    ),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_names_are_read_as_they_were_written_or_not_written(names: list[str], temporal: bool) -> None:
    try:
        sequence = make_sequence([range(len(names))], [0] if temporal else None, names)
        content = render([sequence])
    except HachimachiError:
        return
    assert parse(content, "", Report()) == [sequence]


def test_one_sequence_only(tmp_path: Path) -> None:
    with pytest.raises(HachimachiError, match=r"x\.csv.*one sequence.*2.*\.json"):
        write(tmp_path / "x.csv", [make_sequence([[1]]), make_sequence([[2]])])
