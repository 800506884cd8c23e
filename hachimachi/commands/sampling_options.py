"""The options that say how to draw, the same wherever a model draws."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hachimachi.commands.options import FiniteRange

if TYPE_CHECKING:
    from hachimachi.models.constraint import Constraint
    from hachimachi.models.sampling import Sampling

Command = TypeVar("Command", bound=Callable[..., Any])
Words = Mapping[str, list[str]]
"""What was said of features, by name."""


class Named(click.ParamType):
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


class OneOrNamed(Named):
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


OPTIONS = (
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
    click.option("--range", type=Named("NAME=LOW:HIGH"), multiple=True, help="Values of a feature from low to high."),
    click.option("--scale", type=Named("NAME=SCALE"), multiple=True, help="Notes of a scale: 'C minor', 'F# dorian'."),
    click.option("--only", type=Named("NAME=V,V,…"), multiple=True, help="These values of a feature only."),
    click.option("--given", type=Named("NAME=V"), multiple=True, help="This value of a feature; the others follow."),
    click.option("--polyphony", type=click.IntRange(1), help="At most so many notes sound at once."),
)


def sampling_options(command: Command) -> Command:
    """Give a command the options; it is called with ``sampling``."""

    @functools.wraps(command)
    def collect(**words: Any) -> Any:
        said = {name: words.pop(name) for name in (*NUMBERS, *CONSTRAINTS, "polyphony")}
        return command(**words, sampling=make_sampling(said))

    for option in reversed(OPTIONS):
        collect = option(collect)
    return collect  # pyright: ignore[reportReturnType]  (click's options return what they are given)


def make_sampling(said: Mapping[str, Any]) -> Sampling:
    """Make a sampling of the values of the options."""
    from hachimachi.models.sampling import Sampling

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
    from hachimachi.models.constraint import Constraint

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
    from hachimachi.models.constraint import Constraint

    del option, name  # a scale's own message says enough
    scales = [text.strip("\"'") for text in texts]
    intervals = [ends for scale in scales for ends in Constraint.scale(scale).intervals]
    return Constraint(tuple(intervals)).called("scale", ", ".join(scales))


def _only(option: str, name: str, texts: Sequence[str]) -> Constraint:
    from hachimachi.models.constraint import Constraint

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
