"""What a base model is worth: performances that none has learned from, from scratch and with one to begin with.

    make bench-base                       every piece of the test parts, and the five tasks: an hour on two idle cores
    make bench-base ARGS=--quick          two pieces of each: about ten minutes
    make bench-base ARGS="--corpora groove_dev --seeds 0,1"

From the first four fifths of a piece a model learns by the default command, once with init=none and once with what it
chooses itself, and predicts the rest. Both play, and are compared with what they learned from. Every result is a file
in outputs/base/NAME, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.playing import LEARNED, Settings, measure_halves, with_error
from benchmarks.resumable import Figures, Job, run
from benchmarks.tasks import BESIDE, SINGLES, find_tasks
from hachimachi import io
from hachimachi.events import EventSequence
from hachimachi.io.split import read_split

FOLDER = Path(__file__).resolve().parents[1] / "outputs" / "base"
CORPORA = ("giantmidi_part", "piano_midi_de_small", "groove_dev")
TASKS = "single"
"""The five tasks of the other benchmarks, as if they were a corpus."""
LEAST = 300
"""Notes that a piece has at least."""
TAKES = 4
WAYS = ("none", "auto")
"""Values of init that are compared."""
SHOWN = {"key": "key", "density": "density", "silence": "silence", "polyphony": "at once", "repetition": "repetition"}


@dataclass(frozen=True)
class Piece:
    """A performance, by its corpus and its name there."""

    corpus: str
    name: str

    def read(self, data: Path) -> tuple[EventSequence, EventSequence]:
        """Return what is learned from and what follows."""
        if self.corpus == TASKS:
            train, test = find_tasks(data, [self.name], corpora=False)[0].read()
            return train[0], test[0]
        (whole,) = io.read(data / self.corpus / "midi" / self.name)
        place = int(LEARNED * len(whole))
        return whole[:place], whole[place:]


def list_pieces(corpus: str, data: Path) -> list[Piece]:
    """Return the pieces of a corpus that have notes enough, by name."""
    if corpus == TASKS:
        return [Piece(corpus, name) for name in SINGLES]
    names = sorted(read_split(data / corpus / "split.json").parts["test"])
    lengths = {name: sum(map(len, io.read(data / corpus / "midi" / name))) for name in names}
    return [Piece(corpus, name) for name in names if lengths[name] >= LEAST]


def measure(piece: Piece, way: str, seed: int, takes: int, overrides: tuple[str, ...], data: Path) -> Figures:
    """Train a model on a piece, score it on the rest, and let it play."""
    source, rest = piece.read(data)
    figures = measure_halves(source, rest, seed, Settings(takes, None, (f"init={way}", *overrides)))
    return {"piece": piece.name, "corpus": piece.corpus, "way": way} | figures


def show(results: Sequence[Figures], console: Console) -> None:
    """Print nats by corpus, then by piece where a base made one worse, then how the models play."""
    columns = ("corpus", "pieces", "scratch", "with a base", "better by", "seconds")
    table = Table(*columns, box=None)
    worse = []
    for corpus in (*CORPORA, TASKS):
        pairs = _pair([each for each in results if each["corpus"] == corpus])
        if not pairs:
            continue
        nats = np.array([[pair[way]["nats"] for way in WAYS] for pair in pairs])
        seconds = " → ".join(f"{np.mean([pair[way]['seconds'] for pair in pairs]):.0f}" for way in WAYS)
        means = [f"{mean:.2f}" for mean in nats.mean(0)]
        table.add_row(corpus, str(len(pairs)), *means, with_error(nats[:, 0] - nats[:, 1]), seconds)
        worse += [(corpus, pair) for pair in pairs if pair["auto"]["nats"] > pair["none"]["nats"] + 0.1]
    console.print(table)
    for corpus, pair in worse:
        nats = " → ".join(f"{pair[way]['nats']:.2f}" for way in WAYS)
        console.print(f"worse: {corpus} {pair['none']['piece']}: {nats} (began with {pair['auto']['init']})")
    playing = Table("playing, T 0.9, from nothing", *SHOWN.values(), box=None)
    for corpus in (*CORPORA, TASKS):
        found = [each for each in results if each["corpus"] == corpus and each["source"].get("key") is not None]
        for label, rows in (("source", found), *((way, [e for e in found if e["way"] == way]) for way in WAYS)):
            taken = [row["source"] if label == "source" else _takes(row) for row in rows]
            if taken:
                means = [_mean([each.get(name) for each in taken]) for name in SHOWN]
                playing.add_row(f"{corpus}, {label}", *(f"{mean:.2f}" for mean in means))
    console.print()
    console.print(playing)


def _pair(results: Sequence[Figures]) -> list[dict[str, Figures]]:
    pairs: dict[tuple[str, int], dict[str, Figures]] = {}
    for each in results:
        pairs.setdefault((each["piece"], each["seed"]), {})[each["way"]] = each
    return [pair for pair in pairs.values() if len(pair) == len(WAYS)]


def _takes(row: Figures) -> dict[str, Any]:
    return next(values for name, values in row["playing"].items() if "0.9" in name)


def _mean(values: Sequence[Any]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")


def _line(job: Job, figures: Figures) -> str:
    gain = figures["marginal"] - figures["nats"]
    found = f"{figures['nats']:.2f} nats, {gain:.2f} below the marginal, {figures['seconds']:.0f} s"
    return f"{job.name} (began with {figures['init']}): {found}"


def main(words: Sequence[str] | None = None) -> int:
    """Measure what the words ask for and has not been measured, and print the tables of all of it."""
    parser = argparse.ArgumentParser(prog="bench-base", description="What a base model is worth.")
    parser.add_argument("data", nargs="?", type=Path, default=BESIDE, help="folder of corpora (beside the checkout)")
    parser.add_argument("--corpora", default=",".join((*CORPORA, TASKS)), help="some of them (all)")
    parser.add_argument("--seeds", default="0", help="seeds (0)")
    parser.add_argument("--takes", type=int, default=TAKES, help=f"takes under each condition ({TAKES})")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"some of {','.join(WAYS)} (both)")
    parser.add_argument("--override", action="append", default=[], help="key=value of the config; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="pieces at a time (as many as cores)")
    parser.add_argument("--output", default="default", help="name of the folder in outputs/base (default)")
    parser.add_argument("--quick", action="store_true", help="two pieces of each")
    chosen, console = parser.parse_args(words), Console(highlight=False, markup=False)
    corpora, folder = chosen.corpora.split(","), FOLDER / chosen.output
    if unknown := [corpus for corpus in corpora if corpus not in (*CORPORA, TASKS)]:
        parser.error(f"--corpora {unknown[0]}: expected some of {', '.join((*CORPORA, TASKS))}")
    if absent := [corpus for corpus in corpora if not (chosen.data / corpus).is_dir()]:
        print(f"bench-base: {chosen.data / absent[0]}: not there; expected the corpora beside the checkout")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for corpus in corpora:
        pieces = list_pieces(corpus, chosen.data)
        for piece in pieces[:2] if chosen.quick else pieces:
            for seed in map(int, chosen.seeds.split(",")):
                for way in chosen.ways.split(","):
                    path = folder / f"{corpus}_{piece.name}_{seed}_{way}.json"
                    arguments = (piece, way, seed, chosen.takes, tuple(chosen.override), chosen.data)
                    jobs.append(Job(path, f"{corpus} {piece.name}, seed {seed}, init={way}", arguments))
    whole = run(measure, jobs, _line, chosen.jobs, console)
    show([json.loads(job.path.read_text(encoding="utf-8")) for job in jobs if job.path.is_file()], console)
    console.print(f"→ {folder}")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
