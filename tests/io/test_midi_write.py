from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pretty_midi import PrettyMIDI

from hachimachi.errors import HachimachiError
from hachimachi.events import make_sequence
from hachimachi.io import read, write
from hachimachi.io.midi_write import TICK, render


@pytest.mark.parametrize("name", ["piano_midi_de_small/midi/Grieg__grieg_zwerge.mid", "freedoom_small/midi/d_e3m9.mid"])
def test_real_pieces_come_back_within_half_a_tick(shared_data: Path, tmp_path: Path, name: str) -> None:
    (piece,) = read(shared_data / name)
    write(tmp_path / "again.mid", piece)
    (again,) = read(tmp_path / "again.mid")
    assert piece.time is not None
    assert again.time is not None
    np.testing.assert_allclose(again.time, piece.time, atol=TICK / 2 + 1e-9)
    assert sorted(again.column("pitch")) == sorted(piece.column("pitch"))
    assert sorted(again.column("velocity")) == sorted(piece.column("velocity"))


def test_pitch_alone_is_enough() -> None:
    score = PrettyMIDI(io.BytesIO(render([make_sequence([[60.4], [300], [-5]], [0, 1, 2], ["pitch"])])))
    notes = score.instruments[0].notes
    assert [(note.pitch, note.velocity) for note in notes] == [(60, 80), (127, 80), (0, 80)]
    assert [note.end - note.start for note in notes] == pytest.approx([0.1] * 3)


def test_programs_and_drums() -> None:
    rows = [[60, 200, 0.5, 5], [36, -1, 0.0, 128]]
    sequence = make_sequence(rows, [0, 1], ["pitch", "velocity", "duration", "instrument"])
    score = PrettyMIDI(io.BytesIO(render([sequence])))
    assert [(part.program, part.is_drum) for part in score.instruments] == [(5, False), (0, True)]
    assert [part.notes[0].velocity for part in score.instruments] == [127, 1]


@pytest.mark.parametrize("suffix", [".mid", ".wav"])
def test_what_are_no_notes(tmp_path: Path, suffix: str) -> None:
    for sequence in (make_sequence([[60]], names=["pitch"]), make_sequence([[0.5]], [0], ["x"])):
        with pytest.raises(HachimachiError, match=rf"x\{suffix}: notes need time and a feature named pitch"):
            write(tmp_path / f"x{suffix}", sequence)
    with pytest.raises(HachimachiError, match=r"one sequence, there are 2"):
        write(tmp_path / f"x{suffix}", [make_sequence([[60]], [0], ["pitch"])] * 2)
    assert list(tmp_path.iterdir()) == []
