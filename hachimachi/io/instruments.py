"""What the numbers of instruments are called."""

from __future__ import annotations

from hachimachi.io.midi_options import DRUMS


def instrument_name(program: float) -> str:
    """Return the name of a General MIDI program, drums for 128, and other numbers as they are."""
    if program == DRUMS:
        return "Drums"
    from pretty_midi import program_to_instrument_name  # takes as long to import as a folder of drums to read

    return program_to_instrument_name(int(program)) if program in range(DRUMS) else f"{program:g}"
