"""How many events a second a model plays, one at a time and on one core: `make bench-step`.

Every backbone and head of the size that a performance gets, on piano data of four columns: time, pitch, velocity and
duration. An event is drawn and then heard. The rounds go through all cases in turn, so that a machine that is busy for
a while slows all alike, and count processor time, not the clock's; the table shows medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from hachimachi import plugins
from hachimachi.events import EventSequence
from hachimachi.models.backbones import choose_size
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import Player, one_thread
from hachimachi.prelude import play_prelude

ROUNDS = 9
SECONDS = 0.1
"""Processor time of one case in one round."""
TEMPERATURES = (1.0, 0.9)
Step = Callable[[], object]
Case = tuple[str, str, float]
"""Backbone, head, temperature."""
PARTS = [(backbone, head) for backbone in plugins.names("backbone") for head in plugins.names("head")]
BARE: Case = ("bare torch GRU step", "", 1.0)


def main() -> None:
    """Measure, and print a table."""
    data = play_prelude()
    cases = {BARE: bare_gru()}
    for backbone, head in PARTS:
        model = make_model(data, backbone, head)
        for temperature in TEMPERATURES:
            cases[backbone, head, temperature] = partial(play, Player(model, temperature=temperature))
    with one_thread(), torch.inference_mode():
        show(measure(cases))


def make_model(data: EventSequence, backbone: str, head: str) -> EventModel:
    """Build an untrained model; it plays about the marginals of the data."""
    torch.manual_seed(0)
    size, layers = choose_size(backbone, "auto", None, len(data))
    return build_model([data], {"name": backbone, "size": size, "layers": layers}, {"name": head})


def play(player: Player) -> None:
    """Draw an event and hear it: what `hxmx gen` does."""
    player.observe(player.sample())


def bare_gru(size_in: int = 52, size: int = 128) -> Step:
    """Return a step of a GRU in torch and nothing else: no encoder, no head, nothing drawn."""
    cell, x, hidden = torch.nn.GRUCell(size_in, size), torch.randn(1, size_in), torch.randn(1, size)
    return partial(cell, x, hidden)


def measure(cases: dict[Case, Step]) -> dict[Case, float]:
    """Return steps per second of processor time, medians over rounds."""
    steps = {case: max(int(SECONDS * per_second(step)), 1) for case, step in cases.items()}  # warms up too
    rounds = [{case: per_second(step, steps[case]) for case, step in cases.items()} for _ in range(ROUNDS)]
    return {case: statistics.median(speeds[case] for speeds in rounds) for case in cases}


def per_second(step: Step, steps: int = 20) -> float:
    """Return steps per second of processor time."""
    before = time.process_time()
    for _ in range(steps):
        step()
    return steps / (time.process_time() - before)


def show(speeds: dict[Case, float]) -> None:
    """Print events per second."""
    print(f"{'events/s':28}", *(f"{f'temperature {temperature:g}':>16}" for temperature in TEMPERATURES))
    for backbone, head in PARTS:
        found = (speeds[backbone, head, temperature] for temperature in TEMPERATURES)
        print(f"{f'{backbone} {head}':28}", *(f"{speed:16,.0f}" for speed in found))
    print(f"{BARE[0]:28} {speeds[BARE]:16,.0f}")


if __name__ == "__main__":
    main()
