"""The demo piece: Bach's prelude in C major, BWV 846, with the timing and dynamics of a player."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import EventSequence
from hachimachi.io.midi import NOTES

# The Well-Tempered Clavier I, 1722. Every bar breaks one chord of five notes, twice, in sixteenths
_CHORDS = """
C4 E4 G4 C5 E5 | C4 D4 A4 D5 F5 | B3 D4 G4 D5 F5 | C4 E4 G4 C5 E5
C4 E4 A4 E5 A5 | C4 D4 F#4 A4 D5 | B3 D4 G4 D5 G5 | B3 C4 E4 G4 C5
A3 C4 E4 G4 C5 | D3 A3 D4 F#4 C5 | G3 B3 D4 G4 B4 | G3 Bb3 E4 G4 C#5
F3 A3 D4 A4 D5 | F3 Ab3 D4 F4 B4 | E3 G3 C4 G4 C5 | E3 F3 A3 C4 F4
D3 F3 A3 C4 F4 | G2 D3 G3 B3 F4 | C3 E3 G3 C4 E4 | C3 G3 Bb3 C4 E4
F2 F3 A3 C4 E4 | F#2 C3 A3 C4 Eb4 | Ab2 F3 B3 C4 D4 | G2 F3 G3 B3 D4
G2 E3 G3 C4 E4 | G2 D3 G3 C4 F4 | G2 D3 G3 B3 F4 | G2 Eb3 A3 C4 F#4
G2 E3 G3 C4 G4 | G2 D3 G3 C4 F4 | G2 D3 G3 B3 F4 | C2 C3 G3 Bb3 E4
"""
_FIGURE = (0, 1, 2, 3, 4, 2, 3, 4)  # the note of the chord that each sixteenth of half a bar strikes
_ENDING = """
C2 C3 F3 A3 C4 F4 C4 A3 C4 A3 F3 A3 F3 D3 F3 D3
C2 B2 G4 B4 D5 F5 D5 B4 D5 B4 G4 B4 D4 F4 E4 D4
"""
_LAST = "C2 C3 E4 G4 C5"
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIXTEENTH = 0.15  # seconds
_ACCENTS = np.array([14, 6, 0, 2, 6, 0, 2, 5])


def play_prelude(times: int = 4, seed: int = 0) -> EventSequence:
    """Play the prelude, 549 notes in some 80 seconds, never quite the same: pitch, velocity, ~duration. Of a piece that
    is played once, the end is like nothing before it: holding it out would say little."""
    random = np.random.default_rng(seed)
    data, time = [], []
    for _ in range(times):
        beat, pitch, held = _score().T
        start = _seconds(beat) + random.normal(0, 0.006, len(beat))
        end = _seconds(beat + held * random.uniform(0.88, 0.97, len(beat)))
        arch = np.sin(np.pi * (beat % 64) / 64)  # four bars swell and fade
        velocity = 52 + 10 * arch + _ACCENTS[beat.astype(int) % 8] + random.normal(0, 2, len(beat))
        order = np.argsort(start)
        data.append(np.column_stack([pitch, np.rint(velocity), end - start])[order])
        begin = time[-1][-1] + 1.5 if time else 0.0  # after a pause
        time.append(start[order] - start.min() + begin)
    return EventSequence(NOTES[:3], np.concatenate(data), np.concatenate(time), "prelude")


def _score() -> NDArray[np.float64]:
    """Return the notes of the score, shape (549, 3): when, which key, how long; times in sixteenths."""
    chords = [[_pitch(name) for name in bar.split()] for bar in _CHORDS.strip().replace("\n", "|").split("|")]
    notes = [
        (8 * half + i, chord[which], 8 - i if i < 2 else 1)
        for half, chord in enumerate(chord for chord in chords for _ in range(2))
        for i, which in enumerate(_FIGURE)
    ]
    for line in _ENDING.strip().splitlines():
        bar = len(notes)  # one note each sixteenth
        notes += [(bar + i, _pitch(name), 16 - i if i < 2 else 1) for i, name in enumerate(line.split())]
    end = len(notes)
    notes += [(end + i, _pitch(name), 9 - i) for i, name in enumerate(_LAST.split())]  # the last chord is rolled
    return np.array(notes, dtype=np.float64)


def _seconds(beat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the seconds of sixteenths: time leans on each bass, bends with the phrase, broadens at last."""
    bend = np.sin(2 * np.pi * beat / 64) + 0.25 * np.sin(2 * np.pi * beat / 8)
    return _SIXTEENTH * (beat - bend) + 0.0005 * np.maximum(beat - 512, 0) ** 2


def _pitch(name: str) -> int:
    """Return the MIDI number of a note: C4 is 60, F#3 54, Bb3 58."""
    return 12 * int(name[-1]) + 12 + _STEPS[name[0]] + name.count("#") - name.count("b")
