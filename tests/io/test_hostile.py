"""Files that are cut, damaged or made to harm: the right data or one line of error, soon, and in little memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io import open_collection, read, write
from hachimachi.io.split import read_split
from hachimachi.live.record.journal import Journal, read_journal

FEATURES = (
    Feature("pitch", "integer", min=0, max=127, resolution=1),
    Feature("velocity", "integer"),
    Feature("duration", masked=True),
    Feature("instrument", "categorical"),
)
SPLIT = b'{"train": ["a.mid", "b.mid"], "valid": ["c.mid"], "test": {"d.csv": [800, 1000]}}'
SUFFIXES = {"json": ".json", "many": ".json", "csv": ".csv", "midi": ".mid", "arrow": ".arrow", "split": ".json",
            "journal": ".json.journal"}  # fmt: skip
Seeds = dict[str, bytes]


def sequence(events: int, name: str = "") -> EventSequence:
    step = np.arange(events)
    columns = np.column_stack([60 + step % 7, 80 + step % 3, 0.25 + step / 8, step // 4 % 2])
    return EventSequence(FEATURES, columns.astype(np.float64), step / 4, name)


def make_files(folder: Path) -> Seeds:
    """A small whole file of each kind."""
    write(folder / "x.csv", sequence(5))
    write(folder / "x.mid", sequence(5))
    write(folder / "x.json", sequence(4))
    write(folder / "many.json", [sequence(3, "a"), sequence(2, "b")])
    write(folder / "x.arrow", [sequence(3, "a"), sequence(2, "b")])
    found = {
        kind: (folder / f"x{suffix}") for kind, suffix in SUFFIXES.items() if kind in ("json", "csv", "midi", "arrow")
    }
    journal = Journal(folder / "take.json", (Feature("a"), Feature("b")), clock=lambda: 0.0)
    journal.begin()
    for number in range(3):
        journal.event(1000 + number, 0, np.array([number, 0.5]))
    journal.abandon()
    content = {kind: path.read_bytes() for kind, path in found.items()}
    return {
        **content,
        "many": (folder / "many.json").read_bytes(),
        "split": SPLIT,
        "journal": journal.file.read_bytes(),
    }


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    return make_files(tmp_path_factory.mktemp("seeds"))


def open_it(kind: str, path: Path) -> None:
    """Read a file by all ways there are; whatever is read has to be whole."""
    if kind == "split":
        read_split(path)
        return
    if kind == "journal":
        read_journal(path)
        return
    found = read(path)
    if kind == "arrow":
        found += list(open_collection(path))
    for each in found:
        assert len(each)
        assert np.isfinite(each.data).all()
        assert each.time is None or ((np.diff(each.time) >= 0).all() and each.time[0] >= 0)


def check(kind: str, path: Path, data: bytes) -> bool:
    """Return whether a file is read; it may be refused in one line, and nothing else."""
    path.write_bytes(data)
    try:
        open_it(kind, path)
    except HachimachiError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 2000
        return False
    return True


@pytest.mark.parametrize("kind", SUFFIXES)
def test_files_cut_at_every_byte(tmp_path: Path, seeds: Seeds, kind: str) -> None:
    data, path = seeds[kind], tmp_path / f"cut{SUFFIXES[kind]}"
    assert check(kind, path, data)
    ends = range(len(data)) if kind != "arrow" else [*range(0, 400, 7), *range(400, len(data), 31)]
    read_anyway = sum(check(kind, path, data[:end]) for end in ends)
    if kind in ("json", "many", "split", "arrow"):
        assert read_anyway <= 1  # but for the line break at the end


TOKENS = (b"1e999", b"-1", b"9" * 400, b"NaN", b"null", b"[", b"{", b'"', b"\xff" * 4, b"\0" * 4, b"\x80" * 9, b"true",
          b"-1e308", b"[" * 50, b"\x7f\xff\xff\xff", b"MTrk", b"1_0")  # fmt: skip
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "take", "put", "copy"]),
        st.floats(0, 1),
        st.integers(0, 255),
        st.sampled_from(TOKENS),
    ),
    min_size=1,
    max_size=5,
)


def change(data: bytes, changes: list[tuple[str, float, int, bytes]]) -> bytes:
    """Flip bits, set bytes, cut off the end, take bytes out, put some in, or copy some from elsewhere."""
    for what, where, number, token in changes:
        at = int(where * max(len(data) - 1, 0))
        if what == "flip":
            data = data[:at] + bytes(byte ^ 1 << number % 8 for byte in data[at : at + 1]) + data[at + 1 :]
        elif what == "set":
            data = data[:at] + token + data[at + len(token) :]
        elif what == "cut":
            data = data[:at]
        elif what == "take":
            data = data[:at] + data[at + 1 + number % 16 :]
        else:
            data = data[:at] + (token if what == "put" else data[number : number + 40]) + data[at:]
    return data


def damage(tmp_path: Path, seeds: Seeds, kind: str, examples: int) -> None:
    path = tmp_path / f"damaged{SUFFIXES[kind]}"

    @settings(
        max_examples=examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        database=None,
    )
    @given(CHANGES)
    def try_all(changes: list[tuple[str, float, int, bytes]]) -> None:
        check(kind, path, change(seeds[kind], changes))

    try_all()


@pytest.mark.parametrize("kind", SUFFIXES)
def test_damaged_files(tmp_path: Path, seeds: Seeds, kind: str) -> None:
    damage(tmp_path, seeds, kind, 100)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_many_damaged_files(tmp_path: Path, seeds: Seeds, kind: str) -> None:
    damage(tmp_path, seeds, kind, 10_000)


HEAD = b"MThd\0\0\0\6\0\1\0\1\0\x60"


def track(body: bytes, length: int | None = None) -> bytes:
    return b"MTrk" + (len(body) if length is None else length).to_bytes(4, "big") + body


EVERY_KEY = b"".join(bytes([0, 0x90 | channel, key, 80]) for channel in range(16) for key in range(128))
HARM: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nested lists": ("x.json", lambda: b"[" * 100_000),
    "nested objects": ("x.json", lambda: b'{"a":' * 50_000),
    "a number of many digits": ("x.json", lambda: b'{"data": [[' + b"9" * 50_000 + b"]]}"),
    "a column number of many digits": ("x.json", lambda: b'{"features": {"' + b"9" * 5_000 + b'": {}}, "data": [[1]]}'),
    "a column number that is none": ("x.json", '{"features": {"²": {}}, "data": [[1]]}'.encode),
    "repeated keys": ("x.json", lambda: b"{" + b",".join(b'"k%d":1' % (i % 9000) for i in range(9001)) + b"}"),
    "many features": ("x.json", lambda: b'{"data": [[' + b",".join([b"1"] * 10_000) + b"]]}"),
    "many sequences": ("x.json", lambda: b'{"sequences": [' + b",".join([b'{"data":[[1]]}'] * 3_000) + b"]}"),
    "many columns": ("x.csv", lambda: b",".join(b"c%d" % i for i in range(9_000)) + b"\n" + b",".join([b"1"] * 9_000)),
    "an open quote": ("x.csv", lambda: b'a,b\n"' + b"x" * 140_000),
    "quotes": ("x.csv", lambda: b"a,b\n" + b'"\n' * 20_000),
    "commas": ("x.csv", lambda: b"," * 100_000),
    "empty lines": ("x.csv", lambda: b"\n" * 100_000),
    "blanks in a name": ("x.csv", lambda: b"time" + b" " * 50_000 + b"(x,a\n1,2\n"),
    "a long cell": ("x.csv", lambda: b"a;b\n" + b"1" * 50_000 + b",;2\n"),
    "an endless time": ("x.mid", lambda: HEAD + track(b"\x80" * 100_000)),
    "a track of 4 GB": ("x.mid", lambda: HEAD + track(b"\0\x90\x3c\x50\x60\x80\x3c\0", 2**32 - 1)),
    "many tracks of 4 GB": ("x.mid", lambda: HEAD + track(b"", 2**32 - 1) * 12_000),
    "tracks in tracks": ("x.mid", lambda: HEAD + track(b"\0\x90\x3c\x50", 65_535) * 8_000),
    "a chord of one key": ("x.mid", lambda: HEAD + track(b"\0\x90\x3c\x50" * 25_000)),
    "all notes off": ("x.mid", lambda: HEAD + track(EVERY_KEY + b"\1\xb0\x7b\0" * 20_000)),
    "all notes off in many tracks": ("x.mid", lambda: HEAD + track(b"\0\x90\x3c\x50\1\xb0\x7b\0" * 3) * 3_000),
    "wrong data bytes": ("x.mid", lambda: HEAD + track(b"\0\x90\x3c\xff" * 25_000 + b"\xff" * 5)),
    "a RIFF file without end": ("x.rmi", lambda: b"RIFF\0\0\0\0RMID" + b"LIST\0\0\0\0" * 12_000),
    "a RIFF chunk of 4 GB": ("x.rmi", lambda: b"RIFF\0\0\0\0RMIDdata\xff\xff\xff\xff" + HEAD),
    "a split that is nested": ("split", lambda: b"[" * 100_000),
    "rows beyond all": ("split", lambda: b'{"train": {"a": [0, ' + b"9" * 5_000 + b"]}}"),
}


@pytest.mark.parametrize("name", HARM)
def test_files_made_to_harm_cost_little(tmp_path: Path, name: str) -> None:
    kind, make = HARM[name]
    path, data = tmp_path / (kind if "." in kind else "x.json"), make()
    assert len(data) < 300_000
    check(kind, path, b"")  # what is imported is no part of it
    tracemalloc.start()
    began = time.process_time()
    try:
        check(kind, path, data)
        assert time.process_time() - began < 2 * 3  # tracing takes the larger part
        assert tracemalloc.get_traced_memory()[1] < 500e6
    finally:
        tracemalloc.stop()


def test_what_an_arrow_file_says_of_itself_is_not_believed(tmp_path: Path, seeds: Seeds) -> None:
    path = tmp_path / "x.arrow"
    for false in (b'"lengths":[9,2]', b'"lengths":[-3,8', b'"lengths":["a",', b'"lengths":[3e9,', b'"lengths":{"a":'):
        data = seeds["arrow"].replace(b'"lengths":[3,2]', false[:15].ljust(15))
        assert data != seeds["arrow"]
        check("arrow", path, data)


@pytest.mark.parametrize("name", ["sequence", "pitch"])
def test_codes_beyond_their_dictionary_are_refused(tmp_path: Path, name: str) -> None:
    """Arrow itself would read them from memory that is not its own. Found by coverage-guided fuzzing."""
    codes = pa.DictionaryArray.from_arrays(pa.array([0, 0, 1, 1], pa.int8()), pa.array(["60", "62"]))
    codes = codes.cast(pa.dictionary(pa.int8(), pa.float64())) if name == "pitch" else codes
    table = pa.table({name: codes, "velocity": [60.0, 61, 62, 63]})
    with pa.ipc.new_file(tmp_path / "x.arrow", table.schema) as file:
        file.write_table(table)
    content = (tmp_path / "x.arrow").read_bytes()
    assert len(read(tmp_path / "x.arrow")) == (2 if name == "sequence" else 1)
    before, _, after = content.rpartition(bytes([0, 0, 1, 1, 0, 0, 0, 0]))
    assert not check("arrow", tmp_path / "x.arrow", before + bytes([0, 0, 100, 100, 0, 0, 0, 0]) + after)
