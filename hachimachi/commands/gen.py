"""`hxmx gen`: generate events from a model into a file."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.bases import began_with
from hachimachi.commands.options import FiniteRange, PathLike, check_apart, plugin_option, sampling_options
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.events import EventSequence
    from hachimachi.player.engine import Player
    from hachimachi.sampling import Sampling


@click.command("gen")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("output")
@click.option("-n", "--events", type=click.IntRange(1), help="How many events.  [default: 1000]")
@click.option("--seconds", type=FiniteRange(0, min_open=True), help="How long, instead or as well.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Another seed, another take."
)
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="How many takes.")
@click.option("--primer", type=click.Path(path_type=Path), help="A file that the model hears first.")
@click.option("--primer-events", type=click.IntRange(1), help="Only its first events.")
@click.option("--primer-seconds", type=FiniteRange(0), help="Only its first seconds.")
@click.option("--with-primer", is_flag=True, help="Write the primer too, before what is generated.")
@sampling_options
@plugin_option
def command(model: Path, output: str, count: int, primer: Path | None, sampling: Sampling, **options: Any) -> None:
    """Generate events from MODEL into OUTPUT.

    OUTPUT is what hxmx format writes: .csv, .json, .arrow, .mid or .wav for notes, or a folder. The same seed gives
    the same file. Several takes have the seeds that follow; .json, .arrow and folders hold them all, others are
    numbered: take-01.mid.

    \b
    hxmx gen model.pt output.csv
    hxmx gen model.pt output.mid --seconds 60 --seed 7 --temperature 0.9
    hxmx gen model.pt output.wav --primer opening.mid --with-primer
    hxmx gen model.pt takes.json --count 20 --temperature pitch=0.8,time=1.1
    hxmx gen model.pt output.mid --scale pitch="A minor" --range velocity=40:110
    hxmx gen model.pt output.mid --only instrument=0,32,128 --polyphony 4

    What is asked of a feature shapes what the model chooses, and the other features follow: such features are drawn
    first. Options by NAME may be repeated.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a step is too small to share with another core
    from hachimachi.io.files import check_output

    check_output(output)
    outputs = numbered(output, count)
    check_apart(outputs, [model, primer])
    seconds, seed, with_primer = options["seconds"], options["seed"], options["with_primer"]
    most, within = options["primer_events"], options["primer_seconds"]
    of_primer = {"--with-primer": with_primer or None, "--primer-events": most, "--primer-seconds": within}
    if primer is None and (given := [option for option, value in of_primer.items() if value is not None]):
        raise click.UsageError(f"{given[0]} needs --primer FILE")
    if seconds and Path(output).suffix.lower() == ".wav":
        _check_sound(seconds)
    from hachimachi.checkpoint import load_player
    from hachimachi.events import join
    from hachimachi.generation import generate_many
    from hachimachi.io import Report, write
    from hachimachi.io.formats import LOSSY

    loaded = load_player(model)
    opening = _read_opening(primer, loaded, most, within) if primer else None
    start = time.perf_counter()
    asked = {"seconds": seconds, "primer": opening, "sampling": sampling, "seed": seed}
    takes = generate_many(loaded, count, options["events"], **asked)
    duration = time.perf_counter() - start
    if opening is not None and with_primer:
        takes = [join(opening, take) for take in takes]
    elif opening is not None and opening.time is not None and len(opening):  # time 0 is the primer's last event
        takes = [take if take.time is None else replace(take, time=take.time - opening.time[-1]) for take in takes]
    if count > 1:
        takes = [replace(take, name=f"seed {seed + i}") for i, take in enumerate(takes)]
    if Path(output).suffix.lower() in LOSSY and began_with(loaded.model.summary, "drums"):
        takes = [_on_drums(take) for take in takes]
    report = Report()
    for i, path in enumerate(outputs):
        write(path, takes if len(outputs) == 1 else takes[i], report)
    several = f"{len(takes):,} takes, " if len(takes) > 1 else ""
    length = f", {sum(take.seconds for take in takes):.1f} s of them" if takes[0].temporal else ""
    size = f"{several}{sum(map(len, takes)):,} events{length}"
    click.echo(f"{name_files(outputs)}: {size}, generated in {duration:.1f} s")
    for line in report.lines():
        click.echo(textwrap.fill(line, 80, break_long_words=False, break_on_hyphens=False))


def _check_sound(seconds: float) -> None:
    from hachimachi.io.wav import LONGEST

    if seconds > LONGEST:
        raise click.UsageError(f"--seconds {seconds:,.0f}: a .wav holds at most {LONGEST:,.0f}; write .mid")


def _read_opening(primer: Path, player: Player, events: int | None, seconds: float | None) -> EventSequence:
    from hachimachi.generation import read_primer

    opening = read_primer(primer, player)[:events]
    if seconds is None or not len(opening):
        return opening
    if opening.time is None:
        raise HachimachiError(f"{primer}: has no time; say --primer-events in place of --primer-seconds")
    return opening[: int((opening.time - opening.time[0] <= seconds).sum())]


def _on_drums(take: EventSequence) -> EventSequence:
    """Return drumming as MIDI has it: the data of drummers has no instrument where there is only one."""
    import numpy as np

    from hachimachi.events import Feature
    from hachimachi.io.midi import DRUMS

    if any(feature.name in ("instrument", "channel") for feature in take.features):
        return take
    data = np.column_stack([take.data, np.full(len(take), float(DRUMS))])
    return replace(take, features=(*take.features, Feature("instrument", kind="categorical")), data=data)


def numbered(output: PathLike, count: int) -> list[PathLike]:
    """Return the files for so many sequences: one or a folder that holds them all, or `take-01.mid` and so on."""
    from hachimachi.io.files import is_folder
    from hachimachi.io.formats import LOSSY

    path = Path(output)
    if count == 1 or path.suffix.lower() not in (".csv", *LOSSY) or is_folder(output):
        return [output]
    width = len(str(count))
    names = (f"{path.stem}-{number:0{width}}" for number in range(1, count + 1))
    return [path.with_name(name + path.suffix) for name in names]


def name_files(outputs: Sequence[PathLike]) -> str:
    """Return the names of numbered files in short: `take-01.mid … take-20.mid`."""
    return f"{outputs[0]}" if len(outputs) == 1 else f"{outputs[0]} … {Path(outputs[-1]).name}"
