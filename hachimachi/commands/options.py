"""Kinds of option that several commands take."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.columns import Column
    from hachimachi.constraints import Constraint
    from hachimachi.live.midi.input import MidiIn
    from hachimachi.live.midi.output import MidiOut
    from hachimachi.live.midi.ports import MidiSetup, OutPort
    from hachimachi.sampling import Sampling


class FiniteRange(click.FloatRange):
    """A range that NaN and infinity, which compare with no bound, are outside of."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value!r} is not a finite number", param, ctx)


class Named(click.ParamType):
    """A value for a feature, ``name=value``: one number, or two with a colon between.

    Args:
        numbers: How many numbers the value has.
        metavar: How help shows it.
    """

    name = "named"

    def __init__(self, numbers: int, metavar: str) -> None:
        self.numbers, self.metavar = numbers, metavar

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002  (of click)
        """Return how help shows it."""
        return self.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Return the name and the number, or the numbers."""
        name, equals, text = str(value).rpartition("=")
        try:
            numbers = [float(number) for number in text.split(":")]
        except ValueError:
            numbers = []
        if not (equals and name and len(numbers) == self.numbers and all(map(math.isfinite, numbers))):
            self.fail(f"{value!r}: expected {self.metavar.lower()}", param, ctx)
        return name, tuple(numbers) if self.numbers > 1 else numbers[0]


def _load_plugins(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> None:
    if not value:
        return
    from hachimachi import plugins
    from hachimachi.errors import HachimachiError

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy, which they import: as `hxmx run` wants it
    try:
        plugins.load(value)
    except HachimachiError as error:
        raise click.BadParameter(str(error), ctx, param) from error


plugin_option = click.option(
    "--plugin",
    multiple=True,
    metavar="MODULE",
    is_eager=True,  # before other options are read: they may speak of its parts
    expose_value=False,
    callback=_load_plugins,
    help="Parts of your own.",
)
"""Modules to import before anything else is done: what they register is there for the rest of the command."""
GRID_STEP = Named(1, "NAME=Q")
GRID_RANGE = Named(2, "NAME=LOW:HIGH")


Command = TypeVar("Command", bound=Callable[..., Any])
Words = Mapping[str, list[str]]
"""What was said of features, by name."""


class NamedValues(click.ParamType):
    """A list ``NAME=VALUE,VALUE,NAME=VALUE…``: values by the name of the feature they are for.

    Args:
        metavar: How help shows it.
    """

    name = "named"

    def __init__(self, metavar: str) -> None:
        self.metavar = metavar

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002  (of click)
        """Return how help shows it."""
        return self.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, list[str]]:
        """Return the values by name, as text."""
        named: dict[str, list[str]] = {}
        name = ""
        for part in str(value).split(","):
            before, equals, text = part.rpartition("=")
            name = before.strip() if equals else name
            if not name or not text.strip():
                self.fail(f"{value!r}: expected {self.metavar}", param, ctx)
            named.setdefault(name, []).append(text.strip())
        return named


class OneOrNamed(NamedValues):
    """One number for all features, or numbers by name.

    Args:
        number: What a number may be.
    """

    def __init__(self, number: FiniteRange) -> None:
        super().__init__("X or NAME=X,…")
        self.number = number

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or a dictionary of them."""
        if "=" not in str(value):
            return self.number.convert(value, param, ctx)
        named = super().convert(value, param, ctx)
        for name, texts in named.items():
            if len(texts) > 1:
                self.fail(f"{value!r}: {name} has {len(texts)} values; expected one", param, ctx)
        return {name: self.number.convert(text, param, ctx) for name, (text,) in named.items()}


SAMPLING_OPTIONS = (
    click.option(
        "--temperature", type=OneOrNamed(FiniteRange(0, 100)), multiple=True, help="Below 1 tamer, above wilder."
    ),
    click.option(
        "--top-p",
        type=OneOrNamed(FiniteRange(0, 1, min_open=True)),
        multiple=True,
        help="Keep only the most probable values, up to this share.",
    ),
    click.option(
        "--min-p",
        type=OneOrNamed(FiniteRange(0, 1)),
        multiple=True,
        help="Drop values less probable than this share of the most probable.",
    ),
    click.option(
        "--range", type=NamedValues("NAME=LOW:HIGH"), multiple=True, help="Values of a feature from low to high."
    ),
    click.option(
        "--scale", type=NamedValues("NAME=SCALE"), multiple=True, help="Notes of a scale: 'C minor', 'F# dorian'."
    ),
    click.option("--only", type=NamedValues("NAME=V,V,…"), multiple=True, help="These values of a feature only."),
    click.option(
        "--given", type=NamedValues("NAME=V"), multiple=True, help="This value of a feature; the others follow."
    ),
    click.option("--polyphony", type=click.IntRange(1), help="At most so many notes sound at once."),
)


def sampling_options(command: Command) -> Command:
    """Give a command the options; it is called with ``sampling``."""

    @functools.wraps(command)
    def collect(**words: Any) -> Any:
        said = {name: words.pop(name) for name in (*NUMBERS, *CONSTRAINTS, "polyphony")}
        return command(**words, sampling=make_sampling(said))

    for option in reversed(SAMPLING_OPTIONS):
        collect = option(collect)
    return collect  # pyright: ignore[reportReturnType]  (click's options return what they are given)


def make_sampling(said: Mapping[str, Any]) -> Sampling:
    """Make a sampling of the values of the options."""
    from hachimachi.sampling import Sampling

    temperature, top_p, min_p = (_one_or_named(name, said[name], default) for name, default in NUMBERS.items())
    constraints: dict[str, Constraint] = {}
    for option, make in CONSTRAINTS.items():
        for name, texts in _gather(said[option]).items():
            constraint = make(option, name, texts)
            constraints[name] = constraints[name] & constraint if name in constraints else constraint
    return Sampling(temperature, top_p, min_p, constraints, said["polyphony"])


