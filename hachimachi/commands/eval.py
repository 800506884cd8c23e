"""`hxmx eval`: how well a model predicts events that it was not trained on, and which of several does it better."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.options import NamedValues, finite, plugin_option, sampling_options
from hachimachi.console import column_table, make_console, make_table, print_filled
from hachimachi.errors import HachimachiError, count

if TYPE_CHECKING:
    from hachimachi.evaluation.compare import Comparison, Difference
    from hachimachi.evaluation.likelihood import Evaluation
    from hachimachi.evaluation.playing import PlayReport
    from hachimachi.evaluation.verdict import Verdict
    from hachimachi.events import EventSequence
    from hachimachi.models.event_model import EventModel
    from hachimachi.sampling import Sampling

Models = Mapping[str, "EventModel"]  # models by the name of their file


def _two_numbers(text: str) -> tuple[float, float]:
    low, high = map(finite, text.split(":"))
    return low, high


STEP = NamedValues("NAME=Q", finite, "name=q")
ENDS = NamedValues("NAME=LOW:HIGH", _two_numbers, "name=low:high")


@click.command("eval")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--split", type=click.Path(path_type=Path), help="A file that lists names under train, valid and test.")
@click.option("--part", type=click.Choice(["train", "valid", "test"]), help="The part of the split.  [default: test]")
@click.option("--resolution", type=STEP, multiple=True, help="Score a feature in steps of Q.")
@click.option("--support", type=ENDS, multiple=True, help="Score a feature between two values.")
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
    help="Let it play N times 1,000 events, at three temperatures, from nothing and primed: does it sound like DATA?",
)
@sampling_options
@plugin_option
def command(  # noqa: PLR0913  (click's options)
    *,
    models: tuple[Path, ...],
    data: Path,
    as_json: bool,
    split: Path | None,
    part: str | None,
    resolution: tuple[dict[str, float], ...],
    support: tuple[dict[str, tuple[float, float]], ...],
    surprise: Path | None,
    table: tuple[str, Path] | None,
    play: int | None,
    sampling: Sampling,
) -> None:
    """Measure how well MODEL predicts the events of DATA: nats per event, the fewer the better.

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
    from hachimachi.sampling import Sampling

    drawn = None if sampling == Sampling() else sampling
    if part and not split:
        raise click.UsageError("--part needs --split FILE")
    if drawn and (resolution or support):
        raise click.UsageError("--resolution and --support score what is predicted, not what is drawn")
    alone = {"--surprise": surprise, "--table": table, "--play": play, "options of gen": drawn}
    _check_files(models, [path for path in (data, split) if path], alone)
    grid = {
        "resolution": {name: step for named in resolution for name, step in named.items()},
        "support": {name: ends for named in support for name, ends in named.items()},
    }
    loaded, sequences, remarks = _load(models, data, split, part or "test")
    if len(models) > 1:
        _compare(loaded, data, sequences, grid, remarks, as_json)
        return
    from hachimachi.evaluation.likelihood import evaluate, evaluate_sampled

    [model] = loaded.values()
    event = _find_event(table[0], sequences) if table else None
    score = partial(evaluate_sampled, sampling=drawn) if drawn else partial(evaluate, **grid)
    with _bar(sum(map(len, sequences))) as done:
        result = score(model, sequences, done=done)
    if not len(result.nll):
        raise HachimachiError(f"{data}: nothing to score; expected a sequence of two events or more")
    if surprise:
        _write_surprise(surprise, result, sequences)
    if table and event:
        _write_table(table[1], model, *event, grid, drawn)
    report = _play(model, sequences, play, drawn) if play else None
    verdict = _judge(model, result, report) if not drawn else None
    if as_json:
        figures = _figures(result, model, sequences, remarks)
        figures |= {"playing": report.to_json()} if report else {}
        figures |= {"verdict": asdict(verdict)} if verdict else {}
        click.echo(json.dumps(figures, indent=2))
        return
    _show(data, result, model, sequences, remarks)
    if report:
        _show_playing(report)
    for line in verdict.lines() if verdict else ():
        print_filled(make_console(), line)


