"""A velocity of 0 ends a player's note: it is no event, and tells how long the note was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import Column, UniformGrid, fit_columns
from hachimachi.events import EventSequence, Feature
from hachimachi.io import read
from hachimachi.live.history import HEARD_AGAIN, History
from hachimachi.live.instrument import LoadedModel
from hachimachi.live.midi.mapping import NoteNames, velocity_of_releases
from hachimachi.live.osc import Wire, encode
from hachimachi.live.performer import MODES, Performer
from hachimachi.live.protocols import Note
from hachimachi.live.record.logbook import Logbook
from hachimachi.live.stage import Outputs, PlaySettings, assemble
from tests.live.conftest import FakePlayer

LOUD = Column(Feature("velocity", "integer", min=1, max=127), UniformGrid(1.0, 1, 127), tuple(range(127)), (1.0,) * 127)


class Pianist(FakePlayer):
    """Has learned velocities from 1 to 127."""

    @property
    def columns(self) -> list[Column]:
        return [LOUD if column.name == "velocity" else column for column in super().columns]


def columns_of(names: Sequence[str], *rows: Sequence[float], kinds: Sequence[str | None] = ()) -> tuple[Column, ...]:
    features = tuple(Feature(n, k) for n, k in zip(names, kinds or [None] * len(names), strict=True))  # type: ignore[arg-type]
    data = np.array(rows * 4, float)
    return fit_columns([EventSequence(features, data, np.arange(len(data), dtype=float))])


RULES: list[tuple[tuple[Column, ...], int | None]] = [
    (columns_of(["pitch", "velocity"], [60, 80], [62, 64]), 1),
    (columns_of(["velocity", "x", "pitch"], [1, 0.5, 60], [127, 0.25, 61]), 0),
    (columns_of(["pitch", "velocity"], [60, 100], [60, 100]), 1),  # constant
    (columns_of(["pitch", "velocity"], [60, 80], [62, 0]), None),  # it has learned from velocities of 0
    (columns_of(["pitch", "velocity"], [60, -0.5], [62, 0.75]), None),
    (columns_of(["pitch", "velocity"], [60, 0.25], [62, 0.75]), None),
    (columns_of(["pitch", "velocity"], [60, 80], [62, 300]), None),
    (columns_of(["pitch", "velocity"], [60, 5], [62, 7], kinds=[None, "categorical"]), None),
    (columns_of(["pitch", "pressure"], [60, 80], [62, 64]), None),
    (columns_of(["x", "velocity"], [60, 80], [62, 64]), None),
]


@pytest.mark.parametrize(("columns", "velocity"), RULES)
def test_velocities_from_1_to_127_have_a_zero_that_ends_notes(columns: Any, velocity: int | None) -> None:
    assert velocity_of_releases(columns) == velocity


def test_a_note_is_named_by_pitch_and_channel_else_instrument() -> None:
    features = [Feature("instrument"), Feature("pitch"), Feature("channel")]
    assert NoteNames(features).of([3.0, 60.4, 9.0]) == Note(60, 9)
    assert NoteNames(features[:2]).of([3.0, 60.0]) == Note(60, 3)
    assert NoteNames(features[:2]).of([math.nan, 60.0]) == Note(60)
    assert NoteNames(features[:2]).of([3.0, math.nan]) is None
    assert NoteNames(features[:1]).of([3.0]) is None


@pytest.mark.parametrize("mode", MODES)
def test_a_release_is_no_event(bench: Any, mode: str) -> None:
    b = bench(Pianist(dt=5.0), mode=mode)
    b.hear("/input", 60, 80)
    b.ensemble.turn()
    before, status = list(b.player.heard), b.performer.status()
    b.sent.clear()
    b.clock.now += 0.5
    for note in (60, 60, 99):  # the last two are of keys that are not down
        b.hear("/input", note, 0)
        b.ensemble.turn()
    after = b.performer.status()
    assert (b.player.heard, b.sent, b.said) == (before, [], [])
    assert (after.heard, after.pending, after.released) == (1, status.pending, 3)
    assert ["/status", "released", 3] in b.ask("/status")


def test_its_duration_is_kept_and_known_to_what_comes_after(tmp_path: Path) -> None:
    night = tmp_path / "night.json"
    part, other = LoadedModel("lead", Pianist()), LoadedModel("next", Pianist())  # type: ignore[arg-type]
    logbook = Logbook(night, [part], print)
    said: list[str] = []
    ensemble, _ = assemble(
        [part], [other], Wire(lambda *_: None, said.append), PlaySettings(), Outputs(logbook=logbook)
    )
    clock = 1000.0
    for instrument in ensemble.instruments:
        instrument.performer._clock = lambda: clock
    ensemble._clock = lambda: clock
    ensemble.start()
    for wait, values in ((0.0, (60, 80)), (0.25, (64, 90)), (0.5, (60, 0)), (0.5, (64, 0)), (1.0, (67, 70))):
        clock += wait
        ensemble.receive(encode("/input", *map(float, values)))
    ensemble.receive(encode("/load", "next"))
    rows = part.player.heard  # type: ignore[attr-defined]
    assert [[row[1], row[2]] for row in rows] == [[60, 80], [64, 90], [67, 70]]
    assert all(math.isnan(row[3]) for row in rows)
    assert [row[3] for row in other.player.heard[:2]] == pytest.approx([0.75, 1.0])  # type: ignore[attr-defined]
    assert math.isnan(other.player.heard[2][3])  # type: ignore[attr-defined]
    logbook.close()
    (kept,) = read(night)
    assert kept.column("velocity").tolist() == [80, 90, 70]
    assert kept.column("duration")[:2].tolist() == pytest.approx([0.75, 1.0])
    assert said == []


def test_the_same_key_of_another_channel_goes_on(bench: Any) -> None:
    features = (Feature("pitch"), Feature("velocity"), Feature("duration", masked=True), Feature("channel"))
    b = bench(Pianist(features=features))
    for values in ((60, 80, 1), (60, 80, 2)):
        b.hear("/input", *values)
    b.clock.now += 0.5
    b.hear("/input", 60, 0, 2)
    recent = b.performer.history._recent
    assert math.isnan(recent[0].row[3])
    assert recent[1].row[3] == pytest.approx(0.5)


def test_at_double_speed_a_note_is_twice_as_long_to_the_model(bench: Any) -> None:
    b = bench(Pianist())
    b.hear("/speed", 2)
    b.hear("/input", 60, 80)
    b.clock.now += 0.5
    b.hear("/input", 60, 0)
    assert b.performer.history._recent[-1].row[3] == pytest.approx(1.0)


def test_a_model_that_has_learned_from_velocities_of_0_hears_them(bench: Any) -> None:
    b = bench()  # from 0 to 127
    b.hear("/input", 60, 0)
    assert [row[1:3] for row in b.player.heard] == [[60, 0]]
    assert b.performer.status().released == 0


def test_an_output_come_back_is_an_echo_whatever_its_velocity(fake_clock: Any) -> None:
    clock, player = fake_clock(), Pianist(temporal=False)
    player.samples = 6  # the next has a velocity of 0
    performer = Performer(player, clock=clock)  # type: ignore[arg-type]
    performer.sample()
    performer.play()
    performer.hear([67, 0, 0.3])
    assert (performer.counts.heard, performer.counts.released) == (1, 0)


def test_a_listener_that_knows_nothing_of_releases_is_spared() -> None:
    class Old:
        def began(self) -> None: ...

        def heard(self, row: Any, at: float) -> None: ...

        def played(self, row: Any, at: float, asker: Any) -> None: ...

        def ended(self, note: Note, at: float, early: bool) -> None: ...

    performer = Performer(Pianist(), [Old()])  # type: ignore[list-item]
    performer.hear([60, 80])
    performer.hear([60, 0])
    assert performer.counts.released == 1


inputs = st.tuples(st.integers(58, 61), st.sampled_from([0, 0, 1, 64, 127]))


@given(st.lists(inputs, max_size=40))
def test_every_input_is_heard_or_released(bench_class: Any, fake_clock: Any, script: list[tuple[int, int]]) -> None:
    b = bench_class([Pianist()], fake_clock())
    for note, velocity in script:
        b.hear("/input", note, velocity)
        b.clock.now += 0.1
        b.ensemble.turn()
    ends = sum(not velocity for _, velocity in script)
    counts = b.performer.counts
    assert (counts.heard, counts.released) == (len(script) - ends, ends)
    assert all(row[2] > 0 for row in b.player.heard)
    assert b.wire.refusals.total == 0


class Attentive(Pianist):
    """Makes use of durations where they are known."""

    hears_masked = True


def test_a_model_that_makes_use_of_durations_observes_the_last_events_anew(bench: Any) -> None:
    b = bench(Attentive())
    for pitch in (60, 62, 64):
        b.hear("/input", pitch, 80)
        b.clock.now += 0.25
    b.hear("/input", 62, 0)
    heard = b.player.heard
    assert [row[1] for row in heard] == [60, 62, 64]
    assert [row[3] for row in heard] == pytest.approx([math.nan, 0.5, math.nan], nan_ok=True)
    b.hear("/input", 60, 0)
    assert [row[3] for row in b.player.heard] == pytest.approx([0.75, 0.5, math.nan], nan_ok=True)
    for pitch in range(65, 65 + HEARD_AGAIN):
        b.hear("/input", pitch, 80)
    b.hear("/input", 64, 0)  # too long ago: known to what comes after, as ever
    assert math.isnan(b.player.heard[2][3])
    assert not math.isnan(b.performer.history._recent[2].row[3])


@given(
    deeds=st.lists(st.tuples(st.sampled_from(["play", "release", "rewind"]), st.integers(60, 63)), max_size=30),
)
def test_whatever_is_taken_back_states_and_events_stay_in_step(deeds: list[tuple[str, int]]) -> None:
    player, at = Attentive(), 0.0
    history = History(player)  # type: ignore[arg-type]
    pasts = [history.remember()]
    for deed, pitch in deeds:
        at += 0.1
        if deed == "play":
            pasts = [*pasts[-2:], history.remember()]
            history.observe(np.array([pitch, 80.0, math.nan]), at, own=False)
        elif deed == "release":
            history.release(Note(pitch), at)
        else:
            history.rewind(pasts[-1])
            pasts = pasts[:-1] or [history.remember()]
        assert [row[:3] for row in player.heard[1:]] == [event.row[:3].tolist() for event in history._recent][1:]
        assert len(history._before) <= HEARD_AGAIN


def test_an_echo_has_the_duration_that_was_played(bench: Any) -> None:
    b = bench(Attentive())
    b.hear("/input", 60, 80)
    b.ensemble.turn()
    b.clock.now += 0.25
    b.ensemble.turn()
    _, pitch, velocity, duration = next(message for message in b.sent if message[0] == "/output")
    b.hear("/input", pitch, velocity)
    assert b.player.heard[-1][3] == pytest.approx(duration)


@pytest.mark.parametrize("mode", MODES)
def test_what_has_ended_stays_known_when_what_was_ahead_is_taken_back(bench: Any, mode: str) -> None:
    b = bench(Attentive(dt=0.02), mode=mode)
    if mode in ("duet", "loop"):
        b.hear("/start")
    history = b.performer.history
    for pitch in range(60, 80):
        b.hear("/input", pitch, 80)
        b.ensemble.turn()  # it plays on, some of that ahead of time
        b.clock.now += 0.005
        b.hear("/input", pitch, 0)
        b.hear("/input", pitch + 20, 80)  # what was ahead is taken back
        observed = [event.row[1:].tolist() for event in history._recent]
        assert [row[1:] for row in b.player.heard[1:]] == [pytest.approx(row, nan_ok=True) for row in observed[1:]]
        b.clock.now += 0.1
