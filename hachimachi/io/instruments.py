"""What the numbers of instruments are called."""

from __future__ import annotations

from collections.abc import Mapping

from hachimachi.io.midi_options import DRUMS


def instrument_name(program: float) -> str:
    """Return the name of a General MIDI program, drums for 128, and other numbers as they are."""
    if program == DRUMS:
        return "Drums"
    from pretty_midi import program_to_instrument_name  # takes as long to import as a folder of drums to read

    return program_to_instrument_name(int(program)) if program in range(DRUMS) else f"{program:g}"


def tell_instruments(counts: Mapping[str, int], most: int = 8) -> str:
    """Say how many events instruments have, the first so many of them.

    >>> tell_instruments({"Drums": 2000, "Flute": 3, "Oboe": 1}, most=2)
    'instruments: Drums 2,000, Flute 3 and 1 more'
    """
    told = ", ".join(f"{name} {counts[name]:,}" for name in list(counts)[:most])
    return f"instruments: {told}" + (f" and {len(counts) - most:,} more" if len(counts) > most else "")
