"""How the model and the player share the stage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hachimachi.live.performer import MODES
from hachimachi.live.protocols import Refused

ALONE = [name for name, mode in MODES.items() if mode.alone]


def test_a_loop_feeds_itself_without_drift(stage, fake_player) -> None:
    dts = np.random.default_rng(1).exponential(0.2, 1100)
    s = stage(fake_player(dts=dts), mode="loop")
    s.performer.start()
    while len(s.played) < 1000:
        s.wait(0.1)
    assert [at for at, _ in s.played[:1000]] == pytest.approx(1000 + np.cumsum(dts[:1000]), abs=1e-6)
    assert [row[0] for row in s.player.heard[1:1000]] == pytest.approx(dts[1:1000], abs=1e-9)


@pytest.mark.parametrize("mode", ["loop", "duet", "respond"])
def test_nothing_is_played_before_start_nor_after_pause(stage, mode: str) -> None:
    s = stage(mode=mode)
    s.performer.reset()
    s.wait(10)
    assert s.played == []
    s.performer.start()
    s.wait(10)
    assert len(s.played) == 40
    s.performer.pause()
    s.wait(10)
    assert len(s.played) == 40
    assert s.performer.turns.paused


def test_an_input_joins_a_loop_and_leaves_what_waits(stage) -> None:
    s = stage(mode="loop")
    s.performer.start()
    at, _ = s.until_next()
    s.clock.now = at + 0.1
    s.performer.hear([60, 80])
    assert s.settle() == pytest.approx(at + 0.25)
    assert s.performer.counts.cancelled == 0
    s.until_next()
    assert [row[0] for row in s.player.heard[:3]] == pytest.approx([math.nan, 0.1, 0.15], nan_ok=True)


def test_an_input_redirects_a_duet(stage) -> None:
    s = stage(mode="duet")
    s.performer.start()
    at, _ = s.until_next()
    s.clock.now = at + 0.1
    s.performer.hear([60, 80])
    s.performer.play()
    assert s.performer.counts.cancelled == 1
    s.until_next()
    s.until_next()  # and goes on alone from there
    assert [at for at, _ in s.played][1:] == pytest.approx([at + 0.35, at + 0.6])


def test_a_duet_begins_with_the_first_input(stage) -> None:
    s = stage(mode="duet")
    s.performer.hear([60, 80])
    s.wait(1.01)
    assert len(s.played) == 4


def test_it_responds_after_a_silence_and_yields_at_once(stage) -> None:
    s = stage(mode="respond", silence=2.0)
    for _ in range(3):
        s.performer.hear([60, 80])
        s.wait(1.5)
        assert s.played == []
    s.wait(2.0)  # 2 s after the last input it begins
    assert [at for at, _ in s.played] == pytest.approx([1005.25 + 0.25 * i for i in range(6)])
    s.performer.hear([60, 80])
    assert len(s.performer.schedule) == 0
    s.wait(1.9)
    assert len(s.played) == 6
    s.wait(0.5)
    assert len(s.played) > 6


@pytest.mark.parametrize("mode", ALONE)
def test_fed_back_outputs_are_not_heard_twice(stage, mode: str) -> None:
    s = stage(mode=mode)
    s.performer.start()
    for _ in range(20):
        at, values = s.until_next()
        s.clock.now = at + 0.05
        s.performer.hear(np.array(values, dtype=np.float32).tolist())
    s.performer.pause()  # and what it had drawn ahead is unheard
    assert len(s.player.heard) == 20
    assert s.performer.counts.heard == 0
    assert s.told.heard_rows == []


def test_a_loop_begins_again_after_a_reset(stage) -> None:
    s = stage(mode="loop")
    s.performer.start()
    s.until_next()
    s.performer.reset()
    assert s.player.heard == []
    assert len(s.performer.schedule) == 1


def test_a_loop_that_was_held_up_does_not_catch_up_in_a_burst(stage) -> None:
    s = stage(mode="loop")
    s.performer.start()
    s.until_next()
    s.clock.now += 100
    s.performer.play()
    assert s.performer.play() == pytest.approx(s.clock.now + 0.25)


def test_a_model_that_breaks_down_alone_begins_again(stage) -> None:
    s = stage(mode="loop")
    s.performer.start()
    s.until_next()
    s.player.broken = 1
    with pytest.raises(Refused, match="expected finite numbers"):
        s.wait(0.3)
    resets = s.player.resets
    s.wait(2.0)  # what was drawn before it broke down sounds, and it goes on from the start state
    assert len(s.played) > 6 and resets == 1


def test_one_that_breaks_down_at_the_start_tries_again_after_a_second(stage) -> None:
    s = stage(mode="loop")
    s.player.broken = 2
    with pytest.raises(Refused):
        s.performer.start()
    assert len(s.performer.schedule) == 0
    with pytest.raises(Refused):
        s.wait(1.1)
    s.wait(0.8)
    assert s.played == []
    s.wait(2.0)
    assert len(s.played) > 4


def test_a_new_mode_drops_what_waits_and_ends_what_sounds(stage) -> None:
    s = stage(mode="loop")
    s.performer.start()
    s.until_next()
    assert len(s.performer.notes) == 1
    s.performer.set_mode("follow")
    assert len(s.performer.notes) == len(s.performer.schedule) == 0
    assert [early for _, _, early in s.told.ends] == [True]
    s.wait(5)
    assert len(s.played) == 1
    s.performer.set_mode("duet")  # it was started, and not paused
    s.wait(0.3)
    assert len(s.played) == 2


def test_panic_is_silence_until_start(stage) -> None:
    s = stage(mode="loop")
    s.performer.start()
    s.until_next()
    s.performer.panic()
    assert len(s.performer.notes) == len(s.performer.schedule) == 0
    s.wait(5)
    assert len(s.played) == 1
    s.performer.start()
    s.wait(0.3)
    assert len(s.played) == 2


def test_what_cannot_be_is_refused(stage, fake_player) -> None:
    for mode in ALONE:
        with pytest.raises(Refused, match="has no time"):
            stage(fake_player(temporal=False), mode=mode)
        with pytest.raises(Refused, match="--pending all"):
            stage(mode=mode, pending="all")
    with pytest.raises(Refused, match="expected one of follow loop respond duet"):
        stage().performer.set_mode("solo")


def test_paused_it_hears_and_does_not_answer(stage) -> None:
    s = stage()
    s.performer.pause()
    s.performer.hear([60, 80])
    s.wait(1)
    assert s.played == [] and len(s.player.heard) == 1
    assert s.performer.counts.skipped == 1
    s.performer.start()
    s.performer.hear([60, 80])
    s.wait(1)
    assert len(s.played) == 1
