"""A recording that a crash cut off: what is done with it when the next one begins."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from hachimachi.errors import HachimachiError
from hachimachi.events import Feature
from hachimachi.live.record.file import beside, free, in_use, is_empty
from hachimachi.live.record.finish import finish
from hachimachi.live.record.read import Recorded, read_journal
from hachimachi.text import count

KEEP, SAVE, DISCARD = "keep", "save", "discard"


def offer_rescue(output: Path, features: Sequence[Feature], temporal: bool, say: Callable[[str], None]) -> bool:
    """Decide about the journal of an earlier recording into ``output``; asks in a terminal, else keeps it.

    Returns:
        Whether to go on in that journal; else there is none any more.

    Raises:
        HachimachiError: Another process writes it, or it cannot be read.
        click.Abort: Ctrl-C while it is asked; nothing has changed.
    """
    journal = beside(output)
    if not journal.exists():
        return False
    if in_use(journal):
        raise HachimachiError(f"{journal}: another hxmx records into it; end that one or name another file")
    if is_empty(journal) or not len(found := read_journal(journal)):
        journal.unlink()
        return False
    say(f"{journal}: a recording that was not finished, {_size(found)}")
    alike = (found.features, found.who, found.temporal) == (tuple(features), ("you",), temporal)
    return _obey(_choose(alike), journal, output, say)


def _choose(alike: bool) -> str:
    """Ask a person; where there is none, nothing is lost."""
    choices = [KEEP, SAVE, DISCARD] if alike else [SAVE, DISCARD]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return choices[0]
    if alike:
        click.echo("keep     as the beginning of this recording")
    click.echo("save     in a file of its own\ndiscard  delete it")
    return click.prompt("What about it", type=click.Choice(choices), default=choices[0])


def _obey(choice: str, journal: Path, output: Path, say: Callable[[str], None]) -> bool:
    if choice == KEEP:
        say("kept as the beginning of this recording")
    elif choice == SAVE:
        done = finish(journal, free(output.with_name(f"{output.stem}-rescued{output.suffix}")))
        say("\n".join([*done.remarks, f"saved → {done.path}"]))
    else:
        journal.unlink()
        say("discarded")
    return choice == KEEP


def _size(found: Recorded) -> str:
    seconds = f" in {float(found.at.max() - found.at.min()):,.1f} s" if found.temporal else ""
    return count(len(found), "event") + seconds
