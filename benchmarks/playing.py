"""How models play what they learned: forty performances of four kinds, trained by the default command, then let play.

    make bench-playing                                       all forty: about forty minutes on two idle cores
    make bench-playing ARGS=--quick                          two of each kind, fewer takes: about five minutes
    make bench-playing ARGS="--kinds piano,drums --seeds 0,1"
    make bench-playing ARGS="--pieces d_dm16 --override augment=none --output plain"

The performances stand in playing.txt. Each is cut in two in time: models learn from the first four fifths, which they
are then compared with, and predict the rest. Takes of 500 events are played at three temperatures, from nothing and
after the first 64 events of the piece. Every result is a file in outputs/playing/NAME, so that a run that was stopped
goes on where it was. Training is limited by time; to compare two settings on a busy machine, limit it by steps:
--override trainer.max_steps=1500.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.resumable import Figures, Job, run
from benchmarks.tasks import BESIDE
from hachimachi import compose, evaluate, io, train
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.descriptors import AIMS, RATIOS
from hachimachi.evaluation.playing import (
    TEMPERATURES,
    Condition,
    cut_primers,
    evaluate_playing,
    list_conditions,
    play,
)
from hachimachi.events import EventSequence

LIST = Path(__file__).with_suffix(".txt")
FOLDER = Path(__file__).resolve().parents[1] / "outputs" / "playing"
LEARNED = 0.8
"""Share of a performance that is learned from."""
TAKES, EVENTS = 10, 500
QUICK = {"pieces": 2, "takes": 4, "minutes": 0.5}
"""Pieces of a kind, takes and minutes of training under --quick."""
CONDITIONS = [str(Condition(temperature, primed)) for primed in (False, True) for temperature in TEMPERATURES]
"""How takes are played, as results name it."""


@dataclass(frozen=True)
class Piece:
    """A performance: its kind, its file in the folder of corpora, and the rows of it that are taken, all by default."""

    kind: str
    file: str
    rows: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Name of the file, with the first row of a stretch."""
        return Path(self.file).stem + (f"@{self.rows[0]}" if self.rows else "")


def list_pieces(path: Path = LIST) -> list[Piece]:
    """Read the list: kind, file and perhaps first and last row, one performance a line; # begins a comment."""
    words = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")]
    return [Piece(kind, file, (int(rows[0]), int(rows[1])) if rows else None) for kind, file, *rows in words]


@dataclass(frozen=True)
class Settings:
    """What results depend on besides piece and seed; those of other settings are never mixed."""

    takes: int
    minutes: float | None
    overrides: tuple[str, ...]

    @property
    def init(self) -> bool:
        """Whether they say what training begins with; else it is nothing."""
        return any(word.startswith("init=") for word in self.overrides)

    def config(self, data: Path, model: Path, seed: int) -> list[str]:
        """Return the overrides of a run."""
        limit = [f"trainer.max_minutes={self.minutes}"] if self.minutes else []
        quiet = ["callbacks=quiet", "logger=none", *([] if self.init else ["init=none"])]
        return [f"dataset.path={data}", f"output={model}", f"seed={seed}", *quiet, *limit, *self.overrides]

    def to_json(self) -> dict[str, Any]:
        """Return them as they stand beside results."""
        return {"takes": self.takes, "minutes": self.minutes, "overrides": list(self.overrides)}


def measure(piece: Piece, seed: int, settings: Settings, data: Path) -> dict[str, Any]:
    """Train a model on a piece, score it on the rest, and let it play.

    Raises:
        HachimachiError: The piece cannot be read or learned from, or training was stopped.
    """
    (whole,) = io.read(data / piece.file)
    whole = whole[slice(*piece.rows) if piece.rows else slice(None)].from_zero()
    place = int(LEARNED * len(whole))
    return {"piece": piece.name, "kind": piece.kind} | measure_halves(whole[:place], whole[place:], seed, settings)


def measure_halves(source: EventSequence, rest: EventSequence, seed: int, settings: Settings) -> dict[str, Any]:
    """Train a model on what is learned from, score it on the rest, and let it play; raises as :func:`measure`."""
    with tempfile.TemporaryDirectory(prefix="hachimachi-bench-") as temporary:
        folder, began = Path(temporary), time.perf_counter()
        io.write(folder / "data.json", source)
        run = train(compose(settings.config(folder / "data.json", folder / "model.pt", seed)), folder / "run")
        if run.interrupted:
            raise HachimachiError(f"stopped by {run.interrupted}")
        model, seconds = run.model, time.perf_counter() - began
    scored, primers = evaluate(model, rest), cut_primers([source])
    takes = {
        condition: list(play(model, settings.takes, EVENTS, sampling, primers if condition.primed else ()))
        for condition, sampling in list_conditions(primers).items()
    }
    report = evaluate_playing(model, [rest], takes, [source])
    figures = {
        "seed": seed,
        "events": len(source),
        "scored": len(scored.nll),
        "nats": scored.nats_per_event,
        "marginal": scored.marginal_nats_per_event,
        "stderr": scored.stderr,
        "steps": model.summary["steps"],
        "init": model.summary.get("init", {}).get("name", "none"),
        "seconds": seconds,
        "source": {each.name: each.real for each in report.descriptors} | {"collapsed": 0.0},
        "playing": {},
    }
    for condition, played in report.conditions.items():
        values = {each.name: each.generated for each in played.descriptors}
        values["collapsed"] = played.collapsed / settings.takes
        values["likeness"] = played.worst.ratio if played.worst else math.nan
        if played.copying:
            values["copied"], figures["source"]["copied"] = played.copying.generated.share, played.copying.real.share
        figures["playing"][str(condition)] = values
    return _finite(figures)


