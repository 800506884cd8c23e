"""`hxmx run`: play models live over OSC."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.options import FiniteRange, midi_options, plugin_option, sampling_options
from hachimachi.console import opening_lines, printer
from hachimachi.errors import HachimachiError
from hachimachi.live import MODE_NAMES

if TYPE_CHECKING:
    from hachimachi.live.instrument import Ensemble, LoadedModel
    from hachimachi.live.record.logbook import Logbook
    from hachimachi.live.stage import PlaySettings
    from hachimachi.web.launch import PageOptions

FILE = click.Path(path_type=Path)
LOCAL = {"127.0.0.1", "localhost", "0.0.0.0", "::1", "::"}  # names of this machine


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


class RunOptions(SimpleNamespace):
    """The options of the command line, by name."""

    def check(self) -> None:
        """Refuse options that contradict each other, before anything is read."""
        mode = self.play_mode
        if self.loop and self.mode not in (None, "loop"):
            raise click.UsageError(f"--loop is --mode loop --start; it does not go with --mode {self.mode}")
        if self.start and mode == "follow":
            raise click.UsageError("--start: in mode follow nothing is played alone; say --mode loop, respond or duet")
        if self.pending == "all" and mode != "follow":
            raise click.UsageError(f"--pending all with --mode {mode}: every input would add a voice for ever")
        for host, port in self.outs:
            everywhere = self.address in {"0.0.0.0", "::"} and host.endswith(".255")  # a broadcast
            if port == self.in_port and (host == self.address or {host, self.address} <= LOCAL or everywhere):
                raise click.UsageError(f"it would hear and play on port {port}: the model would hear its own messages")
        if self.lookahead and self.midi.play:
            raise click.UsageError("--lookahead with --midi-out: MIDI has no time tags, and would sound too early")
        if self.browse and not self.web:
            raise click.UsageError("--open needs --web, the page that it opens")
        if self.log not in (None, "none"):
            from hachimachi.live.record.logbook import check_log

            check_log(Path(self.log))

    @property
    def play_mode(self) -> str:
        """The mode, be it given by ``--mode`` or by ``--loop``."""
        return "loop" if self.loop else self.mode or "follow"

    @property
    def outs(self) -> list[tuple[str, int]]:
        """Where to play to: to port 9000, unless another option says where."""
        if self.out_port or self.out_address or not (self.out or self.reply):
            return [(self.out_address or "127.0.0.1", self.out_port or 9000), *self.out]
        return list(self.out)

    def settings(self) -> PlaySettings:
        """Return how models play."""
        from hachimachi.live.stage import PlaySettings

        keys = ("pending", "silence", "speed", "note_offs", "learn")
        same: dict[str, Any] = {key: getattr(self, key) for key in keys}
        begin, among = self.start or self.loop, [a.strip() for each in self.control_from for a in each.split(",")]
        return PlaySettings(self.play_mode, lookahead=self.lookahead / 1000, begin=begin, control_from=among, **same)


@click.command("run", context_settings={"show_default": True})
@click.argument("models", type=FILE, nargs=-1, required=True, metavar="MODEL…")
@click.option("--in-port", type=click.IntRange(0, 65535), default=8000, help="Hear on this port; 0: any free one.")
@click.option("--address", default="127.0.0.1", help="Hear on this address of this machine.")
@click.option("--control-from", multiple=True, metavar="ADDRESS", help="Who may steer; others may send /input only.")
@click.option("--out-port", type=click.IntRange(1, 65535), help="Play to this port.  [default: 9000]")
@click.option("--out-address", help="Play to this machine.  [default: 127.0.0.1]")
@click.option("--out", type=HostPort(), multiple=True, help="Play to; may be repeated.")
@click.option("--reply", is_flag=True, help="Answer whoever asks, at the port it sent from.")
@click.option("--mode", type=click.Choice(MODE_NAMES), help="How you and the model share the stage.  [default: follow]")
@click.option("--start", is_flag=True, help="Begin to play alone at once, without /start.")
@click.option("--loop", is_flag=True, help="The same as --mode loop --start.")
@click.option("--silence", type=FiniteRange(0), default=2.0, help="Seconds after which mode respond and --learn begin.")
@click.option(
    "--pending",
    type=click.Choice(["one", "all"]),
    default="one",
    help="A new input cancels the prediction that waits (one), or leaves it (all).",
)
@click.option("--speed", type=FiniteRange(0.01, 100), default=1.0, help="2: twice as fast.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Play the same again; else every time differs.")
@click.option("--standby", type=FILE, multiple=True, help="A model that /load puts in place of one that plays.")
@click.option("--primer-file", type=FILE, multiple=True, help="What /prime lets the model hear.")
@click.option("--note-offs", is_flag=True, help="Send /noteoff when a note ends.")
@click.option(
    "--lookahead",
    type=FiniteRange(0, 10_000),
    default=0.0,
    show_default=False,
    metavar="MS",
    help="Send this much ahead, with the time at which it is to sound.",
)
@click.option("--realtime", is_flag=True, help="Ask the system not to let other programs in between.")
@click.option("--log", metavar="FILE|none", help="Keep what is played in this data set.  [default: in outputs/run]")
@click.option("--learn", is_flag=True, help="Learn what was played after each silence, as /learn does.")
@click.option("--from-version", type=click.IntRange(0), metavar="N", help="Go on from an earlier version of MODEL.")
@click.option("--web", is_flag=True, help="Serve a page to play from, in a browser.")
@click.option("--web-port", type=click.IntRange(0, 65535), default=8080, help="Serve it on this port; 0: any free one.")
@click.option("--web-address", default="127.0.0.1", help="Serve it on this address of this machine.")
@click.option("--open", "browse", is_flag=True, help="Open it in a browser here.")
@click.option("--quiet", is_flag=True, help="Print only what goes wrong.")
@sampling_options
@midi_options
@plugin_option
def command(**values: Any) -> None:
    """Play MODEL live over OSC; several are /1/…, /2/… on the wire, and the bare address is all of them.

    \b
    /input f…   an event happened: all features, or all but the masked ones
    /output f…  the model plays: all features, at the time of the event
    /sample     play one event from the present state
    /start /pause /reset /panic /stop
    /mode, /temperature, /constrain and others steer it
    /learn /forget   learn what was played; go back
    /status     answers /status key value …

    \b
    hxmx run model.pt
    hxmx run model.pt --web --open               with a page to play from
    hxmx run model.pt --loop                     plays alone, without any patch
    hxmx run model.pt --mode respond --silence 1.5
    hxmx run a.pt b.pt --standby c.pt --out 127.0.0.1:9000 --out 192.168.0.7:57120
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a step is too small to share with another core
    options = RunOptions(**values)
    options.check()
    with ExitStack() as stack:
        stack.callback(printer.wait)
        _play(options, stack)


