"""The model: columns, an encoder, a backbone and a head."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hachimachi import plugins
from hachimachi.columns import Column, fit_columns
from hachimachi.errors import HachimachiError, expect
from hachimachi.events import TIME, EventSequence, Feature, as_sequences
from hachimachi.io.collection import Collection
from hachimachi.models.backbones.backbone import Backbone, State, check_backbone
from hachimachi.models.encoder import Encoder
from hachimachi.models.heads.head import Distribution, Head, SampledTables
from hachimachi.ngrams import NGrams, all_ngrams
from hachimachi.sampling import Sampling


class Carry(NamedTuple):
    """What goes from one piece of a sequence to the next."""

    last: Tensor  # the last encoded event, shape (B, E)
    state: State  # the backbone's
    moment: Tensor  # seconds and events since the first one, shape (B, 2), float64


class EventModel(nn.Module):
    """A distribution over sequences of events, each given all before it.

    Rows are raw float64 values of shape (B, T, D): the inter-event time first where there is time, then the features.
    NaN stands for what is not known: a sequence's first inter-event time, or padding. It costs nothing.

    Args:
        columns: What the rows hold.
        backbone: Name of the backbone and its options.
        head: Name of the head and its options.
        augmentation: How many numbers say how a window was augmented in training, K.
        clock: The numbers of a :class:`~hachimachi.clock.Clock`, where the model is told how much time has passed.
        hear_masked: Whether values of masked columns are inputs where known, as durations of notes the model played.
    """

    backbone: Backbone
    head: Head

    def __init__(
        self,
        columns: Sequence[Column],
        backbone: Mapping[str, Any] | None = None,
        head: Mapping[str, Any] | None = None,
        augmentation: int = 1,
        clock: Sequence[float] | None = None,
        *,
        hear_masked: bool = False,
    ) -> None:
        super().__init__()
        self.columns = tuple(columns)
        for what, part in {"backbone": backbone, "head": head}.items():
            expect(part is None or isinstance(part, Mapping), what, part, 'options, such as {"name": "lstm"}')
        self.parts = {"backbone": dict(backbone or {"name": "gru"}), "head": dict(head or {"name": "autoregressive"})}
        self.encoder = Encoder(self.columns, augmentation, clock, hear_masked=hear_masked)
        self.backbone = plugins.build("backbone", context={"size_in": self.encoder.size}, **self.parts["backbone"])
        size = self.backbone.size + self.encoder.size
        previous = {column: self.backbone.size + at for column, at in self.encoder.offsets.items()}
        context = {"columns": self.columns, "size": size, "previous": previous}
        self.head = plugins.build("head", context=context, **self.parts["head"])
        self.bos = nn.Parameter(torch.zeros(self.encoder.size - augmentation))
        self.summary: dict[str, Any] = {}  # how it was trained and what it scored; travels in the model file
        self.grams: dict[str, NGrams] = {}
        """N-grams of its training data; see :data:`~hachimachi.ngrams.KINDS`. In the model file too."""

    @property
    def temporal(self) -> bool:
        """Whether events carry time."""
        return self.columns[0].name == TIME

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of an event, time left out."""
        return tuple(column.feature for column in self.columns[self.temporal :])

    def forward(
        self, rows: Tensor, carry: Carry | None = None, augmented: Tensor | None = None, known: Tensor | bool = False
    ) -> tuple[Distribution, Carry]:
        """Return the distribution of every row given the rows before it, and what to carry on to the rows after.

        Args:
            rows: Shape (B, T, D). The last row is not an input here, only carried.
            carry: What an earlier call returned, if these rows go on from there.
            augmented: How those of the batch were augmented in training, shape (B, K); where it is not given, they are
                as they were, see :class:`~hachimachi.models.encoder.Encoder`.
            known: Which values of masked columns are inputs, of a shape that broadcasts to that of the rows.
        """
        last, state, moment = carry or self.initial_carry(len(rows), augmented)
        encoded, moment = self._encode(rows, moment, known, augmented)  # (B, T, E)
        inputs = torch.cat([last[:, None], encoded[:, :-1]], dim=1)  # (B, T, E)
        hidden, state = self.backbone(inputs, state)  # (B, T, H)
        # the head sees the previous event itself too, so that it can go by it: a step up, the same again
        return self.head(torch.cat([hidden, inputs], dim=-1)), Carry(encoded[:, -1], state, moment)

    def log_prob(
        self,
        rows: Tensor,
        augmented: Tensor | None = None,
        original: Tensor | None = None,
        known: Tensor | bool = False,
    ) -> Tensor:
        """Return ln P of every column of every row, shape (B, T, D), given the columns and rows before it.

        Args:
            rows: Shape (B, T, D).
            augmented: As for :meth:`forward`.
            original: What they were before they were augmented, where they are learned from, shape (B, T, D); see
                :meth:`~hachimachi.models.heads.head.Distribution.log_prob`.
            known: As for :meth:`forward`.
        """
        distribution, _ = self(rows, None, augmented, known)
        takes = original is not None and self.head.takes_original
        return distribution.log_prob(rows, original) if takes else distribution.log_prob(rows)

    def start(self, batch: int = 1) -> tuple[Distribution, Carry]:
        """Return the distribution of a first event and what to carry on to :meth:`step`."""
        last, state, moment = self.initial_carry(batch)
        hidden, state = self.observe(last, state)
        return self.head(hidden), Carry(last, state, moment)

    def step(self, row: Tensor, carry: Carry, known: Tensor | bool = False) -> tuple[Distribution, Carry]:
        """Observe one event, shape (B, D), of masked columns what is ``known``, as for :meth:`forward`, and return the
        distribution of the next one and what to carry on."""
        encoded, moment = self._encode(row[:, None], carry.moment, known)
        hidden, state = self.observe(encoded[:, 0], carry.state)
        return self.head(hidden), Carry(encoded[:, 0], state, moment)

    def initial_carry(self, batch: int, augmented: Tensor | None = None) -> Carry:
        """Return the learned input that stands before the first event (BOS), and the state before that."""
        bos = self.encoder.append_augmented(self.bos.expand(batch, -1), augmented)  # (B, E)
        moment = torch.tensor([0.0, -1.0], dtype=torch.float64, device=bos.device).expand(batch, -1)
        return Carry(bos, self.backbone.initial_state(batch), moment)

    def observe(self, encoded: Tensor, state: State) -> tuple[Tensor, State]:
        """Observe one encoded event, shape (B, E), and return what the head predicts from, and the new state."""
        hidden, state = self.backbone.step(encoded, state)
        return torch.cat([hidden, encoded], dim=-1), state  # (B, H + E)

    def table(
        self,
        past: Tensor,
        given: Mapping[str, float] | None = None,
        sampling: Sampling | None = None,
        known: Tensor | bool = False,
    ) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return the whole probability table of the next event, column by column in the model's order.

        A table adds up to 1, in double precision. Columns that are given come first, in the model's order: each of them
        knows the past and the given ones before it, every other column knows all that are given.

        Args:
            past: Rows so far, shape (T, D), T may be 0.
            given: Values of columns of the next event, by name.
            sampling: Return what is drawn in place of what is predicted: columns in the order in which they are drawn,
                the table of each given those before it; see :class:`~hachimachi.models.heads.head.SampledTables`.
            known: As for :meth:`forward`.

        Returns:
            For each column the low and the high ends of its bins and their probabilities, each of shape (bins,); for
            categories both ends are the category, NaN for the unknown one. Open end bins reach on beyond their ends.

        >>> from hachimachi.events import make_sequence
        >>> data = make_sequence([[60.0]] * 39 + [[64.0]], [0.25 * i for i in range(40)], ["pitch"])
        >>> low, high, p = build_model([data]).table(torch.from_numpy(data.rows()), {"time": 0.25})["pitch"]
        >>> float(low[p.argmax()]), float(high[p.argmax()]), round(float(p.sum()), 6)
        (59.5, 60.5, 1.0)
        """
        given, names = given or {}, [column.name for column in self.columns]
        for name in given:
            if name not in names:
                raise HachimachiError(f"given {name!r}: the model has no such column; it has {', '.join(names)}")
        row = torch.tensor([given.get(name, torch.nan) for name in names], dtype=torch.float64)
        exact = copy.deepcopy(self).double().eval()
        with torch.inference_mode():
            carry = exact(past[None], known=known)[1] if len(past) else None
            distribution = exact(row[None, None], carry)[0]
            if sampling is not None:
                drawn = SampledTables(self.columns, self.head.order, sampling).tables(distribution, row[None])
                tables = {i: table[0] for i, table in drawn.items()}
            else:
                tables = {}
                for i in self.head.order:
                    others = row[None, None] if row[i].isnan() else before(i, row[None, None], self.head.order)
                    tables[i] = distribution.table(i, others)[0, 0].numpy()
        return {names[i]: (*self.columns[i].bounds(), table) for i, table in tables.items()}

    def _encode(
        self, rows: Tensor, moment: Tensor, known: Tensor | bool, augmented: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return encoded rows, shape (B, T, E), and the moment of the last one, given that of the event before them."""
        moments, masked = None, self.encoder.masked
        if masked is not None:
            rows = rows.masked_fill(masked & ~torch.as_tensor(known, device=rows.device), torch.nan)
        if self.encoder.clock is not None:
            passed = torch.stack([rows[..., 0].nan_to_num(0.0), torch.ones_like(rows[..., 0])], dim=-1)  # (B, T, 2)
            passed[:, 0, 0] *= moment[:, 1] >= 0  # zero is at the first event
            moments = moment[:, None] + passed.cumsum(1)
            moment = moments[:, -1]
        return self.encoder(rows, augmented, moments).to(self.bos.dtype), moment


