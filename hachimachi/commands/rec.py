"""`hxmx rec`: record OSC into a data set."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from hachimachi.text import count

if TYPE_CHECKING:
    from hachimachi.events import Feature
    from hachimachi.live.outlet import Address
    from hachimachi.live.record.finish import Finished
    from hachimachi.live.record.recorder import Recorder


@click.command("rec")
@click.argument("size", type=click.IntRange(1, 3000))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--temporal", is_flag=True, help="Record when events happen; without it, their order only.")
@click.option("--masked", multiple=True, metavar="I,…", help="Columns, by number or name, that a player cannot send.")
@click.option("--categorical", multiple=True, metavar="I,…", help="Columns whose numbers are names.")
@click.option("--names", metavar="A,B,…", help="What the columns are called.  [default: 0,1,…]")
@click.option("--append", is_flag=True, help="Add a sequence to a .json file that is there already.")
@click.option("--in-port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Hear on; 0: any free.")
@click.option("--out-port", type=click.IntRange(1, 65535), default=9000, show_default=True, help="Answer /status to.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Hear on this address of this machine.")
@click.option("--out-address", default="127.0.0.1", show_default=True, help="Answer to this machine.")
@click.option("--quiet", is_flag=True, help="Print only what goes wrong.")
def command(  # noqa: PLR0913, PLR0917  (one for each option)
    size: int,
    output: Path,
    temporal: bool,
    masked: tuple[str, ...],
    categorical: tuple[str, ...],
    names: str | None,
    append: bool,
    in_port: int,
    out_port: int,
    address: str,
    out_address: str,
    quiet: bool,
) -> None:
    """Record events of SIZE values, sent over OSC, into OUTPUT, a .json or .csv file ready for `hxmx train`.

    \b
    /input f…   an event of SIZE values happened
    /reset      drop what was recorded
    /status     answers /status key value …
    /stop       end and save, as Ctrl-C does

    Every event is on disk as it happens, in OUTPUT.journal: after a crash the next recording into OUTPUT offers it.
    Columns count from 0.
    """
    from hachimachi.commands.rec_columns import check_output, default_prefix, make_features
    from hachimachi.io.files import check_suffix
    from hachimachi.live.record.file import SUFFIXES

    if in_port == out_port and address == out_address:
        raise click.UsageError(f"--in-port and --out-port are both {in_port}: it would hear its own answers")
    check_suffix(output, SUFFIXES, "record into")
    features = make_features(size, names, masked, categorical, default_prefix(output, temporal))
    features = check_output(output, features, temporal, append)
    _record(_Take(output, features, temporal, append), (address, in_port), (out_address, out_port), _Screen(quiet))


class _Take(NamedTuple):
    """What is recorded, and where to."""

    output: Path
    features: Sequence[Feature]
    temporal: bool
    append: bool


def _record(take: _Take, here: Address, there: Address, screen: _Screen) -> None:
    from hachimachi.commands.rec_rescue import offer_rescue
    from hachimachi.live.osc.loop import Loop
    from hachimachi.live.osc.wire import Wire
    from hachimachi.live.record.journal import Journal
    from hachimachi.live.record.recorder import Recorder
    from hachimachi.live.signals import ended_by_signals

    with Loop(here, [there]) as loop:  # first, so that a port in use is told at once
        resume = offer_rescue(take.output, take.features, take.temporal, screen.warn)
        journal = Journal(take.output, take.features, temporal=take.temporal, told=screen.warn, resume=resume)
        show = screen.show if screen.alive else None
        recorder = Recorder(journal, Wire(loop.send, screen.warn), screen.warn, show=show)
        try:
            with ended_by_signals(loop):
                screen.say(_sign(recorder, f"{here[0]}:{loop.port}", f"{there[0]}:{there[1]}"))
                loop.run(recorder)
                recorder.end()
        finally:
            journal.abandon()
    _report(screen, recorder, journal.close(append=take.append))


class _Screen:
    """One calm line that counts, and other lines above it."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._began, self._width = quiet, time.monotonic(), 0
        self.alive = sys.stdout.isatty() and not quiet

    def show(self, events: int, rate: float) -> None:
        """Show the counter in its place."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        line = f"{minutes:02}:{seconds:02}  {count(events, 'event')}  {rate:,.1f} a second"
        click.echo(f"\r{line:{self._width}}", nl=False)
        self._width = len(line)

    def say(self, line: str) -> None:
        """Print a line, unless quiet."""
        if not self._quiet:
            self._end()
            click.echo(line if "\n" in line else textwrap.fill(line, 79, subsequent_indent="  "))

    def warn(self, line: str) -> None:
        """Print a line that matters even when quiet."""
        self._end()
        click.echo(f"hxmx: {line}", err=True)

    def _end(self) -> None:
        if self._width:
            click.echo()
        self._width = 0


def _sign(recorder: Recorder, here: str, there: str) -> str:
    from hachimachi.commands.sign import sign

    journal = recorder.journal
    names = " ".join(feature.name for feature in journal.features)
    return sign(
        [
            ("records", journal.path.name, "with time" if journal.temporal else "without time"),
            ("hears", here, f"/input {names}"),
            ("", "", "/reset /status /stop"),
            ("answers", there, "/status"),
            ("end", "Ctrl-C", ""),
        ]
    )


def _report(screen: _Screen, recorder: Recorder, finished: Finished) -> None:
    for remark in finished.remarks:
        screen.say(remark)
    if recorder.refusals.total:
        screen.say(f"refused {count(recorder.refusals.total, 'message')}, by kind: {recorder.refusals}")
    if recorder.journal.lost:
        screen.warn(f"{count(recorder.journal.lost, 'event')} could not be written and are lost")
    if finished.path is None:
        screen.warn("nothing was recorded, so no file was written")
        return
    seconds = f" in {finished.seconds:,.1f} s" if recorder.journal.temporal else ""
    several = f", {finished.sequences:,} sequences" if finished.sequences > 1 else ""
    screen.say(f"{count(finished.events, 'event')}{seconds}{several}")
    if finished.path == recorder.journal.path:
        screen.say(f"→ {finished.path}")
    else:
        screen.warn(f"{recorder.journal.path} came to be while it recorded, so this went → {finished.path}")
