"""The options of `hxmx run`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.midi_options import MidiOptions, midi_options
from hachimachi.commands.options import FiniteRange, plugin_option
from hachimachi.commands.sampling_options import sampling_options
from hachimachi.live.playing.modes import MODES

if TYPE_CHECKING:
    from hachimachi.live.assemble import Manner
    from hachimachi.models.sampling import Sampling

PORT = click.IntRange(0, 65535)
FILE = click.Path(path_type=Path)


class HostPort(click.ParamType):
    """``HOST:PORT``, or a port of this machine."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return host and port."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not (port.isdecimal() and 0 < int(port) < 65536):
            self.fail(f"{value!r}: expected HOST:PORT, such as 127.0.0.1:9000", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


OPTIONS = (
    click.option("--in-port", type=PORT, default=8000, show_default=True, help="Hear on this port; 0: any free one."),
    click.option("--address", default="127.0.0.1", show_default=True, help="Hear on this address of this machine."),
    click.option("--out-port", type=click.IntRange(1, 65535), help="Play to this port.  [default: 9000]"),
    click.option("--out-address", help="Play to this machine.  [default: 127.0.0.1]"),
    click.option("--out", type=HostPort(), multiple=True, help="Play to; may be repeated."),
    click.option("--reply", is_flag=True, help="Answer whoever asks, at the port it sent from."),
    click.option(
        "--mode", type=click.Choice(list(MODES)), help="How you and the model share the stage.  [default: follow]"
    ),
    click.option("--start", is_flag=True, help="Begin to play alone at once, without /start."),
    click.option("--loop", is_flag=True, help="The same as --mode loop --start."),
    click.option(
        "--silence",
        type=FiniteRange(0),
        default=2.0,
        show_default=True,
        help="Mode respond: seconds after which the model goes on.",
    ),
    click.option(
        "--pending",
        type=click.Choice(["one", "all"]),
        default="one",
        show_default=True,
        help="A new input cancels the prediction that waits (one), or leaves it (all).",
    ),
    click.option("--speed", type=FiniteRange(0.01, 100), default=1.0, show_default=True, help="2: twice as fast."),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Play the same again; else every time differs."),
    click.option("--standby", type=FILE, multiple=True, help="A model that /load puts in place of one that plays."),
    click.option("--primer-file", type=FILE, multiple=True, help="What /prime lets the model hear."),
    click.option("--note-offs", is_flag=True, help="Send /noteoff when a note ends."),
    click.option(
        "--lookahead",
        type=FiniteRange(0, 10_000),
        default=0.0,
        metavar="MS",
        help="Send this much ahead, with the time at which it is to sound.",
    ),
    click.option("--realtime", is_flag=True, help="Ask the system not to let other programs in between."),
    click.option("--log", metavar="FILE|none", help="Keep what is played in this data set.  [default: in outputs/run]"),
    click.option("--quiet", is_flag=True, help="Print only what goes wrong."),
)


@dataclass(frozen=True)
class Asked:
    """The arguments and options of the command line."""

    models: tuple[Path, ...]
    in_port: int
    address: str
    out_port: int | None
    out_address: str | None
    out: tuple[tuple[str, int], ...]
    reply: bool
    mode: str | None
    start: bool
    loop: bool
    silence: float
    pending: str
    speed: float
    seed: int | None
    standby: tuple[Path, ...]
    primer_file: tuple[Path, ...]
    note_offs: bool
    lookahead: float
    realtime: bool
    log: str | None
    quiet: bool
    sampling: Sampling
    midi: MidiOptions

    def check(self) -> None:
        """Refuse what contradicts itself, before anything is read.

        Raises:
            click.UsageError: Options that do not go together.
        """
        if self.loop and self.mode not in (None, "loop"):
            raise click.UsageError(f"--loop is --mode loop --start; it does not go with --mode {self.mode}")
        if self.start and self.way == "follow":
            raise click.UsageError("--start: in mode follow nothing is played alone; say --mode loop, respond or duet")
        if self.pending == "all" and self.way != "follow":
            raise click.UsageError(f"--pending all with --mode {self.way}: every input would add a voice for ever")
        for host, port in self.outs:
            if port == self.in_port and (host == self.address or {host, self.address} <= LOCAL):
                raise click.UsageError(f"it would hear and play on port {port}: the model would hear its own messages")

        if self.lookahead and self.midi.play:
            raise click.UsageError("--lookahead with --midi-out: MIDI has no time tags, and would sound too early")
        if self.log not in (None, "none"):
            from hachimachi.live.record.logbook import check_log

            check_log(Path(self.log))

    @property
    def manner(self) -> Manner:
        """Return how models play."""
        from hachimachi.live.assemble import Manner

        return Manner(
            mode=self.way,
            pending="all" if self.pending == "all" else "one",
            silence=self.silence,
            speed=self.speed,
            lookahead=self.lookahead / 1000,
            note_offs=self.note_offs,
            begin=self.start or self.loop,
        )

    @property
    def way(self) -> str:
        """Return the mode."""
        return "loop" if self.loop else self.mode or "follow"

    @property
    def outs(self) -> list[tuple[str, int]]:
        """Return where to play to: to port 9000, unless something else was said."""
        default = not self.out and not self.reply
        if self.out_port or self.out_address or default:
            return [(self.out_address or "127.0.0.1", self.out_port or 9000), *self.out]
        return list(self.out)


LOCAL = {"127.0.0.1", "localhost", "0.0.0.0", "::1", "::"}
"""Ways to say this machine."""


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; it is called with what was asked."""

    @sampling_options
    @midi_options
    @plugin_option
    @functools.wraps(command)
    def collect(**words: Any) -> Any:
        return command(Asked(**words))

    for option in reversed(OPTIONS):
        collect = option(collect)
    return click.argument("models", type=FILE, nargs=-1, required=True, metavar="MODEL…")(collect)
