"""CSV as other programs write it: read where it is clear what is meant, refused with the place where it is not."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import Report, read
from hachimachi.io.csv_format import _read_at_once, _read_each, find_layout, parse

PLAIN = "time,x,y\n0,1,0.5\n0.25,2,-3\n"
ROWS, TIME = [[1, 0.5], [2, -3]], [0, 0.25]


def taken(content: str | bytes) -> tuple[EventSequence, str]:
    """Return the events of a file, and what the report says about it."""
    report = Report()
    (sequence,) = parse(content if isinstance(content, bytes) else content.encode(), "a.csv", report)
    return sequence, "; ".join(report.lines())


SAME = {
    "windows": (PLAIN.replace("\n", "\r\n"), ""),
    "old macintosh": (PLAIN.replace("\n", "\r"), ""),
    "mark": ("\ufeff" + PLAIN, ""),
    "utf-16": (PLAIN.encode("utf-16"), ""),
    "utf-16, big end first": ("\ufeff".encode("utf-16-be") + PLAIN.encode("utf-16-be"), ""),
    "utf-32": (PLAIN.encode("utf-32"), ""),
    "semicolons": (PLAIN.replace(",", ";"), "file with ';' between values"),
    "tabs": (PLAIN.replace(",", "\t"), "file with TAB between values"),
    "white space": (" time   x y\n 0 1\t0.5 \n0.25  2  -3\n", "file with spaces between values"),
    "decimal commas": (PLAIN.replace(",", ";").replace(".", ","), "file with decimal commas"),
    "decimal commas, tabs": (PLAIN.replace(",", "\t").replace(".", ","), "file with decimal commas"),
    "decimal commas, quoted": ('time,x,y\n0,1,"0,5"\n"0,25",2,-3\n', "file with decimal commas"),
    "directive": ("sep=;\n" + PLAIN.replace(",", ";"), "file with ';' between values"),
    "quoted": ('"time","x","y"\n"0","1","0.5"\n"0.25", "2" ,"-3"\n', ""),
    "spaces": (" time , x,y \n 0, 1 , 0.5\n0.25 ,2,-3 \n", ""),
    "trailing separators": ("time,x,y,\n0,1,0.5,\n0.25,2,-3,\n", ""),
    "in rows only": ("time,x,y\n0,1,0.5,,\n0.25,2,-3,\n", ""),
    "empty rows at the end": (PLAIN + "\n  \n,,\n,,\n\n", ""),
    "empty rows in front": ("\n\n" + PLAIN, ""),
    "comments": ("# by a sensor\n%\n" + PLAIN + "# the end\n", "3 lines that begin with # or %: taken for comments"),
    "header as a comment": ("# a sensor, of 2\n# time,x,y\n0,1,0.5\n0.25,2,-3\n", "1 line that begins with #"),
    "as numpy writes it": ("# time x y\n0e+00 1.0e+00 5.0e-01\n2.5e-01 2.0e+00 -3.0e+00\n", "file with spaces"),
    "other notations": ("time,x,y\n0.,+1,.5\n2.5E-1,2e0,-3.000\n", ""),
    "numbered rows": (",time,x,y\n0,0,1,0.5\n1,0.25,2,-3\n", "numbers the rows: left out"),
    "numbered twice": ("Unnamed: 0,time,x,y\n7,0,1,0.5\n8,0.25,2,-3\n", "numbers the rows: left out"),
    "capitals": (PLAIN.replace("time", "Time"), ""),
    "seconds": (PLAIN.replace("time", "time (s)"), ""),
    "stamps": (PLAIN.replace("time", "Timestamp [sec]"), ""),
    "milliseconds": ("time (ms),x,y\n0,1,0.5\n250,2,-3\n", "column 'time (ms)' is the time, turned into seconds"),
    "microseconds": ("timestamp_us,x,y\n0,1,0.5\n250000,2,-3\n", "'timestamp_us' is the time, turned into seconds"),
    "differences": ("dt [ms],x,y\n0,1,0.5\n250,2,-3\n", "'dt [ms]' is the time, turned into seconds"),
}


@pytest.mark.parametrize("case", SAME)
def test_what_is_clear_is_read_and_told(case: str) -> None:
    content, said = SAME[case]
    sequence, report = taken(content)
    assert sequence.time is not None
    assert [feature.name for feature in sequence.features] == ["x", "y"]
    assert sequence.data.tolist() == ROWS
    assert sequence.time.tolist() == pytest.approx(TIME, abs=1e-15)
    assert said in report
    assert bool(said) == bool(report), report


def test_latin_names() -> None:
    sequence, report = taken("time,Höhe,°\n0,1,2\n".encode("latin-1"))
    assert [feature.name for feature in sequence.features] == ["Höhe", "°"]
    assert report == "1 file read as Latin-1 text, since it is not UTF-8 (a.csv)"


@pytest.mark.parametrize("number", ["1e308", "-1.7976931348623157e308", "5e-324", "123456789012345678901234567890"])
def test_any_finite_number(number: str) -> None:
    assert taken(f"x\n{number}\n")[0].data.tolist() == [[float(number)]]


UNCLEAR = {
    "thousands": ("x;y\n1;2\n1,234;3\n", ["row 3", "column x", "'1,234'", "decimals or thousands", "1234.5"]),
    "thousands, quoted": ('x,y\n"12,000",1\n', ["row 2", "column x", "'12,000'", "thousands"]),
    "points and commas": ("x;y\n1.234,5;1\n", ["row 2", "column x", "'1.234,5'", "thousands"]),
    "both decimals": ("x;y\n0.5;1\n0,5;1\n", ["row 3", "column x", "'0,5'"]),
    "empty cell": ("time;x\n0;1\n1;\n2;3\n", ["row 3", "column x", "found nothing"]),
    "nan": ("time\tx\r\n0\tNaN\r\n", ["row 2", "column x", "'NaN'", "finite"]),
    "too large": ("x\n1e999\n", ["row 2", "column x", "'1e999'", "finite"]),
    "sum too large": ("dt,x\n1e308,0\n1e308,0\n", ["row 2", "time is inf"]),
    "no header": ("0;1,5;2\n1;1,5;2\n", ["row 1 holds numbers", "a line of names above it, such as time,x,y"]),
    "no header below comments": ("# a sensor\n\n0,1\n1,2\n", ["row 3 holds numbers"]),
    "comment counted": ("# a\ntime,x\n# b\n0,1\n1,a\n", ["row 5", "column x", "'a'"]),
    "blank row": ("time,x\n0,1\n\n1,2\n", ["row 3", "found 0"]),
    "date": ("time,x\n2018-06-21 11:20:03,1\n", ["row 2", "column time", "a date", "seconds"]),
    "unit": ("time (beats),x\n0,1\n", ["row 1", "time (beats)", "unknown unit 'beats'", "s, ms"]),
    "time later": ("x,Timestamp (ms)\n0,1\n", ["row 1, column 2", "'Timestamp (ms)'", "first column"]),
    "no name": ("time,,x\n0,1,2\n", ["row 1, column 2", "has no name"]),
    "no number of rows": (",x\n3,1\n1,2\n", ["row 1, column 1", "does not number the rows"]),
    "name": ("time,a:b\n0,1\n", ["row 1, column 2", "'a:b'"]),
    "twice": ("# c\ntime,x,y,x\n0,1,2,3\n", ["row 2", "'x'", "columns 2 and 4"]),
    "scaled back": ("time (ms),x\n5,1\n4,1\n", ["row 3", "column time (ms)", "found 4", "(5 or more)"]),
    "negative": ("dt (ms);x\n0;1\n-4;1\n", ["row 3", "column dt (ms)", "found -4", "0 or more"]),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x00", ["byte 7 is 0x1a", "a text file"]),
    "utf-16 without a mark": (PLAIN.encode("utf-16-le"), ["byte 2 is 0x00", "UTF-8"]),
    "neither": (b"time,\x81x\xff\n0,1", ["byte 6 is not UTF-8"]),
    "cut utf-16": (PLAIN.encode("utf-16")[:-1], ["UTF-16"]),
    "long": ("x\n" + "1" * 200_000 + "\n", ["row 2"]),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_is_not_clear_is_refused_with_its_place(case: str) -> None:
    content, words = UNCLEAR[case]
    with pytest.raises(HachimachiError) as caught:
        taken(content)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert len(message) < 200


def test_logs_of_other_programs_are_refused_with_what_they_are(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "control_roliblock_osc"
    for path in sorted(folder.glob("*.txt")):
        with pytest.raises(HachimachiError, match=r"suffix '.txt'; hachimachi can read .*\.csv"):
            read(path)
    copy = tmp_path / "log.csv"
    copy.write_bytes((folder / "2018-06-21-block-perf1.osc.txt").read_bytes())
    with pytest.raises(HachimachiError, match=r"row 2, column ip: found '127\.0\.0\.1'"):
        read(copy)
    copy.write_bytes((folder / "gesture-rnn-data.coll.txt").read_bytes())
    with pytest.raises(HachimachiError, match=r"row 1: found a coll of Max.*expected a line of names"):
        read(copy)


@pytest.mark.parametrize("name", ["control_impsy4d_small/csv/impsy4d_06.csv", "control_roliblock_osc/block-perf1.csv"])
def test_real_files_in_any_dress(shared_data: Path, name: str) -> None:
    data = (shared_data / name).read_bytes()
    plain, said = taken(data)
    assert said == ""
    for dressed in (
        data.replace(b"\n", b"\r\n"),
        data.replace(b",", b";").replace(b".", b","),
        data.replace(b",", b"\t"),
        data.replace(b",", b" , ") + b",,\n\n",
        data.decode().encode("utf-16"),
        b"# a comment\n" + data,
    ):
        assert taken(dressed)[0] == plain


def test_thousands_of_columns() -> None:
    names = [f"c{i}" for i in range(5000)]
    rows = np.random.default_rng(0).random((3, 5000))
    sequence, _ = taken("\n".join([",".join(names), *(",".join(map(repr, row)) for row in rows.tolist())]))
    assert [feature.name for feature in sequence.features] == names
    assert np.array_equal(sequence.data, rows)
    with pytest.raises(HachimachiError, match=r"row 2: found 4999 values, expected 5000 \(c0,c1,…,c4999\)"):
        taken(",".join(names) + "\n" + ",".join(["0"] * 4999))


CELLS = st.sampled_from(
    ["0", "1", "-2.5", ".5", "1e3", "1,5", "1,234", "nan", "inf", "", " 3 ", "x", "1_0", "٣", '"4"', "+"]
)
SEPARATORS = st.sampled_from([",", ";", "\t", " "])


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=5), SEPARATORS)
@settings(max_examples=300, deadline=None)
def test_all_at_once_is_what_each_cell_says(rows: list[list[str]], separator: str) -> None:
    text = "\n".join(separator.join(row) for row in [[f"c{i}" for i in range(len(rows[0]))], *rows])
    layout = find_layout(text, "", Report())
    assume(layout.lines)
    table = _read_at_once(layout.lines, layout)
    if table is not None:
        each, lines = _read_each(layout, ".")
        assert np.array_equal(table, each)
        assert lines == list(layout.rows)


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=1, max_size=6
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=100, deadline=None)
def test_any_numbers_in_any_dress(rows: list, separator: str, end: str, quoted: bool, encoding: str) -> None:
    file = io.StringIO(newline="")
    style = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(file, delimiter=separator, lineterminator=end, quoting=style).writerows([["ä", "b"], *rows])
    assert taken(file.getvalue().encode(encoding))[0].data.tolist() == rows
