"""MIDI files for tests, byte by byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io.midi.read import parse


def make_midi(*tracks: bytes, division: int = 480, kind: int = 1) -> bytes:
    """A MIDI file of tracks given as event bytes; each gets its end of track."""
    header = b"".join(value.to_bytes(2, "big") for value in (kind, len(tracks), division))
    bodies = [track + b"\x00\xff\x2f\x00" for track in tracks]
    chunks = [b"MTrk" + len(body).to_bytes(4, "big") + body for body in bodies]
    return b"MThd" + len(header).to_bytes(4, "big") + header + b"".join(chunks)


@pytest.fixture(scope="session")
def midi_bytes() -> Callable[..., bytes]:
    return make_midi


@pytest.fixture(scope="session")
def notes_of() -> Callable[..., tuple[EventSequence, Report]]:
    """Read tracks given as event bytes; return the notes and the report."""

    def read_tracks(*tracks: bytes, **options: int) -> tuple[EventSequence, Report]:
        report = Report()
        return parse(make_midi(*tracks, **options), "file.mid", report)[0], report

    return read_tracks
