"""What each part of the training recipe is worth: the default command beside the same with one thing changed.

    make bench-recipe                                              ten performances, one seed: about two hours
    make bench-recipe ARGS="--pieces menu,drums --changes plain"   two performances, one change: about five minutes

The performances are others than those that models are judged on: choosing by these leaves those unheard. Each is cut in
two in time; models learn from the first four fifths. What came out last stands in recipe.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.model import FOLDER, compare
from benchmarks.report import show, write_markdown
from benchmarks.tasks import BESIDE, Task
from hachimachi import io
from hachimachi.errors import HachimachiError

PIECES = {
    "butterfly": "piano_midi_de_small/midi/Grieg__grieg_butterfly.mid",
    "se1": "piano_midi_de_small/midi/Albeniz__alb_se1.mid",
    "menu": "piano_midi_de_small/midi/Debussy__deb_menu.mid",
    "esp2": "piano_midi_de_small/midi/Albeniz__alb_esp2.mid",
    "jazz": "groove_dev/midi/drummer1__session1__49_jazz_125_beat_4-4.mid",
    "funk": "groove_dev/midi/drummer1__session1__5_jazz-funk_116_beat_4-4.mid",
    "dm14": "freedoom_small/midi/d_dm14.mid",
    "dm25": "freedoom_small/midi/d_dm25.mid",
    "knobs": "control_impsy4d_small/csv/impsy4d_22.csv",
    "hands": "control_impsy4d_small/csv/impsy4d_34.csv",
}
"""Performances from the training parts of four corpora."""
CHANGES = {
    "default": [],
    "plain": ["augment=none"],
    "half": ["augment.share=0.5"],
    "no average": ["optimizer.average=0"],
    "slow": ["optimizer.lr=1.5e-3"],
    "dropout .2": ["model.dropout=0.2"],
    "one order": ["head.any_order=0"],
    "192": ["model.size=192"],
}
"""What is changed, by the name of its column."""
LEARNED = 0.8
"""Share of a performance that is learned from."""


def cut(data: Path, names: list[str], folder: Path) -> list[Task]:
    """Cut performances in two, as tasks whose files lie in a folder."""
    tasks = []
    for name in names:
        (piece,) = io.read(data / PIECES[name])
        place = int(LEARNED * len(piece))
        tasks.append(Task(name, folder / f"{name}_train.json", folder / f"{name}_test.json"))
        io.write(tasks[-1].train, piece[:place])
        io.write(tasks[-1].test, piece[place:])
    return tasks


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-recipe", description="What each part of the recipe is worth.")
    parser.add_argument("data", nargs="?", type=Path, default=BESIDE, help="folder of corpora (beside the checkout)")
    parser.add_argument("--pieces", default=",".join(PIECES), help=f"some of {','.join(PIECES)} (all)")
    parser.add_argument("--changes", default=",".join(CHANGES), help=f"some of {','.join(CHANGES)} (all)")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0 (1)")
    chosen = parser.parse_args(words)
    for option, known in (("pieces", PIECES), ("changes", CHANGES)):
        names = [name for name in getattr(chosen, option).split(",") if name]
        setattr(chosen, option, names)
        for name in names:
            if name not in known:
                parser.error(f"--{option} {name}: expected some of {','.join(known)}")
    return chosen


def main(words: list[str] | None = None) -> int:
    """Measure what the words ask for, print the table, and write it to outputs/bench/."""
    chosen, console = _parse(words), Console(highlight=False, markup=False)
    changes = {name: CHANGES[name] for name in ("default", *chosen.changes)}
    with tempfile.TemporaryDirectory(prefix="hachimachi-bench-") as folder:
        try:
            tasks = cut(chosen.data, chosen.pieces, Path(folder))
        except HachimachiError as error:
            print(f"bench-recipe: {error}", file=sys.stderr)
            return 1
        rows = compare(tasks, changes, chosen.seeds, console)
    show(rows, list(changes), console)
    console.print(f"→ {write_markdown(rows, list(changes), chosen.seeds, FOLDER, 'recipe')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
