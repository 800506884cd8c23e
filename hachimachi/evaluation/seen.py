"""Whether a sequence was part of a model's training data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel

OPENING = 64
"""Events at the start of a sequence that tell it: its end may have been held out."""


def openings(sequences: Iterable[EventSequence]) -> list[str]:
    """Return fingerprints of the first events of sequences, what a model file keeps of its training data.

    Inter-event times and values count to six decimals, so that formats and shifts in time make no difference.
    """
    return [_opening(sequence) for sequence in sequences if len(sequence) > 1]


def seen(model: EventModel, sequences: Sequence[EventSequence]) -> list[EventSequence]:
    """Return the sequences that begin as one of the training data does."""
    known = set(model.summary.get("data", {}).get("openings", []))
    return [sequence for sequence in sequences if len(sequence) > 1 and _opening(sequence) in known]


def _opening(sequence: EventSequence) -> str:
    rows = np.round(np.nan_to_num(sequence[:OPENING].rows()), 6) + 0.0  # −0 becomes 0
    return hashlib.sha256(rows.tobytes()).hexdigest()[:16]
