"""Events into JSON, in the form that `hachimachi.io.json_format` describes; one event a line."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from hachimachi.events import EventSequence
from hachimachi.io.json_features import describe
from hachimachi.io.text import numerals
from hachimachi.io.workers import cores, spread

APART = 1_000_000
"""Events from which on it is worth while to start processes that write."""
TOGETHER = 100_000
"""Events that are written together."""


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write one sequence in the plain form, several under ``sequences``; of very many, on all cores."""
    features = ",\n  ".join(f'"{i}": {json.dumps(describe(f))}' for i, f in enumerate(sequences[0].features))
    if len(sequences) == 1:
        body = _body(sequences[0]).encode()
    else:
        with closing(_several(sequences)) as parts:
            body = b'"sequences": [\n' + b",\n".join(parts) + b"]"
    return b"".join([f'{{"features": {{\n  {features}}},\n'.encode(), body, b"}\n"])


def _several(sequences: Sequence[EventSequence]) -> Generator[bytes]:
    if sum(map(len, sequences)) < APART or cores() < 2:
        yield _render_part(sequences)
    else:
        yield from spread(_render_part, _parts(sequences), lambda part, _: _render_part(part), cores())


def _parts(sequences: Sequence[EventSequence]) -> Iterator[Sequence[EventSequence]]:
    first = events = 0
    for place, sequence in enumerate(sequences, 1):
        events += len(sequence)
        if events >= TOGETHER or place == len(sequences):
            yield sequences[first:place]
            first, events = place, 0


def _render_part(sequences: Sequence[EventSequence]) -> bytes:
    named = (f'{{"name": {json.dumps(each.name, ensure_ascii=False)}, {_body(each)}}}' for each in sequences)
    return ",\n".join(named).encode()


def _body(sequence: EventSequence) -> str:
    time = "" if sequence.time is None else f'"time": [{", ".join(numerals(sequence.time))}],\n'
    rows = "],\n[".join(map(", ".join, zip(*map(numerals, sequence.data.T), strict=True)))
    return f'{time}"data": [\n{f"[{rows}]" if len(sequence) else ""}]'
