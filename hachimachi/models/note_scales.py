"""Scales by the names that musicians give them."""

from __future__ import annotations

import re

from hachimachi.errors import HachimachiError

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "ionian": (0, 2, 4, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "natural minor": (0, 2, 3, 5, 7, 8, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole tone": (0, 2, 4, 6, 8, 10),
    "octatonic": (0, 2, 3, 5, 6, 8, 9, 11),
    "diminished": (0, 2, 3, 5, 6, 8, 9, 11),
    "chromatic": tuple(range(12)),
}
"""Semitones above the tonic. Melodic minor is the rising one; diminished, or octatonic, begins with a whole step."""
TONICS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
NOTES = range(128)
"""The notes of MIDI."""


def notes_of_scale(name: str) -> tuple[int, ...]:
    """Return the MIDI notes of a scale in all octaves.

    Args:
        name: Tonic and scale: ``C minor``, ``F# dorian``, ``Bb blues``. A tonic alone is major; ``chromatic`` needs
            none.

    Raises:
        HachimachiError: A tonic or a scale that is not known.

    >>> notes_of_scale("Eb minor pentatonic")[:5]
    (1, 3, 6, 8, 10)
    """
    words = " ".join(re.split(r"[\s_-]+", name.strip().lower()))
    found = re.fullmatch(r"([a-g])([#♯b♭]?)(?: (.+))?", words)
    if words == "chromatic":
        tonic, steps = 0, SCALES["chromatic"]
    elif found and (found[3] or "major") in SCALES:
        tonic, steps = TONICS[found[1]] + ACCIDENTALS[found[2]], SCALES[found[3] or "major"]
    else:
        raise HachimachiError(f"scale {name!r}: expected a note and a scale, such as 'C# dorian'; {known_scales()}")
    return tuple(note for note in NOTES if (note - tonic) % 12 in steps)


def known_scales() -> str:
    """Return the names of all scales, in words."""
    return f"scales are {', '.join(SCALES)}"
