"""`hxmx gen`: generate events from a model into a file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.options import FiniteRange, plugin_option, sampling_options
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.events import EventSequence
    from hachimachi.io.files import PathLike
    from hachimachi.models.event_model import EventModel
    from hachimachi.sampling import Sampling


ONE = (".csv", ".mid", ".midi", ".wav")
"""Suffixes of the formats that hold one sequence."""


def numbered(output: PathLike, count: int) -> list[PathLike]:
    """Return the files for so many sequences: one or a folder that holds them all, or `take-01.mid` and so on.

    >>> [path.name for path in numbered("take.mid", 10)][:2]
    ['take-01.mid', 'take-02.mid']
    >>> numbered("takes/", 10)
    ['takes/']
    """
    from hachimachi.io.files import is_folder

    path = Path(output)
    if count == 1 or path.suffix.lower() not in ONE or is_folder(output):
        return [output]
    width = len(str(count))
    names = (f"{path.stem}-{number:0{width}}" for number in range(1, count + 1))
    return [path.with_name(name + path.suffix) for name in names]


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
def command(**words: Any) -> None:
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
    _run(Asked(**words))


@dataclass(frozen=True)
class Asked:
    """The arguments and options of the command line."""

    model: Path
    output: str
    events: int | None
    seconds: float | None
    seed: int
    count: int
    primer: Path | None
    primer_events: int | None
    primer_seconds: float | None
    with_primer: bool
    sampling: Sampling

    def check(self) -> None:
        """Refuse what contradicts itself, before anything is read."""
        from hachimachi.io.files import check_output

        check_output(self.output)
        for output in numbered(self.output, self.count):
            _check_other(Path(output), self.model, self.primer)
        options = {"--with-primer": self.with_primer, "--primer-events": self.primer_events}
        for option, said in {**options, "--primer-seconds": self.primer_seconds}.items():
            if said not in (None, False) and self.primer is None:
                raise click.UsageError(f"{option} needs --primer FILE")


def _run(asked: Asked) -> None:
    asked.check()
    from hachimachi.checkpoint import load_model
    from hachimachi.generation import generate_many
    from hachimachi.io import Report, write

    model = load_model(asked.model)
    heard = _read_primer(asked, asked.primer, model) if asked.primer else None
    began = time.perf_counter()
    length = {"n_events": asked.events, "seconds": asked.seconds}
    takes = generate_many(model, asked.count, **length, primer=heard, sampling=asked.sampling, seed=asked.seed)
    took = time.perf_counter() - began
    takes = [_finish(made, heard, asked.with_primer) for made in takes]
    if asked.count > 1:
        takes = [replace(made, name=f"seed {asked.seed + place}") for place, made in enumerate(takes)]
    outputs, lost = numbered(asked.output, asked.count), Report()
    for place, output in enumerate(outputs):
        write(output, takes if len(outputs) == 1 else takes[place], lost)
    click.echo("\n".join([_summary(outputs, takes, took), *lost.lines()]))


def _summary(outputs: list[PathLike], takes: list[EventSequence], took: float) -> str:
    files = f"{outputs[0]}" if len(outputs) == 1 else f"{outputs[0]} … {Path(outputs[-1]).name}"
    several = f"{len(takes):,} takes, " if len(takes) > 1 else ""
    seconds = sum(made.seconds for made in takes)
    length = f", {seconds:.1f} s of them" if takes[0].temporal else ""
    return f"{files}: {several}{sum(map(len, takes)):,} events{length}, generated in {took:.1f} s"


def _check_other(output: Path, model: Path, primer: Path | None) -> None:
    for name in (model, primer):
        if name is not None and name.exists() and output.resolve() == name.resolve():
            raise HachimachiError(f"{output}: is what it is to be made from; name another file to write")


def _read_primer(asked: Asked, path: Path, model: EventModel) -> EventSequence:
    from hachimachi.generation import read_primer

    primer = read_primer(path, model)[: asked.primer_events]
    if asked.primer_seconds is None or not len(primer):
        return primer
    if primer.time is None:
        raise HachimachiError(f"{path}: has no time; say --primer-events in place of --primer-seconds")
    return primer[: int((primer.time - primer.time[0] <= asked.primer_seconds).sum())]


def _finish(made: EventSequence, primer: EventSequence | None, with_primer: bool) -> EventSequence:
    """Let time begin at 0, at the primer's last event where there is one; or put the primer before."""
    from hachimachi.events import join

    if primer is None or primer.time is None or not len(primer) or made.time is None:
        return join(primer, made) if primer is not None and with_primer else made
    return join(primer, made) if with_primer else replace(made, time=made.time - primer.time[-1])
