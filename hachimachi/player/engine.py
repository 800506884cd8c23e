"""Playing a model one event at a time, in NumPy: torch is looked for only where a part has no form in NumPy."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.clock import Clock
from hachimachi.columns import Categories, Column, UniformGrid
from hachimachi.constraints import Constraint, allowed_bins
from hachimachi.errors import HachimachiError, expect
from hachimachi.events import TIME, Feature
from hachimachi.player.numpy_backbones import NUMPY_BACKBONES, Arrays, NumpyBackbone, Vector, as_array
from hachimachi.player.numpy_heads import NUMPY_HEADS, NumpyHead, column_writer
from hachimachi.sampling import Sampling, choose_sampling

if TYPE_CHECKING:
    from torch import nn

    from hachimachi.models.event_model import EventModel
    from hachimachi.ngrams import NGrams

REDRAWS = 8
"""How often an event is drawn again that strikes a key twice at one instant, or steps further than any it learned."""


@dataclass(frozen=True, eq=False)
class StoredModel:
    """What a model file holds: all that it takes to build the model again, or to play it, and how it was trained."""

    columns: tuple[Column, ...]  # what a row holds, D of them
    parts: dict[str, dict[str, Any]]  # the backbone and the head, each by its name and options
    weights: Arrays  # what was learned, by name
    buffers: Arrays  # what else the parts keep, by name
    summary: dict[str, Any]  # how it was trained and what it scored
    plugins: tuple[str, ...] = ()  # modules outside this package that its parts come from
    # n-grams of its training data; see :data:`~hachimachi.ngrams.KINDS`
    grams: dict[str, NGrams] = field(default_factory=dict)
    version: int = 0  # of the file; 0 for a checkpoint

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(array.size for array in self.weights.values())

    @property
    def arrays(self) -> Arrays:
        """Weights and buffers."""
        return {**self.weights, **self.buffers}


class RowEncoder:
    """Encodes rows, one at a time."""

    def __init__(self, columns: Sequence[Column], arrays: Arrays) -> None:
        inputs = [i for i, c in enumerate(columns) if "encoder.masked" in arrays or not c.feature.masked]
        parts = [(columns[i], f"encoder.parts.{at}") for at, i in enumerate(inputs)]
        writers = [column_writer(column, arrays, part, flag=column.feature.masked) for column, part in parts]
        sizes = [size for size, _ in writers]
        self.starts = dict(zip(inputs, np.cumsum([0, *sizes]).tolist(), strict=False))
        """Where the encoding of each column begins, by column; that of a number begins with the number."""
        augmented, clock = arrays["encoder.augmented"], arrays.get("encoder.clock")  # (K,), (3 + periods,)
        self.clock = None if clock is None else Clock.of(clock.tolist())
        shown = np.zeros(self.clock.size if self.clock else 0)
        self.encoded = np.concatenate([np.zeros(sum(sizes)), shown, augmented]).astype(np.float32)
        self.shown = slice(sum(sizes), sum(sizes) + len(shown))  # where what the clock shows stands
        slots = np.split(self.encoded, np.cumsum(sizes))  # views; how it is augmented is left over
        self.parts = [(i, write, slot) for i, (_, write), slot in zip(inputs, writers, slots, strict=False)]

    def __call__(self, values: Sequence[float], moment: tuple[float, int]) -> Vector:
        """Encode raw values, D of them, seconds and events after the first one, as a new vector, shape (E,)."""
        for i, write, slot in self.parts:
            write(values[i], slot)
        if self.clock is not None:
            self.encoded[self.shown] = self.clock.read(*moment)
        return self.encoded.copy()  # a backbone may keep it


Struck = frozenset[tuple[float, ...]]
"""The keys that were struck at the instant of the last event."""


class Voices:
    """What tells one key from another, and one instant from the next."""

    def __init__(self, columns: Sequence[Column]) -> None:
        names = [column.name for column in columns]
        self.time = columns[0] if names[0] == TIME else None
        notes = self.time is not None and "pitch" in names
        self.key = [i for i, c in enumerate(columns) if notes and (c.name == "pitch" or isinstance(c.grid, Categories))]
        """Indices of the columns that tell one key from another: pitch, and what plays it."""
        self.instant = self.time.describe()["resolution"] / 2 if self.time else 0.0

    def observe(self, struck: Struck, row: Sequence[float]) -> Struck:
        """Return what is struck after one event more, D values; a time that is not known (NaN) counts as 0."""
        if not self.key:
            return struck
        return (frozenset() if row[0] >= self.instant else struck) | {tuple(row[i] for i in self.key)}

    def repeats(self, struck: Struck, row: NDArray[np.float64]) -> bool:
        """Return whether an event, shape (D,), strikes a key again at the instant at which it was struck."""
        return bool(struck) and not row[0] >= self.instant and tuple(row[i] for i in self.key) in struck

    def later(self, sampling: Sampling) -> Sampling:
        """Return how to draw an event that does not come at this instant, if its time may be otherwise."""
        assert self.time is not None
        limited = sampling.with_constraint(TIME, Constraint.between(2 * self.instant, math.inf))
        try:
            allowed_bins(self.time, limited.constraints[TIME])
        except HachimachiError:
            return sampling
        return limited


Latest = Mapping[tuple[float, ...], Sequence[float]]
"""The last event of each combination of categories, where steps are limited."""


class Steps:
    """How far controllers may move from the previous event of the same categories: as in training. Notes may leap."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.limits: list[tuple[int, str, float, float, float, float]] = []
        """Index and name of a column, its farthest steps down and up, its least and greatest value."""
        for i, column in enumerate(columns):
            if column.played_steps and isinstance(grid := column.grid, UniformGrid):
                ends = [(grid.low + end) * grid.resolution for end in column.played]
                self.limits.append((i, column.name, *column.played_steps, ends[0], ends[1]))
        self.categories = [i for i, column in enumerate(columns) if isinstance(column.grid, Categories)]

    def observe(self, latest: Latest, row: Sequence[float]) -> Latest:
        """Return the last events after one more, D values."""
        return {**latest, tuple(row[i] for i in self.categories): row} if self.limits else latest

    def clip(self, latest: Latest, row: NDArray[np.float64], sampling: Sampling) -> NDArray[np.float64]:
        """Return an event, shape (D,), with no value beyond its farthest step; constrained columns stay as they are."""
        previous = latest.get(tuple(row[i] for i in self.categories)) if self.limits else None
        if previous is None:
            return row
        clipped = row
        for i, name, low, high, least, greatest in self.limits:
            start = min(max(previous[i], least), greatest)  # a player may have been beyond what is played
            step = row[i] - start
            if (step < low or step > high) and name not in sampling.constraints:
                clipped = row.copy() if clipped is row else clipped
                clipped[i] = start + (low if step < low else high)
        return clipped


