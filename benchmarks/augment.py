"""What augmentations cost training: `make bench-augment`.

A training step of the default model on piano data, with windows as they are, varied by the recipe, and by augmentations
that a user would write. The rounds go through all cases in turn, so that a machine that is busy for a while slows all
alike, and count processor time, not the clock's; the table shows medians.
"""

from __future__ import annotations

import statistics
import time
from functools import partial

import torch

from hachimachi.augment.apply import parse
from hachimachi.columns import fit_columns
from hachimachi.models.event_model import build_model
from hachimachi.player.engine import one_thread
from hachimachi.prelude import play_prelude
from hachimachi.training.data import Windows
from hachimachi.training.window_augmentation import MusicAugmentation, OpsAugmentation, Shift

ROUNDS = 7
STEPS = 15
"""Training steps of one case in one round."""
SHARE = 0.75
WRITTEN = {
    "one": "addrand(range=(-6, 6), dims=pitch)",
    "three": "addrand(range=(-6, 6), dims=pitch); addrand(range=(-10, 10), dims=velocity); "
    "mulrand(range=(-0.3, 0.3), log=true, dims=(t, duration))",
    "eight": "; ".join(["rev(p=0.5)", *["addrand(range=(-1, 1), dims=(pitch, velocity), per=element)"] * 7]),
}


def main() -> None:
    """Measure, and print a table."""
    data = play_prelude()
    columns = fit_columns([data])
    shifts = [Shift(1, 6, 0, 127), Shift(2, 10, 1, 127)]
    cases = {"as they are": None, "by the recipe": MusicAugmentation(SHARE, shifts, [0, 3], 0.2)}
    cases |= {
        f"by augment.ops, {name}": OpsAugmentation(SHARE, parse(ops).bind(columns)) for name, ops in WRITTEN.items()
    }
    batches = list(Windows([data], 64, 16, 0))
    models, optimizers = {}, {}
    for name, case in cases.items():
        backbone = {"name": "gru", "size": 128, "layers": 1}
        models[name] = build_model([data], backbone, augmentation=case.size if case else 1)
        optimizers[name] = torch.optim.AdamW(models[name].parameters())

    def step(name: str, number: int) -> None:
        rows, augmented = batches[number % len(batches)], None
        if augmentation := cases[name]:
            rows, augmented = augmentation(rows)
        optimizers[name].zero_grad()
        (-models[name].log_prob(rows, augmented).mean()).backward()
        optimizers[name].step()

    with one_thread():
        rounds = [{name: measure(partial(step, name)) for name in cases} for _ in range(ROUNDS + 1)]
    medians = {name: statistics.median(costs[name] for costs in rounds[1:]) for name in cases}
    print(f"{'windows varied':24}{'ms a step':>10}{'share':>8}")
    for name, cost in medians.items():
        print(f"{name:24}{1000 * cost:10.2f}{cost / medians['as they are']:8.3f}")


def measure(step: partial[None]) -> float:
    """Return the seconds of processor time of one step."""
    before = time.process_time()
    for number in range(STEPS):
        step(number)
    return (time.process_time() - before) / STEPS


if __name__ == "__main__":
    main()
