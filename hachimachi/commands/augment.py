"""`hxmx augment`: what augmentations make of events, to look at or to listen to."""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.numbered import numbered
from hachimachi.commands.options import FiniteRange, plugin_option
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.augment.chain import Chain
    from hachimachi.augment.sequences import Augmented
    from hachimachi.events import EventSequence


class Expression(click.ParamType):
    """An expression of augmentations."""

    name = "expression"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Chain:
        """Return the augmentations."""
        from hachimachi.augment.chain import parse

        try:
            return parse(value)
        except HachimachiError as error:
            self.fail(str(error), param, ctx)


class AugmentCommand(click.Command):
    """A command whose help lists what is registered."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's)
        """List the operations, each with its arguments."""
        from hachimachi.augment.registry import known

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
            from hachimachi.canvas_file import check_picture

            check_picture(self.plot)


def _run(asked: Asked) -> None:
    asked.check()
    from hachimachi.augment.chain import Chain
    from hachimachi.augment.sequences import augment
    from hachimachi.commands.describe_augmented import show_augmented
    from hachimachi.io import Report, read, write
    from hachimachi.progress import show_reading

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
