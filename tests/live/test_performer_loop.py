"""A performer that hears itself: no drift, no burst, and room for others."""

from __future__ import annotations

import numpy as np
import pytest

from hachimachi.errors import HachimachiError


def test_a_loop_feeds_itself_without_drift(stage, fake_player) -> None:
    dts = np.random.default_rng(1).exponential(0.2, 1100)
    s = stage(fake_player(dts=dts), loop=True)
    s.performer.reset()
    scheduled = [s.until_next()[0] for _ in range(1000)]
    assert scheduled == pytest.approx(1000 + np.cumsum(dts[:1000]), abs=1e-6)
    assert [row[0] for row in s.player.heard[1:]] == pytest.approx(dts[1:1000], abs=1e-9)


def test_a_loop_lets_others_in(stage) -> None:
    s = stage(loop=True)
    s.performer.reset()
    at, values = s.until_next()
    s.clock.now = at + 0.1
    s.performer.hear(values)  # an imitation, not an echo: the loop has heard itself already
    assert s.player.heard[-1][0] == pytest.approx(0.1)
    assert s.performer.play() == pytest.approx(at + 0.35)
    assert s.performer.pending == 1


def test_a_loop_begins_again_after_a_reset(stage) -> None:
    s = stage(loop=True)
    s.performer.reset()
    s.until_next()
    s.performer.reset()
    assert s.player.heard == []
    assert s.performer.pending == 1


def test_a_loop_that_was_held_up_does_not_catch_up_in_a_burst(stage) -> None:
    s = stage(loop=True)
    s.performer.reset()
    s.until_next()
    s.clock.now += 100
    s.performer.play()
    assert s.performer.play() == pytest.approx(s.clock.now + 0.25)


def test_simultaneous_events_of_a_loop_leave_room_to_listen(stage, fake_player) -> None:
    s = stage(fake_player(dt=0.0), loop=True)
    s.performer.reset()
    for played in (1, 2, 3):
        s.performer.play()
        assert len(s.played) == played


def test_a_loop_needs_time_and_one_voice(stage, fake_player) -> None:
    with pytest.raises(HachimachiError, match="has no time"):
        stage(fake_player(temporal=False), loop=True)
    with pytest.raises(HachimachiError, match="--pending all"):
        stage(loop=True, pending="all")
