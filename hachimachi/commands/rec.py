"""`hxmx rec`: record OSC into a data set."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.console import opening_lines, printer
from hachimachi.errors import HachimachiError, count

if TYPE_CHECKING:
    from hachimachi.events import Feature
    from hachimachi.live.record.journal import Finished
    from hachimachi.live.record.recorder import Recorder


def make_features(
    size: int, names: str | None, masked: Sequence[str], categorical: Sequence[str], prefix: str = ""
) -> tuple[Feature, ...]:
    """Return a feature for each column, named by ``names`` or by its number after a prefix."""
    from hachimachi.events import Feature

    given = [f"{prefix}{i}" for i in range(size)] if names is None else [name.strip() for name in names.split(",")]
    if len(given) != size:
        raise click.UsageError(f"--names has {len(given)} names ({', '.join(given)}), expected {size}")

    def columns(option: str, texts: Sequence[str]) -> set[int]:
        found: set[int] = set()
        for text in (text.strip() for several in texts for text in several.split(",")):
            if text in given:
                found.add(given.index(text))
            elif text.isdecimal() and int(text) < size:
                found.add(int(text))
            else:
                there = ", ".join(f"{i} ({name})" if str(i) != name else name for i, name in enumerate(given))
                raise click.UsageError(f"{option}: no column {text!r}; there are {there}")
        return found

    hidden, categories = columns("--masked", masked), columns("--categorical", categorical)
    return tuple(
        Feature(name, "categorical" if i in categories else None, masked=i in hidden) for i, name in enumerate(given)
    )


def check_output(output: Path, features: tuple[Feature, ...], temporal: bool, append: bool) -> tuple[Feature, ...]:
    """Return the features of the data set to be: those of the file where it is appended to."""
    import numpy as np

    from hachimachi.events import EventSequence, Feature
    from hachimachi.io import read
    from hachimachi.io.csv_format import render
    from hachimachi.live.record.journal import beside, settle

    csv = output.suffix.lower() == ".csv"
    if append and csv:
        raise HachimachiError(f"{output}: --append adds a sequence, and CSV holds one only; record into a .json file")
    if csv:  # before anything is played: some names change their meaning in a CSV header
        try:
            render([EventSequence(features, np.zeros((1, len(features))), np.zeros(1) if temporal else None)])
        except HachimachiError as error:
            raise HachimachiError(f"{output}: {error}; see --names") from error
    if not output.exists():
        return features
    settle(output)
    if not append:
        left = f"; --append brings in the unfinished {beside(output)} too" if beside(output).exists() else ""
        add = "" if csv else "--append to add a sequence to it, or "
        raise HachimachiError(f"{output}: is there already, and nothing is overwritten; say {add}another name{left}")
    first = read(output)[0]
    if first.temporal != temporal:
        has, say = ("time", "say") if first.temporal else ("no time", "leave out")
        raise HachimachiError(f"{output}: has {has}; {say} --temporal to append to it")
    if len(first.features) != len(features):
        names = ", ".join(feature.name for feature in first.features)
        raise HachimachiError(f"{output}: has {len(first.features)} columns ({names}), SIZE is {len(features)}")
    # what the command line does not say of the columns is taken from the file
    default = tuple(Feature(str(i)) for i in range(len(features)))
    there, given = ([(f.name, f.masked, f.kind == "categorical") for f in each] for each in (first.features, features))
    if features != default and there != given:
        has = "has other columns than --names, --masked and --categorical say"
        raise HachimachiError(f"{output}: {has}; leave these out")
    return first.features


def offer_rescue(output: Path, features: Sequence[Feature], temporal: bool, say: Callable[[str], None]) -> bool:
    """Decide about the journal of an earlier recording, by asking in a terminal; return whether to go on in it."""
    from hachimachi.live.record.journal import beside, finish, free, in_use, is_empty, read_journal

    journal = beside(output)
    if not journal.exists():
        return False
    if in_use(journal):
        raise HachimachiError(f"{journal}: another hxmx records into it; end that one or name another file")
    if is_empty(journal) or not len(found := read_journal(journal)):
        journal.unlink()
        return False
    seconds = f" in {float(found.at.max() - found.at.min()):,.1f} s" if found.temporal else ""
    say(f"{journal}: a recording that was not finished, {count(len(found), 'event')}{seconds}")
    alike = (found.features, found.who, found.temporal) == (tuple(features), ("you",), temporal)
    choices = ["keep", "save", "discard"] if alike else ["save", "discard"]
    choice = choices[0]  # nothing is lost where there is nobody to be asked
    if sys.stdin.isatty() and sys.stdout.isatty():
        printer.wait()
        if alike:
            click.echo("keep     as the beginning of this recording")
        click.echo("save     in a file of its own\ndiscard  delete it")
        choice = click.prompt("What about it", type=click.Choice(choices), default=choice)
    if choice == "keep":
        say("kept as the beginning of this recording")
    elif choice == "save":
        finished = finish(journal, free(output.with_name(f"{output.stem}-rescued{output.suffix}")))
        say("\n".join([*finished.remarks, f"saved → {finished.path}"]))
    else:
        journal.unlink()
        say("discarded")
    return choice == "keep"


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
def command(size: int, output: Path, temporal: bool, append: bool, quiet: bool, **options: Any) -> None:
    """Record events of SIZE values, sent over OSC, into OUTPUT, a .json or .csv file ready for `hxmx train`.

    \b
    /input f…   an event of SIZE values happened; of notes, velocity 0 ends one
    /reset      drop what was recorded
    /status     answers /status key value …
    /stop       end and save, as Ctrl-C does

    Every event is on disk as it happens, in OUTPUT.journal: after a crash the next recording into OUTPUT offers it.
    Columns count from 0.
    """
    from hachimachi.io.files import check_file, check_suffix
    from hachimachi.live.loop import Loop, ended_by_signals
    from hachimachi.live.osc import Wire
    from hachimachi.live.record.journal import SUFFIXES, Journal
    from hachimachi.live.record.recorder import Recorder

    address, in_port = options["address"], options["in_port"]
    out = options["out_address"], options["out_port"]
    if out == (address, in_port):
        raise click.UsageError(f"--in-port and --out-port are both {in_port}: it would hear its own answers")
    check_suffix(output, SUFFIXES, "record into")
    check_file(output)
    # a CSV header of numbers only is none
    prefix = "x" if output.suffix.lower() == ".csv" and not temporal else ""
    described = make_features(size, options["names"], options["masked"], options["categorical"], prefix)
    features = check_output(output, described, temporal, append)
    click.get_current_context().call_on_close(printer.wait)
    screen = _Screen(quiet)
    with Loop((address, in_port), [out]) as loop:  # first, so that a used port is reported at once
        if loop.exposed:
            reach = f"whoever reaches port {loop.port} of this machine may add events, drop them and end it"
            screen.warn(f"listens on {address}: {reach}; see SECURITY.md")
        resume = offer_rescue(output, features, temporal, screen.warn)
        journal = Journal(output, features, temporal=temporal, warn=screen.warn, resume=resume)
        show = screen.show if screen.alive else None
        recorder = Recorder(journal, Wire(loop.send, screen.warn), show=show)
        lines = [
            ("records", output.name, "with time" if temporal else "without time"),
            ("hears", f"{address}:{loop.port}", f"/input {' '.join(feature.name for feature in features)}"),
            ("", "", "/reset /status /stop"),
            ("answers", f"{out[0]}:{out[1]}", "/status"),
            ("end", "Ctrl-C", ""),
        ]
        try:
            with ended_by_signals(loop):
                screen.say(opening_lines(lines))
                loop.run(recorder)
                recorder.end()
        finally:
            journal.abandon()
    _report(screen, recorder, journal.close(append=append))


class _Screen:
    """One calm line that counts, and other lines above it."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._began, self._width = quiet, time.monotonic(), 0
        self.alive = sys.stdout.isatty() and not quiet

    def show(self, events: int, rate: float) -> None:
        """Show the counter in its place."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        line = f"{minutes:02}:{seconds:02}  {count(events, 'event')}  {rate:,.1f} a second"
        printer(f"\r{line:{self._width}}", end="")
        self._width = len(line)

    def say(self, line: str) -> None:
        """Print a line, unless quiet."""
        if not self._quiet:
            self._end()
            printer(line if "\n" in line else textwrap.fill(line, 79, subsequent_indent="  "))

    def warn(self, line: str) -> None:
        """Print a line that matters even when quiet."""
        self._end()
        printer(f"hxmx: {line}", sys.stderr)

    def _end(self) -> None:
        if self._width:
            printer("")
        self._width = 0


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
