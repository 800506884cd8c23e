"""Models to play, and training that only seems to be."""

from __future__ import annotations

import csv
import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig

from hachimachi.cli import main
from hachimachi.events import EventSequence, Feature
from hachimachi.training.sweep.results import Score

from .patch import Patch

Hxmx = Callable[..., int]
Said = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def hxmx_said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run the command line in this process; return its exit status and what it said on both streams."""

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(map(str, words)))
        output = capsys.readouterr()
        return int(caught.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def hxmx_eval(hxmx_said: Said) -> Said:
    """Run `hxmx eval`."""
    return partial(hxmx_said, "eval")


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV by its header."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def hxmx_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hxmx]:
    """Run `hxmx train` in an empty folder that holds a data.json; return its exit status."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.json").write_text("{}")

    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as done:
            main(["train", *words])
        return int(done.value.code or 0)

    handlers, level = logging.root.handlers.copy(), logging.root.level
    yield run
    logging.root.handlers, logging.root.level = handlers, level  # `--info` leaves one of Hydra's


class Training:
    """Stands for training: keeps what it was given, writes a model, scores a job by its seed."""

    def __init__(self) -> None:
        self.calls: list[SimpleNamespace] = []
        self.fails: Callable[[DictConfig], BaseException | None] = lambda cfg: None  # noqa: ARG005
        self.interrupted: Callable[[DictConfig], bool] = lambda cfg: False  # noqa: ARG005

    def train(self, cfg: DictConfig, folder: Path, callbacks: Sequence[Any] = ()) -> SimpleNamespace:
        self.callbacks = [*callbacks]
        self.calls.append(SimpleNamespace(cfg=cfg, folder=folder, argv=sys.argv.copy(), path=cfg.dataset.path))
        if error := self.fails(cfg):
            raise error
        Path(cfg.output).write_text(f"seed {cfg.seed}")
        score = math.nan if cfg.seed == 99 else 10.0 - cfg.seed
        ended = "Ctrl-C" if self.interrupted(cfg) else ""
        result = Score(score, 12.0, 1.0, stopped=ended or None)
        return SimpleNamespace(result=result, path=Path(cfg.output), folder=folder)


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    stub = Training()
    module: Any = ModuleType("hachimachi.training.fit")
    module.train = stub.train
    monkeypatch.setitem(sys.modules, "hachimachi.training.fit", module)
    return stub


def only(folder: Path, pattern: str) -> Path:
    [found] = folder.glob(pattern)
    return found


FEATURES = (
    Feature("pitch", kind="integer", min=0, max=127, resolution=1),
    Feature("velocity", kind="integer"),
    Feature("duration", masked=True),
    Feature("instrument", kind="categorical"),
)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A temporal model and one without time, by whether they are temporal; the instrument never changes."""
    from hachimachi.checkpoint import save_model
    from hachimachi.models.event_model import build_model

    chance = np.random.default_rng(0)
    data = np.zeros((300, 4))
    data[:, 0], data[:, 1] = chance.integers(48, 72, 300), chance.integers(40, 100, 300)
    data[:, 2] = chance.uniform(0.1, 1, 300)
    time = np.cumsum(chance.exponential(0.02, 300))
    folder = tmp_path_factory.mktemp("models")
    paths = {True: folder / "temporal.pt", False: folder / "atemporal.pt"}
    for temporal, path in paths.items():
        save_model(build_model([EventSequence(FEATURES, data, time if temporal else None)]), path)
    return paths


@pytest.fixture
def patch(tmp_path: Path) -> Iterator[Patch]:
    """A program at the other end of a `hxmx run` that is yet to be started, in an empty folder."""
    one = Patch(tmp_path)
    with one.socket:
        yield one
        if hasattr(one, "process"):
            one.process.kill()
            one.process.communicate()
