"""Continual learning: a copy of a model learns what was just played, and rehearses what it knew before.

Without rehearsal a network forgets (French 1999, *Trends in Cognitive Sciences* 3:4). What it rehearses is some of its
own training data, or where that is not at hand what it generates itself: pseudorehearsal (Robins 1995, *Connection
Science* 7:2).
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hachimachi import plugins
from hachimachi.bases import find_base
from hachimachi.checkpoint import load_model, load_player, save_model
from hachimachi.columns import UniformGrid
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.compare import SEVERAL, block_error
from hachimachi.evaluation.likelihood import BLOCK, evaluate
from hachimachi.events import EventSequence
from hachimachi.generation import generate_many
from hachimachi.io import write
from hachimachi.models.event_model import EventModel
from hachimachi.ngrams import all_ngrams
from hachimachi.training.config.compose import COLLECTION, compose
from hachimachi.training.config.overrides import quote
from hachimachi.training.data import EventDataModule
from hachimachi.training.fine_tuning import Start, describe_base
from hachimachi.training.fit import train
from hachimachi.training.holdout import draw
from hachimachi.training.limits import PERFORMANCE

HELD_OUT = 0.2  # share of what was played, the end of it, that decides whether the model got better
REHEARSED = 0.5  # events of what it knew before, for each that is new
SCORED = 500  # events of what it knew before, not rehearsed, by which it is told how much was forgotten
FORGOTTEN = 0.1  # nats per event that these may cost more than in the beginning
PIECE = 64  # events in a row that are rehearsed, as many as in a window
SHARES = (1.0, 0.75, 0.5, 0.25)  # of what was learned that may be kept
SECONDS = 12.0  # of training at most, for a performance of up to `PERFORMANCE` events
RECIPE = ("augment=none", "callbacks.patience=5", "dataset.clock=false", "trainer.threads=1")
"""What differs from fine-tuning elsewhere: what was played is learned in its key and at its pace, which was worth half
as much again on three performances, and what is best comes within a few dozen steps."""


@dataclass(frozen=True)
class LearningOutcome:
    """What came of learning, in nats per event: on the end of what was played, of the new model and of the one that
    plays; on what was known (``own`` training data, or generated), of the new one and of the one all began with.
    ``error``: The standard error of what was gained, see `standard_error`."""

    new: float
    known_new: float
    old: float
    known_old: float
    own: bool
    error: float = 0.0

    @property
    def better(self) -> bool:
        """Whether the model may take the place of the one that plays: it gained more than noise, and forgot little."""
        return self.old - self.new > self.error and self.known_new - self.known_old <= FORGOTTEN


class Continuation(Start):
    """A start from a model as it is, with all of its columns and weights: it begins with what that scores."""

    def build(
        self, data: EventDataModule, backbone: dict[str, Any], head: dict[str, Any], size: int, **_: Any
    ) -> EventModel:
        """Return a copy of the model but for its dropout; see `Start.build`."""
        assert self.base is not None
        data.columns = self.base.columns  # the same grids and histograms, so that nats compare
        parts, encoder = {kind: dict(options) for kind, options in self.base.parts.items()}, self.base.encoder
        for kind, given in (("backbone", backbone), ("head", head)):
            if plugins.takes(kind, parts[kind]["name"], "dropout") and "dropout" in given:
                parts[kind]["dropout"] = given["dropout"]
        clock = None if encoder.clock is None else encoder.clock.tolist()
        chosen = (self.base.columns, parts["backbone"], parts["head"], size, clock)
        model = EventModel(*chosen, hear_masked=encoder.masked is not None)
        model.grams = all_ngrams(list(data.train), model.columns)
        return blend(model, self.base, 0.0)


@torch.no_grad()
def blend(model: EventModel, base: EventModel, share: float) -> EventModel:
    """Keep a share of what a model has learned since it was a base: weights in between the two are often better than
    either where both count, what was learned and what was known (Wortsman et al. 2022,
    https://arxiv.org/abs/2109.01903). Changes the model and returns it."""
    known = base.state_dict()
    for name, array in model.state_dict().items():
        theirs, own = known[name], array
        if array.shape != theirs.shape:  # the last numbers of what is encoded: how windows are augmented
            width = min(array.shape[-1], theirs.shape[-1])
            theirs, own = theirs[..., :width], array[..., :width]
        own.copy_(theirs.lerp(own, share) if own.is_floating_point() else theirs)
    return model


def learn(
    played: Sequence[EventSequence],
    path: Path,
    origin: Path,
    output: Path,
    work: Path,
    report: Callable[[str, float], None] = lambda *_: None,
    scope: str = "all",
    overrides: Sequence[str] = (),
) -> LearningOutcome:
    """Tune a copy of the model at a path with what was played, and write it where it got better and forgot little.

    Args:
        origin: The model that the performance began with, of which little may be forgotten.
        output: Where the caller is to move the model, and what was learned from, a data set and its split.
        work: A folder for them until then, by the same names, and for what is not kept.
        report: Is told each phase as it begins, and how many seconds it takes at most, 0 where that is not known.
        scope: Whose events were played, all or mine, for the model's summary.
    """
    model, first, output = load_model(path), load_model(origin), output.resolve()
    played = [_fit(sequence, model) for sequence in played if len(sequence) > 1]
    events = sum(map(len, played))
    place = round((1 - HELD_OUT) * events)
    starts = np.cumsum([0, *map(len, played)])[:-1].tolist()
    rehearsed, kept, own = recall(first, round(REHEARSED * place))
    pairs = [(each, max(0, place - start)) for each, start in zip(played, starts, strict=True)]
    parts = {
        "train": [*(each[:end] for each, end in pairs), *rehearsed],
        "valid": [*(each[end:].from_zero() for each, end in pairs), *kept],
    }
    work.mkdir(parents=True, exist_ok=True)
    made = work / output.name
    data, split = made.with_suffix(".json"), made.with_name(f"{made.stem}-split.json")
    sequences, names = list[EventSequence](), {}
    for part, chosen in parts.items():
        named = [replace(each, name=f"{part} {number}") for number, each in enumerate(chosen, 1) if len(each) > 1]
        sequences, names[part] = [*sequences, *named], [each.name for each in named]
    write(data, sequences)
    split.write_text(json.dumps(names), encoding="utf-8")
    files = {"init": path, "output": work / "model.pt", "dataset.path": data, "dataset.split": split}
    seconds = SECONDS * max(1.0, events / PERFORMANCE)
    given = [*(f"{key}={quote(str(file))}" for key, file in files.items()), *RECIPE, "callbacks=quiet", "logger=none"]
    given.append(f"trainer.max_minutes={seconds / 60}")
    if model.temporal:
        given.append(f"feature.time.resolution={model.columns[0].describe()['resolution']}")
    report("training", seconds)
    name = path.stem if find_base(path.stem) == path else str(path.resolve())
    told = describe_base(model, name)
    start = Continuation(model, name, told.line, lineage=told.lineage, heard=False)
    tuned = train(compose([*given, *overrides]), work / "run", start=start).model
    report("judging", 0.0)
    scored = place - sum(each < place for each in starts)  # no sequence's first event is scored
    old, known_old = evaluate(model, played).nll[scored:].sum(1), evaluate(first, kept).nats_per_event

    def judge(judged: EventModel) -> LearningOutcome:
        new, known_new = evaluate(judged, played).nll[scored:].sum(1), evaluate(judged, kept).nats_per_event
        error = standard_error(new - old)
        return LearningOutcome(float(new.mean()), known_new, float(old.mean()), known_old, own, error)

    blends = {share: blend(copy.deepcopy(tuned), model, share) for share in SHARES}
    judged = {share: judge(each) for share, each in blends.items()}
    share, outcome = min(judged.items(), key=lambda each: (not each[1].better, each[1].new))
    if outcome.better:
        stage = {"scope": scope, "events": place, "rehearsed": sum(map(len, rehearsed)), "share": share}
        blends[share].summary["stage"] = stage | asdict(outcome)
        kept_at = {"path": output.with_suffix(".json"), "split": output.with_name(split.name)}
        blends[share].summary["config"]["dataset"] |= {key: str(file) for key, file in kept_at.items()}
        save_model(blends[share], made)
        load_player(made)  # raises where it cannot be played
    return outcome


def standard_error(differences: NDArray[np.float64]) -> float:
    """Return the standard error of a mean, shape (N,), by blocks of `BLOCK` events or `SEVERAL` shorter ones."""
    count = min(len(differences), max(SEVERAL, len(differences) // BLOCK))
    return block_error(differences, np.sort(np.arange(len(differences)) % count)) if count > 1 else math.inf


def recall(model: EventModel, events: int) -> tuple[list[EventSequence], list[EventSequence], bool]:
    """Return about so many events of what a model knows, others of that to score it by, and whether they are its own
    training data, by its own split, and not generated."""
    data = _find_data(model)
    if data is None:
        most = max(PIECE, events // 4)  # in few sequences: the beginning of one is not typical of it
        generated = generate_many(model, 4 + 2, most, seed=1)
        return generated[2:], [each[: SCORED // 2] for each in generated[:2]], False
    pieces = [each[at : at + PIECE].from_zero() for each in data.train for at in range(0, len(each), PIECE)]
    drawn = draw(list(map(len, pieces)), min(events, data.events), seed=0)
    kept, rest = list[EventSequence](), SCORED
    for each in data.valid:
        kept.append(each[:rest].from_zero())
        rest -= len(kept[-1])
    known = [pieces[i][:length] for i, length in drawn.items()]
    return [_fit(each, model) for each in known], [_fit(each, model) for each in kept if len(each) > 1], True


def _find_data(model: EventModel) -> EventDataModule | None:
    """Return what a model learned from, split as it was then; ``None`` where that is not at hand."""
    config, learned = model.summary.get("config", {}), model.summary.get("data", {})
    keys, chosen = ("path", "split", "valid_fraction", "limit_events"), config.get("dataset", {})
    options = {key: chosen[key] for key in keys if chosen.get(key) is not None}
    few = learned.get("events", COLLECTION) < COLLECTION  # a collection takes too long to read
    if not (few and "fingerprint" in learned and "path" in options and Path(options["path"]).exists()):
        return None
    try:
        data = EventDataModule(**options, seed=config.get("seed", 0))
        data.setup()
        same = data.fingerprint() == learned["fingerprint"]
    except HachimachiError:
        return None
    alike = [each.name for each in data.train.features] == [each.name for each in model.features]
    return data if same and alike and data.valid else None


def _fit(sequence: EventSequence, model: EventModel) -> EventSequence:
    """Return events as a model can have them: its features and time, values within its grids."""
    data = sequence.data.copy()
    for i, column in enumerate(model.columns[model.temporal :]):
        if isinstance(grid := column.grid, UniformGrid):
            data[:, i] = data[:, i].clip(grid.low * grid.resolution, grid.high * grid.resolution)
    return EventSequence(model.features, data, sequence.time if model.temporal else None, sequence.name)