def _finite(figures: Any) -> Any:
    """Return figures as JSON can hold them: what is not finite becomes null."""
    if isinstance(figures, dict):
        return {key: _finite(value) for key, value in figures.items()}
    return None if isinstance(figures, float) and not math.isfinite(figures) else figures


def _job(folder: Path, piece: Piece, seed: int, settings: Settings, data: Path) -> Job:
    path = folder / f"{piece.kind}_{piece.name}_{seed}.json"
    return Job(path, f"{piece.name}, seed {seed}", (piece, seed, settings, data))


def _line(job: Job, figures: Figures) -> str:
    gain = figures["marginal"] - figures["nats"]
    found = f"{figures['nats']:.2f} nats, {gain:.2f} below the marginal, {figures['seconds']:.0f} s"
    return f"{figures['kind']}  {job.name}: {found}"


PERCENT = ("silence", "repetition", "unisons", "jumps", "copied", "collapsed")
DIGITS = {"velocity": 0, "likeness": 1}
ORDER = ("key", "density", "silence", "polyphony", "velocity", "repetition", "unisons", "range", "jumps", "likeness")
"""Figures that are shown, from the top, and then what is copied and collapses."""


@dataclass(frozen=True)
class Line:
    """One figure of a kind under one condition, over pieces and seeds.

    Args:
        mean: Mean of the takes; of ratios and ranges as a multiple of the source's.
        stderr: Standard error of the mean gap to the source; NaN for a single result.
        source: Mean of the source.
        beyond: Whether the mean gap is beyond what is aimed at.
        worst: Name of the piece with the largest gap.
        most: That gap.
    """

    mean: float
    stderr: float
    source: float
    beyond: bool
    worst: str
    most: float


def summarize(results: Sequence[dict[str, Any]]) -> dict[str, dict[str, Line]]:
    """Return each figure of one kind by its name and condition; what no piece has is left out."""
    table: dict[str, dict[str, Line]] = {}
    for name in (*ORDER, "copied", "collapsed"):
        source = np.array([_value(each["source"], name) for each in results])
        for condition in CONDITIONS:
            made = np.array([_value(each["playing"][condition], name) for each in results])
            shown = made / source if name in RATIOS else made
            gaps = shown - 1 if name in (*RATIOS, "range") else made - (0 if name == "likeness" else source)
            there = np.flatnonzero(np.isfinite(gaps))
            if not len(there):
                continue
            low, high = AIMS.get(name, (-np.inf, np.inf))
            mean, worst = gaps[there].mean(), there[np.abs(gaps[there]).argmax()]
            table.setdefault(name, {})[condition] = Line(
                float(shown[there].mean()),
                float(gaps[there].std(ddof=1) / len(there) ** 0.5) if len(there) > 1 else math.nan,
                float(np.mean(source[there])),
                not low <= mean <= high,
                results[worst]["piece"],
                float(gaps[worst]),
            )
    return table


def _value(figures: dict[str, float | None], name: str) -> float:
    """Return a figure, NaN where there is none; the range is that of all features, on average."""
    found = [value for key, value in figures.items() if key == name or (name == "range" and key.startswith("range "))]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else math.nan


def show(results: Sequence[dict[str, Any]], console: Console) -> None:
    """Print a table for each kind."""
    for kind in dict.fromkeys(each["kind"] for each in results):
        chosen = [each for each in results if each["kind"] == kind]
        nats, marginal = (np.array([each[name] for each in chosen], dtype=float) for name in ("nats", "marginal"))
        gain = marginal - nats
        least = _short(chosen[int(gain.argmin())]["piece"])
        console.print(f"\n{kind}: {len(chosen)} results, nats {with_error(nats)}, gain over the marginal")
        console.print(f"{with_error(gain)}, least {gain.min():.2f} ({least})")
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for place, heading in enumerate(("", "source", *(name.replace(", ", "\n") for name in CONDITIONS))):
            table.add_column(heading, justify="right" if place else "left", no_wrap=True)
        lines = summarize(chosen)
        for name, by_condition in lines.items():
            times, unit = 100 if name in PERCENT else 1, " %" if name in PERCENT else " ×" * (name in RATIOS)
            digits = DIGITS.get(name, 0 if name in PERCENT else 2)
            cells = [_cell(by_condition.get(condition), times, digits) for condition in CONDITIONS]
            source = next(iter(by_condition.values())).source * times
            table.add_row(name + unit, "" if math.isnan(source) else f"{source:.{digits}f}", *cells)
        console.print(table)
        for name in AIMS:
            if name in lines:
                condition, line = max(lines[name].items(), key=lambda pair: abs(pair[1].most))
                console.print(f"worst {name}: {line.most:+.2f} at {condition}: {_short(line.worst)}")
    console.print("\n× as a multiple of the source's; ! beyond the aim: key 0.1 below the source's,")
    console.print("density a fifth, silence ten points, notes at once (polyphony) and range a")
    console.print("quarter, jumps one point")


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:24]}…{name[-15:]}"


