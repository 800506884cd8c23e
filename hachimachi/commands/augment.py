"""`hxmx augment`: what augmentations make of events, to look at or to listen to."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hachimachi.commands.gen import name_files, numbered
from hachimachi.commands.options import check_apart, plugin_option
from hachimachi.console import make_console, make_table, report_table, show_reading
from hachimachi.errors import HachimachiError, count

if TYPE_CHECKING:
    from hachimachi.augment.apply import Augmented, Chain
    from hachimachi.events import EventSequence
    from hachimachi.io import Report

SECONDS = 30.0  # of a sequence that are drawn


def _parse(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Chain:
    from hachimachi.augment.apply import parse

    try:
        return parse(value)
    except HachimachiError as error:
        raise click.BadParameter(str(error), ctx, param) from error


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
@click.option(
    "--op",
    "ops",
    metavar="EXPRESSION",
    multiple=True,
    required=True,
    callback=_parse,
    help="What to do; several in order.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, other draws.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw its first 30 s before and after: .png, .svg.")
@plugin_option
def command(*, data: Path, output: str, ops: Chain, seed: int, plot: Path | None) -> None:
    """Change the events of DATA by short expressions, and write them into OUTPUT.

    DATA is a file or a folder; OUTPUT is what hxmx format writes, a file or a folder. Where a file holds one sequence
    only, several are numbered: out-01.mid.

    \b
    hxmx augment data.json out.json --op "addrand(range=(-6, 6), dims=pitch)"
    hxmx augment song.mid out.mid --op "mul(value=2, dims=(t, duration))"
    hxmx augment song.mid out.mid --op "rev()" --plot out.png
    hxmx augment data.json out.json --seed 2 \\
        --op "mulrand(dims=(t, duration), range=(-0.5, 0.5), log=true)"

    Features go by name, or by number from 0; t is the time since the event before. To train on variations, say
    augment.ops=… to hxmx train, which varies anew each time and never what is held out.
    """
    from hachimachi.augment.apply import augment
    from hachimachi.io import Report, read, write
    from hachimachi.io.files import check_output

    check_output(output)
    check_apart([output], [data])
    if plot is not None:
        from hachimachi.plot import check_picture

        check_picture(plot)
    report = Report()
    sequences = read(data, report, without=[output], progress=show_reading)
    augmented = augment(sequences, ops, seed)
    if plot:
        from hachimachi.plot import compare

        before, after = sequences[0], augmented.sequences[0]
        titles = f"Before: {before.name}", f"After {textwrap.shorten(str(augmented.ops), 80, placeholder=' …')}"
        compare(before, after, plot, seconds=SECONDS, titles=titles)
    outputs = numbered(output, len(augmented.sequences))
    for i, path in enumerate(outputs):
        write(path, augmented.sequences if len(outputs) == 1 else augmented.sequences[i], report)
    _show(sequences, augmented, report)
    click.echo(f"→ {name_files(outputs)}" + (f", {plot}" if plot else ""))


def _show(before: Sequence[EventSequence], augmented: Augmented, report: Report) -> None:
    import numpy as np

    from hachimachi.events import TIME

    console, after = make_console(), augmented.sequences
    if table := report_table(report):
        console.print(table)
    names = ([TIME] if before[0].temporal else []) + [feature.name for feature in before[0].features]
    for op, tally in zip(augmented.ops.ops, augmented.counts, strict=True):
        console.print(str(op), style="bold")
        whole = len(after) == 1 and tally.windows
        windows = "" if whole else f" in {tally.windows:,} of {count(len(after), 'sequence')}"
        console.print(f"  changed {tally.changed.sum():,} of {count(int(tally.seen.sum()), 'value')}{windows}")
        held = [f"{name} {number:,}" for name, number in zip(names, tally.held.tolist(), strict=True) if number]
        if held:
            console.print(f"  held {tally.held.sum():,} that would have left their range: {', '.join(held)}")

    table = make_table(("feature", "before", "after"))
    rows = [np.concatenate([sequence.rows() for sequence in each]) for each in (before, after)]
    categories = [feature.name for feature in before[0].features if feature.kind == "categorical"]
    for i, name in enumerate(names):
        if name not in categories:
            known = [each[~np.isnan(each[:, i]), i] for each in rows]
            table.add_row(name, *(f"{v.min():.5g}–{v.max():.5g}" if v.size else "none" for v in known))
    console.print(table)
    length = f" in {sum(sequence.seconds for sequence in after):,.1f} s" if before[0].temporal else ""
    several = f", {count(len(after), 'sequence')}" if len(after) > 1 else ""
    console.print(f"{count(sum(map(len, after)), 'event')}{length}{several}")
