"""The piece that the demo learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hachimachi.io import Report, read, write
from hachimachi.prelude import play_prelude

ONCE = 549


def test_is_the_prelude() -> None:
    pitch = play_prelude(times=1).column("pitch")
    assert len(pitch) == ONCE == 32 * 16 + 2 * 16 + 5
    assert pitch[:16].tolist() == [60, 64, 67, 72, 76, 67, 72, 76] * 2
    assert pitch[80:88].tolist() == [60, 62, 66, 69, 74, 66, 69, 74]  # bar 6 turns to D major
    assert pitch[-5:].tolist() == [36, 48, 64, 67, 72]
    bars = pitch[:512].reshape(32, 2, 8)
    assert (bars[:, 0] == bars[:, 1]).all()
    assert (np.diff(bars[:, 0, :5]) > 0).all()


def test_every_time_is_the_same_music_with_another_touch() -> None:
    music = play_prelude(times=3)
    assert music.time is not None
    takes = music.data.reshape(3, ONCE, 3)
    assert (takes[..., 0] == takes[0, :, 0]).all()
    assert (takes[0, :, 1] != takes[1, :, 1]).mean() > 0.5
    assert (np.diff(music.time) > 0).all()
    assert music != play_prelude(times=3, seed=1)
    assert music == play_prelude(times=3)


@pytest.mark.parametrize("seed", range(5))
def test_survives_midi(seed: int, tmp_path: Path) -> None:
    music, report = play_prelude(seed=seed), Report()
    write(tmp_path / "a.mid", music)
    [heard] = read(tmp_path / "a.mid", report)
    assert music.time is not None
    assert heard.time is not None
    assert (heard.data[:, :2] == music.data[:, :2]).all()
    np.testing.assert_allclose(heard.time, music.time, atol=1e-4)
    np.testing.assert_allclose(heard.data[:, 2], music.data[:, 2], atol=2e-4)
    assert not [line for line in report.lines() if "struck again" in line]
