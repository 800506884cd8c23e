"""Each note that begins ends once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.events import Feature
from hachimachi.live.notes import ActiveNotes
from hachimachi.live.protocols import Note

PITCH, DURATION, CHANNEL = Feature("pitch"), Feature("duration", masked=True), Feature("channel", "categorical")
notes = st.tuples(st.integers(60, 63), st.integers(0, 1), st.floats(0, 2), st.floats(0, 1))


@given(st.lists(notes), st.booleans())
def test_each_note_that_begins_ends_once(played, lasting: bool) -> None:
    features = [PITCH, CHANNEL, DURATION] if lasting else [PITCH, CHANNEL]
    ledger, now, sounding = ActiveNotes(features), 0.0, {}

    def end(note: Note, at: float) -> None:
        assert at >= sounding.pop(note) or not lasting

    for pitch, channel, duration, between in played:
        now += between
        for at, note in ledger.pop_due(now):
            assert at <= now
            end(note, at)
        for note in ledger.begin(np.array([pitch, channel, duration][: len(features)], float), now):
            end(note, now)
        note = Note(pitch, channel)
        assert note not in sounding
        sounding[note] = now
        assert len(ledger) == len(sounding)
    for began, note in ledger.clear():
        assert began == sounding[note]
        end(note, now)
    assert sounding == {}
    assert ledger.next is None


def test_without_a_duration_the_next_event_ends_a_chord() -> None:
    ledger = ActiveNotes([PITCH])
    assert ledger.begin(np.array([60.0]), 1.0) == ledger.begin(np.array([64.0]), 1.0) == []
    assert ledger.begin(np.array([67.0]), 1.5) == [Note(60), Note(64)]
    assert ledger.next is None


def test_what_are_no_notes_does_not_sound() -> None:
    ledger = ActiveNotes([Feature("x"), DURATION])
    assert ledger.begin(np.array([60.0, 1.0]), 0.0) == []
    assert ledger.next is None and len(ledger) == 0
