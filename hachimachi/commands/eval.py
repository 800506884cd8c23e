"""`hxmx eval`: how well a model predicts events that it was not trained on, and which of several does it better."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.options import NamedValues, check_apart, finite, named_option, plugin_option, sampling_options
from hachimachi.console import column_table, make_console, make_table, print_filled
from hachimachi.errors import HachimachiError, count

if TYPE_CHECKING:
    from rich.console import Console

    from hachimachi.evaluation.compare import Comparison, Difference
    from hachimachi.evaluation.likelihood import Evaluation
    from hachimachi.evaluation.playing import PlayReport
    from hachimachi.evaluation.verdict import Verdict
    from hachimachi.events import EventSequence
    from hachimachi.models.event_model import EventModel
    from hachimachi.sampling import Sampling


def _two_numbers(text: str) -> tuple[float, float]:
    low, high = map(finite, text.split(":"))
    return low, high


FILE = click.Path(path_type=Path)


@click.command("eval")
@click.argument("models", metavar="MODEL...", nargs=-1, type=FILE)
@click.argument("data", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--split", type=FILE, help="A file that lists names under train, valid and test.")
@click.option("--part", type=click.Choice(["train", "valid", "test"]), help="The part of the split.  [default: test]")
@named_option("--resolution", NamedValues("NAME=Q", finite, "name=q"), "Score a feature in steps of Q.")
@named_option(
    "--support", NamedValues("NAME=LOW:HIGH", _two_numbers, "name=low:high"), "Score a feature between two values."
)
@click.option("--hear", metavar="NAME", multiple=True, help="Let the model know a masked feature of past events.")
@click.option("--surprise", type=FILE, help="Write −ln P of every column of every event to a CSV.")
@click.option(
    "--table",
    type=(str, FILE),
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
def command(models: tuple[Path, ...], data: Path, hear: tuple[str, ...], sampling: Sampling, **options: Any) -> None:
    """Measure how well MODEL predicts the events of DATA: nats per event, the fewer the better.

    Every event but each sequence's first is scored, given all before it. The marginal baseline knows how often each
    value occurred in training and nothing else; a model that is not below it has learned nothing. Fresh are events
    whose last seven steps never occur in the training data.

    What is masked, as a note's duration, is predicted and not known afterwards, unless --hear names it: then the
    figures are those of a player whose notes it has heard to their ends, as its own.

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

    if not models:
        raise click.UsageError(f"found {data} alone; expected a model, or several, and then the data")
    drawn, split = None if sampling == Sampling() else sampling, options["split"]
    grid = {key: options[key] for key in ("resolution", "support")}
    if options["part"] and not split:
        raise click.UsageError("--part needs --split FILE")
    if drawn and any(grid.values()):
        raise click.UsageError("--resolution and --support score what is predicted, not what is drawn")
    alone = {**{f"--{key}": options[key] for key in ("surprise", "table", "play")}, "options of gen": drawn}
    if len(models) > 1 and (given := [option for option, value in alone.items() if value]):
        raise click.UsageError(f"{given[0]}: for one model, found {len(models)}")
    if doubled := [path for path in models if models.count(path) > 1]:
        raise click.UsageError(f"{doubled[0]}: stands there twice; expected different models")
    written = options["surprise"], options["table"] and options["table"][1]
    check_apart(filter(None, written), [*models, data, split])
    judged = _load(models, data, split, options["part"] or "test", grid=grid, drawn=drawn, hear=hear)
    if len(models) > 1:
        _compare(judged, options["as_json"])
    else:
        _evaluate(judged, options["as_json"], options["surprise"], options["table"], options["play"])


@dataclass(frozen=True)
class Judged:
    """What models, by the names of their files, are to predict and how that is scored, and what was said of reading it:
    ``grid`` are the resolutions and supports, ``drawn`` is how they draw where that is scored."""

    data: Path
    models: dict[str, EventModel]
    sequences: list[EventSequence]
    remarks: list[str]
    grid: dict[str, Any]
    drawn: Sampling | None
    hear: Sequence[str]

    def trained_on(self, model: EventModel) -> int:
        """Return how many of the sequences a model was trained on."""
        from hachimachi.ngrams import find_overlap

        return len(find_overlap(model.summary, self.sequences))

    def bar(self) -> AbstractContextManager[Callable[[int], None]]:
        """Show how many events were scored, on a terminal."""
        total = len(self.models) * sum(map(len, self.sequences))
        return _bar(total, f"{total:,} events")


