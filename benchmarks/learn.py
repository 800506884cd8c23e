"""Learning on stage: what it is worth to what is played next, and what it costs what plays.

    make bench-learn                        ten performances twice, and the stage: an hour on two idle cores
    make bench-learn ARGS=--quick           two performances, and the stage once: about ten minutes
    make bench-learn ARGS="--parts stage"   the stage alone

Worth: of a performance the first half is learned as `/learn` does, by a base model and by a model of one's own, which
knows another piece. All are scored on the second half, after they have heard the first: as they were, after learning,
and beside them a model that has learned from the first half alone, by the default command from scratch.

Stage: `hxmx run` hears 500 notes, is asked to learn them and goes on alone meanwhile; it tells how late it was. Other
programs that run meanwhile are in the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.live_probe import Probe
from benchmarks.playing import with_error
from benchmarks.resumable import Figures, Job, run
from benchmarks.tasks import BESIDE
from hachimachi import compose, evaluate, io, load_model, train
from hachimachi.bases import find_base
from hachimachi.events import EventSequence
from hachimachi.io.split import read_split
from hachimachi.live.osc import Message, parse
from hachimachi.models.event_model import EventModel
from hachimachi.training.continual import learn

FOLDER = Path(__file__).resolve().parents[1] / "outputs" / "learn"
BASES = {"giantmidi_part": "piano", "groove_dev": "drums"}
"""Corpora, and the base model of each."""
EACH = 5
HALF = 500
"""Notes that are learned from, and that it is scored on."""
SPACING = 0.02
"""Seconds between the notes that are played on stage."""
WAYS = ("base", "own")
PATIENCE = 300.0
"""Seconds after which the stage is given up."""


def list_performances(data: Path, corpus: str, count: int) -> list[tuple[str, EventSequence, EventSequence]]:
    """Return performances that are long enough, each with the one after it, which a model of one's own knows."""
    found: list[tuple[str, EventSequence]] = []
    for name in sorted(read_split(data / corpus / "split.json").parts["test"]):
        (piece,) = io.read(data / corpus / "midi" / name)
        if len(piece) >= 2 * HALF:
            found.append((name, piece))
        if len(found) > count:
            break
    return [(name, piece, found[i + 1][1]) for i, (name, piece) in enumerate(found[:-1])]


def measure(corpus: str, place: int, way: str, overrides: tuple[str, ...], data: Path, folder: Path) -> Figures:
    """Learn from the first half of a performance, and score the second; ``alone`` trains on that half from scratch."""
    name, piece, other = list_performances(data, corpus, place + 1)[place]
    piece, work = piece[: 2 * HALF].from_zero(), folder / f"{corpus}_{place}_{way}"
    work.mkdir(parents=True, exist_ok=True)
    quiet = ("callbacks=quiet", "logger=none", "trainer.threads=1")

    def score(model: EventModel) -> float:
        return float(evaluate(model, [piece]).nll[HALF - 1 :].sum(1).mean())

    def learn_alone(source: EventSequence, init: str) -> Path:
        io.write(work / "data.json", source)
        words = (f"dataset.path={work / 'data.json'}", f"output={work / 'began.pt'}", f"init={init}", *quiet)
        return train(compose(words), work / "train").path

    figures: dict[str, Any] = {"performance": name, "corpus": corpus, "way": way}
    if way == "alone":
        return figures | {"after": score(load_model(learn_alone(piece[:HALF], "none")))}
    began = learn_alone(other[: 4 * HALF], "auto") if way == "own" else find_base(BASES[corpus])
    assert began is not None
    output, clock = work / "work" / "version1.pt", time.perf_counter()
    outcome = learn([piece[:HALF]], began, began, output, work / "work", overrides=overrides)
    seconds, before = time.perf_counter() - clock, score(load_model(began))
    after = score(load_model(output)) if outcome.better else before
    told = {key: getattr(outcome, key) for key in ("new", "old", "known_new", "known_old", "own", "better")}
    return figures | {"before": before, "after": after, "seconds": seconds, **told}


