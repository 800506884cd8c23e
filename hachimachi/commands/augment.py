"""`hxmx augment`: what augmentations make of events, to look at or to listen to."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.gen import numbered
from hachimachi.commands.options import FiniteRange, plugin_option
from hachimachi.console import report_table
from hachimachi.errors import HachimachiError, count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from hachimachi.augment.apply import Augmented, Chain, OpCounts
    from hachimachi.events import EventSequence
    from hachimachi.io import Report


def show_augmented(before: Sequence[EventSequence], made: Augmented, report: Report) -> None:
    """Print what each operation did, and the range of each column before and after."""
    from rich.console import Console

    from hachimachi.events import TIME

    console = Console(highlight=False, markup=False, soft_wrap=True)
    if table := report_table(report):
        console.print(table)
    names = ([TIME] if before[0].temporal else []) + [feature.name for feature in before[0].features]
    for op, tally in zip(made.ops.ops, made.counts, strict=True):
        console.print(str(op), style="bold")
        for line in _tell(tally, names, made.copies):
            console.print(f"  {line}")
    console.print(_ranges(before, made.sequences, names))
    total = sum(sequence.seconds for sequence in made.sequences)
    length = f" in {total:,.1f} s" if before[0].temporal else ""
    several = f", {count(len(made.sequences), 'sequence')}" if len(made.sequences) > 1 else ""
    console.print(f"{count(sum(map(len, made.sequences)), 'event')}{length}{several}")


def _ranges(before: Sequence[EventSequence], after: Sequence[EventSequence], names: Sequence[str]) -> Table:
    """Return the range of each column that holds numbers, before and after."""
    import numpy as np
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("feature", "before", "after"):
        table.add_column(heading, overflow="fold")
    old, new = (np.concatenate([sequence.rows() for sequence in each]) for each in (before, after))
    categories = [feature.name for feature in before[0].features if feature.kind == "categorical"]
    for place, name in enumerate(names):
        if name not in categories:
            table.add_row(name, _range(old[:, place]), _range(new[:, place]))
    return table


def _tell(tally: OpCounts, names: Sequence[str], copies: int) -> list[str]:
    where = "" if copies == 1 and tally.windows else f" in {tally.windows:,} of {count(copies, 'sequence')}"
    lines = [f"changed {tally.changed.sum():,} of {count(int(tally.seen.sum()), 'value')}{where}"]
    if tally.held.any():
        held = ", ".join(
            f"{name} {number:,}" for name, number in zip(names, tally.held.tolist(), strict=True) if number
        )
        lines.append(f"held {tally.held.sum():,} that would have left their range: {held}")
    return lines


def _range(values: NDArray[np.float64]) -> str:
    import numpy as np

    values = values[~np.isnan(values)]
    return f"{values.min():.5g}–{values.max():.5g}" if values.size else "none"


class Expression(click.ParamType):
    """An expression of augmentations."""

    name = "expression"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Chain:
        """Return the augmentations."""
        from hachimachi.augment.apply import parse

        try:
            return parse(value)
        except HachimachiError as error:
            self.fail(str(error), param, ctx)


class AugmentCommand(click.Command):
    """A command whose help lists what is registered."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's)
        """List the operations, each with its arguments."""
        from hachimachi.augment.augmentation import known

        rows = []
        for name, op in known().items():
            summary = (inspect.getdoc(op) or "").partition("\n")[0]
            rows.append((name, f"{summary} ({', '.join(key for key, _, _ in op.arguments())})"))
        with formatter.section("Operations"):
            formatter.write_dl(rows)


@click.command("augment", cls=AugmentCommand)
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("output")
@click.option("--op", "ops", type=Expression(), multiple=True, required=True, help="What to do; several in order.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, other draws.")
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="Copies of each sequence.")
@click.option("--keep", is_flag=True, help="Write the originals too, each before its copies.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the first sequence before and after: .png, .svg.")
@click.option("--plot-seconds", type=FiniteRange(0, min_open=True), help="Only so much of it.  [default: all]")
@plugin_option
def command(**words: Any) -> None:
    """Change the events of DATA by short expressions, and write them into OUTPUT.

    DATA is a file or a folder; OUTPUT is what hxmx format writes, a file or a folder. Where a file holds one sequence
    only, several are numbered: out-01.mid. Several copies, or copies beside originals, are called NAME~1 and so on.

    \b
    hxmx augment data.json out.json --op "addrand(range=(-6, 6), dims=pitch)"
    hxmx augment song.mid out.mid --op "mul(value=2, dims=(t, duration))"
    hxmx augment song.mid out.mid --op "rev()" --plot out.png
    hxmx augment data.json more.json --count 4 --keep \\
        --op "mulrand(dims=(t, duration), range=(-0.5, 0.5), log=true)"

    Features go by name, or by number from 0; t is the time since the event before. To train on variations, say
    augment.ops=… to hxmx train, which varies anew each time and never what is held out.
    """
    _run(Asked(**words))


@dataclass(frozen=True)
class Asked:
    """The arguments and options of the command line."""

    data: Path
    output: str
    ops: tuple[Chain, ...]
    seed: int
    count: int
    keep: bool
    plot: Path | None
    plot_seconds: float | None

    def check(self) -> None:
        """Refuse what contradicts itself, before anything is read."""
        from hachimachi.io.files import check_output

        check_output(self.output)
        if Path(self.output).exists() and self.data.exists() and self.data.samefile(self.output):
            raise HachimachiError(f"{self.output}: is what it is to be made from; name another file to write")
        if self.plot_seconds is not None and self.plot is None:
            raise click.UsageError("--plot-seconds needs --plot FILE")
        if self.plot is not None:
            from hachimachi.plot.canvas import check_picture

            check_picture(self.plot)


def _run(asked: Asked) -> None:
    asked.check()
    from hachimachi.augment.apply import Chain, augment
    from hachimachi.console import show_reading
    from hachimachi.io import Report, read, write

    report = Report()
    sequences = read(asked.data, report, without=[asked.output], progress=show_reading)
    chain = Chain(tuple(op for each in asked.ops for op in each.ops))
    made = augment(sequences, chain, asked.seed, count=asked.count, keep=asked.keep)
    if asked.plot:
        _draw(asked, sequences[0], made)
    outputs = numbered(asked.output, len(made.sequences))
    for place, output in enumerate(outputs):
        write(output, made.sequences if len(outputs) == 1 else made.sequences[place], report)
    show_augmented(sequences, made, report)
    several = f" … {Path(outputs[-1]).name}" if len(outputs) > 1 else ""
    click.echo(f"→ {outputs[0]}{several}" + (f", {asked.plot}" if asked.plot else ""))


def _draw(asked: Asked, before: EventSequence, made: Augmented) -> None:
    from hachimachi.plot import compare

    after = made.sequences[1 if asked.keep else 0]
    titles = (f"Before: {before.name}", f"After {textwrap.shorten(str(made.ops), 80, placeholder=' …')}")
    compare(before, after, asked.plot, seconds=asked.plot_seconds, titles=titles)
