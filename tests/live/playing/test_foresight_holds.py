"""Whatever comes in between: what sounds was drawn from all that was heard before it, and from nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hachimachi.events import Feature
from hachimachi.live.instrument import LoadedModel

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
        b.performer.planner.unhear()  # what is left is what has sounded, and what the player sent
        heard = b.instrument.part.player.heard
        own = [(place, row) for place, row in enumerate(heard) if row[-1] >= 0]
        assert all(row[-1] <= place for place, row in own)
        if not any(word[0] == "/load" for word in script):  # one that takes over hears a part of the past only
            assert all(row[-1] == place for place, row in own)
        counts = b.performer.counts
        assert counts.predicted == counts.played + counts.cancelled + len(b.performer.schedule)


def test_every_prediction_is_kept_when_another_model_takes_over(bench, fake_player) -> None:
    b = bench(standbys=[LoadedModel("second", fake_player())], pending="all")
    for _ in range(3):
        b.hear("/input", 60, 80)
        b.clock.now += 0.01
    b.ensemble.turn()
    b.hear("/load", "second")
    assert len(b.performer.schedule) == 3
    b.hear("/reset")
    assert (b.performer.counts.predicted, b.performer.counts.cancelled) == (3, 3)


def test_what_is_asked_holds_from_the_event_after_next(bench) -> None:
    b = bench(mode="loop")
    b.player._dt = 2.0
    b.hear("/start")
    b.pass_time(0.5)
    drawn = b.player.samples
    b.hear("/temperature", 0.5)
    assert len(b.performer.schedule) == 1
    b.hear("/speed", 4.0)
    assert b.ensemble.turn() == pytest.approx(b.clock.now + 1.5 / 4)
    assert b.player.samples > drawn
    b.pass_time(10.0)
    assert [row[0] for row in b.player.heard[1:]] == pytest.approx([2.0] * (len(b.player.heard) - 1))
