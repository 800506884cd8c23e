"""Numbers so small that processors slow down are flushed to zero while playing: what is asked means the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from hachimachi.errors import HachimachiError
from hachimachi.player.engine import flush_denormals
from hachimachi.sampling import ColumnSampling, Sampling


@pytest.fixture(autouse=True)
def flushed() -> Iterator[None]:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush denormal numbers")
    yield
    torch.set_flush_denormal(False)


def test_flushing_ends_with_its_block() -> None:
    torch.set_flush_denormal(False)
    small = np.full(4, 1e-30, np.float32)

    def product() -> float:
        return float((small * np.float32(1e-12)).sum())

    assert product() > 0
    with flush_denormals() as granted:
        assert granted
        assert product() == 0
        with flush_denormals():
            assert product() == 0
        assert product() == 0
    assert product() > 0


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(HachimachiError, match="above 0"):
        Sampling(top_p=0.0)


def test_a_row_of_nothing_stays_nothing() -> None:
    shaped = ColumnSampling(temperature=0.5).shape(np.array([[0.0, 0.0], [0.25, 0.75]]))
    assert shaped == pytest.approx(np.array([[0.0, 0.0], [0.1, 0.9]]))
