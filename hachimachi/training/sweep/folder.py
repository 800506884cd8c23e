"""What Hydra says of a sweep that begins."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, flag_override

from hachimachi.training.sweep.results import read_jobs
from hachimachi.training.sweep.watch import Watch

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
"""The launcher that runs one job after the other, in this process."""
QUEUE = 8
"""Jobs that a search has in the queue of a cluster at once, unless it is told."""


class SweepFolder(Callback):
    """Remembers where Hydra put the last sweep, and shows how far jobs are that run in other processes.

    Hydra swallows what a callback raises, and calls none after Ctrl-C: whoever called Hydra does the reporting.
    """

    last: ClassVar[Path | None] = None
    config: ClassVar[DictConfig | None] = None
    watch: ClassVar[Watch | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002  (Hydra's signature)
        """Keep the folder of the sweep that begins."""
        SweepFolder.last, SweepFolder.config = Path(config.hydra.sweep.dir), config
        launcher, sweeper = config.hydra.launcher._target_, config.hydra.sweeper
        if "n_jobs" in sweeper:
            _quiet_optuna()
            with flag_override(sweeper, ["readonly", "struct"], [False, False]):
                sweeper.n_jobs = min(config.sweep.jobs or _at_once(config), sweeper.n_trials)
                if sweeper.sampler.get("seed") is not None:  # a search that goes on draws what it has not drawn yet
                    sweeper.sampler.seed += len(read_jobs(SweepFolder.last))
        if launcher != BASIC:
            SweepFolder.watch = Watch(SweepFolder.last)
            SweepFolder.watch.start()

    @classmethod
    def end_watch(cls) -> None:
        """Show no more."""
        if cls.watch:
            cls.watch.end()
        cls.watch = None


def _quiet_optuna() -> None:
    """Keep from the screen that a study was created: Optuna says so as soon as it is imported."""
    from optuna import logging as optuna_logging

    optuna_logging.set_verbosity(logging.WARNING)


def remember() -> Any:
    """Return what Optuna keeps its study in: one that knows what the folder of the sweep that begins holds already."""
    from hachimachi.training.sweep.memory import remember

    assert SweepFolder.config is not None
    return remember(SweepFolder.config)


def _at_once(config: DictConfig) -> int:
    """Return how many jobs of a search run at once: as many as there is room for."""
    launcher = config.hydra.launcher
    if launcher._target_ == BASIC:
        return 1
    cores = os.cpu_count() or 1
    return QUEUE if "Slurm" in launcher._target_ else cores if launcher.get("n_jobs", -1) < 1 else launcher.n_jobs
