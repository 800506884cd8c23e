"""Options that several commands take: of plug-ins, of sampling, of MIDI ports, and the types of their values."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.constraints import Constraint

PathLike = str | os.PathLike[str]
Command = TypeVar("Command", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """A range of numbers, without NaN and infinity, which `click.FloatRange` may let pass."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value!r} is not a finite number", param, ctx)


class NamedValues(click.ParamType):
    """A list ``NAME=VALUE,VALUE,NAME=VALUE…``: values by the name of their feature, each made of a text by ``parse``;
    with ``several`` a name has a list of them. With ``bare`` one without a name, for all, will do, and is returned."""

    name = "named"

    def __init__(
        self,
        metavar: str,
        parse: Callable[[str], Any] = str,
        expected: str = "",
        several: bool = False,
        bare: bool = False,
    ) -> None:
        self.metavar, self.parse, self.expected = metavar, parse, expected or metavar
        self.several, self.bare = several, bare

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002  (of click)
        """Return how help shows it."""
        return self.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the values by name, or the one value."""
        if self.bare and "=" not in str(value):
            return self.parse(value)
        named: dict[str, list[str]] = {}
        name = ""
        for part in str(value).split(","):
            before, equals, text = part.rpartition("=")
            name = before.strip() if equals else name
            if not name or not text.strip():
                self.fail(f"{value!r}: expected {self.expected}", param, ctx)
            named.setdefault(name, []).append(text.strip())
        for name, texts in named.items():
            if len(texts) > 1 and not self.several:
                self.fail(f"{value!r}: {name} has {len(texts)} values; expected one", param, ctx)
        try:
            parsed = {name: [self.parse(text) for text in texts] for name, texts in named.items()}
            return parsed if self.several else {name: each[0] for name, each in parsed.items()}
        except ValueError:
            self.fail(f"{value!r}: expected {self.expected}", param, ctx)


def named_option(flag: str, kind: NamedValues, help: str, default: float | None = None) -> Callable[[Any], Any]:
    """Return an option of named values that may be repeated: values by name, lists of them joined, of others the last;
    or, where ``bare``, one number, by default ``default``."""

    def merge(ctx: click.Context, param: click.Parameter, value: tuple[Any, ...]) -> Any:  # noqa: ARG001  (click's)
        named: dict[str, Any] = {}
        for name, given in ((name, given) for each in value if isinstance(each, dict) for name, given in each.items()):
            named[name] = named.get(name, []) + given if kind.several else given
        numbers = [default, *(each for each in value if not isinstance(each, dict))]
        if named and len(numbers) > 1:
            raise click.UsageError(f"{flag}: one number for all, or numbers by name, not both")
        return named if named or not kind.bare else numbers[-1]

    return click.option(flag, type=kind, multiple=True, callback=merge, help=help)


def check_apart(outputs: Iterable[PathLike], inputs: Iterable[PathLike | None]) -> None:
    """Raise HachimachiError for a file to write that is one of those to read."""
    read = {Path(path).resolve() for path in inputs if path}
    for path in outputs:
        if Path(path).resolve() in read:
            raise HachimachiError(f"{path}: is what it is to be made from; name another file to write")


def finite(text: str) -> float:
    """Return the number that a text is; a `ValueError` for NaN and infinity too."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _load_plugins(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> None:
    if not value:
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy, which they import: as `hxmx run` wants it
    from hachimachi import plugins

    try:
        plugins.load(value)
    except HachimachiError as error:
        raise click.BadParameter(str(error), ctx, param) from error


plugin_option = click.option(
    "--plugin",
    multiple=True,
    metavar="MODULE",
    is_eager=True,  # before other options are parsed: they may name what it registers
    expose_value=False,
    callback=_load_plugins,
    help="Parts of your own.",
)
"""Modules to import before anything else is done: what they register is there for the rest of the command."""

ONE_OR_NAMED = "X or NAME=X,…"
SAMPLING_OPTIONS = (
    named_option(
        "--temperature",
        NamedValues(ONE_OR_NAMED, FiniteRange(0, 100), bare=True),
        "Below 1 tamer, above wilder; X leaves time and duration as they are, time=X does not.",
        1.0,
    ),
    named_option(
        "--top-p",
        NamedValues(ONE_OR_NAMED, FiniteRange(0, 1, min_open=True), bare=True),
        "Keep only the most probable values, up to this share; likewise.",
        1.0,
    ),
    named_option(
        "--min-p",
        NamedValues(ONE_OR_NAMED, FiniteRange(0, 1), bare=True),
        "Drop values less probable than this share of the most probable; likewise.",
        0.0,
    ),
    named_option("--range", NamedValues("NAME=LOW:HIGH", several=True), "Values of a feature from low to high."),
    named_option("--scale", NamedValues("NAME=SCALE", several=True), "Notes of a scale: 'C minor', 'F# dorian'."),
    named_option("--only", NamedValues("NAME=V,V,…", several=True), "These values of a feature only."),
    named_option("--given", NamedValues("NAME=V", several=True), "This value of a feature; the others follow."),
    click.option("--polyphony", type=click.IntRange(1), help="At most so many notes sound at once."),
)


