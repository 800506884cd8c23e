"""What became of the files that `hxmx format` was given, on a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from hachimachi.commands.describe_data import _all, _console, _print_instruments, _print_remarks, _range, _size
from hachimachi.events import EventSequence
from hachimachi.io import Report


def show_summary(sequences: Sequence[EventSequence], report: Report) -> None:
    """Print in a few lines what was read, and what happened to it on the way."""
    console = _console()
    console.print(_size(sequences))
    ranges = [f"{feature.name} {_range(_all(sequences, feature.name))}" for feature in sequences[0].features]
    console.print(", ".join(text for text in ranges if not text.startswith("instrument ")))
    _print_instruments(console, sequences, report)
    _print_remarks(console, report)
