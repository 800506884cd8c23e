"""`hxmx gen`: generate events from a model into a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hachimachi.commands.options import FiniteRange
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.events import EventSequence
    from hachimachi.models.event_model import EventModel


@click.command("gen")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("-n", "--events", type=click.IntRange(1), help="How many events.  [default: 1000]")
@click.option("--seconds", type=FiniteRange(0, min_open=True), help="How long, instead or as well.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Another seed, another take."
)
@click.option(
    "--temperature", type=FiniteRange(0, 100), default=1.0, show_default=True, help="Below 1 tamer, above wilder."
)
@click.option("--primer", type=click.Path(path_type=Path), help="A file that the model hears first.")
@click.option("--with-primer", is_flag=True, help="Write the primer too, before what is generated.")
def command(
    model: Path,
    output: Path,
    events: int | None,
    seconds: float | None,
    seed: int,
    temperature: float,
    primer: Path | None,
    with_primer: bool,
) -> None:
    """Generate events from MODEL into OUTPUT.

    OUTPUT ends in .csv, .json, .mid, or .wav for notes. The same seed gives the same file.

    \b
    hxmx gen model.pt output.csv
    hxmx gen model.pt output.mid --seconds 60 --seed 7
    hxmx gen model.pt output.wav --primer opening.mid --with-primer
    """
    from hachimachi.io.files import WRITERS, check_suffix

    check_suffix(output, WRITERS, "write")
    _check_output(output, model, primer)
    if with_primer and primer is None:
        raise click.UsageError("--with-primer needs --primer FILE")
    from hachimachi.checkpoint import load_model
    from hachimachi.generation import generate
    from hachimachi.io import write

    player = load_model(model)
    heard = _read_primer(primer, player) if primer else None
    began = time.perf_counter()
    made = generate(player, events, seconds=seconds, primer=heard, temperature=temperature, seed=seed)
    took = time.perf_counter() - began
    write(output, _finish(made, heard, with_primer))
    length = f", {made.seconds:.1f} s of them" if made.temporal else ""
    click.echo(f"{output}: {len(made):,} events{length}, generated in {took:.1f} s")


def _check_output(output: Path, model: Path, primer: Path | None) -> None:
    for name in (model, primer):
        if name is not None and name.exists() and output.resolve() == name.resolve():
            raise HachimachiError(f"{output}: is what it is to be made from; name another file to write")
    if not output.parent.is_dir():
        raise HachimachiError(f"{output}: there is no folder {output.parent} to write into; create it first")


def _read_primer(path: Path, model: EventModel) -> EventSequence:
    from hachimachi.io import read

    # a MIDI file says which instrument plays even if only one does; a model of one instrument does not ask
    all_columns = any(feature.name == "instrument" for feature in model.features)
    sequences = read(path, all_columns=all_columns)
    if len(sequences) > 1:
        raise HachimachiError(f"{path}: holds {len(sequences)} sequences; a primer is one")
    return sequences[0]


def _finish(made: EventSequence, primer: EventSequence | None, with_primer: bool) -> EventSequence:
    """Let time begin at 0, or put the primer before."""
    from hachimachi.events import join

    if primer is not None and with_primer:
        return join(primer, made)
    return made.from_zero()