def _one_or_named(option: str, values: Sequence[float | dict[str, float]], default: float) -> float | dict[str, float]:
    named = {name: number for value in values if isinstance(value, dict) for name, number in value.items()}
    plain = [value for value in values if not isinstance(value, dict)]
    if plain and named:
        raise click.UsageError(f"--{option.replace('_', '-')}: one number for all, or numbers by name, not both")
    return named or (plain[-1] if plain else default)


def _gather(values: Sequence[Words]) -> Words:
    gathered: dict[str, list[str]] = {}
    for value in values:
        for name, texts in value.items():
            gathered.setdefault(name, []).extend(texts)
    return gathered


def _range(option: str, name: str, texts: Sequence[str]) -> Constraint:
    from hachimachi.constraints import Constraint

    ends = []
    for text in texts:
        low, colon, high = text.partition(":")
        if not colon:
            raise click.UsageError(
                f"--{option} {name}={text}: expected LOW:HIGH, such as 40:110; either may be left out"
            )
        ends.append((_number(option, name, low, -math.inf), _number(option, name, high, math.inf)))
        if ends[-1][0] > ends[-1][1]:
            raise click.UsageError(f"--{option} {name}={text}: expected the lower number first")
    return Constraint(tuple(ends)).called("range")


def _scale(option: str, name: str, texts: Sequence[str]) -> Constraint:
    from hachimachi.constraints import Constraint

    del option, name  # a scale's own message says enough
    scales = [text.strip("\"'") for text in texts]
    intervals = [ends for scale in scales for ends in Constraint.scale(scale).intervals]
    return Constraint(tuple(intervals)).called("scale", ", ".join(scales))


def _only(option: str, name: str, texts: Sequence[str]) -> Constraint:
    from hachimachi.constraints import Constraint

    if option == "given" and len(texts) > 1:
        raise click.UsageError(f"--given {name}={','.join(texts)}: expected one value; --only takes several")
    return Constraint.among([_number(option, name, text) for text in texts]).called(option)


def _number(option: str, name: str, text: str, default: float = math.nan) -> float:
    try:
        number = float(text) if text.strip() else default
    except ValueError:
        number = math.nan
    if math.isnan(number) or (math.isinf(number) and text.strip()):
        raise click.UsageError(f"--{option} {name}={text}: {text!r} is not a finite number")
    return number


NUMBERS = {"temperature": 1.0, "top_p": 1.0, "min_p": 0.0}
"""Options that take a number, and what it is where nothing is said."""
CONSTRAINTS = {"range": _range, "scale": _scale, "only": _only, "given": _only}
"""Options that constrain a feature. Values of one option add up; what several options say must all hold."""


Command = TypeVar("Command", bound=Callable[..., Any])
LAST_CONTROLLER = 119
"""The numbers after it are commands, such as all notes off."""


@dataclass(frozen=True)
class MidiPortOptions:
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
MIDI_OPTIONS = (
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

    for option in reversed(MIDI_OPTIONS):
        collect = option(collect)
    return collect  # pyright: ignore[reportReturnType]  (click's options return what they are given)


def make_midi_options(said: Mapping[str, Any]) -> MidiPortOptions:
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
    return MidiPortOptions(hear, play, said["channel"], said["in_channel"], said["thru"], controls)


def open_midi(
    options: MidiPortOptions,
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
    from hachimachi.live.midi.ports import MidiSetup

    if not (options.hear or options.play):
        return MidiSetup()
    from hachimachi.live.midi.ports import OutPort, open_port

    _check_names(options.controls, models)
    port = OutPort(open_port(options.play, "out"), say) if options.play else None
    try:
        listeners = _make_listeners(options, models, port) if port else ()
        inlet = _open_inlet(options, models, port, wake, say) if options.hear else None
    except HachimachiError:
        MidiSetup(port=port).close()
        raise
    return MidiSetup(inlet, listeners, port, options.controls)


def _make_listeners(options: MidiPortOptions, models: Sequence[Sequence[Column]], port: OutPort) -> tuple[MidiOut, ...]:
    from hachimachi.live.midi.output import MidiOut, channel_of_model

    first = options.channel - 1
    return tuple(
        MidiOut(port, columns, options.controls, channel_of_model(first, place)) for place, columns in enumerate(models)
    )


def _open_inlet(
    options: MidiPortOptions,
    models: Sequence[Sequence[Column]],
    port: OutPort | None,
    wake: Callable[[], object],
    say: Callable[[str], None],
) -> MidiIn:
    from hachimachi.live.midi.input import MidiIn
    from hachimachi.live.midi.mapping import Keyboard
    from hachimachi.live.midi.ports import open_port

    keyboards = [Keyboard(columns, options.controls) for columns in models]
    for name in dict.fromkeys(name for keyboard in keyboards for name in keyboard.resting):
        say(f"--midi-in: no key gives {name}, so it rests at its median; --midi-cc {name}=NUMBER for a controller")
    channel = None if options.in_channel is None else options.in_channel - 1
    inlet = MidiIn(keyboards, wake, channel=channel, out=port, thru=options.thru)
    inlet.port = open_port(options.hear or "", "in", inlet.receive)
    return inlet


def _check_names(controls: Mapping[str, int], models: Sequence[Sequence[Column]]) -> None:
    from hachimachi.live.midi.mapping import features_of

    names = [column.name for columns in models for column in features_of(columns)]
    for name in controls:
        if name not in names:
            there = ", ".join(dict.fromkeys(names))
            raise HachimachiError(f"--midi-cc {name}: there is no such feature; there are {there}")
