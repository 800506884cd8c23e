"""How long reading MIDI takes, beside symusic, which is written in C++: rows of `make bench-data`.

Both read the bytes of a whole corpus from memory, one after the other in each round. symusic parses into ticks and no
more; ours are events in seconds with every note accounted for. Time is that of the processor, which other programs
change less than the clock; the ratio is the median over the rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.tasks import BESIDE

CORPORA = ("groove_dev", "freedoom_small", "piano_midi_de_small")
ROUNDS = 11
WANTED = "–"


def rows() -> list[tuple[str, str, str]]:
    """Return what was measured, what came of it and what is wanted."""
    try:
        import symusic
    except ImportError:
        return [("reading MIDI", 'not measured: there is no symusic; pip install ".[dev]"', WANTED)]
    missing = [name for name in CORPORA if not (BESIDE / name).is_dir()]
    if missing:
        return [(f"reading {name}", f"not measured: there is no folder {BESIDE / name}", WANTED) for name in missing]
    return [_compare(BESIDE / name, symusic.Score.from_midi) for name in CORPORA]


def _compare(corpus: Path, other: Callable[[bytes], object]) -> tuple[str, str, str]:
    from hachimachi.io import Report
    from hachimachi.io.midi.read import parse

    files = [(path.read_bytes(), path.name) for path in sorted(corpus.rglob("*.mid"))]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        for data, name in files:
            parse(data, name, Report())
        middle = time.process_time()
        for data, _ in files:
            other(data)
        ours.append(middle - start)
        theirs.append(time.process_time() - middle)
    ratio = statistics.median(mine / its for mine, its in zip(ours, theirs, strict=True))
    mine, its = (statistics.median(each) * 1e3 for each in (ours, theirs))
    measured = f"{mine:.0f} ms, {ratio:.1f} times symusic: {its:.0f} ms"
    return f"reading {corpus.name}, {len(files):,} files", measured, WANTED
