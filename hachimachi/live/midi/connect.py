"""Connecting the models of a performance with the MIDI ports that its options name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.columns import Column
    from hachimachi.live.midi.output import MidiOut
    from hachimachi.live.midi.ports import MidiSetup


@dataclass(frozen=True)
class MidiPortOptions:
    """Which ports to open, and what for.

    Args:
        hear: ``--midi-in``: part of a port's name, or ``virtual:NAME``.
        play: ``--midi-out``, likewise.
        channel: ``--midi-channel``, from 1.
        in_channel: ``--midi-in-channel``, from 1; ``None`` for all.
        thru: ``--midi-thru``.
        controls: ``--midi-cc``: feature → number of the controller.
    """

    hear: str | None = None
    play: str | None = None
    channel: int = 1
    in_channel: int | None = None
    thru: bool = False
    controls: Mapping[str, int] = field(default_factory=dict)


def open_midi(
    options: MidiPortOptions,
    models: Sequence[Sequence[Column]],
    wake: Callable[[], object],
    say: Callable[[str], None],
) -> MidiSetup:
    """Open ports; none, and without mido, where the options name none.

    Args:
        options: Which ports.
        models: The columns of each model.
        wake: Tells the playing thread, from any other, that something has arrived.
        say: Shows one line to the person at the screen.

    Raises:
        HachimachiError: No such port, no MIDI, no python-rtmidi, or events that MIDI cannot carry.
    """
    from hachimachi.live.midi.ports import MidiSetup

    if not (options.hear or options.play):
        return MidiSetup()
    from hachimachi.live.midi.input import MidiIn
    from hachimachi.live.midi.mapping import Keyboard, features_of
    from hachimachi.live.midi.output import MidiOut, channel_of_model
    from hachimachi.live.midi.ports import OutPort, open_port

    names = dict.fromkeys(column.name for columns in models for column in features_of(columns))
    for name in options.controls:
        if name not in names:
            raise HachimachiError(f"--midi-cc {name}: there is no such feature; there are {', '.join(names)}")
    port = OutPort(open_port(options.play, "out"), say) if options.play else None
    listeners: tuple[MidiOut, ...] = ()
    inlet = None
    try:
        if port is not None:
            listeners = tuple(
                MidiOut(port, columns, options.controls, channel_of_model(options.channel - 1, index))
                for index, columns in enumerate(models)
            )
        if options.hear:
            keyboards = [Keyboard(columns, options.controls) for columns in models]
            for name in dict.fromkeys(name for keyboard in keyboards for name in keyboard.resting):
                way = f"--midi-cc {name}=NUMBER for a controller"
                say(f"--midi-in: no key gives {name}, so it rests at its median; {way}")
            channel = None if options.in_channel is None else options.in_channel - 1
            inlet = MidiIn(keyboards, wake, channel=channel, out=port, thru=options.thru)
            inlet.port = open_port(options.hear, "in", inlet.receive)
    except HachimachiError:
        MidiSetup(port=port).close()
        raise
    return MidiSetup(inlet, listeners, port, options.controls)
