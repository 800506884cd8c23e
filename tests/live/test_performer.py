"""A performer: when it plays what it predicts, and how model and player take turns."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from hachimachi.events import Feature
from hachimachi.live.performer import MODES
from hachimachi.live.protocols import Refused
from hachimachi.sampling import Sampling

LATENCY = 0.0037
ALONE = [name for name, mode in MODES.items() if mode.alone]


def test_it_plays_the_predicted_time_after_the_event(stage) -> None:
    s = stage()
    s.performer.hear([60, 80])
    assert s.performer.play() == 1000.25
    assert s.played == []
    s.clock.now = 1000.249
    s.performer.play()
    assert s.played == []
    s.clock.now = 1000.251
    assert s.performer.play() == 1000.55  # when the note ends
    assert s.played == [(1000.25, pytest.approx([61, 0.1, 0.3]))]
    assert s.performer.status().latency.largest == pytest.approx(0.001)


def test_times_between_events_are_measured_on_the_clock(stage) -> None:
    s = stage()
    for now in (1000.0, 1000.1, 1000.4):
        s.clock.now = now
        s.performer.hear([60, 80])
    assert [row[0] for row in s.player.heard] == pytest.approx([math.nan, 0.1, 0.3], nan_ok=True)


def test_a_new_input_cancels_what_is_pending(stage) -> None:
    s = stage()
    s.performer.hear([60, 80])
    s.performer.play()
    s.clock.now += 0.1
    s.performer.hear([62, 80])
    assert s.performer.play() == pytest.approx(1000.35)
    s.clock.now += 1
    s.performer.play()
    assert len(s.played) == 1
    assert s.performer.counts.cancelled == 1


def test_pending_all_keeps_each(stage) -> None:
    s = stage(pending="all")
    for _ in range(3):
        s.performer.hear([60, 80])
        s.clock.now += 0.1
    s.performer.play()
    s.clock.now += 1
    s.performer.play()
    assert [at for at, _ in s.played] == pytest.approx([1000.25, 1000.35, 1000.45])
    assert s.performer.counts.cancelled == s.performer.counts.skipped == 0


def test_of_a_backlog_all_is_heard_and_the_newest_answered(stage) -> None:
    s = stage()
    for _ in range(5):
        s.performer.hear([60, 80])
    s.performer.play()
    assert len(s.player.heard) == 5
    assert s.player.samples == 1
    assert s.performer.counts.skipped == 4


def test_feedback_does_not_drift(stage, fake_player) -> None:
    dts = np.random.default_rng(0).exponential(0.2, 1100)
    s = stage(fake_player(dts=dts))
    s.performer.sample()
    scheduled = []
    for i in range(1000):
        at, values = s.until_next()
        scheduled.append(at)
        s.clock.now += LATENCY
        fed_back = np.array(values, dtype=np.float32).tolist()
        s.performer.hear(fed_back if i % 2 else fed_back[:2])  # all features, or the unmasked ones
    assert scheduled == pytest.approx(1000 + np.cumsum(dts[:1000]), abs=1e-6)
    assert [row[0] for row in s.player.heard[1:]] == pytest.approx(dts[1:1000], abs=1e-9)


def test_an_output_is_claimed_once(stage) -> None:
    s = stage()
    s.performer.sample()
    at, values = s.until_next()
    s.clock.now = at + 0.1
    s.performer.hear(values)
    s.clock.now = at + 0.2
    s.performer.hear(values)
    assert s.player.heard[1][0] == pytest.approx(0.2)  # the second is an event of its own


def test_what_equals_an_output_long_after_it_is_an_event_of_its_own(stage) -> None:
    s = stage()
    s.performer.hear([60, 80])
    at, values = s.until_next()
    s.clock.now = at + 2
    s.performer.hear(values)
    assert s.player.heard[1][0] == pytest.approx(2.25)


def test_different_values_are_no_echo(stage) -> None:
    s = stage()
    s.performer.hear([60, 80])
    at, values = s.until_next()
    s.clock.now = at + 0.1
    s.performer.hear([values[0] + 1, *values[1:]])
    assert s.player.heard[1][0] == pytest.approx(0.35)


def test_without_time_it_answers_at_once(stage, fake_player) -> None:
    s = stage(fake_player(temporal=False))
    s.performer.hear([60, 80], at=1040.0)
    s.performer.play()
    assert [at for at, _ in s.played] == [1000.0]
    assert s.player.heard == [pytest.approx([60, 80, math.nan], nan_ok=True)]
    s.performer.sample()
    s.performer.play()
    assert len(s.played) == 2


def test_sample_plays_its_dt_from_now_and_leaves_the_state(stage) -> None:
    s = stage()
    s.performer.sample()
    assert s.performer.play() == 1000.25
    assert s.player.heard == []


def test_sample_after_an_input_answers_both_where_all_are_kept(stage) -> None:
    s = stage(pending="all")
    s.performer.hear([60, 80])
    s.performer.sample()
    s.performer.play()
    assert s.performer.status().pending == 2


def test_a_first_event_without_a_time_sounds_at_once(stage, fake_player) -> None:
    s = stage(fake_player(dt=math.nan))
    s.performer.sample()
    s.performer.play()
    assert [at for at, _ in s.played] == [1000.0]


def test_reset_forgets_time_and_what_is_pending(stage) -> None:
    s = stage()
    s.performer.hear([60, 80])
    s.performer.play()
    s.clock.now += 5
    s.performer.reset()
    assert s.performer.play() is None
    s.performer.hear([60, 80])
    assert len(s.player.heard) == 1 and math.isnan(s.player.heard[0][0])


def test_an_event_has_its_own_time(stage) -> None:
    s = stage()
    s.performer.hear([60, 80], at=999.9)
    assert s.performer.play() == pytest.approx(1000.15)
    s.clock.now = 1000.1
    s.performer.hear([60, 80], at=1000.05)
    assert s.player.heard[-1][0] == pytest.approx(0.15)


def test_a_time_from_the_future_holds_nothing_up(stage) -> None:
    s = stage()
    s.performer.hear([60, 80], at=1050.0)
    s.clock.now = 1001.0
    s.performer.hear([62, 80])
    assert s.player.heard[-1][0] == 0.0
    assert s.performer.play() == pytest.approx(1001.25)
    s.clock.now = 1002.0
    s.performer.hear([62, 80])
    assert s.player.heard[-1][0] == pytest.approx(1.0)


def test_a_refused_input_changes_nothing(stage) -> None:
    s = stage()
    s.performer.hear([60, 80])
    s.performer.play()
    with pytest.raises(Refused):
        s.performer.hear([60])
    assert len(s.player.heard) == 1
    assert s.performer.status().pending == 1


def test_a_model_that_breaks_down_starts_afresh(stage, fake_player) -> None:
    player = fake_player(features=(Feature("x"),))
    s = stage(player)
    s.performer.hear([1])
    player.sample = lambda: np.array([0.1, math.nan])
    with pytest.raises(Refused, match="expected finite numbers"):
        s.performer.play()
    assert player.heard == [] and s.performer.status().pending == 0
    del player.sample
    s.performer.hear([1])
    assert math.isnan(player.heard[0][0])
    assert s.performer.play() is not None


def test_echoes_of_equal_outputs_come_in_order(stage, fake_player) -> None:
    player = fake_player(features=(Feature("drum"),), dts=[0.1, 0.2, 0.3])
    player.sample = lambda: np.array([next(player._dts, 1.0), 36.0])
    s = stage(player, pending="all")
    for _ in range(3):
        s.performer.sample()
    s.clock.now = 1000.31
    s.performer.play()
    for _ in range(3):
        s.performer.hear([36])
    assert [row[0] for row in player.heard[1:]] == pytest.approx([0.1, 0.1])
    assert s.performer.status().latency.count == 3
    assert [b - a for (a, _), (b, _) in pairwise(s.played)] == pytest.approx([0.1, 0.1])


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
    assert s.performer.status().paused


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
    assert s.performer.status().pending == 0
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
    assert s.listener.heard_rows == []


def test_a_loop_begins_again_after_a_reset(stage) -> None:
    s = stage(mode="loop")
    s.performer.start()
    s.until_next()
    s.performer.reset()
    assert s.player.heard == []
    assert s.performer.status().pending == 1


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
    assert s.performer.status().pending == 0
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
    assert s.performer.status().sounding == 1
    s.performer.set_mode("follow")
    assert s.performer.status().sounding == s.performer.status().pending == 0
    assert [early for _, _, early in s.listener.ends] == [True]
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
    assert s.performer.status().sounding == s.performer.status().pending == 0
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


def test_polyphony_ends_the_note_that_began_first_and_stretches_no_time(stage, fake_player) -> None:
    """Notes of 1 s, one each quarter second, two of which may sound."""
    player = fake_player(dts=[0.0, *[0.25] * 6, 0.0, 0.0, 0.25], dt=0.25)
    player.sample, sample = lambda: np.append(sample()[:3], 1.0), player.sample
    player.sampling = Sampling(polyphony=2)
    s = stage(player, mode="loop")
    s.performer.start()
    s.wait(1.7)
    began = s.clock.now - 1.7
    onsets = [round(at - began, 3) for at, _ in s.played]
    assert onsets == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.5]  # of three at once the last is silent
    assert [(round(at - began, 3), early) for at, _, early in s.listener.ends[:3]] == [
        (0.5, True),
        (0.75, True),
        (1.0, True),
    ]
    counts, status = s.performer.counts, s.performer.status()
    assert status.sounding <= 2 and counts.cancelled == 1
    assert counts.predicted == counts.played + counts.cancelled + status.pending
