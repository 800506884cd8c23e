"""Generating events offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError, expect
from hachimachi.events import EventSequence, as_sequences
from hachimachi.io import read
from hachimachi.player.engine import Player, one_thread
from hachimachi.sampling import Sampling, choose_sampling

if TYPE_CHECKING:
    from hachimachi.models.event_model import EventModel

DENSEST = 1000  # events per second at which a generation by seconds gives up
MARGIN = 1e-6  # seconds: times that are added up come out a little different
LONGEST = 10**9  # events at which every generation by seconds gives up


def generate(
    model: EventModel | Player,
    n_events: int | None = None,
    *,
    seconds: float | None = None,
    primer: EventSequence | Sequence[EventSequence] | None = None,
    temperature: float | Mapping[str, float] = 1.0,
    sampling: Sampling | None = None,
    seed: int = 0,
) -> EventSequence:
    """Let a model go on by itself; the same seed gives the same events.

    Args:
        model: The model; or a player of it, which stays as it is: it goes on from the start, and not from its state.
        n_events: How many events, 1,000 unless seconds are given.
        seconds: How long, for models that know time; the first of both limits ends it.
        primer: What the model observes first, or a list of that alone; it is not part of what is returned.
        temperature: See :class:`~hachimachi.sampling.Sampling`.
        sampling: All options of drawing, in place of a temperature alone.

    Time starts at 0 with the first event, or goes on from the primer's last. HachimachiError for limits below 1 event
    or 0 seconds, seconds without time or too few for an event, a primer of other features, or an unplayable sampling.

    >>> from hachimachi import Constraint, Sampling, build_model
    >>> from hachimachi.events import make_sequence
    >>> data = make_sequence([[60.0], [64.0], [67.0]] * 20, [0.25 * i for i in range(60)], ["pitch"])
    >>> calm = Sampling(temperature=0.9, constraints={"pitch": Constraint.scale("C pentatonic")})
    >>> sorted(set(generate(build_model([data]), 20, sampling=calm).column("pitch") % 12) - {0, 2, 4, 7, 9})
    []
    """
    sampling = choose_sampling(temperature, sampling)
    return generate_many(model, 1, n_events, seconds=seconds, primer=primer, sampling=sampling, seed=seed)[0]


def generate_many(
    model: EventModel | Player,
    count: int,
    n_events: int | None = None,
    *,
    seconds: float | None = None,
    primer: EventSequence | Sequence[EventSequence] | None = None,
    sampling: Sampling | None = None,
    seed: int = 0,
) -> list[EventSequence]:
    """Generate several sequences; the one at index i is what :func:`generate` gives for the seed ``seed`` + i.
    The primer is observed once. See :func:`generate` for the arguments and errors."""
    expect(hasattr(model, "columns"), "model", model, "a model, as load_model(…) returns it")
    numbers = {"number of events": n_events, "seconds": seconds, "number of sequences": count, "seed": seed}
    for what, number in numbers.items():
        expect(number is None or isinstance(number, Real), what, number, "a number")
    if n_events is not None and n_events < 1:
        raise HachimachiError(f"number of events is {n_events}; expected 1 or more")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise HachimachiError(f"seconds is {seconds}; expected a number above 0")
    if seconds is not None and not model.temporal:
        raise HachimachiError("seconds: this model knows no time; give a number of events instead")
    if count < 1:
        raise HachimachiError(f"number of sequences is {count}; expected 1 or more")
    if primer is not None:
        primers = as_sequences(primer, "primer")
        if len(primers) != 1:
            raise HachimachiError(f"primer holds {len(primers)} sequences; a primer is one")
        [primer] = primers
        check_features(model, primer)
    player = Player(model, seed, sampling=sampling or Sampling())
    primed = primer is not None and len(primer) > 0
    start = float(primer.time[-1]) if primer is not None and primed and primer.time is not None else 0.0
    most = n_events or (1000 if seconds is None else int(min(DENSEST * seconds, LONGEST)) + 1)
    sequences = []
    with one_thread():
        for row in primer.rows() if primer is not None else ():
            player.observe(row)
        for i in range(count):
            rows = _play(player.fork(seed + i), most, seconds, first=not primed)
            if not rows:
                raise HachimachiError(f"seconds is {seconds:g}: the first event comes later than that; ask for longer")
            table = np.array(rows)  # (N, D)
            time = start + np.nancumsum(table[:, 0]) if model.temporal else None
            sequences.append(EventSequence(model.features, table[:, int(model.temporal) :], time, name="generated"))
    return sequences


def _play(player: Player, most: int, seconds: float | None, *, first: bool) -> list[NDArray[np.float64]]:
    """Draw rows until there are so many, or until the next would come after so many seconds."""
    rows: list[NDArray[np.float64]] = []
    elapsed = passed = 0.0
    polyphony, names = player.sampling.polyphony, [column.name for column in player.columns]
    sounding: list[tuple[float, NDArray[np.float64]]] = []  # when the notes that sound began, and their rows
    while len(rows) < most:
        row = player.sample()
        if first and not rows and player.temporal:
            row[0] = np.nan  # nothing came before it
        elapsed += float(np.nan_to_num(row[0])) if player.temporal else 0.0
        if seconds is not None and elapsed > seconds:
            break
        player.observe(row)
        row[0] += passed
        if polyphony is not None:
            duration = names.index("duration")
            sounding = [(began, note) for began, note in sounding if began + note[duration] > elapsed + MARGIN]
            if len(sounding) == polyphony:
                began, earliest = sounding.pop(0)
                if elapsed - began < player.voices.instant:  # a chord of more notes than may sound
                    sounding.insert(0, (began, earliest))
                    passed = row[0]
                    continue
                earliest[duration] = elapsed - began
            sounding.append((elapsed, row))
            passed = 0.0
        rows.append(row)
    return rows


def check_features(model: EventModel | Player, data: EventSequence) -> None:
    """Raise HachimachiError unless data has the columns a model was trained on, and time if it had."""
    expected = [feature.name for feature in model.features]
    found = [feature.name for feature in data.features]
    where = data.name or "the data"
    if found != expected:
        raise HachimachiError(f"{where}: features are {', '.join(found)}; the model expects {', '.join(expected)}")
    if data.temporal != model.temporal:
        has, trained = ("has time" if temporal else "has no time" for temporal in (data.temporal, model.temporal))
        raise HachimachiError(f"{where}: {has}, but the model was trained on data that {trained}")


def read_primer(path: str | Path, model: EventModel | Player) -> EventSequence:
    """Read what a model is to observe first: one sequence, with the columns that it knows."""
    # a MIDI file says which instrument plays even if only one does; a model of one instrument does not ask
    all_columns = any(feature.name == "instrument" for feature in model.features)
    sequences = read(path, all_columns=all_columns)
    if len(sequences) > 1:
        raise HachimachiError(f"{path}: holds {len(sequences)} sequences; a primer is one")
    check_features(model, sequences[0])
    return sequences[0]
