"""The models that are played, what they are played, and the processes that play them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.live_probe import Probe
from hachimachi import io
from hachimachi.errors import HachimachiError

SEED = 1
ECHO = Path(__file__).with_name("live_echo.py")


@dataclass(frozen=True)
class Stage:
    """What all measurements share.

    Args:
        folder: Holds the models; the processes run in it.
        rows: Events of the data, all features.
        quick: Whether a first impression is enough.
        web: Whether the page's server runs beside, and reads the feed.
    """

    folder: Path
    rows: Sequence[Sequence[float]]
    quick: bool
    web: bool = False

    @property
    def atemporal(self) -> Path:
        """The model without time."""
        return self.folder / "atemporal.pt"

    @property
    def temporal(self) -> Path:
        """The model with time."""
        return self.folder / "temporal.pt"

    def hxmx_run(self, model: Path, *options: str) -> Probe:
        """Start the shipped command in a process of its own."""
        ports = ("--in-port", "IN", "--out-port", "OUT")
        command = ("-m", "hachimachi.cli", "run", str(model), *ports, "--seed", str(SEED))
        page = ("--web", "--web-port", "0") if self.web else ()
        return Probe(*command, *page, *options, folder=self.folder)

    def echo(self, *options: str) -> Probe:
        """Start the plain echo."""
        return Probe(str(ECHO), "IN", "OUT", *options, folder=self.folder)


def set_stage(data: Path, folder: Path, quick: bool, web: bool = False) -> Stage:
    """Train the models that are not there yet: the default command on the performance, with and without its time.

    Raises:
        HachimachiError: The data are not there, or what `hxmx train` said when it failed.
    """
    source = data / "single" / "piano_train.json"
    if not source.exists():
        raise HachimachiError(f"{source}: not there; expected the corpora beside the checkout, or name their folder")
    [sequence] = io.read(source)
    folder.mkdir(parents=True, exist_ok=True)
    io.write(folder / "temporal.json", [sequence])
    io.write(folder / "atemporal.json", [dataclasses.replace(sequence, time=None)])
    stage = Stage(folder, sequence.data.tolist(), quick, web)
    for model in (stage.atemporal, stage.temporal):
        if not model.exists():
            _train(model)
    return stage


def _train(model: Path) -> None:
    words = ["train", f"{model.stem}.json", model.name]
    done = subprocess.run(
        [sys.executable, "-m", "hachimachi.cli", *words], cwd=model.parent, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise HachimachiError(f"hxmx train: {done.stderr.strip() or done.stdout.strip() or 'no word of why'}")