def before(column: int, rows: Tensor, order: Sequence[int]) -> Tensor:
    """Return rows, shape (..., D), in which only what comes before a column in an order is known."""
    known = torch.full_like(rows, torch.nan)
    earlier = list(order[: order.index(column)])
    known[..., earlier] = rows[..., earlier]
    return known


def build_model(
    sequences: EventSequence | Sequence[EventSequence],
    backbone: Mapping[str, Any] | None = None,
    head: Mapping[str, Any] | None = None,
    columns: Sequence[Column] | None = None,
    augmentation: int = 1,
    clock: Sequence[float] | None = None,
    *,
    hear_masked: bool = False,
) -> EventModel:
    """Build a model for data; untrained, it already gives about the marginals of the data.

    Args:
        sequences: The training data.
        backbone: Name of the backbone and its options, a GRU by default.
        head: Name of the head and its options, an autoregressive one by default.
        columns: What to predict, if decided already.
        augmentation: How many numbers say how a window was augmented; see
            :attr:`~hachimachi.training.window_augmentation.WindowAugmentation.size`.
        clock: As of :class:`EventModel`, and so is ``hear_masked``.

    Raises:
        HachimachiError: Parts that are not known, or a backbone of a plug-in that plays otherwise than it learns.
    """
    sequences = sequences if isinstance(sequences, Collection) else as_sequences(sequences)
    columns = columns or fit_columns(sequences)
    model = EventModel(columns, backbone, head, augmentation, clock, hear_masked=hear_masked)
    model.grams = all_ngrams(sequences, model.columns)
    if plugins.plugin_of("backbone", model.parts["backbone"]["name"]):
        check_backbone(model.backbone, model.parts["backbone"]["name"])
    model.head.init_to_marginals(torch.from_numpy(Collection.of(sequences).sampled().all_rows()))
    return model
