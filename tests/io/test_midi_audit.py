"""How note-ons and note-offs become notes. Times below are at 480 ticks per quarter and 120 per minute: 96 = 0.1 s."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io.report import EMPTY, RESTARTED, UNENDED

Reader = Callable[..., tuple[EventSequence, Report]]
ON, OFF = b"\x90\x3c\x50", b"\x80\x3c\x00"
OTHER_ON, OTHER_OFF = b"\x90\x40\x50", b"\x90\x40\x00"
STEP = bytes([96])


def track(*events: bytes) -> bytes:
    """Events 0.1 s apart; those in one argument fall together when joined by a zero."""
    return b"".join(STEP + event for event in events)


def together(*events: bytes) -> bytes:
    return b"\x00".join(events)


def spans(sequence: EventSequence) -> list[tuple[float, float]]:
    assert sequence.time is not None
    return [(round(t, 9), round(d, 9)) for t, d in zip(sequence.time, sequence.column("duration"), strict=True)]


def remarks(report: Report) -> dict[str, int]:
    return {remark: files.total() for remark, files in report.remarks.items()}


CASES = {
    "plain": (track(ON, OFF), [(0.1, 0.1)], {}),
    "velocity 0 ends": (track(OTHER_ON, OTHER_OFF), [(0.1, 0.1)], {}),
    "restart, one end": (track(ON, ON, OFF), [(0.1, 0.1), (0.2, 0.1)], {RESTARTED: 1}),
    "restart, two ends": (track(ON, ON, OFF, OFF), [(0.1, 0.1), (0.2, 0.1)], {RESTARTED: 1}),
    "end after restart on one tick": (track(ON, together(ON, OFF), OFF), [(0.1, 0.1), (0.2, 0.1)], {}),
    "three in a chain": (
        track(ON, together(ON, OFF), together(ON, OFF), OFF),
        [(0.1, 0.1), (0.2, 0.1), (0.3, 0.1)],
        {},
    ),
    "no end": (track(ON, OTHER_ON, OTHER_OFF), [(0.1, 0.2), (0.2, 0.1)], {UNENDED: 1}),
    "no end, last": (track(OTHER_ON, OTHER_OFF, ON), [(0.1, 0.1), (0.3, 0.0)], {UNENDED: 1, EMPTY: 1}),
    "no length": (track(together(ON, OFF)), [(0.1, 0.0)], {EMPTY: 1}),
    "struck twice at once": (track(together(ON, ON), OFF), [(0.1, 0.1), (0.1, 0.1)], {}),
    "end without start": (track(OFF, ON, OFF), [(0.2, 0.1)], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_note_on_becomes_a_note(notes_of: Reader, case: str) -> None:
    events, expected, said = CASES[case]
    sequence, report = notes_of(events)
    assert spans(sequence) == expected
    assert remarks(report) == said


def test_keys_channels_and_tracks_do_not_end_each_other(notes_of: Reader) -> None:
    other_channel = b"\x81\x3c\x00"
    sequence, report = notes_of(track(ON, other_channel, OTHER_OFF, OFF), track(OFF, OFF, ON, OFF))
    assert spans(sequence) == [(0.1, 0.3), (0.3, 0.1)]
    assert not report.remarks


def test_no_note_is_lost_whatever_the_order(notes_of: Reader) -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        ons = rng.integers(0, 2, 30)
        events = [bytes([rng.integers(0, 3) * 48, 0x90, 60 + rng.integers(0, 3), 64 * on]) for on in ons]
        if ons.any():
            sequence, _ = notes_of(b"".join(events))
            assert len(sequence) == ons.sum()
            assert (sequence.column("duration") >= 0).all()
