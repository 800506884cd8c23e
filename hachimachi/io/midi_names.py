"""What the tracks of MIDI files are called."""

from __future__ import annotations

from collections import Counter

import numpy as np

from hachimachi.io.midi_audit import track_of
from hachimachi.io.midi_block import Block
from hachimachi.io.midi_events import META, Events
from hachimachi.io.midi_walk import read_quantities

_TRACK_NAME = 0x03


def name_tracks(block: Block, events: Events) -> list[str]:
    """Return the name of each track where it has one that no other track of its file has, else its number, from 1."""
    values = np.frombuffer(block.data, np.uint8)
    event = np.flatnonzero((events.status == META) & (events.first == _TRACK_NAME))[::-1]
    length, begin = read_quantities(values, events.at[event] + 1)
    texts = [block.data[at : at + size] for at, size in zip(begin.tolist(), length.tolist(), strict=True)]
    tracks = track_of(event[::-1], events.counts)[::-1].tolist()
    said = {track: _clean(text) for track, text in zip(tracks, texts, strict=True)}  # the first of a track stays
    often = Counter((file, said.get(track)) for track, file in enumerate(block.file.tolist()))
    return [
        said[track] if said.get(track) and often[file, said[track]] == 1 else str(number)
        for track, (file, number) in enumerate(zip(block.file.tolist(), block.number.tolist(), strict=True))
    ]


def _clean(text: bytes) -> str:
    """Return a name as it can stand in a path. The specification knows ASCII; UTF-8 and Latin-1 are what is used."""
    try:
        name = text.decode("utf-8")
    except UnicodeDecodeError:
        name = text.decode("latin-1")
    shown = "".join(character if character.isprintable() else " " for character in name)
    shown = " ".join(shown.replace("/", "-").replace("\\", "-").split())
    return "" if shown.isdecimal() or not shown.strip(".") else shown
