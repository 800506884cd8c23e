"""The synthetic collections that benchmarks are made on."""

import numpy as np
import pytest

from benchmarks import large
from hachimachi import io


def test_a_collection_has_as_many_events_as_asked_and_is_gone_afterwards(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(large, "SHARD", 30_000)
    with large.collection(70_000) as path:
        found = io.open_collection(path)
        assert found.events == 70_000
        assert len(list(path.iterdir())) == 3
        assert found.lengths.min() >= large.SHORTEST
        assert len(np.unique(found.lengths)) > 5
        assert found.temporal
    assert not path.exists()
