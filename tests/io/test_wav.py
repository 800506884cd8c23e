from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import make_sequence
from hachimachi.io import write
from hachimachi.io.wav import RATE


def sound(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_a_note_sounds_at_its_pitch_and_time(tmp_path: Path) -> None:
    write(tmp_path / "x.wav", make_sequence([[69, 100, 1.0]], [1.0], ["pitch", "velocity", "duration"]))
    samples = sound(tmp_path / "x.wav")
    assert not samples[: RATE - 1].any()
    assert 0.85 < np.abs(samples).max() / 32767 <= 0.91
    spectrum = np.abs(np.fft.rfft(samples[RATE : 2 * RATE].astype(float)))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_drums_sound_and_low_ones_lower(tmp_path: Path) -> None:
    rows = [[36, 100, 0.0, 128], [42, 100, 0.0, 128]]
    write(tmp_path / "x.wav", make_sequence(rows, [0.0, 1.0], ["pitch", "velocity", "duration", "instrument"]))
    samples = sound(tmp_path / "x.wav").astype(float)
    kick, hat = (np.abs(np.fft.rfft(samples[at : at + RATE // 4])) for at in (0, RATE))
    centre = [float((np.arange(len(s)) * s).sum() / s.sum()) for s in (kick, hat)]
    assert 0 < centre[0] < centre[1]
