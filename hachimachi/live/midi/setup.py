"""The MIDI ports of one performance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from hachimachi.columns import Column
from hachimachi.errors import count
from hachimachi.live.midi.input import Keyboard

if TYPE_CHECKING:  # mido is loaded where a port is opened, and not for none
    from hachimachi.live.midi.input import MidiIn
    from hachimachi.live.midi.output import MidiOut
    from hachimachi.live.midi.ports import OutPort


@dataclass(frozen=True)
class MidiSetup:
    """What was opened.

    Args:
        inlet: What is heard, ``None`` without a port to hear from.
        listeners: One for each model, none without a port to play to.
        port: That port, which they share.
        controls: Feature → number of the controller that stands for it.
    """

    inlet: MidiIn | None = None
    listeners: tuple[MidiOut, ...] = ()
    port: OutPort | None = None
    controls: Mapping[str, int] = field(default_factory=dict)

    def exchange(self, model: int, columns: Sequence[Column]) -> None:
        """Let the ports serve another model in the place of one, counted from 0.

        Raises:
            HachimachiError: Its events are no notes, and no controller stands for any of its features; nothing has
                changed.
        """
        keyboard = Keyboard(columns, self.controls) if self.inlet is not None else None
        if self.listeners:
            self.listeners[model].adapt(columns)
        if self.inlet is not None and keyboard is not None:
            self.inlet.keyboards[model] = keyboard

    def close(self) -> None:
        """End what sounds and give the ports back."""
        if self.inlet is not None:
            self.inlet.close()
        for listener in self.listeners:
            listener.close()
        if self.port is not None:
            self.port.close()

    def details(self) -> str:
        """What was heard and sent, and what was not, in a line for each port; empty without ports."""
        lines: list[str] = []
        if self.inlet is not None:
            left = {"our own come back": self.inlet.returned, "came too fast": self.inlet.dropped}
            lines.append(_line("MIDI in", f"heard {count(self.inlet.heard, 'message')}", left))
        if self.port is not None:
            dropped = sum(listener.dropped for listener in self.listeners)
            left = {"events beyond what MIDI can hold": dropped, "refused by the port": self.port.lost}
            lines.append(_line("MIDI out", f"sent {count(self.port.sent, 'message')}", left))
        return "\n".join(lines)

    def __enter__(self) -> MidiSetup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _line(name: str, done: str, left: dict[str, int]) -> str:
    return ", ".join([f"{name}: {done}", *(f"{why}: {number:,}" for why, number in left.items() if number)])
