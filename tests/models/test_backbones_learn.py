"""Every backbone learns what only the past can tell, and nothing from a past that says nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hachimachi import plugins
from hachimachi.evaluation.likelihood import Evaluation, evaluate
from hachimachi.events import EventSequence, Feature
from hachimachi.models.event_model import build_model

LAG = 5
"""Events after which the melody comes again."""


def echo(events: int, seed: int) -> EventSequence:
    """Make a melody that repeats what was five events before, nine times in ten: the last event alone says nothing."""
    random = np.random.default_rng(seed)
    pitch = random.integers(60, 68, events)
    for t in range(LAG, events):
        pitch[t] = pitch[t - LAG] if random.random() < 0.9 else pitch[t]
    return EventSequence((Feature("pitch"),), pitch[:, None].astype(float), None)


def shuffled(sequence: EventSequence, seed: int) -> EventSequence:
    """Return the same events in random order."""
    order = np.random.default_rng(seed).permutation(len(sequence))
    return EventSequence(sequence.features, sequence.data[order])


def learn(name: str, sequence: EventSequence, test: EventSequence) -> Evaluation:
    torch.manual_seed(0)
    size = {"size": 48, "layers": 1 if name in ("gru", "lstm") else 2}
    model = build_model([sequence], {"name": name, **size}).train()
    rows = torch.from_numpy(sequence.rows())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-3)
    random = np.random.default_rng(0)
    for _ in range(800):
        batch = torch.stack([rows[start : start + 32] for start in random.integers(0, len(rows) - 32, 16)])
        optimizer.zero_grad()
        (-model.log_prob(batch).sum((1, 2)).mean() / 32).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return evaluate(model, test)


@pytest.mark.slow
@pytest.mark.parametrize("name", plugins.names("backbone"))
def test_it_learns_what_the_past_tells(name: str) -> None:
    sequence, test = echo(6000, 1), echo(600, 2)
    learned = learn(name, sequence, test)
    # ln 8 = 2.08 without the past; 0.1 · ln 80 + 0.9 · −ln 0.9 and a little = 0.58 with it
    assert learned.marginal_nats_per_event > 2.0
    assert learned.nats_per_event < 1.3  # more than half of what there is to learn
    assert learn(name, shuffled(sequence, 3), test).nats_per_event > learned.nats_per_event + 0.5
