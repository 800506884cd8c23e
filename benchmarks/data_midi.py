"""How long reading MIDI takes beside symusic, which is written in C++: rows of `make bench-data`.

Both read the bytes of a whole corpus from memory, one after the other in each round. symusic parses into ticks and no
more; ours are events in seconds with every note accounted for. Time is that of the processor, which other programs
change less than the clock; the ratio is the median over the rounds. Files are read together, as `hxmx format` does with
a folder, and one by one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.tasks import BESIDE

CORPORA = ("groove_dev", "freedoom_small", "piano_midi_de_small")
ROUNDS = 11
WANTED = "5 times"


def rows() -> list[tuple[str, str, str]]:
    """Return what was measured, what came of it and what is wanted."""
    try:
        import symusic
    except ImportError:
        return [("reading MIDI", 'not measured: there is no symusic; pip install ".[dev]"', WANTED)]
    missing = [name for name in CORPORA if not (BESIDE / name).is_dir()]
    if missing:
        return [(f"reading {name}", f"not measured: there is no folder {BESIDE / name}", WANTED) for name in missing]
    return [row for name in CORPORA for row in _compare(BESIDE / name, symusic.Score.from_midi)]


def _compare(corpus: Path, other: Callable[[bytes], object]) -> list[tuple[str, str, str]]:
    from hachimachi.io import Report
    from hachimachi.io.midi.read import parse, parse_many

    files = [(path.read_bytes(), path.name) for path in sorted(corpus.rglob("*.mid"))]
    runs: dict[str, Callable[[], object]] = {
        "symusic": lambda: [other(data) for data, _ in files],
        "together": lambda: list(parse_many(files, Report())),
        "one by one": lambda: [parse(data, name, Report()) for data, name in files],
    }
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.process_time()
            run()
            spent[name].append(time.process_time() - start)
    return [
        (f"reading {corpus.name}, {len(files):,} files, {how}", _tell(spent, how), WANTED) for how in list(runs)[1:]
    ]


def _tell(spent: dict[str, list[float]], how: str) -> str:
    ratio = statistics.median(ours / theirs for ours, theirs in zip(spent[how], spent["symusic"], strict=True))
    ours, theirs = (statistics.median(spent[name]) * 1e3 for name in (how, "symusic"))
    return f"{ratio:.1f} times symusic: {ours:.0f} ms, {theirs:.0f} ms"
