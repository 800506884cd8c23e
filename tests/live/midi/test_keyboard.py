"""A player's keys and knobs become what a model hears."""

from __future__ import annotations

from typing import Any

import pytest

from hachimachi.errors import HachimachiError
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS
from hachimachi.live.history import InputForm
from hachimachi.live.midi.mapping import Keyboard


def test_a_key_gives_the_unmasked_features_in_their_order(make_columns: Any) -> None:
    columns = make_columns({"~duration": [0.1, 0.2], "velocity": [80, 90], "pitch": [60, 61]})
    values = Keyboard(columns, {}).strike(0, 64, 99)
    assert values is not None
    assert values == (99, 64)
    form = InputForm([column.feature for column in columns[1:]], {})
    assert form.row(values)[1:].tolist() == [99, 64]  # as a performer takes it


def test_instruments_come_from_programs_and_drums_from_channel_ten(notes: Any) -> None:
    keys = Keyboard(notes, {})
    assert keys.strike(2, 60, 80) == (60, 80, 0)
    keys.choose(2, 45)
    assert keys.strike(2, 60, 80) == (60, 80, 45)
    assert keys.strike(DRUM_CHANNEL, 60, 80) == (60, 80, DRUMS)
    assert keys.strike(3, 60, 80) == (60, 80, 0)


@pytest.mark.parametrize(
    ("programs", "first"), [([24, 48, 48], 48), ([48, 0, 48], 0), ([128, 128, 32], 32), ([128, 128, 128], 128)]
)
def test_who_chose_no_program_plays_one_that_the_model_knows(make_columns: Any, programs: Any, first: int) -> None:
    keys = Keyboard(make_columns({"pitch": [60, 61, 62], "#instrument": programs}), {})
    assert keys.strike(0, 60, 80) == (60, first)


def test_a_note_ends_under_the_name_it_began_with(notes: Any) -> None:
    keys = Keyboard(notes, {})
    keys.strike(1, 60, 80)
    keys.choose(1, 45)
    assert keys.release(1, 60) == (60, 0)
    assert keys.release(1, 60) is None


def test_what_never_varied_stays_but_notes_are_heard_as_played(make_columns: Any) -> None:
    columns = make_columns({"pitch": [60, 60], "velocity": [80, 80], "channel": [3, 3], "x": [0.5, 0.5]})
    keys = Keyboard(columns, {})
    assert keys.strike(7, 64, 99) == (64, 99, 3, 0.5)
    assert keys.resting == []
    assert keys.release(7, 64) == (64, 3)


def test_what_nothing_moves_rests_at_its_median(make_columns: Any) -> None:
    keys = Keyboard(make_columns({"pitch": [60, 61, 62], "bend": [0.1, 0.2, 0.9]}), {})
    assert keys.resting == ["bend"]
    assert keys.strike(0, 60, 80) == (60, pytest.approx(0.2))


def test_a_controller_colours_the_notes_that_follow(make_columns: Any) -> None:
    keys = Keyboard(make_columns({"pitch": [60, 61], "bend": [0.0, 0.5]}, bend=(0, 1)), {"bend": 1})
    assert keys.turn(1, 127) is None
    assert keys.turn(2, 0) is None
    assert keys.strike(0, 60, 80) == (60, 1)
    assert keys.resting == []


def test_where_events_are_no_notes_a_move_is_one(make_columns: Any) -> None:
    keys = Keyboard(make_columns({"x": [0, 3, 10], "y": [0, 5, 127]}), {"y": 7})
    assert keys.turn(7, 100) == (3, 100)
    assert keys.strike(0, 60, 80) is None
    assert keys.release(0, 60) is None


def test_one_controller_may_move_two(make_columns: Any) -> None:
    keys = Keyboard(make_columns({"x": [0, 127], "y": [0, 127]}), {"x": 7, "y": 7})
    assert keys.turn(7, 100) == (100, 100)


def test_a_pitch_with_a_controller_is_no_note(make_columns: Any) -> None:
    keys = Keyboard(make_columns({"pitch": [0, 127]}), {"pitch": 7})
    assert keys.strike(0, 60, 80) is None
    assert keys.turn(7, 100) == (100,)


def test_neither_notes_nor_controllers_is_refused(make_columns: Any) -> None:
    with pytest.raises(HachimachiError, match=r"--midi-in: this model has no feature named pitch \(x\).*--midi-cc x=1"):
        Keyboard(make_columns({"x": [0, 1]}), {})
