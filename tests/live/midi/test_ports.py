"""Ports are found by a part of their name, or it is said what there is."""

from __future__ import annotations

import sys
from typing import Any

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.live.midi import ports
from hachimachi.live.midi.ports import find_port, open_port, port_names

NAMES = ["Keystation 49 MIDI 1", "Keystation 49", "IAC Driver Bus 1"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("iac", 2), ("IAC Driver Bus 1", 2), ("MIDI", 0), ("keystation 49", 1), (" Keystation 49 ", 1)],
)
def test_a_part_is_enough_and_a_whole_name_wins(wanted: str, found: int) -> None:
    assert find_port(wanted, NAMES, "in") == NAMES[found]


def test_several_are_all_named() -> None:
    with pytest.raises(HachimachiError, match=r"--midi-in: 'keys' .* 2 ports: 'Keystation 49 MIDI 1', 'Keystation 49'"):
        find_port("keys", NAMES, "in")


@pytest.mark.parametrize(("names", "told"), [(NAMES, "there are 'Keystation"), ([], "there is none at all")])
def test_none_says_what_there_is(names: list[str], told: str) -> None:
    with pytest.raises(HachimachiError, match=f"--midi-out: no port has 'moog' in its name; {told}"):
        find_port("moog", names, "out")


@given(st.lists(st.text(min_size=1), unique=True), st.data())
def test_any_whole_name_is_found(names: list[str], data: st.DataObject) -> None:
    same = [name.casefold().strip() for name in names]
    clear = [name for name, key in zip(names, same, strict=True) if same.count(key) == 1]
    if clear:
        name = data.draw(st.sampled_from(clear))
        assert find_port(name, names, "in") == name


def test_names_by_direction_and_each_once(fake_midi: Any) -> None:
    fake_midi.devices = [("both", True, True), ("keys", True, False), ("keys", True, False), ("synth", False, True)]
    assert port_names() == {"in": ["both", "keys"], "out": ["both", "synth"]}


def test_two_of_one_name_open_the_first(fake_midi: Any) -> None:
    fake_midi.devices = [("keys", True, False), ("keys", True, False)]
    assert open_port("keys", "in", print).name == "keys"


def test_what_arrives_goes_to_the_callback(fake_midi: Any) -> None:
    fake_midi.devices = [("My Keys", True, True)]
    heard: list[mido.Message] = []
    port = open_port("my", "in", heard.append)
    port.callback(mido.Message("note_on", note=60))
    assert heard == [mido.Message("note_on", note=60)]
    assert not fake_midi.virtual


@pytest.mark.parametrize("way", ["in", "out"])
def test_virtual_ports_are_made(fake_midi: Any, way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    open_port("virtual: hxmx ", way)
    assert fake_midi.virtual == ["hxmx"]


def test_windows_makes_none_and_says_so(fake_midi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(HachimachiError, match=r"--midi-out virtual:a: Windows lets no program .* loopMIDI"):
        open_port("virtual:a", "out")
    assert not fake_midi.opened


def test_a_virtual_port_needs_a_name(fake_midi: Any) -> None:
    with pytest.raises(HachimachiError, match="expected a name for the new port, such as virtual:hachimachi"):
        open_port("virtual:", "in")
    assert not fake_midi.opened


@pytest.mark.parametrize("fault", [OSError("busy."), RuntimeError(), NotImplementedError("no such thing")])
def test_what_cannot_be_opened_is_told(fake_midi: Any, fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    fake_midi.fault = fault
    told = str(fault).rstrip(".") or "RuntimeError"
    with pytest.raises(HachimachiError, match=f"--midi-in: cannot open 'a': {told}$"):
        open_port("virtual:a", "in")


def test_a_port_in_use_is_told(fake_midi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "port_names", lambda: {"in": ["keys"], "out": []})
    fake_midi.fault = OSError("busy")
    with pytest.raises(HachimachiError, match=r"cannot open 'keys': busy; perhaps another program holds it"):
        open_port("keys", "in")


def test_a_system_without_midi_is_told(fake_midi: Any) -> None:
    fake_midi.fault = OSError("no sequencer.")
    with pytest.raises(HachimachiError, match=r"no MIDI to offer: no sequencer$"):
        port_names()


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIDO_BACKEND", raising=False)
    monkeypatch.setitem(sys.modules, "rtmidi", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "mido.backends.rtmidi", raising=False)
    with pytest.raises(HachimachiError, match=r"pip install 'hachimachi\[midi\]'"):
        port_names()


def test_a_backend_of_ones_own_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDO_BACKEND", "no.such.thing")
    with pytest.raises(HachimachiError, match=r"MIDO_BACKEND=no\.such\.thing: No module named 'no'"):
        port_names()


def test_libraries_keep_quiet(fake_midi: Any, capfd: pytest.CaptureFixture[str]) -> None:
    import os

    fake_midi.get_devices = lambda: os.write(2, b"ALSA lib: chatter\n") and []
    assert port_names() == {"in": [], "out": []}
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
