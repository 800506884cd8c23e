"""The player's room is NumPy alone; what has no form there is played by torch, and plays what is stated."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from torch import Tensor

from hachimachi.constraints import Constraint
from hachimachi.models.event_model import EventModel
from hachimachi.models.torch_player import TorchHead
from hachimachi.player.engine import Player
from hachimachi.sampling import Sampling
from tests.conftest import chi_square

Make = Callable[..., EventModel]


def test_the_player_leaves_torch_out() -> None:
    code = (
        "import sys, pkgutil, hachimachi.player as room\n"
        "for module in pkgutil.iter_modules(room.__path__): __import__(f'hachimachi.player.{module.name}')\n"
        "from hachimachi.player.engine import one_thread\n"
        "with one_thread(): pass\n"
        "print([name for name in sys.modules if name == 'torch' or name.startswith('hachimachi.models')])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("head", ["autoregressive", "mixture"])
def test_a_head_without_a_form_in_numpy_plays_by_its_tables(make: Make, rows: Tensor, head: str) -> None:
    model = make(head=head)
    asked = Sampling(0.9, constraints={"pitch": Constraint.scale("C major"), "time": Constraint.between(0.015, 0.4)})
    player = Player(model, 1, sampling=asked)
    player.head = TorchHead(model.head, model.columns)
    for row in rows[0, :5]:
        player.observe(row.numpy())
    drawn = np.array([player.sample() for _ in range(250)])
    for column, values in zip(model.columns, drawn.T, strict=True):
        constraint = asked.constraints.get(column.name)
        assert constraint is None or all(map(constraint.allows, values.tolist()))
    table = model.table(rows[0, :5], sampling=asked)["time"][2]  # drawn first
    counts = np.bincount(model.columns[0].grid.index(drawn[:, 0]), minlength=len(table)).astype(float)
    assert chi_square(counts, table) < 5
