"""`hxmx run`: play models live over OSC."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.options import (
    FiniteRange,
    midi_options,
    plugin_option,
    sampling_options,
)
from hachimachi.console import opening_lines
from hachimachi.errors import HachimachiError
from hachimachi.live import MODE_NAMES

if TYPE_CHECKING:
    from hachimachi.live.ensemble import Ensemble
    from hachimachi.live.instrument import Instrument, LoadedModel
    from hachimachi.live.loop import Loop
    from hachimachi.live.midi.connect import MidiPortOptions
    from hachimachi.live.record.logbook import Logbook
    from hachimachi.live.screen.snapshot import Screen
    from hachimachi.live.stage import PlaySettings
    from hachimachi.sampling import Sampling


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
        "--mode", type=click.Choice(MODE_NAMES), help="How you and the model share the stage.  [default: follow]"
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
    midi: MidiPortOptions

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
    def manner(self) -> PlaySettings:
        """Return how models play."""
        from hachimachi.live.stage import PlaySettings

        return PlaySettings(
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


@click.command("run")
@run_options
def command(asked: Asked) -> None:
    """Play MODEL live over OSC; several are /1/…, /2/… on the wire, and the bare address is all of them.

    \b
    /input f…   an event happened: all features, or all but the masked ones
    /output f…  the model plays: all features, at the time of the event
    /sample     play one event from the present state
    /start /pause /reset /panic /stop
    /mode, /temperature, /constrain and others steer it
    /status     answers /status key value …

    \b
    hxmx run model.pt
    hxmx run model.pt --loop                     plays alone, without any patch
    hxmx run model.pt --mode respond --silence 1.5
    hxmx run a.pt b.pt --standby c.pt --out 127.0.0.1:9000 --out 192.168.0.7:57120
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a step is too small to share with another core
    asked.check()
    with ExitStack() as stack:
        _play(asked, stack)


def _play(asked: Asked, stack: ExitStack) -> None:
    from hachimachi.live.loop import Loop

    # the socket first, so that a port in use is told at once
    loop = stack.enter_context(Loop((asked.address, asked.in_port), asked.outs, asked.reply))
    screen = _open_screen(asked.quiet)
    stack.callback(screen.close)
    from hachimachi.live.loop import ended_by_signals
    from hachimachi.live.midi.connect import open_midi
    from hachimachi.live.osc import Wire
    from hachimachi.live.stage import Outputs, assemble, quick_steps

    stack.enter_context(quick_steps())
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    parts, standbys = _load(asked, seed)
    told = [_warn]  # until there is a screen that can say it

    def say(line: str) -> None:
        told[-1](line)

    wire = Wire(loop.send, say, rehearse=loop.rehearse)
    midi = stack.enter_context(open_midi(asked.midi, [part.player.columns for part in parts], loop.wake, _warn))
    logbook = _open_logbook(asked, parts, say)
    if logbook is not None:
        stack.callback(logbook.close)
    hears, plays_to = [f"{asked.address}:{loop.port}"], [f"{host}:{port}" for host, port in asked.outs]
    around = Outputs(midi, logbook, screen, hears, plays_to or ["who asks"])
    ensemble, reporter = assemble(parts, standbys, wire, asked.manner, around)
    if not asked.quiet:
        click.echo(_sign(ensemble, hears[0], ", ".join(around.plays_to), seed))
    if reporter is not None:
        told.append(reporter.say)
    with ended_by_signals(loop):
        _run(asked, loop, ensemble)
    if reporter is not None:
        reporter.finish()
    screen.close()
    _tell(asked, [*_summary(ensemble), *filter(None, midi.details().split("\n"))], logbook)


def _run(asked: Asked, loop: Loop, ensemble: Ensemble) -> None:
    from hachimachi.live.realtime import realtime

    with ExitStack() as stack:
        if asked.realtime:
            said = stack.enter_context(realtime())
            if ": granted" not in said:
                _warn(said)
            elif not asked.quiet:
                click.echo(said)
        try:
            loop.run(ensemble)
        finally:  # whatever comes: no note is left hanging
            ensemble.end()


def _load(asked: Asked, seed: int) -> tuple[list[LoadedModel], list[LoadedModel]]:
    from hachimachi.live.stage import check_names, load_part

    paths = asked.models + asked.standby
    check_names(asked.standby, "--standby", asked.models)
    check_names(asked.primer_file, "--primer-file")
    parts = [
        load_part(path, asked.sampling, (seed + place) % 2**32, asked.primer_file) for place, path in enumerate(paths)
    ]
    return parts[: len(asked.models)], parts[len(asked.models) :]


def _open_screen(quiet: bool) -> Screen:
    from hachimachi.live.screen.process import PanelProcess, can_draw
    from hachimachi.live.screen.reporter import PlainLog

    return PanelProcess() if not quiet and can_draw(sys.stdout) else PlainLog(quiet=quiet)


def _open_logbook(asked: Asked, parts: list[LoadedModel], told: Callable[[str], None]) -> Logbook | None:
    from hachimachi.live.record.logbook import Logbook, rescue

    if asked.log == "none":
        return None
    rescue(_warn)
    try:
        return Logbook(Path(asked.log) if asked.log else None, parts, told)
    except HachimachiError as error:
        if asked.log:
            raise
        _warn(f"this performance is not kept: {error}")
        return None


def _sign(ensemble: Ensemble, here: str, there: str, seed: int) -> str:
    lines = []
    for instrument in ensemble.instruments:
        form = instrument.performer.history.form
        every = " ".join(feature.name for feature in form.features)
        lines += [
            ("plays", instrument.part.name, f"seed {seed}"),
            ("hears", here, f"{instrument.prefix}/input {' '.join(form.shortest)}"),
            ("answers", there, f"{instrument.prefix}/output {every}"),
        ]
    return opening_lines([*lines, ("end", "Ctrl-C", "")])


def _tell(asked: Asked, lines: list[str], logbook: Logbook | None) -> None:
    kept = logbook.close() if logbook else []
    if not asked.quiet:
        with contextlib.suppress(OSError):  # the terminal may be gone
            click.echo("\n".join(textwrap.fill(line, 79, subsequent_indent="  ") for line in [*lines, *kept]))


def _summary(ensemble: Ensemble) -> Iterator[str]:
    """Yield what was played, what did not become sound, and how late it was."""
    for instrument in ensemble.instruments:
        yield from _account(instrument)
    if ensemble.refusals.total:
        yield f"refused messages by kind: {ensemble.refusals}"


def _account(instrument: Instrument) -> Iterator[str]:
    counts, lateness = instrument.performer.counts, instrument.performer.notes.lateness
    name = f"{instrument.part.name}: " if instrument.prefix else ""
    line = f"{name}heard {counts.heard:,}, played {counts.played:,}"
    if lateness.count:
        p50, p99, largest = lateness.in_ms()
        line += f"; late p50 {p50:.2f}, p99 {p99:.2f}, max {largest:.2f} ms"
    yield line
    if counts.cancelled:
        yield f"predictions dropped before they sounded, for a newer input or at the end: {counts.cancelled:,}"
    if counts.skipped:
        yield f"inputs heard but not answered, a newer one waited: {counts.skipped:,}"


def _warn(line: str) -> None:
    click.echo(f"hxmx: {line}", err=True)
