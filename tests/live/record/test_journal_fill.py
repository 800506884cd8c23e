"""What a player did not send is made up, and it is said how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hachimachi.events import Feature
from hachimachi.io import read
from hachimachi.live.protocols import Note
from hachimachi.live.record.journal import Journal
from hachimachi.live.record.logbook import JournalListener, make_listeners

NOTE = (Feature("pitch"), Feature("duration", masked=True))
NAN = float("nan")


@pytest.fixture
def journal(tmp_path: Path, fake_clock: Any) -> Journal:
    return Journal(tmp_path / "take.json", NOTE, ("you", "model"), clock=fake_clock())


def finished(journal: Journal) -> tuple[list[list[float]], tuple[str, ...]]:
    done = journal.close()
    return [row for sequence in read(journal.path) for row in sequence.data.tolist()], done.remarks


def test_a_duration_lasts_until_the_players_next_chord(journal: Journal) -> None:
    for at, who, duration in [(0, 0, NAN), (0.01, 0, NAN), (0.3, 1, 0.8), (0.5, 0, NAN), (5, 0, NAN)]:
        journal.event(1000 + at, who, np.array([60, duration]))
    rows, remarks = finished(journal)
    assert [row[1] for row in rows] == pytest.approx([0.5, 0.49, 0.8, 0.8, 0.8])
    assert [row[2] for row in rows] == [0, 0, 1, 0, 0]
    assert remarks == ("duration not known of 4 events: until the player's next event, at most 0.8 s",)


def test_a_duration_ends_with_its_sequence_and_after_a_second(journal: Journal) -> None:
    for at in (0, 0.25, 9):
        journal.event(1000 + at, 0, np.array([60, NAN]))
    journal.begin()
    journal.event(1000.3, 0, np.array([60, NAN]))
    rows, remarks = finished(journal)
    assert [row[1] for row in rows] == [0.25, 1, 1, 1]
    assert "at most 1 s" in remarks[0]


@pytest.mark.parametrize(
    ("feature", "known", "value"),
    [
        (Feature("knob"), [1, 2, 9], 2),
        (Feature("knob"), [1, 2, 9, 30], 2),
        (Feature("gesture", kind="categorical"), [5, 9, 9, 1], 9),
        (Feature("knob"), [], 0),
        (Feature("knob", min=3), [], 3),
        (Feature("duration"), [0.5], 0.5),
    ],
)
def test_other_gaps_take_a_value_that_occurs(
    tmp_path: Path, fake_clock: Any, feature: Feature, known: list[float], value: float
) -> None:
    journal = Journal(tmp_path / "take.json", (feature,), clock=fake_clock(), temporal=False)
    for number in (NAN, *known):
        journal.event(1000, 0, np.array([number]))
    rows, [remark] = finished(journal)
    assert rows == [[value], *([number] for number in known)]
    assert f"{feature.name} not known of 1 event: {value:g}" in remark


def test_the_column_of_players_takes_a_free_name(tmp_path: Path, fake_clock: Any) -> None:
    features = (Feature("player"), Feature("who"))
    journal = Journal(tmp_path / "take.json", features, ("you", "model"), clock=fake_clock())
    journal.event(1000, 1, np.array([1.0, 2.0]))
    journal.close()
    assert [feature.name for feature in read(journal.path)[0].features] == ["player", "who", "player 2"]


def test_an_outlet_tells_who_plays_and_where_sequences_begin(journal: Journal) -> None:
    listener = JournalListener(journal)
    listener.began()
    listener.heard(np.array([60, 0.5]), 1001)
    listener.played(np.array([64, 0.25]), 1001.5, ("127.0.0.1", 9000))
    listener.ended(Note(64, None), 1002, early=False)
    listener.began()
    listener.heard(np.array([62, 0.5]), 1003)
    listener.heard(np.array([62, 0.5]), 1003)  # twice in one bundle is twice
    journal.close()
    first, second = read(journal.path)
    assert first.data.tolist() == [[60, 0.5, 0], [64, 0.25, 1]]
    assert second.data.tolist() == [[62, 0.5, 0]] * 2


def test_a_note_let_go_has_its_duration(journal: Journal) -> None:
    listener = JournalListener(journal)
    for at, pitch in ((1001, 60), (1001, 64), (1004, 67)):
        listener.heard(np.array([pitch, NAN]), at)
    listener.released(Note(64), 1003.5)
    listener.released(Note(60), 1002)
    listener.released(Note(60), 1009)  # not held any more
    listener.released(Note(1), 1009)  # never was
    rows, _ = finished(journal)
    assert [row[1] for row in rows] == [1, 2.5, 2.5]


def test_several_models_hear_one_event_once(tmp_path: Path, fake_clock: Any) -> None:
    journal = Journal(tmp_path / "take.json", NOTE, ("you", "a", "b"), clock=fake_clock())
    listeners = make_listeners(journal)
    for listener in (*listeners, *listeners):
        listener.began()
        listener.heard(np.array([60, 0.5]), 1001)
    listeners[1].played(np.array([61, 0.5]), 1002, None)
    rows, _ = finished(journal)
    assert rows == [[60, 0.5, 0], [60, 0.5, 0], [61, 0.5, 2]]


PIANO = (Feature("pitch"), Feature("velocity"), Feature("duration"), Feature("channel"))


def recorded(folder: Path, clock: Any, rows: list[list[float]], features: tuple[Feature, ...] = PIANO) -> Any:
    """Events a second apart, as a recording of one player."""
    journal = Journal(folder / "take.json", features, clock=clock)
    for second, row in enumerate(rows):
        journal.event(1000 + second, 0, np.array(row))
    return journal


def test_releases_end_the_notes_of_a_recording(tmp_path: Path, fake_clock: Any) -> None:
    rows = [
        [60, 80, NAN, 1],
        [60, 90, NAN, 2],
        [60, 0, NAN, 1],
        [62, 70, 0.5, 1],
        [62, 0, NAN, 1],
        [60, 0, NAN, 2],
        [60, 0, NAN, 2],
    ]
    kept, [remark] = finished(recorded(tmp_path, fake_clock(), rows))
    assert kept == [[60, 80, 2, 1], [60, 90, 4, 2], [62, 70, 0.5, 1]]
    assert remark == "4 releases, of velocity 0: each ends the note of its pitch, but for 1 of a key that was not down"


@pytest.mark.parametrize("odd", [[60.5, 80], [60, 0.5], [60, -1], [60, 128], [200, 80]])
def test_a_value_that_midi_has_not_makes_0_a_velocity(tmp_path: Path, fake_clock: Any, odd: list[float]) -> None:
    rows = [[60, 80], [60, 0], odd]
    kept, remarks = finished(recorded(tmp_path, fake_clock(), rows, PIANO[:2]))
    assert kept == rows
    assert remarks == ()


def test_releases_alone_are_nothing(tmp_path: Path, fake_clock: Any) -> None:
    done = recorded(tmp_path, fake_clock(), [[60, 0]], PIANO[:2]).close()
    assert done.path is None
    assert "1 release" in done.remarks[0]


def test_what_a_model_played_is_never_a_release(tmp_path: Path, fake_clock: Any) -> None:
    journal = Journal(tmp_path / "take.json", PIANO[:2], ("you", "model"), clock=fake_clock())
    journal.event(1000, 1, np.array([60.0, 0.0]))
    journal.close()
    assert read(journal.path)[0].data.tolist() == [[60, 0, 1]]
