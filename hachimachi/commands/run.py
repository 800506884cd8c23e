"""`hxmx run`: play a model live over OSC."""

from __future__ import annotations

import secrets
import signal
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hachimachi.commands.options import FiniteRange

if TYPE_CHECKING:
    from hachimachi.live.instrument import Instrument
    from hachimachi.live.instrumentalist import Instrumentalist
    from hachimachi.live.loop import Loop


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--in-port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Hear on; 0: any free.")
@click.option("--out-port", type=click.IntRange(1, 65535), default=9000, show_default=True, help="Play to.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Hear on this address of this machine.")
@click.option("--out-address", default="127.0.0.1", show_default=True, help="Play to this machine.")
@click.option("--loop", is_flag=True, help="The model hears itself and goes on alone; /input joins in.")
@click.option(
    "--pending",
    type=click.Choice(["one", "all"]),
    default="one",
    show_default=True,
    help="A new input cancels the prediction that waits (one), or leaves it (all).",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), help="Play the same again; by default every performance differs."
)
@click.option(
    "--temperature",
    type=FiniteRange(0, 100),
    default=1.0,
    show_default=True,
    help="Below 1 tamer, above wilder.",
)
@click.option("--quiet", is_flag=True, help="Print only what goes wrong.")
def command(  # noqa: PLR0913, PLR0917  (one for each option)
    model: Path,
    in_port: int,
    out_port: int,
    address: str,
    out_address: str,
    loop: bool,
    pending: Literal["one", "all"],
    seed: int | None,
    temperature: float,
    quiet: bool,
) -> None:
    """Play MODEL live over OSC.

    \b
    /input f…   an event happened: all features, or all but the masked ones
    /output f…  the model plays: all features, at the time of the event
    /sample     play one event from the present state
    /reset      forget all that was heard
    /status     answers /status key value …
    /stop       end, as Ctrl-C does
    """
    from hachimachi.live.instrument import Instrument
    from hachimachi.live.loop import Loop

    if in_port == out_port and address == out_address:
        raise click.UsageError(f"--in-port and --out-port are both {in_port}: the model would hear its own messages")
    seed = secrets.randbits(32) if seed is None else seed
    with Loop((address, in_port), (out_address, out_port)) as wire:  # first, so that a port in use is told at once
        player = _load(model, seed, temperature)
        instrument = Instrument(player, wire.send, _warn, name=model.name, loop=loop, pending=pending)
        with _quick_steps(), _ended_by_signals(wire):
            instrument.performer.warm()
            if not quiet:
                click.echo(_sign(model, instrument, f"{address}:{wire.port}", f"{out_address}:{out_port}", seed))
            wire.run(instrument)
        instrument.end()
    if not quiet:
        click.echo("\n".join(filter(None, [instrument.details(), instrument.summary()])))


def _load(path: Path, seed: int, temperature: float) -> Instrumentalist:
    from hachimachi.checkpoint import load_model
    from hachimachi.models.step import Player

    return Player(load_model(path), seed=seed, temperature=temperature)


@contextmanager
def _quick_steps() -> Iterator[None]:
    """Torch as it steps best: these settings hold for the whole process, so they are put back."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a step is too small to share, and waking other threads costs more than it
    torch.set_flush_denormal(True)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def _sign(path: Path, instrument: Instrument, here: str, there: str, seed: int) -> str:
    form = instrument.performer.form
    every = " ".join(feature.name for feature in form.features)
    lines = [
        ("plays", path.name, f"seed {seed}"),
        ("hears", here, f"/input {' '.join(form.shortest)}"),
        ("", "", "/sample /reset /status /stop"),
        ("answers", there, f"/output {every}"),
        ("end", "Ctrl-C", ""),
    ]
    width = max(len(where) for _, where, _ in lines) + 2
    return "\n".join(
        textwrap.fill(f"{what:9}{where:{width}}{text}", 79, subsequent_indent=" " * (11 + width)).rstrip()
        for what, where, text in lines
    )


def _warn(line: str) -> None:
    click.echo(f"hxmx: {line}", err=True)


@contextmanager
def _ended_by_signals(wire: Loop) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the loop between two events, not within one."""
    kinds = (signal.SIGINT, signal.SIGTERM)
    former = [signal.signal(kind, lambda *_: wire.stop()) for kind in kinds]
    descriptor = signal.set_wakeup_fd(wire.wakeup)  # on Windows nothing else interrupts a wait
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for kind, handler in zip(kinds, former, strict=True):
            signal.signal(kind, handler)
