"""Kinds of option that several commands take."""

from __future__ import annotations

import math
import os
from typing import Any

import click


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