def _cell(line: Line | None, times: int, digits: int) -> str:
    if line is None:
        return ""
    error = line.stderr * times
    digits = 0 if error >= 10 else min(digits, 1) if error >= 1 else digits
    told = "" if math.isnan(error) else f"±{error:.{digits}f}".replace("±0.", "±.")
    return f"{line.mean * times:.{digits}f}{told}{'!' if line.beyond else ' '}"


def with_error(values: np.ndarray) -> str:
    """Return a mean, with its standard error where there are several values."""
    error = f" ± {values.std(ddof=1) / len(values) ** 0.5:.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{error}"


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-playing", description="How models play what they learned.")
    parser.add_argument("data", nargs="?", type=Path, default=BESIDE, help="folder of corpora (beside the checkout)")
    kinds = list(dict.fromkeys(piece.kind for piece in list_pieces()))
    parser.add_argument("--kinds", default=",".join(kinds), help=f"some of {','.join(kinds)} (all)")
    parser.add_argument("--pieces", default="", help="some pieces, by names or the beginnings of them (all)")
    parser.add_argument("--seeds", default="0", help="seeds (0)")
    parser.add_argument("--takes", type=int, default=TAKES, help=f"takes under each condition ({TAKES})")
    parser.add_argument("--minutes", type=float, help="of training, at most (what the default command takes)")
    parser.add_argument("--override", action="append", default=[], help="key=value of the config; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="pieces at a time (as many as cores)")
    parser.add_argument("--output", default="default", help="name of the folder in outputs/playing (default)")
    parser.add_argument("--quick", action="store_true", help="two pieces of each kind, fewer takes, half a minute each")
    chosen = parser.parse_args(words)
    if chosen.quick:
        chosen.takes, chosen.minutes = QUICK["takes"], chosen.minutes or QUICK["minutes"]
        chosen.output = "quick" if chosen.output == "default" else chosen.output
    chosen.kinds, names = chosen.kinds.split(","), [name for name in chosen.pieces.split(",") if name]
    if unknown := [kind for kind in chosen.kinds if kind not in kinds]:
        parser.error(f"--kinds {unknown[0]}: expected some of {','.join(kinds)}")
    if not chosen.seeds.replace(",", "").isdigit() or min(chosen.takes, chosen.jobs) < 1:
        parser.error("--seeds, --takes and --jobs: expected whole numbers, takes and jobs from 1")
    chosen.seeds = [int(seed) for seed in chosen.seeds.split(",")]
    chosen.pieces = [piece for kind in chosen.kinds for piece in _choose(kind, names, chosen.quick)]
    if not chosen.pieces:
        parser.error(f"--pieces {','.join(names)}: none of the list begins so; see {LIST.name}")
    return chosen


def _choose(kind: str, names: Sequence[str], quick: bool) -> list[Piece]:
    pieces = [piece for piece in list_pieces() if piece.kind == kind]
    if names:
        return [piece for piece in pieces if piece.name.startswith(tuple(names))]
    return pieces[: QUICK["pieces"]] if quick else pieces


def main(words: list[str] | None = None) -> int:
    """Measure what the words ask for and has not been measured, and print the tables of all of it."""
    chosen, console = _parse(words), Console(highlight=False, markup=False)
    settings = Settings(chosen.takes, chosen.minutes, tuple(chosen.override))
    folder, pairs = FOLDER / chosen.output, [(piece, seed) for seed in chosen.seeds for piece in chosen.pieces]
    known = folder / "settings.json"
    if absent := [piece.file for piece, _ in pairs if not (chosen.data / piece.file).is_file()]:
        where = f"{chosen.data / absent[0]}: not there"
        print(
            f"bench-playing: {where}; expected the corpora beside the checkout, or name their folder", file=sys.stderr
        )
        return 1
    if known.is_file() and json.loads(known.read_text(encoding="utf-8")) != settings.to_json():
        print(f"bench-playing: {folder} has results of other settings; name another --output", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    known.write_text(json.dumps(settings.to_json()) + "\n", encoding="utf-8")
    jobs = [_job(folder, *pair, settings, chosen.data) for pair in pairs]
    whole = run(measure, jobs, _line, chosen.jobs, console)
    if paths := [job.path for job in jobs if job.path.is_file()]:
        show([json.loads(path.read_text(encoding="utf-8")) for path in paths], console)
        console.print(f"→ {folder}")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