def _play(options: RunOptions, stack: ExitStack) -> None:
    from hachimachi.live.loop import Loop, describe_exposure, ended_by_signals, realtime

    # the socket first, so that a port in use is reported at once
    loop = stack.enter_context(Loop((options.address, options.in_port), options.outs, options.reply))
    settings = options.settings()
    if loop.exposed:
        _warn(f"{describe_exposure(options.address, loop.port, settings.control_from)}; see SECURITY.md")
    page = _open_page(options, loop.port, stack) if options.web else None
    from hachimachi.live.screen.process import PanelProcess, can_draw
    from hachimachi.live.screen.snapshot import PlainLog

    screen = PanelProcess() if not options.quiet and can_draw(sys.stdout) else PlainLog(quiet=options.quiet)
    stack.callback(screen.close)
    from hachimachi.live.learning import find_version
    from hachimachi.live.midi.ports import open_midi
    from hachimachi.live.osc import Wire
    from hachimachi.live.stage import Outputs, assemble, check_names, load_playable
    from hachimachi.player.engine import quick_steps

    # three bytes: single precision, all that some programs have, holds it, so that /seed begins the same again
    seed = int.from_bytes(os.urandom(3), "big") if options.seed is None else options.seed
    named = [find_version(path, options.from_version) for path in options.models]
    check_names(options.standby, "--standby", named)
    check_names(options.primer_file, "--primer-file")
    loaded = [
        load_playable(path, options.sampling, (seed + i) % 2**32, options.primer_file)
        for i, path in enumerate([*named, *options.standby])
    ]
    stack.enter_context(quick_steps())
    models, standbys = loaded[: len(named)], loaded[len(named) :]
    shows = [_warn]  # until there is a screen

    def show(line: str) -> None:
        shows[-1](line)

    wire = Wire(loop.send, show)
    midi = open_midi(options.midi, [model.player.columns for model in models], loop.wake, show)
    stack.callback(midi.close)
    logbook = _open_logbook(options.log, models, show)
    if logbook is not None:
        stack.callback(logbook.close)
    hears = f"{options.address}:{loop.port}"
    plays_to = [f"{host}:{port}" for host, port in options.outs] or ["who asks"]
    outputs = Outputs(midi, logbook, screen, [hears], plays_to, loop)
    ensemble, reporter = assemble(models, standbys, wire, settings, outputs)
    if not options.quiet:
        _print_opening(ensemble, hears, ", ".join(plays_to), seed, page)
    elif page is not None and page.token:  # nobody could open it
        printer(page.link)
    if reporter is not None:
        shows.append(reporter.say)
    with ended_by_signals(loop), ExitStack() as while_playing:
        if options.realtime:
            line = while_playing.enter_context(realtime())
            if ": granted" not in line:
                _warn(line)
            elif not options.quiet:
                printer(line)
        try:
            loop.run(ensemble)
        finally:  # whatever comes: no note is left hanging
            ensemble.end()
    if reporter is not None:
        reporter.finish()
    screen.close()
    summary = [*_summary(ensemble), *filter(None, midi.details().split("\n")), *(logbook.close() if logbook else [])]
    if not options.quiet:
        printer("\n".join(textwrap.fill(line, 79, subsequent_indent="  ") for line in summary))