class Player:
    """A model being played: it observes rows and draws the next, and keeps the state in between.

    A row holds float64 values, shape (D,): the inter-event time first where the model knows time, then the features.

    Args:
        model: The model, set to evaluation and played with a copy of its weights as they are now; or what a file
            holds, or another player, of the same model then and with a state of its own.
        seed: Where the random numbers start; ``None`` for a different start each time.
        temperature: See :class:`~hachimachi.sampling.Sampling`.
        sampling: All options of drawing, in place of a temperature alone; it may be replaced by a checked one.
    """

    def __init__(
        self,
        model: EventModel | StoredModel | Player,
        seed: int | None = 0,
        temperature: float | Mapping[str, float] = 1.0,
        sampling: Sampling | None = None,
    ) -> None:
        model = model.model if isinstance(model, Player) else model
        expect(hasattr(model, "columns"), "model", model, "a model, as load_model(…) returns it")
        self.model = model  # what it plays: a torch model, or what a file holds
        self.columns = tuple(model.columns)  # what the model knows of each value of a row, D of them, time included
        self.temporal = self.columns[0].name == TIME  # whether rows begin with an inter-event time
        columns = self.columns[self.temporal :]
        self.features: tuple[Feature, ...] = tuple(column.feature for column in columns)  # time left out
        self.constants: dict[int, float] = {i: c.constant for i, c in enumerate(columns) if c.constant is not None}
        """Features that had one value only in training, by index, and the value."""
        self.sampling = choose_sampling(temperature, sampling)
        self.sampling.check(self.columns)
        self.random = Random(seed)
        stored = isinstance(model, StoredModel)
        # in double precision: what is made of weights is rounded once
        arrays = {n: a.astype(np.float64) for n, a in model.arrays.items()} if stored else to_arrays(model.eval())
        self.hears_masked = "encoder.masked" in arrays  # whether masked features of past events are inputs where known
        self.encoder = RowEncoder(self.columns, arrays)
        backbone, head = (None, None) if stored else (model.backbone, model.head)
        self.backbone: NumpyBackbone = playing_form("backbone", model.parts, arrays, backbone)
        # counted from the end of what the head predicts from, so that the size of the backbone does not matter
        previous = {
            i: start - len(self.encoder.encoded)
            for i, start in self.encoder.starts.items()
            if isinstance(self.columns[i].grid, UniformGrid) and not self.columns[i].feature.masked
        }
        self.head: NumpyHead = playing_form("head", model.parts, arrays, head, self.columns, previous)
        self.bos = as_array(np.append(arrays["bos"], arrays["encoder.augmented"]))
        if len(self.bos) != len(self.encoder.encoded):  # of a file that misdescribes its columns
            raise ValueError(f"events of {len(self.encoder.encoded)} numbers after a first of {len(self.bos)}")
        self.voices, self.steps = Voices(self.columns), Steps(self.columns)
        self.reset()

    @property
    def moment(self) -> tuple[float, int]:
        """Seconds and events since the first one, 0 and −1 before it; may be set where one takes over from another."""
        return self.state.moment

    @moment.setter
    def moment(self, moment: tuple[float, int]) -> None:
        self.state = self.state._replace(moment=moment)

    def reset(self) -> None:
        """Go back to the learned start state."""
        unknown = [math.nan] * len(self.columns)
        self._advance(self.bos, unknown, self.backbone.initial_state(), (0.0, -1), frozenset(), {})

    def observe(self, row: NDArray[np.float64]) -> None:
        """Take in one event; NaN stands for what is not known, as of a masked feature of what somebody else plays."""
        values, state = row.tolist(), self.state
        elapsed, index = state.moment
        timed = self.temporal and index >= 0 and not math.isnan(values[0])  # zero is at the first event
        moment = elapsed + (values[0] if timed else 0.0), index + 1
        struck, latest = self.voices.observe(state.struck, values), self.steps.observe(state.latest, values)
        self._advance(self.encoder(values, moment), values, state.backbone, moment, struck, latest)

    def sample(self) -> NDArray[np.float64]:
        """Draw a next event; the state stays as it is. One that strikes a key again at the same instant, or moves a
        controller further than in training, is drawn again; after some tries it is struck later, or moves less far."""
        state, sampling = self.state, self.sampling
        row = self.head.sample(state.hidden, state.last, sampling, self.random)
        for _ in range(REDRAWS):
            if not self.voices.repeats(state.struck, row) and self.steps.clip(state.latest, row, sampling) is row:
                return row
            row = self.head.sample(state.hidden, state.last, sampling, self.random)
        if self.voices.repeats(state.struck, row):
            row = self.head.sample(state.hidden, state.last, self.voices.later(sampling), self.random)
        return self.steps.clip(state.latest, row, sampling)

    def reseed(self, seed: int | None) -> None:
        """Start the random numbers anew; ``None`` for a different start each time."""
        self.random.seed(seed)

    def remember(self) -> PlayerState:
        """Return the state, to come back to with :meth:`recall`."""
        return self.state

    def recall(self, memory: PlayerState) -> None:
        """Go back to a state of this or another player of the model; sampling and random numbers stay as they are."""
        self.state = memory

    def fork(self, seed: int | None) -> Player:
        """Return a player in the same state that goes on by itself, with random numbers of its own."""
        twin = copy.copy(self)  # states are never written to, and what else is shared holds nothing between two calls
        twin.random = Random(seed)
        return twin

    def _advance(self, encoded: Vector, last: Sequence[float], state: Any, *others: Any) -> None:
        hidden, state = self.backbone.step(encoded, state)
        self.state = PlayerState(last, np.concatenate((hidden, encoded)), state, *others)