def sampling_options(command: Command) -> Command:
    """Give a command the options of sampling; it is called with ``sampling``, a `Sampling`."""

    @functools.wraps(command)
    def collect(**options: Any) -> Any:
        from hachimachi.sampling import Sampling

        constraints: dict[str, Constraint] = {}  # values of one option add up, but all options must hold
        for option in ("range", "scale", "only", "given"):
            for name, texts in options.pop(option).items():
                constraint = _make_constraint(option, name, texts)
                constraints[name] = constraints[name] & constraint if name in constraints else constraint
        numbers = {key: options.pop(key) for key in ("temperature", "top_p", "min_p", "polyphony")}
        return command(**options, sampling=Sampling(**numbers, constraints=constraints))

    for option in reversed(SAMPLING_OPTIONS):
        collect = option(collect)
    return collect  # pyright: ignore[reportReturnType]  (click's options return what they are given)


def _make_constraint(option: str, name: str, texts: Sequence[str]) -> Constraint:
    from hachimachi.constraints import Constraint

    def number(text: str) -> float:
        try:
            return finite(text)
        except ValueError:
            raise click.UsageError(f"--{option} {name}={text}: {text!r} is not a finite number") from None

    if option == "range":
        intervals = []
        for text in texts:
            low, colon, high = text.partition(":")
            if not colon:
                wanted = "LOW:HIGH, such as 40:110; either may be left out"
                raise click.UsageError(f"--range {name}={text}: expected {wanted}")
            ends = number(low) if low.strip() else -math.inf, number(high) if high.strip() else math.inf
            if ends[0] > ends[1]:
                raise click.UsageError(f"--range {name}={text}: expected the lower number first")
            intervals.append(ends)
        return Constraint(tuple(intervals)).called("range")
    if option == "scale":
        scales = [text.strip("\"'") for text in texts]
        intervals = [ends for scale in scales for ends in Constraint.scale(scale).intervals]
        return Constraint(tuple(intervals)).called("scale", ", ".join(scales))
    if option == "given" and len(texts) > 1:
        raise click.UsageError(f"--given {name}={','.join(texts)}: expected one value; --only takes several")
    return Constraint.among([number(text) for text in texts]).called(option)


LAST_CONTROLLER = 119  # the numbers after it are commands, such as all notes off


def _controller(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_CONTROLLER:
        raise ValueError(text)
    return int(text)


CHANNEL = click.IntRange(1, 16)
CONTROLLER = NamedValues("NAME=NUMBER", _controller, f"NAME=NUMBER, a number from 0 to {LAST_CONTROLLER}")
MIDI_PORT_OPTIONS = (
    click.option("--midi-in", metavar="PORT", help="Hear a MIDI port: part of its name, or virtual:NAME."),
    click.option("--midi-out", metavar="PORT", help="Play to a MIDI port, likewise."),
    click.option("--midi-channel", type=CHANNEL, default=1, show_default=True, help="Play where events say none."),
    click.option("--midi-in-channel", type=CHANNEL, help="Hear this channel only."),
    click.option("--midi-thru", is_flag=True, help="Pass on what is heard to the port that is played to."),
    click.option("--midi-cc", type=CONTROLLER, multiple=True, help="A controller for a feature."),
)


def midi_options(command: Command) -> Command:
    """Give a command the options of MIDI ports; it is called with ``midi``, a `MidiPortOptions`."""

    @functools.wraps(command)
    def collect(**options: Any) -> Any:
        from hachimachi.live.midi.ports import MidiPortOptions

        names = ("in", "out", "channel", "in_channel", "thru", "cc")
        midi_in, midi_out, channel, in_channel, thru, given = (options.pop(f"midi_{name}") for name in names)
        controls: dict[str, int] = {}
        for name, number in ((name, number) for named in given for name, number in named.items()):
            if controls.setdefault(name, number) != number:
                raise click.UsageError(f"--midi-cc: {name} has the controllers {controls[name]} and {number}; give one")
        if thru and not (midi_in and midi_out):
            raise click.UsageError("--midi-thru passes on from --midi-in to --midi-out; say both")
        if in_channel and not midi_in:
            raise click.UsageError("--midi-in-channel: say which port to hear, --midi-in")
        if controls and not (midi_in or midi_out):
            raise click.UsageError("--midi-cc: say which port to hear or to play to, --midi-in or --midi-out")
        midi = MidiPortOptions(midi_in, midi_out, channel, in_channel, thru, controls)
        return command(**options, midi=midi)

    for option in reversed(MIDI_PORT_OPTIONS):
        collect = option(collect)
    return collect  # pyright: ignore[reportReturnType]  (click's options return what they are given)
