"""The options open what they name, or say what is missing."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from typing import Any

import click
import mido
import numpy as np
import pytest
from click.testing import CliRunner

from hachimachi.commands.options import midi_options
from hachimachi.errors import HachimachiError
from hachimachi.live.midi import ports
from hachimachi.live.midi.input import MidiEvent
from hachimachi.live.midi.ports import MidiPortOptions, open_midi


def parse(*words: str) -> MidiPortOptions:
    """Return what a command with the options is called with."""
    told: list[MidiPortOptions] = []

    @click.command()
    @midi_options
    def command(midi: MidiPortOptions) -> None:
        told.append(midi)

    outcome = CliRunner().invoke(command, words, standalone_mode=False)
    if outcome.exception:
        raise outcome.exception
    return told[0]


@pytest.fixture
def studio(fake_midi: Any) -> Any:
    """A keyboard, a synthesizer, and a cable."""
    fake_midi.devices = [("Keys", True, False), ("Synth", False, True), ("Bus", True, True)]
    return fake_midi


def test_nothing_asked_is_nothing_opened() -> None:
    assert parse() == MidiPortOptions()
    setup = open_midi(parse(), [], lambda: None, print)
    assert (setup.inlet, setup.listeners, setup.details()) == (None, (), "")
    setup.close()


def test_nothing_asked_loads_no_mido() -> None:
    code = (
        "import sys; from hachimachi.live.midi.ports import *; open_midi(MidiPortOptions(), [], print, print);"
        "sys.exit('mido' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_options() -> None:
    words = "--midi-in keys --midi-out synth --midi-channel 5 --midi-in-channel 2 --midi-thru --midi-cc a=b=1"
    assert parse(*words.split(), "--midi-cc", "x=74") == MidiPortOptions(
        "keys", "synth", 5, 2, True, {"a=b": 1, "x": 74}
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--midi-thru --midi-in a", "say both"),
        ("--midi-in-channel 3", "--midi-in"),
        ("--midi-cc x=3", "--midi-in or --midi-out"),
        ("--midi-in a --midi-cc x=3 --midi-cc x=4", "x has the controllers 3 and 4"),
        ("--midi-in a --midi-cc x=120", "a number from 0 to 119"),
        ("--midi-in a --midi-cc x", "expected NAME=NUMBER"),
        ("--midi-in a --midi-cc =3", "expected NAME=NUMBER"),
        ("--midi-in a --midi-cc x=²", "expected NAME=NUMBER"),
        ("--midi-channel 0", "1<=x<=16"),
        ("--midi-in-channel 17 --midi-in a", "1<=x<=16"),
    ],
)
def test_what_cannot_be_meant_is_told(words: str, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        parse(*words.split())


def test_from_a_key_to_a_synthesizer(studio: Any, notes: Any, make_columns: Any) -> None:
    woken: list[bool] = []
    key = mido.Message("note_on", note=62, velocity=70, channel=8)
    models = [notes, make_columns({"pitch": [60, 61]})]
    options = MidiPortOptions("keys", "synth", channel=2)
    with closing(open_midi(options, models, lambda: woken.append(True), print)) as setup:
        synth, keys = studio.opened
        assert setup.inlet is not None
        keys.callback(key)
        assert woken == [True]
        assert [action[:2] for action in setup.inlet.take()] == [(0, (62, 70, 0)), (1, (62,))]
        setup.listeners[0].played(np.array([60, 80, 0.5, 45]), 0.0, None)
        setup.listeners[1].played(np.array([61.0]), 0.0, None)
        setup.exchange(1, notes)
        keys.callback(key)
        last = list(setup.inlet.take())[-1]
        assert isinstance(last, MidiEvent)
        assert len(last.values) == 3
    assert [message.channel for message in synth.sent if message.type == "note_on"] == [0, 2]
    assert [message.type for message in synth.sent].count("note_off") == 2
    assert (synth.closed, keys.closed) == (True, True)
    assert setup.details() == "MIDI in: heard 2 messages\nMIDI out: sent 5 messages"


def test_what_was_lost_is_in_the_details(studio: Any, notes: Any) -> None:
    del studio
    setup = open_midi(MidiPortOptions(play="synth"), [notes], lambda: None, print)
    setup.listeners[0].played(np.array([200, 80, 0.5, 45]), 0.0, None)
    assert setup.details() == "MIDI out: sent 0 messages, events beyond what MIDI can hold: 1"


def test_a_feature_that_nothing_moves_is_said(studio: Any, make_columns: Any) -> None:
    del studio
    said: list[str] = []
    columns = make_columns({"pitch": [60, 61], "bend": [0.1, 0.2]})
    open_midi(MidiPortOptions("keys"), [columns, columns], lambda: None, said.append)
    assert said == ["--midi-in: no key gives bend, so it rests at its median; --midi-cc bend=NUMBER for a controller"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (MidiPortOptions("keys"), r"--midi-in: this model has no feature named pitch \(x, y\)"),
        (MidiPortOptions(play="synth"), r"--midi-out: this model has no feature named pitch \(x, y\)"),
        (MidiPortOptions("keys", controls={"z": 1}), r"--midi-cc z: there is no such feature; there are x, y"),
        (
            MidiPortOptions("moog", controls={"x": 1}),
            r"--midi-in: no port has 'moog' .* 'Keys', 'Bus'; see hxmx devices",
        ),
        (MidiPortOptions("keys", "keys", controls={"x": 1}), r"--midi-out: no port has 'keys' .* 'Synth', 'Bus'"),
    ],
)
def test_what_cannot_be_opened_is_told(studio: Any, make_columns: Any, options: MidiPortOptions, told: str) -> None:
    with pytest.raises(HachimachiError, match=told):
        open_midi(options, [make_columns({"x": [0, 1], "y": [0, 1]})], lambda: None, print)
    assert all(port.closed for port in studio.opened)


def until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_port_that_vanishes_and_comes_back_is_opened_again(
    studio: Any, notes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "WATCH_SECONDS", 0.01)
    studio.devices = [("Keys 20:0", True, False), ("Synth 24:0", False, True)]
    said: list[str] = []
    with closing(open_midi(MidiPortOptions("keys 20:0", "synth"), [notes], lambda: None, said.append)) as setup:
        out, inlet = setup.listeners[0], setup.inlet
        assert inlet is not None
        synth, keys = studio.opened
        out.played(np.array([60, 80, 0.5, 45]), 0.0, None)
        studio.devices = []
        until(lambda: len(said) == 2)
        assert synth.closed and keys.closed
        assert sorted(said) == [
            "MIDI in: 'Keys 20:0' is gone; playing goes on, and it is opened once it is back",
            "MIDI out: 'Synth 24:0' is gone; playing goes on, and it is opened once it is back",
        ]
        for _ in range(10):  # it plays on
            out.played(np.array([61, 80, 0.5, 45]), 0.0, None)
        assert said[2:] == ["MIDI out: 'Synth 24:0' takes nothing any more: it is gone; playing goes on without it"]
        studio.devices = [("Keys 28:0", True, False), ("Synth 32:0", False, True)]  # ALSA numbers them anew
        until(lambda: len(said) == 5)
        assert sorted(said[3:]) == ["MIDI in: 'Keys 20:0' is back", "MIDI out: 'Synth 24:0' is back"]
        again, keys_again = sorted(studio.opened[2:], key=lambda port: hasattr(port, "callback"))
        out.played(np.array([62, 80, 0.5, 45]), 0.0, None)
        # the instrument that was plugged in knows no program
        assert [message.type for message in again.sent][-2:] == ["program_change", "note_on"]
        keys_again.callback(mido.Message("note_on", note=62, velocity=70))
        assert len(list(inlet.take())) == 1
    assert again.closed and keys_again.closed and len(said) == 5
