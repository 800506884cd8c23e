"""`hxmx run`: play models live over OSC."""

from __future__ import annotations

import secrets
import signal
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from hachimachi.commands.run_options import Asked, run_options

if TYPE_CHECKING:
    from hachimachi.live.ensemble import Ensemble
    from hachimachi.live.instrument import Instrument, Part
    from hachimachi.live.loop import Loop
    from hachimachi.live.wire import Wire


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
    asked.check()
    from hachimachi.live.loop import Loop
    from hachimachi.live.parts import check_names, load_part, quick_steps
    from hachimachi.live.wire import Wire

    check_names(asked.models + asked.standby, "--standby")
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    # the socket first, so that a port in use is told at once
    with Loop((asked.address, asked.in_port), asked.outs, asked.reply) as loop, quick_steps():
        parts = [
            load_part(path, asked.sampling, (seed + place) % 2**32, asked.primer_file)
            for place, path in enumerate(asked.models + asked.standby)
        ]
        ensemble = _assemble(asked, parts, Wire(loop.send, _warn))
        with _ended_by_signals(loop):
            if not asked.quiet:
                click.echo(_sign(asked, ensemble, loop.port, seed))
            loop.run(ensemble)
        ensemble.end()
    if not asked.quiet:
        click.echo("\n".join(_summary(ensemble)))


def _assemble(asked: Asked, parts: Sequence[Part], wire: Wire) -> Ensemble:
    from hachimachi.live.ensemble import Ensemble
    from hachimachi.live.instrument import Instrument
    from hachimachi.live.wire import OscOutlet

    playing, standbys = parts[: len(asked.models)], parts[len(asked.models) :]
    options = {"mode": asked.way, "pending": asked.pending, "silence": asked.silence}
    instruments = []
    for number, part in enumerate(playing, 1):
        prefix = f"/{number}" if len(playing) > 1 else ""
        outlets = [OscOutlet(wire, prefix, note_offs=asked.note_offs, ahead=asked.lookahead > 0)]
        options["lookahead"] = asked.lookahead / 1000
        instruments.append(Instrument(part, wire, outlets, prefix=prefix, standbys=standbys, **options))
        instruments[-1].performer.hearing.speed = asked.speed
    return Ensemble(instruments, wire, begin=asked.start or asked.loop)


def _sign(asked: Asked, ensemble: Ensemble, port: int, seed: int) -> str:
    here = f"{asked.address}:{port}"
    there = ", ".join(f"{host}:{port}" for host, port in asked.outs) or "who asks"
    lines = []
    for instrument in ensemble.instruments:
        form = instrument.performer.hearing.form
        every = " ".join(feature.name for feature in form.features)
        lines += [
            ("plays", instrument.part.name, f"seed {seed}"),
            ("hears", here, f"{instrument.prefix}/input {' '.join(form.shortest)}"),
            ("answers", there, f"{instrument.prefix}/output {every}"),
        ]
    lines.append(("end", "Ctrl-C", ""))
    width = max(len(where) for _, where, _ in lines) + 2
    return "\n".join(
        textwrap.fill(f"{what:9}{where:{width}}{text}", 79, subsequent_indent=" " * (11 + width)).rstrip()
        for what, where, text in lines
    )


def _summary(ensemble: Ensemble) -> Iterator[str]:
    """Yield what was played, what did not become sound, and how late it was."""
    for instrument in ensemble.instruments:
        yield from _account(instrument)
    if ensemble.refusals.total:
        yield f"refused messages by kind: {ensemble.refusals}"


def _account(instrument: Instrument) -> Iterator[str]:
    counts, lateness = instrument.performer.counts, instrument.performer.lateness
    name = f"{instrument.part.name}: " if instrument.prefix else ""
    line = f"{name}heard {counts.heard:,}, played {counts.played:,}"
    if lateness.count:
        p50, p99, largest = lateness.in_ms()
        line += f"; late p50 {p50:.2f}, p99 {p99:.2f}, max {largest:.2f} ms"
    yield line
    if counts.cancelled:
        yield f"predictions cancelled by a newer input: {counts.cancelled:,}"
    if counts.skipped:
        yield f"inputs heard but not answered, a newer one waited: {counts.skipped:,}"


def _warn(line: str) -> None:
    click.echo(f"hxmx: {line}", err=True)


@contextmanager
def _ended_by_signals(loop: Loop) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the loop between two events, not within one."""
    kinds = (signal.SIGINT, signal.SIGTERM)
    former = [signal.signal(kind, lambda *_: loop.stop()) for kind in kinds]
    descriptor = signal.set_wakeup_fd(loop.wakeup)  # on Windows nothing else interrupts a wait
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for kind, handler in zip(kinds, former, strict=True):
            signal.signal(kind, handler)
