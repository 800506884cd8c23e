"""`hxmx board`: TensorBoard on the folder of runs, as another process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import webbrowser
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import click

from hachimachi.errors import HachimachiError

HOST = "127.0.0.1"
KEPT = 100  # pictures and sounds of a run that are shown: all that a run makes
PATIENCE = 5.0  # seconds that TensorBoard gets to end


@click.command("board")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("outputs"))
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen.  [default: 6006, or the next free one]")
@click.option("--open", "show", is_flag=True, help="Open it in the browser too.")
def command(folder: Path, port: int | None, show: bool) -> None:
    """Look at and listen to training runs in TensorBoard, those in FOLDER and below (outputs); Ctrl-C ends it.

    Under "Custom Scalars" stand the nats per event of training, of what is held out and of the marginal baseline in one
    chart, in total and for each feature. "Images" and "Audio" show what the model played as training went on, beside
    real music; "HParams" compares runs by their scores. Only this machine can open it.

    \b
    hxmx board
    hxmx board outputs/sweep --port 6010 --open
    """
    if find_spec("tensorboard") is None:  # it runs as another process
        raise ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")
    if not any(folder.rglob("*tfevents*")):
        where = "no runs with curves in it" if folder.is_dir() else "there is no such folder"
        raise HachimachiError(f"{folder}: {where}; `hxmx train data.json model.pt` leaves a run in outputs/train/")
    with _tensorboard(folder, port) as (process, address):
        click.echo(f"{folder}: {address}  (Ctrl-C ends it)")
        if show:
            webbrowser.open(address)
        process.wait()
    raise HachimachiError(f"TensorBoard ended by itself, with exit status {process.returncode}")


@contextmanager
def _tensorboard(folder: Path, port: int | None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start TensorBoard, wait until it answers, and end it in the end; Ctrl-C and SIGTERM are ends as any other."""
    words = ["--logdir", str(folder), "--host", HOST, *(["--port", str(port)] if port else [])]
    # its quick loader forgets that sounds are WAV, and browsers do not play them
    words += ["--load_fast", "false", "--samples_per_plugin", f"images={KEPT},audio={KEPT}"]
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    process = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process, _wait(process, port)
    except KeyboardInterrupt:
        sys.exit(0)
    finally:
        signal.signal(signal.SIGTERM, before)
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[str], port: int | None) -> str:
    """Return the address, once TensorBoard has said it; what else it prints is not shown, unless it fails."""
    assert process.stderr is not None
    last: deque[str] = deque(maxlen=1)
    for line in process.stderr:
        if found := re.search(r"at (http://\S+)", line):
            threading.Thread(target=_drain, args=(process.stderr,), daemon=True).start()  # a full pipe would stop it
            return found[1]
        if line.strip():
            last.append(line.strip())
    process.stderr.close()
    if port and any("bind to port" in line for line in last):
        raise HachimachiError(f"--port {port}: is taken or not allowed; expected a free port, or none for any")
    raise HachimachiError(f"TensorBoard does not start: {''.join(last) or 'it says nothing of why'}")


def _drain(pipe: IO[str]) -> None:
    with pipe:
        deque(pipe, 0)
