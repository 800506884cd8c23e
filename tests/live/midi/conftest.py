"""A machine with MIDI ports, made of nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import mido
import numpy as np
import pytest
from mido import ports

from hachimachi.columns import Column, fit_columns
from hachimachi.events import EventSequence, Feature


class FakePort:
    """Keeps what is sent to it, until it is unplugged."""

    def __init__(self, name: str = "synth") -> None:
        self.name = name
        self.sent: list[Any] = []  # messages of mido, whose attributes depend on their type
        self.cable: Callable[[mido.Message], None] = lambda _: None
        """Where what is sent comes back."""
        self.unplugged = self.closed = False

    def send(self, message: mido.Message) -> None:
        if self.unplugged:
            raise OSError("device is gone")
        self.sent.append(message)
        self.cable(message)

    def close(self) -> None:
        self.closed = True

    def told(self) -> list[tuple[Any, ...]]:
        """What was sent, in short: type, channel and what matters of the rest."""
        fields = {
            "note_on": ("note", "velocity"),
            "note_off": ("note",),
            "program_change": ("program",),
            "control_change": ("control", "value"),
        }
        return [(m.type, m.channel, *(getattr(m, field) for field in fields[m.type])) for m in self.sent]


class FakeMidi(ModuleType):
    """A backend of mido, in place of python-rtmidi: devices by name, and the ports that were opened."""

    def __init__(self) -> None:
        super().__init__("fake_midi")
        self.devices: list[tuple[str, bool, bool]] = []  # name, is_input, is_output
        self.opened: list[ports.BasePort] = []
        self.virtual: list[str] = []
        self.fault: Exception | None = None
        midi = self

        class Input(ports.BaseInput):
            def _open(self, virtual: bool = False, callback: Any = None, **_: Any) -> None:
                self.callback = callback
                midi.note(self, virtual)

        class Output(ports.BaseOutput):
            def _open(self, virtual: bool = False, **_: Any) -> None:
                self.sent: list[mido.Message] = []
                midi.note(self, virtual)

            def _send(self, msg: mido.Message) -> None:
                self.sent.append(msg)

        self.Input, self.Output = Input, Output

    def note(self, port: ports.BasePort, virtual: bool) -> None:
        if self.fault:
            raise self.fault
        self.opened.append(port)
        if virtual:
            self.virtual.append(str(port.name))

    def get_devices(self, **_: Any) -> list[dict[str, Any]]:
        if self.fault:
            raise self.fault
        return [{"name": name, "is_input": hears, "is_output": plays} for name, hears, plays in self.devices]


@pytest.fixture
def fake_midi(monkeypatch: pytest.MonkeyPatch) -> FakeMidi:
    """Let mido find these ports on this machine."""
    midi = FakeMidi()
    monkeypatch.setitem(sys.modules, "fake_midi", midi)
    monkeypatch.setenv("MIDO_BACKEND", "fake_midi")
    return midi


@pytest.fixture
def synth() -> FakePort:
    """A port that keeps what is sent to it."""
    return FakePort()


Columns = Callable[..., "tuple[Column, ...]"]


@pytest.fixture(scope="session")
def make_columns() -> Columns:
    """Make the columns of a model that learned from given values; features by name, ``~`` masked, ``#`` categorical."""

    def make(values: Mapping[str, Sequence[float]], **bounds: tuple[float, float]) -> tuple[Column, ...]:
        features = []
        for said in values:
            name = said.strip("~#")
            low, high = bounds.get(name, (None, None))
            kind = "categorical" if "#" in said else None
            features.append(Feature(name, kind, masked="~" in said, min=low, max=high))
        data = np.column_stack([np.asarray(column, dtype=np.float64) for column in values.values()])
        return fit_columns([EventSequence(tuple(features), data, np.arange(len(data), dtype=np.float64))])

    return make


@pytest.fixture(scope="session")
def notes(make_columns: Columns) -> tuple[Column, ...]:
    """The columns of a model that learned notes for twenty instruments and drums."""
    programs = [*range(0, 100, 5), 128]
    size = len(programs)
    return make_columns(
        {
            "pitch": 40 + np.arange(size),
            "velocity": 60 + np.arange(size),
            "~duration": 0.1 + 0.01 * np.arange(size),
            "#instrument": programs,
        }
    )
