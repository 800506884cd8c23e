"""What waits to be played: in order, sampled ahead of time, and taken back when something else comes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hachimachi.events import Feature
from hachimachi.live.instrument import LoadedModel
from hachimachi.live.schedule import MOST_AHEAD, Prediction, Schedule

COUNT = (Feature("x"), Feature("known"))


@pytest.fixture(scope="session")
def counting_player(fake_player):
    """Plays how many events it has heard."""

    class Counting(fake_player):
        def __init__(self, seed: int = 0) -> None:
            super().__init__(features=COUNT)
            self.chance = np.random.default_rng(seed)

        def fork(self, seed: int) -> Counting:
            return Counting(seed)

        def sample(self) -> np.ndarray:
            dt = float(self.chance.choice([0.0, 0.001, 0.02, 0.3, 1.5]))
            return np.array([dt, 0.0, float(len(self.heard))])

    return Counting


waits = st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.5, 0.9]).map(lambda seconds: ("wait", seconds))
asked = st.sampled_from(
    [
        ("/input", -1.0, -1.0),
        ("/temperature", 0.5),
        ("/speed", 2.0),
        ("/speed", 0.5),
        ("/seed", 3),
        ("/load", "lead"),
        ("/load", "second"),
        ("/prime", "last", 2.0),
        ("/prime", "song"),
        ("/sample",),
        ("/start",),
        ("/pause",),
        ("/panic",),
        ("/reset",),
        ("/mode", "duet"),
        ("/mode", "respond"),
    ]
)


@settings(deadline=None, max_examples=300)
@given(script=st.lists(waits | asked, max_size=60), seed=st.integers(0, 1000))
def test_what_sounds_alone_was_drawn_from_what_was_heard(
    script, seed: int, bench_class, counting_player, fake_clock
) -> None:
    first = counting_player(seed)
    standbys = [LoadedModel("second", counting_player(seed + 1), {"song": [[0.0, -1.0, -1.0]] * 5})]
    primers = {"song": [[0.0, -1.0, -1.0]] * 5}
    b = bench_class([first], fake_clock(), mode="duet", standbys=standbys, primers=primers)
    b.ensemble.start()
    b.hear("/start")
    for route, *values in script:
        if route == "wait":
            b.pass_time(values[0])
        else:
            before = len(b.sent)
            b.hear(route, *values)
            if route in {"/panic", "/reset", "/pause", "/mode"}:
                assert not [message for message in b.sent[before:] if message[0] == "/output"]
        b.performer._rewind()  # what is left is what has sounded, and what the player sent
        heard = b.instrument.model.player.heard
        own = [(place, row) for place, row in enumerate(heard) if row[-1] >= 0]
        assert all(row[-1] <= place for place, row in own)
        if not any(word[0] == "/load" for word in script):  # one that takes over hears a part of the past only
            assert all(row[-1] == place for place, row in own)
        counts = b.performer.counts
        assert counts.predicted == counts.played + counts.cancelled + b.performer.status().pending


def test_every_prediction_is_kept_when_another_model_takes_over(bench, fake_player) -> None:
    b = bench(standbys=[LoadedModel("second", fake_player())], pending="all")
    for _ in range(3):
        b.hear("/input", 60, 80)
        b.clock.now += 0.01
    b.ensemble.turn()
    b.hear("/load", "second")
    assert b.performer.status().pending == 3
    b.hear("/reset")
    assert (b.performer.counts.predicted, b.performer.counts.cancelled) == (3, 3)


def test_what_is_asked_holds_from_the_event_after_next(bench) -> None:
    b = bench(mode="loop")
    b.player._dt = 2.0
    b.hear("/start")
    b.pass_time(0.5)
    drawn = b.player.samples
    b.hear("/temperature", 0.5)
    assert b.performer.status().pending == 1
    b.hear("/speed", 4.0)
    assert b.ensemble.turn() == pytest.approx(b.clock.now + 1.5 / 4)
    assert b.player.samples > drawn
    b.pass_time(10.0)
    assert [row[0] for row in b.player.heard[1:]] == pytest.approx([2.0] * (len(b.player.heard) - 1))


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
    assert s.performer.status().pending == (mode == "loop")
    s.wait(5)
    heard = [[0.0, *row] for row in s.player.heard]
    assert all(math.isfinite(row[1]) for row in heard[1:])
    counts = s.performer.counts
    assert counts.predicted == counts.played + counts.cancelled + s.performer.status().pending


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


times = st.floats(-100, 100)


def prediction(deadline: float, number: int) -> Prediction:
    return Prediction(deadline, np.array([float(number)]), 0.0)


@given(st.lists(times), times)
def test_due_predictions_come_in_order_and_the_rest_stays(deadlines: list[float], now: float) -> None:
    schedule = Schedule(one=False)
    for i, deadline in enumerate(deadlines):
        schedule.add(prediction(deadline, i))
    due = [(each.deadline, each.features[0]) for each in schedule.pop_due(now)]
    expected = sorted((deadline, i) for i, deadline in enumerate(deadlines) if deadline <= now)
    assert due == expected
    later = [deadline for deadline in deadlines if deadline > now]
    assert schedule.next == min(later, default=None)
    schedule.drop()
    assert schedule.counts.cancelled == len(later)
    assert not schedule.waiting and schedule.next is None


def test_of_two_with_one_deadline_the_first_comes_first() -> None:
    schedule = Schedule(one=False)
    first, second = prediction(1.0, 2), prediction(1.0, 1)
    schedule.add(first)
    schedule.add(second)
    assert [each.features[0] for each in schedule.pop_due(1.0)] == [2, 1]
