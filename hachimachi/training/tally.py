"""What training went through since the last point of its curves, added up where it is computed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from torch import Tensor


class Tally:
    """Sums of costs, events, gradient norms and seconds.

    They stay on the device: to be asked for a number at every step would make it wait each time.

    Args:
        names: Under what the costs of the columns are told.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._clear()

    def start(self) -> None:
        """Let the clock run from now on: what came before was no training."""
        self.since = time.perf_counter()

    def add(self, costs: Tensor, events: Tensor) -> None:
        """Add what a batch cost in all, shape (D,), and the number of its events."""
        self.costs = self.costs + costs.detach().double()
        self.events = self.events + events
        now = time.perf_counter()
        self.seconds, self.since = self.seconds + now - self.since, now

    def add_norm(self, norm: Tensor) -> None:
        """Add the length of a gradient before it was cut."""
        self.norms, self.steps = self.norms + norm.detach(), self.steps + 1

    def take(self) -> dict[str, float]:
        """Return means by name since the last time, and begin anew; nothing where nothing was learned."""
        events = int(self.events)
        if not events:
            return {}
        assert isinstance(self.costs, Tensor)
        nats = (self.costs / events).tolist()
        told = {"train/nll": sum(nats), **dict(zip(self.names, nats, strict=True))}
        if self.steps:
            told["training/gradient_norm"] = float(self.norms) / self.steps
        if self.seconds:
            told["training/events_per_second"] = events / self.seconds
        self._clear()
        return told

    def _clear(self) -> None:
        self.costs: Tensor | int = 0
        self.events: Tensor | int = 0
        self.norms: Tensor | int = 0
        self.steps, self.seconds, self.since = 0, 0.0, time.perf_counter()
