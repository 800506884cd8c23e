"""Windows of notes, and any augmentation that there is."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from hachimachi.augment.augmentation import ALL, Argument, ArgumentError, Augmentation, known
from hachimachi.columns import Column, fit_columns
from hachimachi.events import TIME, EventSequence, Feature

FEATURES = (
    Feature("pitch", "integer"),
    Feature("velocity", "integer", min=1, max=127),
    Feature("duration", masked=True),
    Feature("instrument", "categorical"),
    Feature("left hand", "continuous", min=-1, max=1),
)
TIMES, PITCH, VELOCITY, DURATION, INSTRUMENT, KNOB = range(6)
DIMS = st.sampled_from([TIME, ALL, "pitch", "velocity", "duration", "left hand", 0, 1, 2, 4])
NUMBERS = (
    st.just(1.0) | st.integers(-20, 200).map(float) | st.floats(-1e9, 1e9) | st.sampled_from([0.0, 0.5, 1.0, 1e300])
)
SEEDS = st.integers(0, 2**32 - 1)


def make_windows(seed: int) -> NDArray[np.float64]:
    """Windows of notes, shape (B, T, 6): chords, drums, padding, first events of sequences, values at bounds."""
    random = np.random.default_rng(seed)
    batch, length = (int(random.integers(1, most)) for most in (5, 12))
    shape = batch, length
    rows = np.stack(
        [
            random.exponential(0.3, shape) * (random.random(shape) < 0.7),
            random.integers(0, 128, shape),
            random.integers(1, 128, shape),
            random.exponential(0.3, shape),
            random.choice([0, 5, 128], shape),
            random.uniform(-1, 1, shape).round(3),
        ],
        axis=-1,
        dtype=np.float64,
    )
    rows[random.random(batch) < 0.5, 0, TIMES] = np.nan
    for row, filled in zip(rows, random.integers(0, length + 1, batch), strict=True):
        row[filled:] = np.nan
    return rows


def columns() -> tuple[Column, ...]:
    """What the windows hold."""
    random = np.random.default_rng(0)
    data = np.column_stack(
        [random.integers(0, 128, (9, 2)), random.random(9), [0, 5, 128] * 3, random.uniform(-1, 1, 9)]
    )
    return fit_columns([EventSequence(FEATURES, data, np.arange(9.0))])


@st.composite
def ops(draw: st.DrawFn, name: str) -> Augmentation:
    """Any augmentation of a name: each argument left out or given, what contradicts itself mended."""
    kind = known()[name]
    values = {key: of_argument(argument) for key, argument, _ in kind.arguments()}
    given = {key: draw(each) for key, each in values.items() if key == "dims" or draw(st.booleans())}
    while True:
        try:
            return kind(**given)
        except (ArgumentError, TypeError) as error:
            key = error.key if isinstance(error, ArgumentError) else str(error).split("'")[1]
            if key in given:
                del given[key]
            else:
                given[key] = draw(values[key])


def of_argument(argument: Argument) -> st.SearchStrategy[Any]:
    """Any value that an argument accepts."""
    kinds: list[st.SearchStrategy[Any]] = [st.sampled_from(list(argument.words.values()))] if argument.words else []
    if argument.accepts(1.0):
        kinds.append((NUMBERS | st.floats(0, 1)).filter(argument.accepts))
    if argument.accepts((0.0, 1.0)):
        kinds.append(st.tuples(NUMBERS, NUMBERS).map(lambda ends: tuple(sorted(ends))))
    if argument.accepts(("pitch",)):
        kinds.append(st.lists(DIMS, min_size=1, max_size=4).map(tuple))
    return st.one_of(kinds)
