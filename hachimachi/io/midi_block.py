"""Several MIDI files as one run of bytes, so that NumPy reads many small files as fast as a large one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hachimachi.io.midi_chunks import MidiChunks
from hachimachi.io.midi_events import BREAKS_OFF, Endings
from hachimachi.io.midi_remarks import (
    AFTER_END,
    BROKEN,
    CUT_SHORT,
    FRAMES,
    MISSING,
    SEQUENTIAL,
    STRAY,
    SURPLUS,
    WRONG_LENGTH,
)
from hachimachi.io.midi_walk import PADDING, Index


class Block(NamedTuple):
    """Files of a block, F of them, their tracks, T, and the time lines that these lie on, L: one for each file, or
    for each track of a file of format 2.

    Args:
        data: The bytes of all.
        chunks: What each file is made of.
        spans: Where each track begins in ``data``, can end at most, and ends by its own account, shape (T, 3).
        number: Number of each track in its file, from 1, shape (T,).
        file: File of each track, from 0, shape (T,).
        line: Time line of each track, from 0, shape (T,).
        file_of_line: Shape (L,).
    """

    data: bytes
    chunks: Sequence[MidiChunks]
    spans: Index
    number: Index
    file: Index
    line: Index
    file_of_line: Index


def join(files: Sequence[bytes], chunks: Sequence[MidiChunks]) -> Block:
    """Put files one after the other."""
    spans: list[tuple[int, int, int]] = []
    number: list[int] = []
    sizes = [len(each.spans) for each in chunks]
    before = 0
    for data, each in zip(files, chunks, strict=True):
        spans += [(before + begin, before + end, before + declared) for begin, end, declared in each.spans]
        number += range(1, len(each.spans) + 1)
        before += len(data)
    lines = np.array([len(each.spans) if each.sequential else 1 for each in chunks], np.int64)
    file, file_of_line = (np.repeat(np.arange(len(chunks)), counts) for counts in (sizes, lines))
    numbers, sequential = np.array(number, np.int64), np.array([each.sequential for each in chunks], bool)
    line = (np.cumsum(lines) - lines)[file] + np.where(sequential[file], numbers - 1, 0)
    where = np.array(spans, np.int64).reshape(-1, 3)
    return Block(b"".join([*files, PADDING]), chunks, where, numbers, file, line, file_of_line)


def account(block: Block, endings: Endings) -> dict[str, Index]:
    """Return what has to be said of each file but for its notes: remark → how often, shape (F,)."""
    _, end, declared = block.spans.T
    stop, ended = endings.stop, endings.ended
    if ended.all() and (stop == end).all() and (end == declared).all():
        return _of_headers(block.chunks)
    rest, cut = np.maximum(end - stop, 0), ~ended & (declared > end)
    broken = [track for track, why in endings.breaks.items() if not (cut[track] and why == BREAKS_OFF)]
    per_track = {
        WRONG_LENGTH: ended & ((stop > declared) | (declared > end)),
        CUT_SHORT: np.where(cut, declared - end, 0),
        BROKEN: np.where(np.isin(np.arange(len(stop)), broken), rest, 0),
        AFTER_END: np.where(ended, rest, 0),
    }
    files = len(block.chunks)
    said = {what: np.bincount(block.file, times, files).astype(np.int64) for what, times in per_track.items()}
    for what, times in _of_headers(block.chunks).items():
        said[what] = said.get(what, 0) + times
    return said


def _of_headers(chunks: Sequence[MidiChunks]) -> dict[str, Index]:
    facts = [
        (len(each.spans) - each.announced, each.misled, each.stray, each.ticks_per_second > 0, each.sequential)
        for each in chunks
    ]
    surplus, misled, stray, frames, sequential = np.array(facts, np.int64).reshape(-1, 5).T
    tracks = np.array([len(each.spans) for each in chunks])
    return {
        MISSING: np.maximum(-surplus, 0),
        SURPLUS: np.maximum(surplus, 0),
        WRONG_LENGTH: misled,
        STRAY: stray,
        FRAMES: frames,
        SEQUENTIAL: tracks * sequential,
    }
