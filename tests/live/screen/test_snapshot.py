"""A snapshot arrives as it was sent; a trace keeps what happened, and no more than can be drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from hachimachi.errors import HachimachiError
from hachimachi.live.protocols import Note
from hachimachi.live.screen.snapshot import (
    CUT,
    LARGEST,
    MODEL,
    MOST_NOTES,
    YOU,
    ModelState,
    ScreenEvent,
    Snapshot,
    Trace,
)
from tests.live.screen.snapshots import snapshots


@settings(deadline=None, max_examples=50)
@given(snapshots())
def test_there_and_back(snapshot: Snapshot) -> None:
    again = Snapshot.from_bytes(snapshot.to_bytes())
    assert repr(again) == repr(snapshot)  # equal, NaN among them
    assert type(again.models) is tuple
    assert all(isinstance(event, ScreenEvent) for event in again.events)


@settings(deadline=None, max_examples=50)
@given(snapshots())
def test_half_a_packet_is_told(snapshot: Snapshot) -> None:
    packet = snapshot.to_bytes()
    with pytest.raises(HachimachiError, match="expected what"):
        Snapshot.from_bytes(packet[: len(packet) // 2])


@pytest.mark.parametrize("packet", [b"", b"[]", b"3", b"{}", b'{"at":1,"models":[3]}', b"\xff"])
def test_other_packets_are_told(packet: bytes) -> None:
    with pytest.raises(HachimachiError, match="not a snapshot"):
        Snapshot.from_bytes(packet)


def test_a_trace_tells_who_and_when() -> None:
    trace = Trace(["velocity", "pitch", "x", "duration"])
    trace.began()
    trace.played(np.array([80.0, 64.0, 1.0, 0.5]), 2.0, None)
    trace.heard(np.array([80.0, 60.0, 1.0, np.nan]), 1.0)
    trace.ended(Note(64), 2.25, early=True)
    trace.ended(Note(64), 2.5, early=False)
    you, model, cut = trace.take()
    assert (you.at, you.who, you.values[0]) == (1.0, YOU, 60.0)
    assert model == ScreenEvent(2.0, MODEL, (64.0, 0.5))
    assert cut == ScreenEvent(2.25, CUT, (64.0,))
    assert trace.take() == ()


def test_a_flood_of_one_side_leaves_the_other_in_sight() -> None:
    trace = Trace(["pitch"])
    for number in range(20_000):
        trace.heard(np.array([float(number % 128)]), number / 20_000)
        if number % 1000 == 0:
            trace.played(np.array([60.0]), number / 20_000, ("127.0.0.1", 9000))
    seen = trace.take()
    assert sum(event.who == MODEL for event in seen) == 20
    assert [event.at for event in seen if event.who == YOU][-1] == 0.99995
    assert len(seen) == MOST_NOTES + 20


def test_a_full_trace_is_small() -> None:
    states, events = [], []
    for features in (["pitch", "duration"], [f"x{number}" for number in range(60)]):
        trace = Trace(features)
        for number in range(1000):
            row = np.random.default_rng(number).normal(0, 1e5, len(features))
            trace.heard(row, number / 7)
            trace.played(row, number / 7, None)
        states.append(ModelState("model.pt", tuple(features)))
        events += trace.take()
    assert len(Snapshot(0.0, models=tuple(states), events=tuple(events)).to_bytes()) < 16_384


@pytest.mark.parametrize(("models", "features", "kept"), [(1, 1, 128), (30, 1, 256), (60, 1, 256), (12, 2900, 0)])
def test_what_is_too_much_for_a_datagram_is_cut(models: int, features: int, kept: int) -> None:
    events = tuple(ScreenEvent(float(i) + 0.123, MODEL, (float(i), 0.125)) for i in range(128) for _ in range(models))
    names = ("pitch", "duration", *(f"x{i}" for i in range(features)))
    snapshot = Snapshot(0.0, models=(ModelState("model", names),) * models, events=events, lines=("a warning",))
    packet = snapshot.to_bytes()
    assert len(packet) <= LARGEST or features == 2900
    read = Snapshot.from_bytes(packet)
    assert read.lines == ("a warning",)
    state = read.models[-1]
    assert len(state.features) == 2 + features and state.features[:2] == ("pitch", "duration")
    assert read.events == (events[-kept:] if kept else ())  # the newest
