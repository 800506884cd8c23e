"""The field's own data: processes whose floor is known, polyphonic music, and beside them what is published.

    make bench-field                                        all rows, ten minutes of training each
    make bench-field ARGS=--quick                           five rows, a minute each
    make bench-field ARGS="--rows hawkes1,jsb --seeds 0,1"
    make bench-field ARGS="--rows nottingham --polyphonic FOLDER"

Each model is trained by the default command, from scratch. Every result is a file in outputs/field/NAME, so that a run
that was stopped goes on where it was; the simulated data is in outputs/field/data. docs/why/field.md says what the
figures are and are not.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.point_processes import PROCESSES, WINDOW, score_truth, write_process
from benchmarks.polyphonic import OVERRIDES, SETS, count_frames, find_set
from benchmarks.resumable import Figures, Job, run
from benchmarks.tasks import BESIDE
from hachimachi import compose, evaluate, io, train
from hachimachi.columns import UniformGrid
from hachimachi.errors import HachimachiError, count
from hachimachi.events import TIME
from hachimachi.io.split import read_split, select

OUTPUTS = Path(__file__).resolve().parents[1] / "outputs"
MINUTES, QUICK_MINUTES = 10.0, 1.0
QUICK = ("renewal", "self_correcting", "hawkes1", "marked", "jsb")
RESOLUTION = 0.001
"""Bins of the time between events of a process; the finest structure, in Hawkes-2, is 50 of them wide."""
PUBLISHED: dict[str, tuple[tuple[float, str, int], ...]] = {
    "jsb": ((5.56, "RNN-NADE", 1), (7.72, "RRU", 2), (8.10, "TCN", 3), (8.45, "LSTM", 3)),
    "piano_midi": ((7.05, "RNN-NADE", 1), (7.38, "RRU", 2), (7.54, "LSTM", 2)),
}
"""Figures of others by row: nats, model and number of the source, the best first."""
SOURCES = {
    1: "Boulanger-Lewandowski, Bengio & Vincent 2012, arXiv:1206.6392",
    2: "Zakovskis et al. 2021, arXiv:2108.00527, hyper-parameters tuned",
    3: "Bai, Kolter & Koltun 2018, arXiv:1803.01271",
}


@dataclass(frozen=True)
class Settings:
    """What results depend on besides row and seed; those of other settings are never mixed."""

    minutes: float
    overrides: tuple[str, ...]

    def config(self, row: str, data: Path, split: Path, model: Path, seed: int) -> list[str]:
        """Return the overrides of a run."""
        grid = (f"feature.{TIME}.resolution={RESOLUTION}", f"feature.{TIME}.max={WINDOW}")
        words = [f"dataset.path='{data}'", f"dataset.split='{split}'", f"output='{model}'", f"seed={seed}"]
        words += ["callbacks=quiet", "logger=none", "init=none", f"trainer.max_minutes={self.minutes}"]
        return [*words, *(grid if row in PROCESSES else OVERRIDES), *self.overrides]

    def to_json(self) -> dict[str, Any]:
        """Return them as they stand beside results."""
        return {**asdict(self), "overrides": list(self.overrides)}


def measure(row: str, seed: int, settings: Settings, data: Path, split: Path) -> dict[str, Any]:
    """Train a model on the training part of a row, and score it on the test part.

    Raises:
        HachimachiError: The data cannot be read or learned from, or training was stopped.
    """
    sequences = select(io.read(data), read_split(split), "test")
    with tempfile.TemporaryDirectory(prefix="hachimachi-bench-") as temporary:
        folder, began = Path(temporary), time.perf_counter()
        run = train(compose(settings.config(row, data, split, folder / "model.pt", seed)), folder / "run")
        if run.interrupted:
            raise HachimachiError(f"stopped by {run.interrupted}")
        model, seconds = run.model, time.perf_counter() - began
    scored = evaluate(model, sequences)
    ends = np.cumsum([max(len(sequence) - 1, 0) for sequence in sequences])
    nats = np.array([each.sum() for each in np.split(scored.nll.sum(1), ends[:-1])])
    figures = {"row": row, "seed": seed, "events": run.events, "scored": len(scored.nll), "sequences": len(sequences)}
    figures |= {"steps": model.summary["steps"], "seconds": seconds}
    figures |= {f"nats of {name}": each["nats"] for name, each in scored.by_feature().items()}
    if row not in PROCESSES:
        frames = np.array([count_frames(sequence) for sequence in sequences])
        figures["nats"], figures["stderr"] = mean_with_error(nats, frames)
        return figures | {"frames": int(frames.sum()), "marginal": float(scored.marginal.sum() / frames.sum())}
    grid = next(column.grid for column in scored.columns if column.name == TIME)
    assert isinstance(grid, UniformGrid)
    events, density = np.diff(ends, prepend=0), float(np.log(grid.resolution))
    truth, survival = score_truth(PROCESSES[row][1], sequences)
    floor = np.array([each.sum() for each in truth])
    figures["nats"], figures["stderr"] = mean_with_error(nats + density * events, events)
    figures["floor"], figures["floor stderr"] = mean_with_error(floor, events)
    figures["above"], figures["above stderr"] = mean_with_error(nats + density * events - floor, events)
    figures["survival"] = float(survival.sum() / events.sum())
    return figures | {"marginal": scored.marginal_nats_per_event + density}


def mean_with_error(totals: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Return the mean per count and its standard error, from independent sequences (the ratio estimator's).

    Args:
        totals: Sum of each sequence, shape (sequences,).
        counts: What to divide by, events or frames of each, shape (sequences,).
    """
    mean = totals.sum() / counts.sum()
    spread = ((totals - mean * counts) ** 2).sum() * len(counts) / max(len(counts) - 1, 1)
    return float(mean), float(spread**0.5 / counts.sum())