def measure_stage(data: Path, folder: Path, realtime: bool) -> Figures:
    """Let `hxmx run` learn 500 notes while it plays alone; return how long it took and how late it was, in ms."""
    ports = ("--in-port", "IN", "--out-port", "OUT", "--mode", "loop", "--seed", "1")
    words = ("-m", "hachimachi.cli", "run", "drums", *ports, *(["--realtime"] if realtime else []))
    _, piece, _ = list_performances(data, "groove_dev", 1)[0]
    phases: dict[str, float] = {}  # when each began, in seconds after it was asked
    late: list[tuple[float, ...]] = []  # in ms, when it was judged and after the exchange: p50, p99, most
    with Probe(*words, folder=folder) as probe:
        for row in piece.data[:HALF]:
            probe.send("/input", *row.tolist())
            time.sleep(SPACING)
        probe.send("/start")
        probe.drain(0.1)
        asked = time.perf_counter()
        probe.send("/learn")
        while probe.process.poll() is None and time.perf_counter() - asked < PATIENCE:
            packet = probe.receive(0.1)
            for message in parse(packet, 0.0, 0.0) if packet else ():
                if not (isinstance(message, Message) and message.route == "/status"):
                    continue
                key, *values = map(str, message.values)
                if key == "late":
                    late.append(tuple(map(float, values)))
                elif key in ("learn", "model") or (key, values[0]) == ("error", "learn"):
                    phase = values[0] if key == "learn" else "exchanged" if key == "model" else message.values[2]
                    if str(phase) not in phases and not (key == "model" and "better" not in phases):
                        phases[str(phase)] = time.perf_counter() - asked
                        if phase == "better":
                            probe.send("/status")
            if {"exchanged", "no better"} & phases.keys() and len(late) > ("better" in phases) - 1:
                break
        told: dict[str, tuple[object, ...]] = {}
        while "late" not in told:  # the end of an earlier answer may be on its way
            told = probe.status()
        late.append(tuple(float(str(each)) for each in told["late"]))
        rest = probe.count("heard"), probe.count("played")
    return {"phases": phases, "late": late, "heard": rest[0], "played": rest[1], "realtime": realtime}


def show(results: Sequence[Figures], console: Console) -> None:
    """Print what learning was worth: means over performances, with standard errors of the differences."""
    table = Table("", "n", "before", "after", "better by", "taken", "knew", "then", "alone", "s", box=None)
    alone = {each["performance"]: each["after"] for each in results if each["way"] == "alone"}
    for corpus in BASES:
        for way in WAYS:
            rows = [each for each in results if (each["corpus"], each["way"]) == (corpus, way)]
            if not rows:
                continue
            gains = np.array([each["before"] - each["after"] for each in rows])
            means = [
                np.mean([each[key] for each in rows])
                for key in ("before", "after", "known_old", "known_new", "seconds")
            ]
            trained = [alone[each["performance"]] for each in rows if each["performance"] in alone]
            table.add_row(
                *(f"{corpus}, {way}", str(len(rows)), f"{means[0]:.2f}", f"{means[1]:.2f}", with_error(gains)),
                *(f"{sum(each['better'] for each in rows)} of {len(rows)}", f"{means[2]:.2f}", f"{means[3]:.2f}"),
                *(f"{np.mean(trained):.2f}" if trained else "–", f"{means[4]:.0f}"),
            )
    console.print(table)


def show_stage(figures: Figures, console: Console) -> None:
    """Print how long learning on stage took, and how late what was played meanwhile was."""
    console.print("with --realtime" if figures["realtime"] else "as it is started without options")
    console.print(", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in figures["phases"].items()))
    for when, late in zip(
        ("until it was judged", "after the exchange")[-len(figures["late"]) :], figures["late"], strict=False
    ):
        console.print("late p50 {:.2f}, p99 {:.2f}, most {:.2f} ms ".format(*late) + when)
    console.print(f"heard {figures['heard']}, played {figures['played']}")


def main(words: Sequence[str] | None = None) -> int:
    """Measure what the words ask for and has not been measured, and print all of it."""
    parser = argparse.ArgumentParser(prog="bench-learn", description="Learning on stage.")
    parser.add_argument("data", nargs="?", type=Path, default=BESIDE, help="folder of corpora (beside the checkout)")
    parser.add_argument("--parts", default="worth,stage", help="some of worth,stage (both)")
    parser.add_argument("--corpora", default=",".join(BASES), help="some of them (all)")
    parser.add_argument("--override", action="append", default=[], help="key=value of the config of learning")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="performances at a time (as many as cores)"
    )
    parser.add_argument("--output", default="default", help="name of the folder in outputs/learn (default)")
    parser.add_argument("--quick", action="store_true", help="one performance of each corpus, and the stage once")
    chosen, console = parser.parse_args(words), Console(highlight=False, markup=False)
    corpora, folder, whole = chosen.corpora.split(","), FOLDER / chosen.output, True
    if absent := [corpus for corpus in corpora if not (chosen.data / corpus).is_dir()]:
        print(f"bench-learn: {chosen.data / absent[0]}: not there; expected the corpora beside the checkout")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    if "worth" in chosen.parts:
        jobs = [
            Job(
                folder / f"{corpus}_{place}_{way}.json",
                f"{corpus} {place}, {way}",
                (corpus, place, way, overrides, *where),
            )
            for overrides, where in [(tuple(chosen.override), (chosen.data, folder))]
            for corpus in corpora
            for place in range(1 if chosen.quick else EACH)
            for way in (*WAYS, "alone")
        ]
        whole = run(measure, jobs, lambda job, figures: f"{job.name}: {figures['after']:.2f}", chosen.jobs, console)
        show([json.loads(job.path.read_text(encoding="utf-8")) for job in jobs if job.path.is_file()], console)
    for realtime in (False, True)[: 1 if chosen.quick else 2] if "stage" in chosen.parts else ():
        console.print()
        show_stage(measure_stage(chosen.data, folder, realtime), console)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
