"""Which input is an output come back: so that latency never adds up when a model plays with itself."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

ECHO_SECONDS = 0.5
"""How long after an output an equal input is its echo; later it is somebody who plays the same."""


class Echoes:
    """Outputs that may come back as inputs.

    An input is the echo of an output if its known values equal those of the output as float32, which is
    what OSC carries, and if the output was sent at most `ECHO_SECONDS` ago. Each output is claimed once.
    Echoes come in the order of their outputs, so a claim also settles the outputs before it.
    """

    def __init__(self) -> None:
        self._sent: deque[tuple[float, float, list[float]]] = deque(maxlen=16)

    def add(self, scheduled: float, sent: float, features: NDArray[np.float64]) -> None:
        """Remember an output: when it was due, when it went out, and its features, shape (F,)."""
        self._sent.append((scheduled, sent, _as_sent(features)))

    def claim(self, features: NDArray[np.float64], now: float) -> float | None:
        """Return when the output was due of which this input, NaN where unknown, is the echo; else
        ``None``."""
        if not self._sent:
            return None
        while self._sent and now - self._sent[0][1] > ECHO_SECONDS:
            self._sent.popleft()
        if not self._sent:
            return None
        heard = _as_sent(features)
        known = [column for column, value in enumerate(heard) if not math.isnan(value)]
        for position, (scheduled, _, played) in enumerate(self._sent):
            if known and heard[known[0]] != played[known[0]]:
                continue  # most differ here already, and this is in the way of every answer
            if all(heard[column] == played[column] for column in known):
                for _ in range(position + 1):
                    self._sent.popleft()
                return scheduled
        return None

    def clear(self) -> None:
        """Forget all outputs."""
        self._sent.clear()


def _as_sent(features: NDArray[np.float64]) -> list[float]:
    """Round to what OSC carries. A list, since NumPy takes longer than Python over so few numbers."""
    return features.astype(np.float32).tolist()