def _line(job: Job, figures: Figures) -> str:
    beyond = f", {figures['above']:+.3f} above the floor" if "above" in figures else ""
    return f"{job.name}: {figures['nats']:.3f} nats{beyond}, {figures['seconds']:.0f} s"


def _path(folder: Path, row: str, seed: int) -> Path:
    return folder / f"{row}_{seed}.json"


def show(results: Sequence[dict[str, Any]], minutes: float, console: Console) -> None:
    """Print a table of the processes and one of the polyphonic sets, as far as there are results."""
    by_row: dict[str, list[dict[str, Any]]] = {}
    for each in results:
        by_row.setdefault(each["row"], []).append(each)
    if processes := {row: each for row, each in by_row.items() if row in PROCESSES}:
        console.print(f"\nPoint processes: nats per event of the test part, time as a density; {minutes:g} min each")
        table = _table("", "seeds", "marginal", "ours", "floor", "ours − floor", "survival")
        for row, several in processes.items():
            floor = _number(several[0]["floor"], several[0]["floor stderr"])
            above = _number(_mean(several, "above"), _mean(several, "above stderr"), sign="+")
            last = (f"{_mean(several, 'marginal'):.3f}", _ours(several), floor, above, f"{several[0]['survival']:.3f}")
            table.add_row(PROCESSES[row][0], str(len(several)), *last)
        console.print(table)
        console.print("Floor: what the same events cost by the formula of the process, without")
        console.print("survival, which is what that adds for nothing more to come up to the end of the")
        console.print("window. Figures in the literature (arXiv:2006.12631) hold survival and are of")
        console.print("other draws: the error of the floor says how far those differ.")
    if music := {row: each for row, each in by_row.items() if row in SETS}:
        console.print(f"\nPolyphonic music: nats per frame of the test part; {minutes:g} min each")
        table = _table("", "seeds", "marginal", "ours", "published")
        for row, several in music.items():
            others = "\n".join(f"{nats:.2f} {model} [{source}]" for nats, model, source in PUBLISHED.get(row, ()))
            last = (f"{_mean(several, 'marginal'):.2f}", _ours(several), others or "none known here")
            table.add_row(SETS[row][0], str(len(several)), *last)
        console.print(table)
        for source in sorted({source for row in music for _, _, source in PUBLISHED.get(row, ())}):
            console.print(f"[{source}] {SOURCES[source]}")
    console.print("\n± standard error over the sequences of the test part; of several seeds the mean")


