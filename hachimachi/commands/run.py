"""`hxmx run`: play models live over OSC."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hachimachi.commands.midi_options import open_midi
from hachimachi.commands.run_options import Asked, run_options
from hachimachi.commands.sign import sign
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.live.ensemble import Ensemble
    from hachimachi.live.instrument import Instrument, Part
    from hachimachi.live.osc.loop import Loop
    from hachimachi.live.record.logbook import Logbook
    from hachimachi.live.screen.snapshot import Screen


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
    from hachimachi.live.osc.loop import Loop

    # the socket first, so that a port in use is told at once
    loop = stack.enter_context(Loop((asked.address, asked.in_port), asked.outs, asked.reply))
    screen = _open_screen(asked.quiet)
    stack.callback(screen.close)
    from hachimachi.live.assemble import Surroundings, assemble
    from hachimachi.live.osc.wire import Wire
    from hachimachi.live.parts import quick_steps
    from hachimachi.live.signals import ended_by_signals

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
    around = Surroundings(midi, logbook, screen, hears, plays_to or ["who asks"])
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
    from hachimachi.live.realtime.request import realtime

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


def _load(asked: Asked, seed: int) -> tuple[list[Part], list[Part]]:
    from hachimachi.live.parts import check_names, load_part

    paths = asked.models + asked.standby
    check_names(asked.standby, "--standby", asked.models)
    check_names(asked.primer_file, "--primer-file")
    parts = [
        load_part(path, asked.sampling, (seed + place) % 2**32, asked.primer_file) for place, path in enumerate(paths)
    ]
    return parts[: len(asked.models)], parts[len(asked.models) :]


def _open_screen(quiet: bool) -> Screen:
    from hachimachi.live.screen.plain_log import PlainLog
    from hachimachi.live.screen.process import PanelProcess, can_draw

    return PanelProcess() if not quiet and can_draw(sys.stdout) else PlainLog(quiet=quiet)


def _open_logbook(asked: Asked, parts: list[Part], told: Callable[[str], None]) -> Logbook | None:
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
        form = instrument.performer.hearing.form
        every = " ".join(feature.name for feature in form.features)
        lines += [
            ("plays", instrument.part.name, f"seed {seed}"),
            ("hears", here, f"{instrument.prefix}/input {' '.join(form.shortest)}"),
            ("answers", there, f"{instrument.prefix}/output {every}"),
        ]
    return sign([*lines, ("end", "Ctrl-C", "")])


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
    counts, lateness = instrument.performer.counts, instrument.performer.sounding.lateness
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