class PlayerState(NamedTuple):
    """What a player has observed, as far as it needs it to go on. Never written to, so forks share it."""

    last: Sequence[float]  # the raw values of the previous event, shape (D,), NaN where there was none
    hidden: Vector
    """What the head predicts from: the backbone's hidden vector and the last encoded event, shape (H + E,)."""
    backbone: Any  # the state of the :class:`~hachimachi.player.numpy_backbones.NumpyBackbone`
    moment: tuple[float, int]  # seconds and events since the first one
    struck: Struck
    latest: Latest


def to_arrays(module: nn.Module) -> Arrays:
    """Return a module's weights by name, in double precision."""
    return {name: weight.detach().cpu().double().numpy() for name, weight in module.state_dict().items()}


NUMPY_FORMS: dict[str, Mapping[str, Any]] = {"backbone": NUMPY_BACKBONES, "head": NUMPY_HEADS}


def has_numpy_form(parts: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a model of these parts can be played without torch."""
    return all(parts.get(kind, {}).get("name") in known for kind, known in NUMPY_FORMS.items())


def playing_form(
    kind: str,
    parts: Mapping[str, Mapping[str, Any]],
    arrays: Arrays,
    module: nn.Module | None = None,
    columns: Sequence[Column] = (),
    previous: Mapping[int, int] | None = None,
) -> Any:
    """Return the backbone or the head of a model for playing: what its own ``stepper`` or ``sampler`` returns, its form
    in NumPy, or else one of torch. In what a head predicts from, column i's previous value stands at ``previous[i]``.
    """
    if own := getattr(module, "stepper" if kind == "backbone" else "sampler", None):
        return own()
    options, context = dict(parts[kind]), () if kind == "backbone" else (columns, previous)
    if form := NUMPY_FORMS[kind].get(options.pop("name")):
        prefix = f"{kind}."
        within = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        return form(*context, arrays=within, **options)
    from hachimachi.models.torch_player import TorchBackbone, TorchHead

    return TorchBackbone(module) if kind == "backbone" else TorchHead(module, columns)  # pyright: ignore[reportArgumentType]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch, if it is loaded, use one thread: steps of playing are too small to share, waiting for a core costs."""
    with ExitStack() as stack:
        if torch := sys.modules.get("torch"):
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        yield


@contextmanager
def quick_steps() -> Iterator[None]:
    """Compute in this thread as is best for playing, until the block ends: as :func:`one_thread`, torch infers only."""
    torch = sys.modules.get("torch")
    with one_thread(), torch.inference_mode() if torch else nullcontext():
        yield
