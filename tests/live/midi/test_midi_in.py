"""Messages wait for the playing thread, and become things to do there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.live.midi import input
from hachimachi.live.midi.input import MidiEvent, MidiIn, MidiNoteOff, TransportRequest
from hachimachi.live.midi.mapping import Keyboard
from hachimachi.live.midi.output import MidiOut
from hachimachi.live.midi.ports import REPEAT_SECONDS, RETURN_SECONDS, OutPort
from tests.live.midi.conftest import FakePort

On, Off = "note_on", "note_off"


class Inlet:
    """A `MidiIn` on a clock that is moved by hand, and how often it woke the loop."""

    def __init__(self, *models: Any, out: OutPort | None = None, **options: Any) -> None:
        self.now, self.woken = 1000.0, 0
        self.midi = MidiIn([Keyboard(m, {}) for m in models], self.wake, out=out, clock=lambda: self.now, **options)

    def wake(self) -> None:
        self.woken += 1

    def send(self, *kinds: Any, **values: Any) -> None:
        for kind in kinds:
            self.midi.receive(kind if isinstance(kind, mido.Message) else mido.Message(kind, **values))


@pytest.fixture
def inlet(notes: Any) -> Inlet:
    return Inlet(notes)


def test_events_carry_the_time_of_their_arrival(inlet: Inlet) -> None:
    inlet.send(On, note=60, velocity=80)
    inlet.now += 0.25
    inlet.send(Off, note=60)
    assert inlet.woken == 2
    inlet.now += 5
    assert list(inlet.midi.take()) == [MidiEvent(0, (60, 80, 0), 1000.0), MidiNoteOff(0, 60, 0, 1000.25)]
    assert list(inlet.midi.take()) == []


def test_no_velocity_is_an_end(inlet: Inlet) -> None:
    inlet.send(On, note=60, velocity=80)
    inlet.send(On, note=60, velocity=0)
    assert [type(action) for action in inlet.midi.take()] == [MidiEvent, MidiNoteOff]


@pytest.mark.parametrize(
    ("kind", "values", "what"),
    [
        ("start", {}, "start"),
        ("continue", {}, "start"),
        ("stop", {}, "pause"),
        ("reset", {}, "panic"),
        ("control_change", {"control": 120}, "panic"),
        ("control_change", {"control": 120}, "panic"),
    ],
)
def test_transport_and_panic(inlet: Inlet, kind: str, values: dict[str, int], what: Any) -> None:
    inlet.send(kind, **values)
    assert list(inlet.midi.take()) == [TransportRequest(what, 1000.0)]


@pytest.mark.parametrize("kind", ["clock", "active_sensing", "songpos", "sysex", "quarter_frame"])
def test_a_clock_wakes_nobody(inlet: Inlet, kind: str) -> None:
    inlet.send(kind)
    assert inlet.woken == 0


def test_one_channel_may_be_heard_alone(notes: Any) -> None:
    inlet = Inlet(notes, channel=3)
    for channel in range(16):
        inlet.send(On, note=60 + channel, channel=channel)
    inlet.send("start")
    assert list(inlet.midi.take()) == [MidiEvent(0, (63, 64, 0), 1000.0), TransportRequest("start", 1000.0)]


def test_each_model_hears_in_its_own_terms(notes: Any, make_columns: Any) -> None:
    inlet = Inlet(notes, make_columns({"velocity": [1, 2], "pitch": [60, 61]}))
    inlet.send(On, Off, note=60)
    struck = [MidiEvent(0, (60, 64, 0), 1000.0), MidiEvent(1, (64, 60), 1000.0)]
    assert list(inlet.midi.take()) == [*struck, MidiNoteOff(0, 60, 0, 1000.0), MidiNoteOff(1, 60, None, 1000.0)]


def test_what_comes_too_fast_is_counted(inlet: Inlet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input, "WAITING", 10)
    inlet.send(*[On] * 12)
    assert len(list(inlet.midi.take())) == 10
    assert inlet.midi.dropped == 2


def test_what_arrives_meanwhile_waits_for_its_turn(inlet: Inlet) -> None:
    inlet.send(On)
    for _ in inlet.midi.take():
        inlet.send(On)
    assert len(list(inlet.midi.take())) == 1


def test_threads_lose_nothing(inlet: Inlet) -> None:
    threads = [threading.Thread(target=lambda: inlet.send(*[On] * 500, note=60)) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads):
        taken += len(list(inlet.midi.take()))
    assert taken + len(list(inlet.midi.take())) == 2000


PLAYED = np.array([60, 80, 0.1, 45])
Cable = Callable[..., "tuple[Inlet, MidiOut, FakePort]"]


@pytest.fixture
def cable(notes: Any) -> Cable:
    """An output whose messages come back at the input, as through one virtual cable."""

    def join(thru: bool) -> tuple[Inlet, MidiOut, FakePort]:
        synth = FakePort()
        port = OutPort(synth)
        inlet = Inlet(notes, out=port, thru=thru)
        port._clock = lambda: inlet.now
        synth.cable = inlet.send
        return inlet, MidiOut(port, notes), synth

    return join


@pytest.mark.parametrize("thru", [False, True])
def test_what_a_model_plays_does_not_come_back_to_it(cable: Cable, thru: bool) -> None:
    inlet, out, synth = cable(thru)
    out.played(PLAYED, 0.0, None)
    out.ended((60, 45), 0.0, False)
    assert list(inlet.midi.take()) == []
    assert inlet.midi.returned == 3
    assert len(synth.sent) == 3


def test_what_passes_through_is_heard_once(cable: Cable) -> None:
    inlet, _, synth = cable(True)
    inlet.send(On, note=60, velocity=80)
    assert list(inlet.midi.take()) == [MidiEvent(0, (60, 80, 0), 1000.0)]
    assert list(inlet.midi.take()) == []
    assert synth.told() == [(On, 0, 60, 80)]


def test_a_hand_that_repeats_is_heard_each_time(cable: Cable) -> None:
    inlet, _, synth = cable(True)
    synth.cable = lambda _: None
    for _ in range(5):
        inlet.send(On, note=60, velocity=80)
        inlet.now += REPEAT_SECONDS * 1.01
    assert len(list(inlet.midi.take())) == 5


def test_what_a_player_plays_like_the_model_a_while_after_it_is_heard(cable: Cable) -> None:
    inlet, out, synth = cable(False)
    synth.cable = lambda _: None
    out.played(PLAYED, 0.0, None)
    inlet.now += RETURN_SECONDS * 1.01
    inlet.send(On, note=60, velocity=80)
    assert len(list(inlet.midi.take())) == 1


def test_what_arrived_before_its_like_was_sent_is_no_return(cable: Cable) -> None:
    inlet, out, synth = cable(False)
    synth.cable = lambda _: None
    inlet.send(On, note=60, velocity=80)
    inlet.now += 0.001
    out.played(PLAYED, 0.0, None)
    assert len(list(inlet.midi.take())) == 1


def test_the_players_channel_is_left_to_him(cable: Cable) -> None:
    inlet, out, synth = cable(True)
    inlet.send("program_change", program=10)
    inlet.send("pitchwheel", pitch=100)
    list(inlet.midi.take())
    out.played(PLAYED, 0.0, None)
    kinds = [(message.type, message.channel) for message in synth.sent]
    assert kinds == [("program_change", 0), ("pitchwheel", 0), ("program_change", 1), ("note_on", 1)]


def test_keys_still_held_at_the_end_do_not_sound_on(cable: Cable) -> None:
    inlet, out, synth = cable(True)
    inlet.send(On, note=60, velocity=80, channel=4)
    list(inlet.midi.take())
    out.port.close()
    assert synth.told()[-1] == (Off, 4, 60)
    assert synth.closed


@given(st.lists(st.integers(0, 255), max_size=300), st.sampled_from([None, 0, 9]), st.booleans())
def test_any_bytes_do_no_harm(notes: Any, data: list[int], channel: int | None, thru: bool) -> None:
    port = OutPort(FakePort())
    inlet = Inlet(notes, out=port, channel=channel, thru=thru)
    inlet.midi.keyboards.append(Keyboard(notes, {"velocity": 1}))
    parser = mido.Parser()
    for byte in data:
        parser.feed_byte(byte)
        inlet.send(*parser)
        inlet.now += 0.1
    heard = [action for action in inlet.midi.take() if isinstance(action, MidiEvent)]
    assert all(len(action.values) == 3 and 0 <= action.values[0] <= 127 for action in heard)


@given(st.lists(st.tuples(st.sampled_from([0x80, 0x90, 0xB0, 0xC0]), st.integers(0, 127), st.integers(0, 127))))
def test_each_end_has_its_beginning(notes: Any, messages: list[tuple[int, int, int]]) -> None:
    inlet = Inlet(notes)
    for status, first, second in messages:
        inlet.send(*mido.Parser([status, first % 4 if status < 0xB0 else first, second][: 2 + (status != 0xC0)]))
    held = set()
    for action in inlet.midi.take():
        if isinstance(action, MidiEvent):
            held.add(action.values[0])
        elif isinstance(action, MidiNoteOff):
            assert action.pitch in held
            held.discard(action.pitch)
