"""The process that learns while `hxmx run` plays: it reads the performance so far, and says how far it is.

What it says goes to a socket, a line of JSON each; where the other end has gone, so has the performance, and it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hachimachi import plugins
from hachimachi.errors import HachimachiError
from hachimachi.live.learning import LEAST
from hachimachi.live.record.dataset import DURATION, Recorded, make_sequences
from hachimachi.live.record.journal import read_journal

TOLD_SECONDS = 0.5  # between two lines that say how far training is


class LearnerReport:
    """Tells the performance how far learning is; a thread of it ends this process once that has gone."""

    def __init__(self, theirs: socket.socket, work: Path) -> None:
        self._socket, self._work = theirs, work
        self._phase, self._began, self._seconds = "", 0.0, 0.0
        theirs.settimeout(TOLD_SECONDS)
        threading.Thread(target=self._follow, daemon=True).start()

    def __call__(self, phase: str, seconds: float = 0.0) -> None:
        """Begin a phase; of one that takes so long at most it is told how much of that has passed."""
        self._phase, self._began, self._seconds = phase, time.monotonic(), seconds
        self.tell(phase, 0.0)

    def tell(self, *values: str | float) -> None:
        """Say one thing; whether anybody hears it, the thread finds out."""
        with suppress(OSError):
            self._socket.sendall(json.dumps(values).encode() + b"\n")

    def _follow(self) -> None:
        said = b"nothing is said to it"
        while said:
            try:
                said = self._socket.recv(64)
            except TimeoutError:
                if self._seconds:
                    self.tell(self._phase, min(1.0, (time.monotonic() - self._began) / self._seconds))
            except OSError:
                break
        shutil.rmtree(self._work, ignore_errors=True)
        os._exit(1)


def as_observed(recorded: Recorded, speeds: Sequence[tuple[int, float]]) -> Recorded:
    """Return what was played in the time of the model, which from some events on went by so many times as fast."""
    factor, rows, at = np.ones(len(recorded)), recorded.rows.copy(), np.empty(len(recorded))
    for event, speed in speeds:
        factor[event:] = speed
    order = np.argsort(recorded.at, kind="stable")
    at[order] = np.cumsum(np.diff(recorded.at[order], prepend=recorded.at[order][:1]) * factor[order])
    for i, feature in enumerate(recorded.features):
        rows[:, i] *= factor if feature.name == DURATION else 1
    return replace(recorded, at=at, rows=rows)


def main(descriptor: int, options: str) -> None:
    """Learn from a performance as the options of `Learning` say, and tell the socket what comes of it."""
    asked: dict[str, Any] = json.loads(options)
    work = Path(asked["work"])
    report = LearnerReport(socket.socket(fileno=descriptor), work)
    report("preparing")
    with suppress(AttributeError, OSError):  # one core is the performance's alone
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[1:] or cores)
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        log = os.open(work / "log.txt", os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):  # the terminal is the performance's
            os.dup2(log, stream)
        plugins.load(asked["plugins"])  # those that the user named, whatever the model's file names
        recorded = as_observed(read_journal(asked["journal"]), asked["speeds"])
        if asked["scope"] == "mine":
            fields = ("at", "player", "rows", "sequence")
            recorded = replace(recorded, **{name: getattr(recorded, name)[recorded.player == 0] for name in fields})
        if len(recorded) < LEAST:
            yours = " of yours" if asked["scope"] == "mine" else ""
            raise HachimachiError(f"{len(recorded)} events{yours} were played, expected {LEAST} or more")
        features, (sequences, _) = recorded.features, make_sequences(recorded)
        played = [replace(each, features=features, data=each.data[:, : len(features)]) for each in sequences]
        from hachimachi.training.continual import learn  # PyTorch takes seconds

        model, origin, output = (Path(asked[key]) for key in ("model", "origin", "output"))
        outcome = learn(played, model, origin, output, work, report, asked["scope"])
        shutil.rmtree(work / "run" if outcome.better else work, ignore_errors=True)
        report.tell("better" if outcome.better else "no better", outcome.new, outcome.old)
    except Exception as error:
        report.tell("error", str(error) if isinstance(error, HachimachiError) else f"{type(error).__name__}: {error}")