def _open_page(options: RunOptions, port: int, stack: ExitStack) -> PageOptions:
    from hachimachi.web.launch import page_process

    performer = options.address, port
    return stack.enter_context(page_process(options.web_address, options.web_port, performer, options.browse))


def _print_opening(ensemble: Ensemble, hears: str, plays_to: str, seed: int, page: PageOptions | None) -> None:
    lines: list[tuple[str, str, str]] = []
    for instrument in ensemble.instruments:
        status, prefix = instrument.performer.status(), instrument.prefix
        lines += [
            ("plays", instrument.model.name, f"seed {seed}"),
            ("hears", hears, f"{prefix}/input {' '.join(status.shortest_input)}"),
            ("answers", plays_to, f"{prefix}/output {' '.join(status.features)}"),
        ]
    printer(opening_lines([*lines, *([page.line] if page else []), ("end", "Ctrl-C", "")]))
    if page is not None:
        printer.wait()
        page.print_code()


def _open_logbook(log: str | None, models: list[LoadedModel], show: Callable[[str], None]) -> Logbook | None:
    from hachimachi.live.record.journal import find_unfinished
    from hachimachi.live.record.logbook import FOLDER, Logbook, rescue

    if log == "none":
        return None
    rescue(find_unfinished(FOLDER) if FOLDER.is_dir() else [], _warn)
    try:
        return Logbook(Path(log) if log else None, models, show)
    except HachimachiError as error:
        if log:
            raise
        _warn(f"this performance is not kept: {error}")
        return None


def _summary(ensemble: Ensemble) -> list[str]:
    lines: list[str] = []
    for instrument in ensemble.instruments:
        status = instrument.performer.status()
        name = f"{instrument.model.name}: " if instrument.prefix else ""
        line = f"{name}heard {status.heard:,}, played {status.played:,}"
        if status.latency.count:
            line += "; late p50 {:.2f}, p99 {:.2f}, max {:.2f} ms".format(*status.latency.in_ms())
        lines.append(line)
        if status.released:
            lines.append(f"releases received, the ends of notes by velocity 0: {status.released:,}")
        if status.cancelled:
            dropped = "predictions dropped before they sounded, for a newer input or at the end"
            lines.append(f"{dropped}: {status.cancelled:,}")
        if status.skipped:
            lines.append(f"inputs heard but not answered, a newer one waited: {status.skipped:,}")
        if instrument.learning is not None and instrument.learning.versions:
            lines.append(f"learned; go on with what plays now: hxmx run {instrument.learning.last}")
    if ensemble.refusals.total:
        lines.append(f"refused messages by kind: {ensemble.refusals}")
    return lines


def _warn(line: str) -> None:
    printer(f"hxmx: {line}", sys.stderr)
