"""What is drawn ahead while a model plays alone, and taken back."""

from __future__ import annotations

import math

import pytest

from hachimachi.live.schedule import MOST_AHEAD


def test_simultaneous_events_of_a_loop_leave_room_to_listen(stage, fake_player) -> None:
    s = stage(fake_player(dt=0.0), mode="loop")
    s.performer.start()
    for _ in range(100):
        before = len(s.played)
        s.performer.play()
        assert len(s.played) - before <= MOST_AHEAD
    assert len(s.played) > 30


def test_the_notes_of_a_chord_are_drawn_before_it_sounds(stage, fake_player) -> None:
    s = stage(fake_player(dts=[0.5, 0.5, 0.0, 0.0, 0.0, 0.5] * 3), mode="loop")
    s.performer.start()
    s.settle()
    s.clock.now += 0.5
    s.performer.play()
    s.settle()
    drawn = s.player.samples
    s.clock.now += 0.5
    s.performer.play()
    assert [at for at, _ in s.played] == pytest.approx([1000.5] + [1001.0] * 4)
    assert s.player.samples <= drawn + 1  # nothing was drawn while they waited


@pytest.mark.parametrize("mode", ["loop", "duet"])
def test_an_input_makes_it_forget_what_it_had_drawn_ahead(stage, fake_player, mode: str) -> None:
    s = stage(fake_player(dts=[0.5, 0.5, 0.0, 0.0, 0.0, 0.5] * 3), mode=mode)
    s.performer.start()
    s.wait(0.7)
    assert len(s.player.heard) > len(s.played) == 1
    s.performer.hear([60, 80])
    assert [row[1] for row in s.player.heard] == [61, 60]  # what sounded, then the input
    assert [row[0] for row in s.player.heard[1:]] == pytest.approx([0.2])
    assert len(s.performer.schedule) == (mode == "loop")
    s.wait(5)
    heard = [[0.0, *row] for row in s.player.heard]
    assert all(math.isfinite(row[1]) for row in heard[1:])
    counts = s.performer.counts
    assert counts.predicted == counts.played + counts.cancelled + len(s.performer.schedule)


def test_held_up_for_a_moment_it_keeps_its_times(stage) -> None:
    s = stage(mode="loop")
    s.performer.start()
    for _ in range(20):
        s.settle()
        s.clock.now += 0.6  # two or three are due by now
    s.settle()
    assert [at for at, _ in s.played] == pytest.approx([1000.25 + 0.25 * i for i in range(len(s.played))])
    assert len(s.played) >= 47
    heard = [row[1:] for row in s.player.heard]
    assert heard[: len(s.played)] == [values for _, values in s.played]
    assert [row[0] for row in s.player.heard[1:]] == pytest.approx([0.25] * (len(heard) - 1))


@pytest.mark.parametrize("mode", ["loop", "duet"])
def test_primed_with_what_was_played_it_forgets_what_it_had_drawn_ahead(stage, mode: str) -> None:
    s = stage(mode=mode)
    s.performer.start()
    for pitch in (60, 62):
        s.wait(0.3)
        s.performer.hear([pitch, 80])
    s.wait(0.3)
    assert s.performer.prime_with_last(5) == 2
    assert [row[1] for row in s.player.heard[:2]] == [60, 62]
    s.performer.pause()
    assert len(s.player.heard) == 2
