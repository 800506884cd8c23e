"""Notes or control changes out of MIDI files, in seconds or beats.

hachimachi reads the bytes itself: seconds come from an exact tempo map, a channel's program counts for all
tracks, and every note-on is accounted for, which the parsers at hand do not do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.midi_chunks import MidiChunks, split_chunks
from hachimachi.io.midi_options import DRUMS, NOTES, MidiOptions
from hachimachi.io.midi_remarks import MISSING
from hachimachi.io.midi_sequences import read_block
from hachimachi.io.midi_walk import PADDING, Walker
from hachimachi.io.report import Report

__all__ = ["DRUMS", "MISSING", "NOTES", "parse", "parse_many", "without_constant_instrument"]
DEFAULT = MidiOptions()
_BLOCK = 80_000  # bytes: the tables of a walk through more would not fit in a processor's cache


def parse(data: bytes, file: str, report: Report, options: MidiOptions = DEFAULT) -> list[EventSequence]:
    """Read a MIDI file, as one sequence sorted by time, pitch, instrument, duration unless the options say otherwise.

    Time is in seconds from the start of the file.

    Args:
        data: Its bytes.
        file: Its name, for the report and the names of sequences where there are several.
        report: Takes note of what had to be mended, see `hachimachi.io.midi_remarks`.
        options: What is wanted.

    Raises:
        HachimachiError: Not MIDI, a header that cannot be understood, or nothing of what is wanted in it.
    """
    (result,) = parse_many([(data, file)], report, options)
    if isinstance(result, HachimachiError):
        raise result
    return result


def parse_many(
    files: Iterable[tuple[bytes, str]], report: Report, options: MidiOptions = DEFAULT
) -> Iterator[list[EventSequence] | HachimachiError]:
    """Read many MIDI files faster than one by one; they are taken from ``files``, bytes and name, as they are needed.

    Yields:
        For each file what `parse` returns, or the error that it raises.
    """
    walker = Walker(0)
    for block in _blocks(files):
        needed = sum(len(data) for data, _ in block) + len(PADDING)
        walker = walker if needed <= walker.most else Walker(needed)
        yield from _parse_block(block, walker, report, options)


def without_constant_instrument(sequences: Sequence[EventSequence], report: Report) -> list[EventSequence]:
    """Leave out the last column of sequences of `NOTES` where it has one value throughout all of them."""
    values = {float(value) for sequence in sequences for value in np.unique(sequence.column("instrument"))}
    if len(values) > 1:
        return list(sequences)
    report.constants["instrument"] = values.pop()
    return [replace(sequence, features=NOTES[:-1], data=sequence.data[:, :-1]) for sequence in sequences]


def _blocks(files: Iterable[tuple[bytes, str]]) -> Iterator[list[tuple[bytes, str]]]:
    block: list[tuple[bytes, str]] = []
    size = 0
    for data, name in files:
        if block and size + len(data) > _BLOCK:
            yield block
            block, size = [], 0
        block.append((data, name))
        size += len(data)
    if block:
        yield block


def _parse_block(
    files: Sequence[tuple[bytes, str]], walker: Walker, report: Report, options: MidiOptions
) -> Iterator[list[EventSequence] | HachimachiError]:
    split = [_split(data, options) for data, _ in files]
    whole = [(file, chunks) for file, chunks in zip(files, split, strict=True) if isinstance(chunks, MidiChunks)]
    results = iter(read_block(whole, walker, report, options)) if whole else iter(())
    for chunks in split:
        yield chunks if isinstance(chunks, HachimachiError) else next(results)


def _split(data: bytes, options: MidiOptions) -> MidiChunks | HachimachiError:
    try:
        chunks = split_chunks(data)
    except HachimachiError as error:
        return error
    if options.beats and chunks.ticks_per_second:
        return HachimachiError("it counts frames (SMPTE), which are no beats; read it in seconds")
    return chunks
