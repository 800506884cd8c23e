"""How well models predict: the default command beside baselines, the classic head and every backbone.

    make bench-model                                      five performances, three seeds: about an hour and a half
    make bench-model ARGS="--tasks piano --seeds 1"       one performance, one seed: about five minutes
    make bench-model ARGS="--corpora --parts default"     four collections, up to a quarter of an hour each and seed

Each figure is the median over seeds of held-out nats per event, the fewer the better, of a model that `hxmx train`
trained from the shell with no option but its part and seed, judged by `hxmx eval`; with the median of its seconds, from
the shell's prompt to the shell's prompt.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.first_order import score_baselines
from benchmarks.report import Row, Score, show, write_markdown
from benchmarks.tasks import BESIDE, Task, find_tasks
from hachimachi.errors import HachimachiError
from hachimachi.training.config.groups import find_conf, list_defaults, list_options

FOLDER = Path(__file__).resolve().parents[1] / "outputs" / "bench"


def list_parts() -> dict[str, list[str]]:
    """Return what is compared: a name, and the overrides that choose it."""
    taken = {group.name: group.value for group in list_defaults()}
    options = list_options(find_conf())
    heads = {name: [f"head={name}"] for name in options["head"] if name != taken["head"]}
    backbones = {name: [f"model={name}"] for name in options["model"] if name != taken["model"]}
    return heads | {"default": []} | backbones


def measure(task: Task, words: list[str], seed: int, folder: Path) -> Score:
    """Train and judge one model.

    Raises:
        HachimachiError: What `hxmx` said when it failed.
    """
    model = folder / "model.pt"
    began = time.perf_counter()
    _hxmx("train", str(task.train), str(model), *task.train_words(), f"seed={seed}", "init=none", *words, cwd=folder)
    seconds = time.perf_counter() - began
    figures = json.loads(_hxmx("eval", str(model), str(task.test), *task.eval_words(), "--json", cwd=folder))
    return Score(figures["nats_per_event"], seconds)


def compare(tasks: list[Task], parts: dict[str, list[str]], seeds: int, console: Console) -> list[Row]:
    """Measure everything, saying how it goes; Ctrl-C leaves what there is."""
    rows: list[Row] = []
    try:
        for task in tasks:
            baselines = score_baselines(*task.read())
            rows.append(Row(task.name, baselines.events, baselines.marginal, baselines.first_order))
            for name, words in parts.items():
                scores = [_try(task, name, words, seed, console) for seed in range(seeds)]
                there = [score for score in scores if score]
                if there:
                    rows[-1].scores[name] = Score(
                        statistics.median(score.nats for score in there),
                        statistics.median(score.seconds for score in there),
                    )
    except KeyboardInterrupt:
        console.print("Stopped by Ctrl-C; this is what there is")
    return rows


def _try(task: Task, name: str, words: list[str], seed: int, console: Console) -> Score | None:
    with tempfile.TemporaryDirectory(prefix="hachimachi-bench-") as folder:
        try:
            with console.status(f"{task.name}: {name}, seed {seed}"):
                score = measure(task, words, seed, Path(folder))
        except HachimachiError as error:
            console.print(f"{task.name}: {name}, seed {seed}: failed: {error}")
            return None
    console.print(f"{task.name}: {name}, seed {seed}: {score.nats:.2f} nats per event, {score.seconds:.0f} s")
    return score


def _hxmx(*words: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hachimachi.cli", *words], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise HachimachiError(f"hxmx {words[0]}: {done.stderr.strip() or done.stdout.strip() or 'no word of why'}")
    return done.stdout


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-model", description="How well models predict.")
    parser.add_argument("data", nargs="?", type=Path, default=BESIDE, help="folder of corpora (beside the checkout)")
    parser.add_argument("--tasks", default="", help="piano,drums,… (all of single)")
    parser.add_argument("--corpora", action="store_true", help="the collections in place of the performances")
    parser.add_argument("--part", choices=["valid", "test"], default="test", help="of a collection (test)")
    parser.add_argument("--parts", default="", help=f"some of {','.join(list_parts())} (all)")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 (3)")
    chosen = parser.parse_args(words)
    chosen.tasks, chosen.parts = (_list(text) for text in (chosen.tasks, chosen.parts))
    for name in chosen.parts:
        if name not in list_parts():
            parser.error(f"--parts {name}: expected some of {','.join(list_parts())}")
    if chosen.seeds < 1:
        parser.error(f"--seeds {chosen.seeds}: expected a whole number from 1")
    return chosen


def _list(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def main(words: list[str] | None = None) -> int:
    """Measure what the words ask for, print the table, and write it to outputs/bench/."""
    chosen, console = _parse(words), Console(highlight=False, markup=False)
    try:
        tasks = find_tasks(chosen.data, chosen.tasks, chosen.corpora, chosen.part)
    except HachimachiError as error:
        print(f"bench-model: {error}", file=sys.stderr)
        return 1
    parts = {name: words for name, words in list_parts().items() if not chosen.parts or name in chosen.parts}
    rows = compare(tasks, parts, chosen.seeds, console)
    show(rows, list(parts), console)
    path = write_markdown(rows, list(parts), chosen.seeds, FOLDER)
    console.print(f"→ {path}")
    whole = len(rows) == len(tasks) and all(len(row.scores) == len(parts) for row in rows)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