def show_playing(folder: Path, console: Console) -> None:
    """Print nats per event of the performances of `make bench-playing` by kind, or which command measures them."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*_*_*.json"))]
    if not found:
        console.print(f"\nPerformances: no results in {folder}; make bench-playing measures them")
        return
    console.print("\nPerformances: nats per event of the last fifth, mean and standard error over results")
    table = _table("", "results", "ours", "marginal")
    for kind in dict.fromkeys(each["kind"] for each in found):
        chosen = [each for each in found if each["kind"] == kind]
        nats = np.array([each["nats"] for each in chosen])
        error = nats.std(ddof=1) / len(nats) ** 0.5 if len(nats) > 1 else float("nan")
        table.add_row(kind, str(len(nats)), _number(nats.mean(), error, digits=2), f"{_mean(chosen, 'marginal'):.2f}")
    console.print(table)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("", "published") else "right")
    return table


def _mean(several: Sequence[dict[str, Any]], name: str) -> float:
    return float(np.mean([each[name] for each in several]))


def _ours(several: Sequence[dict[str, Any]]) -> str:
    if "floor" in several[0]:
        return f"{_mean(several, 'nats'):.3f}"
    return _number(_mean(several, "nats"), _mean(several, "stderr"), digits=2)


def _number(value: float, error: float, digits: int = 3, sign: str = "") -> str:
    return f"{value:{sign}.{digits}f}" + ("" if np.isnan(error) else f" ± {error:.{digits}f}".replace("± 0.", "± ."))


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-field", description="Data of the field, floors and published figures.")
    parser.add_argument(
        "--rows", default="", help=f"some of {','.join([*PROCESSES, *SETS])}, or playing (all there is)"
    )
    parser.add_argument("--seeds", default="0", help="seeds of training, such as 0,1,2 (0)")
    parser.add_argument("--minutes", type=float, help=f"of training a row ({MINUTES:g})")
    parser.add_argument("--override", action="append", default=[], help="key=value of the config; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="rows at a time (as many as cores)")
    parser.add_argument("--output", default="default", help="name of the folder in outputs/field (default)")
    parser.add_argument("--quick", action="store_true", help=f"a minute each of {','.join(QUICK)}")
    folder = BESIDE / "polyphonic"
    parser.add_argument("--polyphonic", type=Path, default=folder, help="folder of the sets (beside the checkout)")
    parser.add_argument("--playing", default="default", help="which results of bench-playing to show (default)")
    chosen = parser.parse_args(words)
    chosen.named = [name for name in chosen.rows.split(",") if name]
    known = (*PROCESSES, *SETS, "playing")
    if unknown := [name for name in chosen.named if name not in known]:
        parser.error(f"--rows {unknown[0]}: expected some of {','.join(known)}")
    if not chosen.seeds.replace(",", "").isdigit() or chosen.jobs < 1:
        parser.error("--seeds and --jobs: expected whole numbers, jobs from 1")
    chosen.seeds = [int(seed) for seed in chosen.seeds.split(",")]
    chosen.minutes = chosen.minutes or (QUICK_MINUTES if chosen.quick else MINUTES)
    if not chosen.minutes > 0:
        parser.error(f"--minutes {chosen.minutes:g}: expected a number above 0")
    chosen.output = "quick" if chosen.quick and chosen.output == "default" else chosen.output
    chosen.rows = chosen.named or (QUICK if chosen.quick else known)
    return chosen


def main(words: list[str] | None = None) -> int:
    """Measure what the words ask for and has not been measured, and print the tables of all of it."""
    chosen, console = _parse(words), Console(highlight=False, markup=False)
    settings, folder = Settings(chosen.minutes, tuple(chosen.override)), OUTPUTS / "field" / chosen.output
    files = {row: find_set(chosen.polyphonic, row) for row in chosen.rows if row in SETS}
    absent = [row for row, paths in files.items() if not all(path.is_file() for path in paths)]
    if wrong := [row for row in absent if row in chosen.named]:
        print(f"bench-field: {files[wrong[0]][0]}: not there with its split; see docs/why/field.md", file=sys.stderr)
        return 1
    if absent:
        console.print(f"Not there, and left out: {', '.join(SETS[row][0] for row in absent)}")
    known = folder / "settings.json"
    if known.is_file() and json.loads(known.read_text(encoding="utf-8")) != settings.to_json():
        print(f"bench-field: {folder} has results of other settings; name another --output", file=sys.stderr)
        return 1
    rows = [row for row in chosen.rows if row != "playing" and row not in absent]
    pairs = [(row, seed) for seed in chosen.seeds for row in rows]
    whole = True
    if pairs:
        data = OUTPUTS / "field" / "data"
        for path in (folder, data):
            path.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(settings.to_json()) + "\n", encoding="utf-8")
        simulated = dict.fromkeys(
            row for row, seed in pairs if row in PROCESSES and not _path(folder, row, seed).is_file()
        )
        files |= {row: write_process(PROCESSES[row][1], data / f"{row}.json") for row in simulated}
        console.print(
            f"{count(len(pairs), 'result')}, {chosen.minutes:g} min of training each, {chosen.jobs} at a time"
        )
        jobs = [
            Job(_path(folder, row, seed), f"{row}, seed {seed}", (row, seed, settings, *files.get(row, ())))
            for row, seed in pairs
        ]
        whole = run(measure, jobs, _line, chosen.jobs, console)
        if paths := [job.path for job in jobs if job.path.is_file()]:
            show([json.loads(path.read_text(encoding="utf-8")) for path in paths], chosen.minutes, console)
    if "playing" in chosen.rows:
        show_playing(OUTPUTS / "playing" / chosen.playing, console)
    if pairs:
        console.print(f"→ {folder}")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
