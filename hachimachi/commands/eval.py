"""`hxmx eval`: how well a model foretells events it has not heard, and which of several does it better."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.options import GRID_RANGE, GRID_STEP, plugin_option, sampling_options
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from rich.table import Table

    from hachimachi.evaluation.likelihood import Evaluation
    from hachimachi.evaluation.playing import PlayReport
    from hachimachi.events import EventSequence
    from hachimachi.io import Report
    from hachimachi.models.event_model import EventModel
    from hachimachi.sampling import Sampling


LOOKS = {
    "collapsed": ("generations", ".0f"),
    "repetition": ("longest cycle, events", ".0f"),
    "silence": ("longest silence, s", ".1f"),
    "astray": ("far off in a row, events", ".0f"),
    "beyond": ("beyond training range", ".1%"),
    "share": ("8-grams of training", ".1%"),
    "longest": ("longest run, events", ".0f"),
}
"""What each figure is called and how it is written; aspects of likeness go by their own names."""


def let_play(model: EventModel, held_out: list[EventSequence], count: int, sampling: Sampling | None) -> PlayReport:
    """Let a model play some times, with a bar where there is a terminal, and look at how."""
    from rich.console import Console
    from rich.progress import track

    from hachimachi.evaluation.playing import evaluate_playing, play

    screen = Console(stderr=True)
    hidden = not screen.is_terminal
    made = list(
        track(play(model, count, sampling=sampling), "playing", count, console=screen, transient=True, disable=hidden)
    )
    return evaluate_playing(model, held_out, made)


def show_playing(playing: PlayReport) -> None:
    """Print how a model plays, beside unheard music and the limits."""
    from hachimachi.console import make_console

    screen = make_console()
    count = len(playing.generated)
    plural = "s" if count > 1 else ""
    screen.print(f"\n{count} generation{plural} of {playing.events // count:,} events, from nothing:")
    screen.print(_table(playing))
    screen.print("collapse: the same 1 to 8 events, silence, or away from the training range")
    if playing.worst:
        screen.print("likeness: distance from this data, beside that between its halves;")
        screen.print(f"          worst in {playing.worst.aspect}, {playing.worst.ratio:.1f} times as far")
    if playing.copying is None:
        screen.print("This model does not know its training data: no figures on copying; train it again")


def _table(playing: PlayReport) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "", "model", "data", "at most", ""):
        table.add_column(heading, justify="right" if heading else "left")
    group = ""
    for figure in playing.figures():
        title, form = LOOKS[figure.name] if figure.group != "likeness" else (figure.name, ".3g")
        values = (_tell(value, form) for value in (figure.generated, figure.real, figure.limit))
        first, group = "" if figure.group == group else figure.group, figure.group
        table.add_row(first, title, *values, "" if figure.held else "over")
    return table


def _tell(value: float | None, form: str) -> str:
    return "" if value is None or math.isnan(value) else format(value, form)


@click.command("eval")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--split", type=click.Path(path_type=Path), help="A file that lists names under train, valid and test.")
@click.option("--part", type=click.Choice(["train", "valid", "test"]), help="The part of the split.  [default: test]")
@click.option("--resolution", type=GRID_STEP, multiple=True, help="Score a feature in steps of Q.")
@click.option("--support", type=GRID_RANGE, multiple=True, help="Score a feature between two values.")
@click.option(
    "--surprise", type=click.Path(path_type=Path), help="Write −ln P of every column of every event to a CSV."
)
@click.option(
    "--table",
    type=(str, click.Path(path_type=Path)),
    metavar="SEQ:EVENT FILE",
    help="Write the whole probability table of one event to a CSV.",
)
@click.option(
    "--play",
    type=click.IntRange(1),
    metavar="N",
    help="Let it play N times 1,000 events too: does it collapse, copy, sound like DATA?",
)
@sampling_options
@plugin_option
def command(**words: Any) -> None:
    """Measure how well MODEL foretells the events of DATA: nats per event, the fewer the better.

    Every event but each sequence's first is scored, given all before it. The marginal baseline knows how often each
    value occurred in training and nothing else; a model that is not below it has learned nothing. Fresh are events
    whose last seven steps never occur in the training data.

    Several models are compared on the same events: which is better, by how much, in all and by feature, and whether
    that is more than noise.

    With the options of `hxmx gen` that say how to draw, all figures are those of what is played, features in the order
    in which they are drawn; what is never played costs infinity.

    \b
    hxmx eval model.pt data.json
    hxmx eval model.pt corpus/ --split corpus/split.json --part test
    hxmx eval a.pt b.pt data.json
    hxmx eval model.pt data.json --play 20
    hxmx eval model.pt data.json --resolution time=0.02 --support pitch=21:108
    """
    _run(Asked(**words))


@dataclass(frozen=True)
class Asked:
    """The arguments and options of the command line."""

    models: tuple[Path, ...]
    data: Path
    as_json: bool
    split: Path | None
    part: str | None
    resolution: tuple[tuple[str, float], ...]
    support: tuple[tuple[str, tuple[float, float]], ...]
    surprise: Path | None
    table: tuple[str, Path] | None
    play: int | None
    sampling: Sampling

    @property
    def shaped(self) -> Sampling | None:
        """How to draw, if anything was said of it."""
        from hachimachi.sampling import Sampling

        return None if self.sampling == Sampling() else self.sampling

    @property
    def grids(self) -> dict[str, Any]:
        """What was said of the grid."""
        return {"resolution": dict(self.resolution), "support": dict(self.support)}

    def check(self) -> None:
        """Refuse what contradicts itself."""
        if self.part and not self.split:
            raise click.UsageError("--part needs --split FILE")
        if self.shaped and (self.resolution or self.support):
            raise click.UsageError("--resolution and --support score what is foretold, not what is drawn")
        alone = {"--surprise": self.surprise, "--table": self.table, "--play": self.play, "options of gen": self.shaped}
        for option, value in alone.items():
            if value and len(self.models) > 1:
                raise click.UsageError(f"{option}: for one model, found {len(self.models)}")
        for output in filter(None, [self.surprise, self.table and self.table[1]]):
            if output.resolve() in {path.resolve() for path in (*self.models, self.data, self.split) if path}:
                raise HachimachiError(f"{output}: is what is to be read; name another file to write")


def _run(asked: Asked) -> None:
    asked.check()
    (_compare if len(asked.models) > 1 else _judge)(asked)


def _compare(asked: Asked) -> None:
    """Score several models on the same events."""
    from hachimachi.checkpoint import load_model
    from hachimachi.commands.eval_output import compared_figures, show_compared
    from hachimachi.evaluation.compare import compare
    from hachimachi.io import Report

    names = [str(path) for path in asked.models]
    for name in names:
        if names.count(name) > 1:
            raise click.UsageError(f"{name}: stands there twice; expected different models")
    models, report = {name: load_model(name) for name in names}, Report()
    sequences = _read(asked, list(models.values()), report)
    with _bar(len(models) * sum(map(len, sequences))) as done:
        result = compare(models, sequences, **asked.grids, done=done)
    if asked.as_json:
        click.echo(json.dumps(compared_figures(result, models, sequences, report.lines()), indent=2))
        return
    show_compared(asked.data, result, models, sequences, report.lines())


def _judge(asked: Asked) -> None:
    """Score one model."""
    from hachimachi.checkpoint import load_model
    from hachimachi.commands.eval_output import figures, find_event, show, write_surprise, write_table
    from hachimachi.io import Report

    model, report = load_model(asked.models[0]), Report()
    sequences = _read(asked, [model], report)
    wanted = find_event(asked.table[0], sequences) if asked.table else None
    result = _evaluate(model, sequences, asked.grids, asked.shaped)
    if not len(result.surprise):
        raise HachimachiError(f"{asked.data}: nothing to score; expected a sequence of two events or more")
    if asked.surprise:
        write_surprise(asked.surprise, result, sequences)
    if asked.table and wanted:
        write_table(asked.table[1], model, *wanted, **asked.grids, sampling=asked.shaped)
    playing = let_play(model, sequences, asked.play, asked.shaped) if asked.play else None
    if asked.as_json:
        played = {"playing": playing.to_json()} if playing else {}
        click.echo(json.dumps(figures(result, model, sequences, report.lines()) | played, indent=2))
        return
    show(asked.data, result, model, sequences, report.lines())
    if playing:
        show_playing(playing)


def _read(asked: Asked, models: Sequence[EventModel], report: Report) -> list[EventSequence]:
    from hachimachi.io import read
    from hachimachi.io.split import read_split, select

    split = read_split(asked.split) if asked.split else None
    # a MIDI file says which instrument plays even if only one does; a model of one instrument does not ask
    every = any(feature.name == "instrument" for model in models for feature in model.features)
    beside = [asked.split] if asked.split else []
    sequences = read(asked.data, report, all_columns=every, without=beside)
    return select(sequences, split, asked.part or "test", report) if split else sequences


def _evaluate(
    model: EventModel, sequences: list[EventSequence], grids: dict[str, Any], sampling: Sampling | None
) -> Evaluation:
    from hachimachi.evaluation.likelihood import evaluate, evaluate_sampled

    with _bar(sum(map(len, sequences))) as done:
        if sampling:
            return evaluate_sampled(model, sequences, sampling, done=done)
        return evaluate(model, sequences, **grids, done=done)


@contextmanager
def _bar(events: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal; yield what moves it by so many events."""
    from rich.console import Console
    from rich.progress import Progress

    screen = Console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(f"{events:,} events", total=events)
        yield lambda heard: bar.advance(task, heard)
