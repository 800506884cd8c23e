"""The polyphonic sets of Boulanger-Lewandowski, Bengio & Vincent (2012, arXiv:1206.6392) as events.

A piece is a row of frames, each the keys that sound in it. As events: one for each sounding key, keys of a frame in
ascending order, time in frames, of which the first is 1, between a marker at time 0 and a marker one frame after the
last. A frame without keys is a longer wait. So nats of all events but the first marker add up to those of the frames,
and divided by their number they are what the literature states: an upper bound of it, for some of a model's probability
falls on what is no order of keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hachimachi import io
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io.atomic import replacing
from hachimachi.io.split import PARTS

MARKER = 20
"""Pitch of the markers, one below the lowest key of a piano."""
OVERRIDES = ("feature.time.resolution=1", "feature.time.kind=integer")
"""What makes a bin of time a frame."""
SETS = {
    "jsb": ("JSB Chorales", "jsb_chorales"),
    "piano_midi": ("Piano-midi.de", "piano_midi"),
    "nottingham": ("Nottingham", "nottingham"),
    "musedata": ("MuseData", "musedata"),
}
"""Title and file, without its suffix, by the name of the row."""


def find_set(folder: Path, row: str) -> tuple[Path, Path]:
    """Return the paths of a set's events and of its split, there or not."""
    stem = SETS[row][1]
    return folder / f"{stem}.json", folder / f"{stem}_split.json"


def count_frames(sequence: EventSequence) -> int:
    """Return the number of frames between the markers.

    Raises:
        HachimachiError: No marker at time 0, or none at the end.
    """
    time, pitch = sequence.time, sequence.data[:, 0]
    if time is None or len(sequence) < 2 or time[0] != 0 or pitch[0] != MARKER or pitch[-1] != MARKER:
        expected = f"expected pitch {MARKER} at time 0 and one frame after the last"
        raise HachimachiError(f"{sequence.name or 'a piece'}: the markers are not there; {expected}")
    return round(time[-1]) - 1


def write_piano_rolls(pieces: Mapping[str, Sequence[Sequence[Iterable[int]]]], path: Path) -> tuple[Path, Path]:
    """Write a set and beside it its split; return both paths.

    Args:
        pieces: Pieces of each part, ``train``, ``valid`` and ``test``; a piece is a sequence of frames, a frame the
            numbers of the keys that sound, from 21 to 108, in any order.
        path: The file of the events, such as ``nottingham.json``.

    Raises:
        HachimachiError: A part of another name, or a key that no piano has.
    """
    sequences, names = [], {part: [] for part in PARTS}
    for part, several in pieces.items():
        if part not in names:
            raise HachimachiError(f"{part}: no such part; expected {', '.join(PARTS)}")
        for number, frames in enumerate(several):
            keys = [sorted(set(map(int, frame))) for frame in frames]
            time = np.concatenate(
                [[0], np.repeat(np.arange(len(keys)) + 1, [len(each) for each in keys]), [len(keys) + 1]]
            )
            pitch = np.array([MARKER, *(key for each in keys for key in each), MARKER])
            names[part].append(f"{part}{number}")
            if len(pitch) > 2 and not (pitch[1:-1].min() > MARKER and pitch[1:-1].max() <= 108):
                wrong = next(key for key in pitch[1:-1].tolist() if not MARKER < key <= 108)
                raise HachimachiError(f"{names[part][-1]}: found key {wrong}, expected keys from 21 to 108")
            sequences.append(
                EventSequence((Feature("pitch", kind="categorical"),), pitch[:, None], time, names[part][-1])
            )
    split = path.with_name(f"{path.stem}_split.json")
    io.write(path, sequences)
    with replacing(split) as beside:
        beside.write_text(json.dumps(names) + "\n", encoding="utf-8")
    return path, split
