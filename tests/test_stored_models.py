"""Model files of version 1, of each backbone and head, and a checkpoint: they score and play what they always did.

``expected.json`` was written with the files: ln P of ``events.json`` summed over rows, by column, and 24 events
played with seed 7, as learned (``plain``) and under constraints (``shaped``); null stands for NaN.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hachimachi import read
from hachimachi.checkpoint import load_model
from hachimachi.constraints import Constraint
from hachimachi.errors import HachimachiError
from hachimachi.player.engine import Player, one_thread
from hachimachi.sampling import Sampling
from hachimachi.training.fit import check_checkpoint

STORED = Path(__file__).parent / "stored"
EXPECTED: dict[str, dict[str, Any]] = json.loads((STORED / "expected.json").read_text())


@pytest.mark.parametrize("file", EXPECTED)
def test_a_stored_model_scores_and_plays_as_it_did(file: str) -> None:
    model, expected = load_model(STORED / file), EXPECTED[file]
    rows = torch.from_numpy(read(STORED / "events.json")[0].rows())[None]
    temperature, min_p = (dict.fromkeys((column.name for column in model.columns), number) for number in (0.8, 0.02))
    shaped = Sampling(temperature, min_p=min_p, constraints={"pitch": Constraint.scale("C major")})
    with one_thread():
        with torch.inference_mode():
            log_prob = model.log_prob(rows)[0].double().nan_to_num(0).sum(0)
        np.testing.assert_allclose(log_prob.numpy(), expected["log_prob"], rtol=1e-5)
        for name, sampling in {"plain": Sampling(), "shaped": shaped}.items():
            player = Player(model, 7, sampling=sampling)
            for event in expected[name]:
                played = player.head.sample(  # before anything is drawn again
                    player.state.hidden, player.state.last, sampling, player.random
                )
                player.observe(played)
                np.testing.assert_allclose(played, np.array(event, float), rtol=1e-6, atol=1e-9)


def test_training_does_not_go_on_from_an_earlier_checkpoint() -> None:
    path = str(STORED / "gru_autoregressive.ckpt")
    with pytest.raises(HachimachiError, match="earlier hachimachi; it plays, but training cannot go on") as caught:
        check_checkpoint(path, load_model(path), None)
    assert str(caught.value).startswith(f"ckpt_path={path}: ")
    assert "\n" not in str(caught.value)


def test_every_stored_file_is_looked_at() -> None:
    files = {path.name for path in STORED.iterdir() if path.suffix in (".pt", ".ckpt")}
    assert files == set(EXPECTED)