def _load(paths: Sequence[Path], data: Path, split: Path | None, part: str, **scored: Any) -> Judged:
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
    return Judged(data, models, sequences, report.lines(), **scored)


@contextmanager
def _bar(total: int, description: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield partial(progress.advance, progress.add_task(description, total=total))


def _evaluate(
    judged: Judged, as_json: bool, surprise: Path | None, table: tuple[str, Path] | None, play: int | None
) -> None:
    from hachimachi.evaluation.likelihood import evaluate, evaluate_sampled

    [model], sequences, drawn = judged.models.values(), judged.sequences, judged.drawn
    event = _find_event(table[0], sequences) if table else None
    score = partial(evaluate_sampled, sampling=drawn) if drawn else partial(evaluate, **judged.grid)
    with judged.bar() as done:
        result = score(model, sequences, hear=judged.hear, done=done)
    if not len(result.nll):
        raise HachimachiError(f"{judged.data}: nothing to score; expected a sequence of two events or more")
    if surprise:
        scored = [(i, row) for i, sequence in enumerate(sequences) for row in range(1, len(sequence))]
        rows = ([*index, *nll, math.fsum(nll)] for index, nll in zip(scored, result.nll.tolist(), strict=True))
        _write_csv(surprise, ["sequence", "event", *result.names, "total"], rows)
    if table and event:
        _write_table(table[1], judged, *event)
    report = _play(model, sequences, play, drawn) if play else None
    verdict = _judge(model, result, report) if not drawn else None
    if as_json:
        figures = _figures(judged, model, result) | {"remarks": judged.remarks}
        figures |= {"playing": report.to_json()} if report else {}
        figures |= {"verdict": asdict(verdict)} if verdict else {}
        click.echo(json.dumps(figures, indent=2))
        return
    console = make_console()
    _show(console, judged, model, result)
    if report:
        _show_playing(console, report)
    for line in verdict.lines() if verdict else ():
        print_filled(console, line)


def _find_event(text: str, sequences: Sequence[EventSequence]) -> tuple[EventSequence, int]:
    lengths = {f"{number}": len(sequence) for number, sequence in enumerate(sequences)}
    number, _, event = text.partition(":")
    if not (event.isdecimal() and 0 < int(event) < lengths.get(number, 0)):
        last = f"the data ends at {len(sequences) - 1}:{len(sequences[-1]) - 1}"
        raise HachimachiError(f"--table {text}: expected SEQUENCE:EVENT, from 0 and from 1, such as 0:12; {last}")
    return sequences[int(number)], int(event)


def _write_table(path: Path, judged: Judged, sequence: EventSequence, event: int) -> None:
    import torch

    from hachimachi.evaluation.grids import regrids
    from hachimachi.evaluation.likelihood import known_columns

    [model], rows = judged.models.values(), sequence.rows()
    given = dict(zip((column.name for column in model.columns), rows[event].tolist(), strict=True))
    tables = model.table(torch.from_numpy(rows[:event]), given, judged.drawn, known_columns(model, judged.hear))
    for regrid in regrids(model.columns, **judged.grid).values():
        name = regrid.column.name
        tables[name] = (*regrid.column.bounds(), regrid.table(tables[name][2]))
    lines = (
        [name, number, low, high, p]
        for name, bins in tables.items()
        for number, (low, high, p) in enumerate(zip(*(values.tolist() for values in bins), strict=True))
    )
    _write_csv(path, ["feature", "bin", "low", "high", "p"], lines)


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


def _figures(judged: Judged, model: EventModel, result: Evaluation) -> dict[str, Any]:
    from hachimachi.columns import FLOOR

    features = {}
    for column, (name, nats) in zip(result.columns, result.by_feature().items(), strict=True):
        features[name] = {**_finite(nats), **column.describe(), "floor": FLOOR / column.grid.bins}
    totals = {"nats_per_event": result.nats_per_event, "stderr": result.stderr}
    others = {"fresh": result.fresh_nats_per_event, "marginal": result.marginal_nats_per_event}
    return {
        **_finite(totals | others),
        "hear": list(judged.hear),
        "excluded": result.excluded,
        "events": result.events,
        "scored": len(result.nll),
        "sequences": result.sequences,
        "fresh_events": result.fresh_events,
        "outside": result.outside,
        "seen_in_training": judged.trained_on(model),
        "remarks": [],
        "order": list(result.names),
        "features": features,
    }


def _finite(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return figures as JSON can hold them: what is not finite becomes null."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}


def _show(console: Console, judged: Judged, model: EventModel, result: Evaluation) -> None:
    for remark in judged.remarks:
        console.print(remark)
    known = f"; it knows the past {' and '.join(judged.hear)}" if judged.hear else ""
    console.print(f"{judged.data}: {len(result.nll):,} events scored in {count(result.sequences, 'sequence')}{known}")
    console.print(column_table(model, result.by_feature()))
    console.print(f"total: {_with_error(result.nats_per_event, result.stderr)} nats per event")
    way = "below" if result.gain > 0 else "above"
    console.print(f"{abs(result.gain):.2f} {way} the marginal baseline of {result.marginal_nats_per_event:.2f}")
    if result.fresh_nats_per_event is not None:
        fresh = f"{result.fresh_events:,} fresh events"
        console.print(f"{result.fresh_nats_per_event:.2f} over {fresh}, after steps that training never had")
    if result.excluded:
        console.print(f"{result.excluded:,} events are never played with these options: they cost infinity")
    elif result.gain <= 0:
        console.print("It predicts these events no better than a histogram of each feature would")
    if result.outside:
        console.print(f"{result.outside:,} values lie outside the support")
    if trained := judged.trained_on(model):
        which = f"{trained:,} of these {result.sequences:,} sequences were" if result.sequences > 1 else "This was"
        print_filled(console, f"Warning: {which} part of the training data, so these figures flatter the model")


def _with_error(nats: float, stderr: float, sign: str = "") -> str:
    error = f" ± {stderr:.2f}" if math.isfinite(stderr) else ""
    return f"{nats:{sign}.2f}{error}"


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


def _show_playing(console: Console, report: PlayReport) -> None:
    from hachimachi.evaluation.likeness import TIMES

    reports, number = list(report.conditions.values()), len(report.generated)
    console.print(f"\n{count(number, 'generation')} of {report.events // number:,} events at each temperature:")
    right = ("data", *(str(condition).replace(", ", "\n") for condition in report.conditions))
    table = make_table(("", *right), right)

    def add(title: str, form: str, real: float, made: Iterable[tuple[float, bool]]) -> None:
        cells = [("" if math.isnan(value) else format(value, form), beyond) for value, beyond in ((real, False), *made)]
        if any(cell for cell, _ in cells):
            table.add_row(title, cells[0][0], *(f"{cell}{'!' if beyond else ' '}" for cell, beyond in cells[1:]))

    for i, descriptor in enumerate(report.descriptors):
        title, form = DESCRIPTORS.get(descriptor.name, (descriptor.name, ".2f"))
        made = [each.descriptors[i] for each in reports]
        add(title, form, descriptor.real, [(each.generated, bool(each.beyond)) for each in made])
    if report.copying:
        copying = [each.copying for each in reports if each.copying]
        shares = [(each.generated.share, each.generated.share > each.share_limit) for each in copying]
        add("8-grams of training", ".1%", report.copying.real.share, shares)
        longest = [(each.generated.longest, each.generated.longest > each.longest_limit) for each in copying]
        add("longest run of it", ".0f", report.copying.real.longest, longest)
    add("collapsed", ".0f", math.nan, [(each.collapsed, each.collapsed > 0) for each in reports])
    likeness = [each.worst.ratio if each.worst else math.nan for each in reports]
    add("least like the data", ".1f", math.nan, [(ratio, ratio > TIMES) for ratio in likeness])
    console.print(table)
    if any("!" in str(cell) for column in table.columns for cell in column.cells):
        console.print("! beyond the aim")
    if any(descriptor.name == "key" and not math.isnan(descriptor.real) for descriptor in report.descriptors):
        console.print("key: how far pitch classes are those of the data, at most 1")
    if any(each.collapsed for each in reports):
        console.print("collapsed: the same 1 to 8 events, silence, or away from the training range")
    if report.worst:
        worst = f"distance in its worst aspect ({report.worst.aspect}), beside that of halves of the data"
        print_filled(console, f"least like: {worst}")
    if report.copying is None:
        console.print("This model does not know its training data: no figures on copying; train it again")
    for text in filter(None, (report.sentence(), report.warning())):
        print_filled(console, text)


def _compare(judged: Judged, as_json: bool) -> None:
    from hachimachi.evaluation.compare import compare
    from hachimachi.evaluation.likelihood import BLOCK

    with judged.bar() as done:
        result = compare(judged.models, judged.sequences, **judged.grid, hear=judged.hear, done=done)
    features = result.evaluations[0].names if result.features_compare else ()
    if not as_json:
        _show_compared(judged, result, features)
        return

    def figures(gap: Difference) -> dict[str, Any]:
        return {"nats": gap.nats, **_finite({"stderr": gap.stderr}), "sure": gap.sure}

    best, by_model = result.ranking[0], []
    for i, (name, evaluation) in enumerate(zip(result.names, result.evaluations, strict=True)):
        of_model = {"model": name, **_figures(judged, judged.models[name], evaluation)}
        of_model["verdict"] = asdict(_judge(judged.models[name], evaluation, None))
        by_feature = {feature: figures(result.difference(i, best, feature)) for feature in features}
        by_model.append({**of_model, "from_best": figures(result.difference(i, best)) | {"features": by_feature}})
    whole = {
        "best": result.names[best],
        "blocks": {"by": "sequence" if result.by_sequence else f"{BLOCK} events", "count": result.blocks},
        "remarks": [*judged.remarks, *result.remarks],
        "models": by_model,
    }
    click.echo(json.dumps(whole, indent=2))


BESIDE = 3  # models that fit beside the best one on 80 columns


def _show_compared(judged: Judged, result: Comparison, features: Sequence[str]) -> None:
    from rich.text import Text

    from hachimachi.evaluation.likelihood import BLOCK

    console, ranking = make_console(), result.ranking
    for remark in (*judged.remarks, *result.remarks):
        console.print(remark)
    best = result.evaluations[ranking[0]]
    console.print(f"{judged.data}: {len(best.nll):,} events scored in {count(best.sequences, 'sequence')}")
    for rank, i in enumerate(ranking, 1):
        console.print(f"{rank}  {result.names[i]}")
    for start in range(1, len(ranking), BESIDE):
        ranks = range(start, min(start + BESIDE, len(ranking)))
        right = ["1", *(f"{rank + 1} − 1" for rank in ranks)]
        table = make_table(["nats per event", *right], right)
        for feature in (*features, None):
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

    first, second = (result.names[i] for i in ranking[:2])
    gap = result.difference(ranking[1], ranking[0])
    if gap.nats == 0:
        console.print(f"{first} and {second} cost the same")
    elif gap.sure:
        console.print(f"{first} is better than {second}, by {_with_error(gap.nats, gap.stderr)} nats per event")
    else:
        console.print(f"That {first} is better than {second} by {_with_error(gap.nats, gap.stderr)} may be noise")
    for name, evaluation in zip(result.names, result.evaluations, strict=True):
        if evaluation.gain <= 0:
            console.print(f"{name} predicts these events no better than a histogram of each feature would")
        if trained := judged.trained_on(judged.models[name]):
            print_filled(console, f"Warning: {name} was trained on {trained:,} of these sequences, which flatters it")