def _check_files(models: Sequence[Path], read: Sequence[Path], alone: Mapping[str, Any]) -> None:
    given = [option for option, value in alone.items() if value]
    if given and len(models) > 1:
        raise click.UsageError(f"{given[0]}: for one model, found {len(models)}")
    inputs = {path.resolve() for path in (*models, *read)}
    for path in (alone["--surprise"], alone["--table"] and alone["--table"][1]):
        if path and path.resolve() in inputs:
            raise HachimachiError(f"{path}: is what is to be read; name another file to write")
    if doubled := [path for path in models if models.count(path) > 1]:
        raise click.UsageError(f"{doubled[0]}: stands there twice; expected different models")


def _load(
    paths: Sequence[Path], data: Path, split: Path | None, part: str
) -> tuple[Models, list[EventSequence], list[str]]:
    from hachimachi.checkpoint import load_model
    from hachimachi.io import Report, read
    from hachimachi.io.split import read_split, select

    models, report = {str(path): load_model(path) for path in paths}, Report()
    parts = read_split(split) if split else None
    # a MIDI file says which instrument plays even if only one does; a model of one instrument has no such column
    every = any(feature.name == "instrument" for model in models.values() for feature in model.features)
    sequences = read(data, report, all_columns=every, without=[split] if split else [])
    if parts is not None:
        sequences = select(sequences, parts, part, report)
    return models, sequences, report.lines()


@contextmanager
def _bar(total: int, description: str = "") -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description or f"{total:,} events", total=total)
        yield lambda number: progress.advance(task, number)


def _figures(
    result: Evaluation, model: EventModel, sequences: Sequence[EventSequence], remarks: Sequence[str]
) -> dict[str, Any]:
    from hachimachi.columns import FLOOR
    from hachimachi.ngrams import find_overlap

    features = {}
    for column, (name, nats) in zip(result.columns, result.by_feature().items(), strict=True):
        features[name] = {**_finite(nats), **column.describe(), "floor": FLOOR / column.grid.bins}
    totals = {"nats_per_event": result.nats_per_event, "stderr": result.stderr}
    others = {"fresh": result.fresh_nats_per_event, "marginal": result.marginal_nats_per_event}
    return {
        **_finite(totals | others),
        "excluded": result.excluded,
        "events": result.events,
        "scored": len(result.surprise),
        "sequences": result.sequences,
        "fresh_events": result.fresh_events,
        "outside": result.outside,
        "seen_in_training": len(find_overlap(model.summary, sequences)),
        "remarks": list(remarks),
        "order": list(result.names),
        "features": features,
    }


