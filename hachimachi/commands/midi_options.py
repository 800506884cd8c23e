"""The options that say which MIDI ports to hear from and to play to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.columns import Column
    from hachimachi.live.midi.midi_in import MidiIn
    from hachimachi.live.midi.midi_out import MidiOut
    from hachimachi.live.midi.out_port import OutPort
    from hachimachi.live.midi.setup import MidiSetup

Command = TypeVar("Command", bound=Callable[..., Any])
LAST_CONTROLLER = 119
"""The numbers after it are commands, such as all notes off."""


@dataclass(frozen=True)
class MidiOptions:
    """What was asked of MIDI.

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


class Controller(click.ParamType):
    """A feature and the number of the controller that stands for it, ``NAME=NUMBER``."""

    name = "controller"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002  (of click)
        """Return how help shows it."""
        return "NAME=NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the name and the number."""
        name, _, text = str(value).rpartition("=")
        number = int(text) if text.isdecimal() else -1
        if not name.strip() or not 0 <= number <= LAST_CONTROLLER:
            self.fail(f"{value!r}: expected NAME=NUMBER, a number from 0 to {LAST_CONTROLLER}", param, ctx)
        return name.strip(), number


CHANNEL = click.IntRange(1, 16)
OPTIONS = (
    click.option("--midi-in", metavar="PORT", help="Hear a MIDI port: part of its name, or virtual:NAME."),
    click.option("--midi-out", metavar="PORT", help="Play to a MIDI port, likewise."),
    click.option("--midi-channel", type=CHANNEL, default=1, show_default=True, help="Play where events say none."),
    click.option("--midi-in-channel", type=CHANNEL, help="Hear this channel only."),
    click.option("--midi-thru", is_flag=True, help="Pass on what is heard to the port that is played to."),
    click.option("--midi-cc", type=Controller(), multiple=True, help="A controller for a feature."),
)


def midi_options(command: Command) -> Command:
    """Give a command the options; it is called with ``midi``."""

    @functools.wraps(command)
    def collect(**words: Any) -> Any:
        said = {name: words.pop(f"midi_{name}") for name in ("in", "out", "channel", "in_channel", "thru", "cc")}
        return command(**words, midi=make_midi_options(said))

    for option in reversed(OPTIONS):
        collect = option(collect)
    return collect  # pyright: ignore[reportReturnType]  (click's options return what they are given)


def make_midi_options(said: Mapping[str, Any]) -> MidiOptions:
    """Make options of what was said after ``--midi-``.

    Raises:
        click.UsageError: What would have no effect, or contradicts itself.
    """
    hear, play, controls = said["in"], said["out"], dict(said["cc"])
    if said["thru"] and not (hear and play):
        raise click.UsageError("--midi-thru passes on from --midi-in to --midi-out; say both")
    if said["in_channel"] and not hear:
        raise click.UsageError("--midi-in-channel: say which port to hear, --midi-in")
    if controls and not (hear or play):
        raise click.UsageError("--midi-cc: say which port to hear or to play to, --midi-in or --midi-out")
    for name, number in said["cc"]:
        if controls[name] != number:
            raise click.UsageError(f"--midi-cc: {name} has the controllers {number} and {controls[name]}; give one")
    return MidiOptions(hear, play, said["channel"], said["in_channel"], said["thru"], controls)


def open_midi(
    options: MidiOptions,
    models: Sequence[Sequence[Column]],
    wake: Callable[[], object],
    say: Callable[[str], None],
) -> MidiSetup:
    """Open the ports that were asked for; none, and without mido, where none were.

    Args:
        options: What was asked.
        models: The columns of each model.
        wake: Tells the playing thread, from any other, that something has arrived.
        say: Shows one line to the person at the screen.

    Raises:
        HachimachiError: No such port, no MIDI, no python-rtmidi, or events that MIDI cannot carry.
    """
    from hachimachi.live.midi.setup import MidiSetup

    if not (options.hear or options.play):
        return MidiSetup()
    from hachimachi.live.midi.out_port import OutPort
    from hachimachi.live.midi.ports import open_port

    _check_names(options.controls, models)
    port = OutPort(open_port(options.play, "out"), say) if options.play else None
    try:
        outlets = _make_outlets(options, models, port) if port else ()
        inlet = _open_inlet(options, models, port, wake, say) if options.hear else None
    except HachimachiError:
        MidiSetup(port=port).close()
        raise
    return MidiSetup(inlet, outlets, port, options.controls)


def _make_outlets(options: MidiOptions, models: Sequence[Sequence[Column]], port: OutPort) -> tuple[MidiOut, ...]:
    from hachimachi.live.midi.midi_out import MidiOut, channel_of_model

    first = options.channel - 1
    return tuple(
        MidiOut(port, columns, options.controls, channel_of_model(first, place)) for place, columns in enumerate(models)
    )


def _open_inlet(
    options: MidiOptions,
    models: Sequence[Sequence[Column]],
    port: OutPort | None,
    wake: Callable[[], object],
    say: Callable[[str], None],
) -> MidiIn:
    from hachimachi.live.midi.keyboard import Keyboard
    from hachimachi.live.midi.midi_in import MidiIn
    from hachimachi.live.midi.ports import open_port

    keyboards = [Keyboard(columns, options.controls) for columns in models]
    for name in dict.fromkeys(name for keyboard in keyboards for name in keyboard.resting):
        say(f"--midi-in: no key gives {name}, so it rests at its median; --midi-cc {name}=NUMBER for a controller")
    channel = None if options.in_channel is None else options.in_channel - 1
    inlet = MidiIn(keyboards, wake, channel=channel, out=port, thru=options.thru)
    inlet.port = open_port(options.hear or "", "in", inlet.receive)
    return inlet


def _check_names(controls: Mapping[str, int], models: Sequence[Sequence[Column]]) -> None:
    from hachimachi.live.midi.controls import features_of

    names = [column.name for columns in models for column in features_of(columns)]
    for name in controls:
        if name not in names:
            there = ", ".join(dict.fromkeys(names))
            raise HachimachiError(f"--midi-cc {name}: there is no such feature; there are {there}")
