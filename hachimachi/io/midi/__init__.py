"""Options of reading MIDI: columns, splitting by track, seconds or beats, notes or control changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hachimachi.errors import HachimachiError
from hachimachi.events import Feature

DRUMS = 128  # instrument of channel 10, where pitches select drums
DRUM_CHANNEL = 9  # channel 10, counted from 0 as in files
COLUMNS: dict[str, Feature] = {
    "pitch": Feature("pitch", "integer", min=0, max=127, resolution=1),
    "velocity": Feature("velocity", "integer", min=1, max=127, resolution=1),
    "duration": Feature("duration", "continuous", masked=True, min=0, resolution=0.01),
    "instrument": Feature("instrument", "categorical"),
    "channel": Feature("channel", "categorical"),
    "track": Feature("track", "categorical"),
    "pedal": Feature("pedal", "integer", min=0, max=127, resolution=1),
}
"""Every column that a note can have, by name, as docs/reference/midi-files.md says."""
NOTES = tuple(COLUMNS[name] for name in ("pitch", "velocity", "duration", "instrument"))  # default columns of a note
CONTROLS = (Feature("control", "categorical"), Feature("value", "integer", min=0, max=127, resolution=1))
"""Columns of a control change."""
BESIDE_CONTROLS = ("channel", "track")  # optional columns of a control change


@dataclass(frozen=True)
class MidiOptions:
    """What to read of a MIDI file; a value that is not allowed raises HachimachiError.

    Args:
        columns: Names from `COLUMNS`, in order, with ``pitch``; kept even if constant. ``None``: those of `NOTES`. With
            ``controls``: names from `BESIDE_CONTROLS`, placed after ``control`` and ``value``.
        split_tracks: A sequence for each track that has events, named ``file.mid/`` and the track's name or number.
        beats: Time and duration in quarter notes instead of seconds.
        controls: Controllers, 0 to 127, whose changes are the events, instead of notes.
        sustain: Whether a note lasts until the sustain pedal lets it go, see `hachimachi.io.midi.pairing.sustain`.
    """

    columns: tuple[str, ...] | None = None
    split_tracks: bool = False
    beats: bool = False
    controls: tuple[int, ...] = ()
    sustain: bool = False

    def __post_init__(self) -> None:
        names = self.columns or ()
        for number in self.controls:
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 127:
                expected = "expected the number of a controller, 0 to 127, such as 1 or 64"
                raise HachimachiError(f"control {number!r}: {expected}")
        if self.controls and self.sustain:
            raise HachimachiError("sustain: it lengthens notes, and with controls there are none; ask for one of them")
        allowed = BESIDE_CONTROLS if self.controls else tuple(COLUMNS)
        of = "a control change" if self.controls else "a note"
        for name in names:
            if name not in allowed:
                raise HachimachiError(f"column {name!r}: {of} can have {', '.join(allowed)}")
        for what, values in (("control", self.controls), ("column", names)):
            if twice := [value for value in values if values.count(value) > 1]:
                raise HachimachiError(f"{what} {twice[0]!r} is asked for twice; name each once")
        if self.columns is not None and not self.controls and "pitch" not in names:
            found = ", ".join(names) or "none"
            raise HachimachiError(f"columns: found {found}; notes need pitch, as in pitch,velocity,duration")

    @property
    def features(self) -> tuple[Feature, ...]:
        """Columns of a sequence; a default ``instrument`` is left out later if constant."""
        if self.controls:
            beside = tuple(COLUMNS[name] for name in self.columns or ())
            return CONTROLS[len(self.controls) == 1 :] + beside
        return NOTES if self.columns is None else tuple(COLUMNS[name] for name in self.columns)


def instrument_name(program: float) -> str:
    """Return the name of a General MIDI program, drums for 128, and other numbers as they are."""
    if program == DRUMS:
        return "Drums"
    from pretty_midi import program_to_instrument_name  # slow to import

    return program_to_instrument_name(int(program)) if program in range(DRUMS) else f"{program:g}"


def describe_instruments(counts: Mapping[str, int], most: int = 8) -> str:
    """Return the number of events of the first ``most`` instruments as text.

    >>> describe_instruments({"Drums": 2000, "Flute": 3, "Oboe": 1}, most=2)
    'instruments: Drums 2,000, Flute 3 and 1 more'
    """
    listed = ", ".join(f"{name} {counts[name]:,}" for name in list(counts)[:most])
    return f"instruments: {listed}" + (f" and {len(counts) - most:,} more" if len(counts) > most else "")
