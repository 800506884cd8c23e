"""`hxmx devices`: what this machine can compute on, and its MIDI ports."""

from __future__ import annotations

import platform
import textwrap
from importlib.util import find_spec
from pathlib import Path

import click

from hachimachi.errors import HachimachiError, count


@click.command("devices")
def command() -> None:
    """List what this machine can compute on and the words that choose it for training, and its MIDI ports."""
    from hachimachi.console import make_console, make_table
    from hachimachi.live.midi.ports import port_names

    console = make_console(narrow=True)
    if find_spec("torch"):
        import torch

        info = Path("/proc/cpuinfo")
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name, threads = names[0] if names else platform.processor() or platform.machine(), torch.get_num_threads()
        table = make_table(("device", "what", "to train on it"))
        table.add_row("cpu", f"{name}, {count(threads, 'thread')}", "trainer.accelerator=cpu")
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            options = "trainer.accelerator=cuda" + (f" trainer.devices=[{index}]" if index else "")
            table.add_row(f"cuda:{index}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB", options)
        console.print(table)
        console.print(f"PyTorch {torch.__version__}. Small models, as most here are, are fastest on the CPU.\n")
    else:
        console.print("PyTorch is not installed: models play here, but none can be trained.\n")
    try:
        ports_by_way = port_names()
    except HachimachiError as error:
        click.echo(textwrap.fill(f"No MIDI ports: {error}.", 79))
        return
    table = make_table(("MIDI port", "option"))
    for way, ports in ports_by_way.items():
        for name in ports:
            table.add_row(name, f"--midi-{way}")
    if table.row_count:
        console.print(table)
    click.echo("A part of the name will do." if table.row_count else "No MIDI ports: nothing is connected.")
