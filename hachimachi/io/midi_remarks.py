"""What a `Report` says of MIDI files: everything that is not as it should be, and what was done about it."""

from __future__ import annotations

RESTARTED = "notes struck again before their end: each ends where the next begins"
UNENDED = "notes without an end: each ends with its track"
EMPTY = "notes of no length: kept"

MISSING = "tracks that the header announces are not there"
SURPLUS = "tracks that the header does not announce: read"
WRONG_LENGTH = "lengths of chunks that are wrong: read to where the track ends"
CUT_SHORT = "bytes missing at the end of the file: read up to there"
BROKEN = "bytes after a place where a track is damaged: not read"
AFTER_END = "bytes after the end of a track: not read"
STRAY = "bytes that belong to no track: not read"
ZERO_TEMPO = "tempos of 0: not heeded"

ELSEWHERE = "tempo changes outside the first track: they hold for all tracks"
SILENCE = "seconds of silence after the last note: not part of the piece"
SILENT_BEATS = SILENCE.replace("seconds", "beats")
FRAMES = "files that count frames (SMPTE) instead of quarter notes: read"
SEQUENTIAL = "tracks of files of format 2: each is a sequence of its own"
REPEATED = "control changes to the value that was there: kept"

NOTICES = frozenset({EMPTY, SURPLUS, ELSEWHERE, SILENCE, SILENT_BEATS, FRAMES, SEQUENTIAL, REPEATED})
"""Of these, what only explains how a file was read: nothing was mended, cut or left out."""
