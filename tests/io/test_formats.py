"""The contract of every format: what is written reads back, as far as the format can hold it."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, Kind
from hachimachi.io import Report
from hachimachi.io.files import READERS, WRITERS
from hachimachi.io.midi import NOTES

NAMES = st.from_regex(r"[A-Za-zäöü_.][A-Za-z0-9 äöü_.-]{0,8}[a-z]", fullmatch=True)
NUMBERS = st.integers(-1000, 1000).map(float) | st.floats(allow_nan=False, allow_infinity=False)
BOUNDS = st.sampled_from([(None, None, None), (0.5, 2, None), (None, 7, 0.01), (-1, None, 1)])


@st.composite
def features(draw: st.DrawFn, declared: bool) -> tuple[Feature, ...]:
    names = draw(st.lists(NAMES.filter(lambda n: n not in ("time", "dt")), min_size=1, max_size=4, unique=True))
    any_kind: list[Kind | None] = [None, "categorical", "integer", "continuous"]
    kinds = st.sampled_from(any_kind if declared else any_kind[:2])
    bounds = BOUNDS if declared else st.just((None, None, None))
    return tuple(Feature(name, draw(kinds), draw(st.booleans()), *draw(bounds)) for name in names)


@st.composite
def sequences(draw: st.DrawFn, declared: bool, most: int) -> list[EventSequence]:
    """Any numbers under any features, all with time or all without."""
    columns, temporal = draw(features(declared)), draw(st.booleans())
    drawn = []
    for i in range(draw(st.integers(1, most))):
        rows = draw(st.lists(st.tuples(*[NUMBERS] * len(columns)), min_size=1, max_size=8))
        gaps = draw(st.lists(st.floats(0, 1e4), min_size=len(rows), max_size=len(rows)))
        drawn.append(EventSequence(columns, np.array(rows), np.sort(gaps) if temporal else None, str(i)))
    return drawn


@st.composite
def notes(draw: st.DrawFn) -> list[EventSequence]:
    """Notes as a MIDI file can hold them: on the ticks of the writer, a key never struck while it sounds."""
    rows, start = [], 0
    for _ in range(draw(st.integers(1, 20))):
        start += draw(st.integers(0, 20_000))
        duration = draw(st.integers(1, 30_000))
        pitch, velocity, instrument = draw(st.tuples(st.integers(0, 127), st.integers(1, 127), st.integers(0, 128)))
        if not any(s <= start <= s + d and p == pitch for s, p, _, d, _ in rows):
            rows.append((start, pitch, velocity, duration, instrument))
    rows.sort(key=lambda row: (row[0], row[1], row[4], row[3]))
    table = np.array(rows, dtype=float)
    return [EventSequence(NOTES, table[:, 1:] * [1, 1, 1e-4, 1], table[:, 0] * 1e-4, "0")]


HELD = {
    "json_format": (sequences(declared=True, most=3), 0.0),
    "csv_format": (sequences(declared=False, most=1), 0.0),
    "midi.read": (notes(), 1e-9),
    "arrow": (sequences(declared=True, most=3), 0.0),
}
"""Reader → what its format can hold, and by how much seconds may differ."""


def test_every_reader_has_its_part_in_the_contract() -> None:
    assert set(HELD) == set(READERS.values())
    assert {READERS[suffix] for suffix in READERS if suffix in WRITERS} == set(HELD)


@pytest.mark.parametrize("suffix", [suffix for suffix in READERS if suffix in WRITERS])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_read_after_write(suffix: str, data: st.DataObject) -> None:
    strategy, tolerance = HELD[READERS[suffix]]
    written = data.draw(strategy)
    content = import_module(f"hachimachi.io.{WRITERS[suffix]}").render(written)
    found = import_module(f"hachimachi.io.{READERS[suffix]}").parse(content, "file", Report())
    assert len(found) == len(written)
    for got, expected in zip(found, written, strict=True):
        named = replace(got, name=expected.name)  # one sequence alone is called as its file
        if tolerance == 0:
            assert named == expected
        else:
            assert got.features == expected.features
            np.testing.assert_allclose(got.rows(), expected.rows(), atol=tolerance, rtol=0)


@pytest.mark.parametrize("suffix", READERS)
@given(
    content=st.binary(max_size=200),
    head=st.sampled_from([b"", b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\x20", b'{"data": ', b"time,a\n"]),
)
@settings(max_examples=200, deadline=None)
def test_anything_is_read_or_refused(suffix: str, content: bytes, head: bytes) -> None:
    module = import_module(f"hachimachi.io.{READERS[suffix]}")
    try:
        assert all(len(sequence) for sequence in module.parse(head + content, "file", Report()))
    except HachimachiError as error:
        assert "\n" not in str(error)