def _finite(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return figures as JSON can hold them: what is not finite becomes null."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}


def _show(
    data: Path, result: Evaluation, model: EventModel, sequences: Sequence[EventSequence], remarks: Sequence[str]
) -> None:
    from hachimachi.ngrams import find_overlap

    console = make_console()
    for remark in remarks:
        console.print(remark)
    many = f"{result.sequences:,} sequences" if result.sequences > 1 else "one sequence"
    console.print(f"{data}: {len(result.surprise):,} events scored in {many}")
    console.print(column_table(model, result.by_feature()))
    console.print(f"total: {_with_error(result.nats_per_event, result.stderr)} nats per event")
    gain = result.marginal_nats_per_event - result.nats_per_event
    way = "below" if gain > 0 else "above"
    console.print(f"{abs(gain):.2f} {way} the marginal baseline of {result.marginal_nats_per_event:.2f}")
    if result.fresh_nats_per_event is not None:
        fresh = f"{result.fresh_events:,} fresh events"
        console.print(f"{result.fresh_nats_per_event:.2f} over {fresh}, after steps that training never had")
    if result.excluded:
        console.print(f"{result.excluded:,} events are never played with these options: they cost infinity")
    elif gain <= 0:
        console.print("It predicts these events no better than a histogram of each feature would")
    if result.outside:
        console.print(f"{result.outside:,} values lie outside the support")
    if trained := find_overlap(model.summary, sequences):
        some = f"{len(trained):,} of these {result.sequences:,} sequences {'was' if len(trained) == 1 else 'were'}"
        which = some if len(sequences) > 1 else "This was"
        print_filled(console, f"Warning: {which} part of the training data, so these figures flatter the model")


def _with_error(nats: float, stderr: float, sign: str = "") -> str:
    error = f" ± {stderr:.2f}" if math.isfinite(stderr) else ""
    return f"{nats:{sign}.2f}{error}"


def _find_event(text: str, sequences: Sequence[EventSequence]) -> tuple[EventSequence, int]:
    lengths = {f"{number}": len(sequence) for number, sequence in enumerate(sequences)}
    number, _, event = text.partition(":")
    if not (event.isdecimal() and 0 < int(event) < lengths.get(number, 0)):
        last = f"the data ends at {len(sequences) - 1}:{len(sequences[-1]) - 1}"
        raise HachimachiError(f"--table {text}: expected SEQUENCE:EVENT, from 0 and from 1, such as 0:12; {last}")
    return sequences[int(number)], int(event)


def _write_table(
    path: Path, model: EventModel, sequence: EventSequence, event: int, grid: dict[str, Any], sampling: Sampling | None
) -> None:
    import torch

    from hachimachi.evaluation.grids import regrids

    rows = sequence.rows()
    given = dict(zip((column.name for column in model.columns), rows[event].tolist(), strict=True))
    tables = model.table(torch.from_numpy(rows[:event]), given, sampling)
    for regrid in regrids(model.columns, **grid).values():
        name = regrid.column.name
        tables[name] = (*regrid.column.bounds(), regrid.table(tables[name][2]))
    lines = (
        [name, number, low, high, p]
        for name, bins in tables.items()
        for number, (low, high, p) in enumerate(zip(*(values.tolist() for values in bins), strict=True))
    )
    _write_csv(path, ["feature", "bin", "low", "high", "p"], lines)


def _write_surprise(path: Path, result: Evaluation, sequences: Sequence[EventSequence]) -> None:
    scored = [(i, row) for i, sequence in enumerate(sequences) for row in range(1, len(sequence))]
    rows = ([*index, *nll, math.fsum(nll)] for index, nll in zip(scored, result.nll.tolist(), strict=True))
    _write_csv(path, ["sequence", "event", *result.names, "total"], rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    from hachimachi.io.atomic import replacing

    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _play(model: EventModel, sequences: Sequence[EventSequence], count: int, sampling: Sampling | None) -> PlayReport:
    from hachimachi.evaluation import playing

    primers = playing.cut_primers(sequences)
    conditions = playing.list_conditions(primers, sampling)
    made: dict[playing.Condition, list[EventSequence]] = {condition: [] for condition in conditions}
    with _bar(count * len(conditions), "playing") as done:
        for condition, drawn in conditions.items():
            for take in playing.play(model, count, sampling=drawn, primers=primers if condition.primed else ()):
                made[condition].append(take)
                done(1)
    return playing.evaluate_playing(model, sequences, made)


def _judge(model: EventModel, result: Evaluation, report: PlayReport | None) -> Verdict:
    from hachimachi.evaluation.verdict import judge

    known = {key: model.summary[key] for key in ("varied", "improving") if key in model.summary}
    events = model.summary.get("data", {}).get("events", 0)
    return judge(result.gain, result.gain_stderr, report, events=events, **known)


FIGURES = {
    "collapsed": ("generations", ".0f"),
    "repetition": ("longest cycle, events", ".0f"),
    "silence": ("longest silence, s", ".1f"),
    "astray": ("far off in a row, events", ".0f"),
    "beyond": ("beyond training range", ".1%"),
    "share": ("8-grams of training", ".1%"),
    "longest": ("longest run, events", ".0f"),
}
"""What each figure is called and how it is written; aspects of likeness go by their own names."""
DESCRIPTORS = {
    "key": ("key", ".2f"),
    "density": ("events a second", ".2f"),
    "silence": ("silence", ".0%"),
    "polyphony": ("notes at once", ".2f"),
    "velocity": ("velocity", ".0f"),
    "repetition": ("pitch again", ".1%"),
    "unisons": ("unisons", ".1%"),
    "jumps": ("jumps", ".1%"),
}
"""What each descriptor is called and how it is written; a range is of its feature."""


def _show_playing(report: PlayReport) -> None:
    number = len(report.generated)
    console = make_console()
    console.print(f"\n{count(number, 'generation')} of {report.events // number:,} events at each temperature:")
    right = ("data", *(str(condition).replace(", ", "\n") for condition in report.conditions))
    table = make_table(("", *right), right)
    for index, descriptor in enumerate(report.descriptors):
        made = [each.descriptors[index] for each in report.conditions.values()]
        title, form = DESCRIPTORS.get(descriptor.name, (descriptor.name, ".2f"))
        if any(not math.isnan(value) for each in made for value in (each.generated, each.real)):
            cells = (f"{_cell(each.generated, form)}{'!' if each.beyond else ' '}" for each in made)
            table.add_row(title, _cell(descriptor.real, form), *cells)
    reports = report.conditions.values()
    if report.copying:
        shares = (_cell(each.copying.generated.share, ".1%") + " " for each in reports if each.copying)
        table.add_row("8-grams of training", _cell(report.copying.real.share, ".1%"), *shares)
        runs = (f"{each.copying.generated.longest} " for each in reports if each.copying)
        table.add_row("longest run of it", f"{report.copying.real.longest}", *runs)
    table.add_row("collapsed", "", *(f"{each.collapsed}{'!' if each.collapsed else ' '}" for each in reports))
    table.add_row("least like the data", "", *(f"{each.worst.ratio:.1f} " if each.worst else "" for each in reports))
    console.print(table)
    beyond = (each.collapsed or any(figure.beyond for figure in each.descriptors) for each in reports)
    if any(beyond):
        console.print("! beyond the aim")
    if any(descriptor.name == "key" and not math.isnan(descriptor.real) for descriptor in report.descriptors):
        console.print("key: how far pitch classes are those of the data, at most 1")
    if any(each.worst for each in reports):
        console.print("least like: distance from the data in its worst aspect, beside that of halves")
    right = ("model", "data", "at most")
    table = make_table(("", "", *right, ""), right)
    group = ""
    for figure in report.figures():
        title, form = FIGURES[figure.name] if figure.group != "likeness" else (figure.name, ".3g")
        values = (figure.generated, figure.real, figure.limit)
        cells = ("" if value is None else _cell(value, form) for value in values)
        table.add_row("" if figure.group == group else figure.group, title, *cells, "" if figure.held else "over")
        group = figure.group
    at = "" if report.condition.temperature is None else "at "
    console.print(f"\nmore closely, {at}{report.condition}, from nothing:")
    console.print(table)
    if any(figure.group == "collapse" and not figure.held for figure in report.figures()):
        console.print("collapse: the same 1 to 8 events, silence, or away from the training range")
    if report.worst:
        console.print("likeness: distance from this data, beside that between its halves;")
        console.print(f"          worst in {report.worst.aspect}, {report.worst.ratio:.1f} times as far")
    if report.copying is None:
        console.print("This model does not know its training data: no figures on copying; train it again")
    for text in filter(None, (report.sentence(), report.warning())):
        print_filled(console, text)


def _cell(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


BESIDE = 3  # models that fit beside the best one on 80 columns


def _compare(
    models: Models, data: Path, sequences: list[EventSequence], grid: dict[str, Any], remarks: list[str], as_json: bool
) -> None:
    from hachimachi.evaluation.compare import compare

    with _bar(len(models) * sum(map(len, sequences))) as done:
        result = compare(models, sequences, **grid, done=done)
    if as_json:
        click.echo(json.dumps(_compared_figures(result, models, sequences, remarks), indent=2))
    else:
        _show_compared(data, result, models, sequences, remarks)


def _compared_figures(
    result: Comparison, models: Models, sequences: Sequence[EventSequence], remarks: Sequence[str]
) -> dict[str, Any]:
    from hachimachi.evaluation.likelihood import BLOCK

    def figures(gap: Difference) -> dict[str, Any]:
        return {"nats": gap.nats, **_finite({"stderr": gap.stderr}), "sure": gap.sure}

    best = result.ranking[0]
    by_model = []
    for index, (name, evaluation) in enumerate(zip(result.names, result.evaluations, strict=True)):
        features = {feature: figures(result.difference(index, best, feature)) for feature in _features(result)}
        from_best = figures(result.difference(index, best)) | {"features": features}
        of_model = _figures(evaluation, models[name], sequences, [])
        of_model["verdict"] = asdict(_judge(models[name], evaluation, None))
        by_model.append({"model": name, **of_model, "from_best": from_best})
    return {
        "best": result.names[best],
        "blocks": {"by": "sequence" if result.by_sequence else f"{BLOCK} events", "count": result.blocks},
        "remarks": [*remarks, *result.remarks],
        "models": by_model,
    }


def _features(result: Comparison) -> tuple[str, ...]:
    return result.evaluations[0].names if result.features_compare else ()


def _show_compared(
    data: Path, result: Comparison, models: Models, sequences: Sequence[EventSequence], remarks: Sequence[str]
) -> None:
    from rich.text import Text

    from hachimachi.evaluation.likelihood import BLOCK
    from hachimachi.ngrams import find_overlap

    console, ranking = make_console(), result.ranking
    for remark in (*remarks, *result.remarks):
        console.print(remark)
    best = result.evaluations[ranking[0]]
    console.print(f"{data}: {len(best.surprise):,} events scored in {count(best.sequences, 'sequence')}")
    for rank, index in enumerate(ranking, 1):
        console.print(f"{rank}  {result.names[index]}")
    for start in range(1, len(ranking), BESIDE):
        ranks = range(start, min(start + BESIDE, len(ranking)))
        right = ["1", *(f"{rank + 1} − 1" for rank in ranks)]
        table = make_table(["nats per event", *right], right)
        for feature in (*_features(result), None):
            gaps = [result.difference(ranking[rank], ranking[0], feature) for rank in ranks]
            cells = [f"{_with_error(gap.nats, gap.stderr, '+')} {'*' if gap.sure else ' '}" for gap in gaps]
            nats = best.by_feature()[feature]["nats"] if feature else best.nats_per_event
            row = map(Text, (feature or "total", f"{nats:.2f}", *cells))
            table.add_row(*row, style=None if feature else "bold")
        console.print()
        console.print(table)
    blocks = f"{count(result.blocks, 'block')} of {BLOCK} events"
    blocks = count(result.blocks, "sequence") if result.by_sequence else blocks
    console.print(f"* more than noise, at 95 %; ± standard error over {blocks}")
    if not result.features_compare:
        console.print("The models take features in different orders, so that only their totals compare")

    first, second = (result.names[index] for index in ranking[:2])
    gap = result.difference(ranking[1], ranking[0])
    if gap.nats == 0:
        console.print(f"{first} and {second} cost the same")
    elif gap.sure:
        console.print(f"{first} is better than {second}, by {_with_error(gap.nats, gap.stderr)} nats per event")
    else:
        console.print(f"That {first} is better than {second} by {_with_error(gap.nats, gap.stderr)} may be noise")
    for name, evaluation in zip(result.names, result.evaluations, strict=True):
        if evaluation.nats_per_event >= evaluation.marginal_nats_per_event:
            console.print(f"{name} predicts these events no better than a histogram of each feature would")
    for name, model in models.items():
        if trained := find_overlap(model.summary, sequences):
            print_filled(
                console, f"Warning: {name} was trained on {len(trained):,} of these sequences, which flatters it"
            )
