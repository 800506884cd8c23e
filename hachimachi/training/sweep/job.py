"""One job under Hydra: a run of its own, or one of a sweep."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from hachimachi.errors import HachimachiError
from hachimachi.training import distributed
from hachimachi.training.config.compose import check
from hachimachi.training.config.overrides import ConfigError, plain, quote
from hachimachi.training.sweep.results import MODEL, Score, as_words, read_jobs
from hachimachi.training.sweep.search import BASIC

if TYPE_CHECKING:
    from hachimachi.training.sweep.search import Prune


LOG = "log.txt"
FAILED = float("inf")
"""What a job without a score is worth to a sweeper; Optuna takes no NaN."""


@dataclass(frozen=True)
class Site:
    """Where a job is: its folder, that of the sweep it is part of, and whether others run at the same time."""

    folder: Path
    sweep: Path | None
    beside: bool

    @staticmethod
    def of(job: HydraConf) -> Site:
        """Find where the job is that Hydra began; in a process started by another one, that one's."""
        if distributed.is_ours():
            sweep = os.environ.get(distributed.SWEEP)
            return Site(Path(os.environ[distributed.FOLDER]), Path(sweep) if sweep else None, beside=False)
        folder, many = Path(job.runtime.output_dir), job.mode == RunMode.MULTIRUN
        return Site(folder, Path(job.sweep.dir) if many else None, many and job.launcher._target_ != BASIC)


def make_task(flags: list[str], failures: list[HachimachiError]) -> Callable[[DictConfig], float]:
    """Return the function Hydra calls for each job: train, write score.json, return the score.

    Hydra prints and swallows exceptions, and one ends a sweep. So an error that the user can mend goes to `failures`
    and score.json, and in a sweep any other error to score.json too.

    Args:
        flags: Words for Hydra itself, `--config-dir=…`, which processes of further devices need too.
        failures: Where errors are put.
    """

    def task(cfg: DictConfig) -> float:
        site = Site.of(HydraConfig.get())
        with _log(site.folder) if site.beside else nullcontext():
            try:
                score = _run(_prepare(cfg, site, flags), site)
            except HachimachiError as error:
                failures.append(error)
                _fail(site.folder, str(error))
                return FAILED
            except Exception as error:
                if site.sweep is None or distributed.is_ours():
                    raise
                (site.folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
                _fail(site.folder, f"{type(error).__name__}: {' '.join(str(error).split())}")
                return FAILED
        if score.stopped and not distributed.is_ours():
            raise KeyboardInterrupt("said")
        return FAILED if score.val_nll is None else score.val_nll

    return task


def _prepare(cfg: DictConfig, site: Site, flags: list[str]) -> DictConfig:
    typed, job = check(cfg), HydraConfig.get()
    words = as_words(job.overrides.task)
    if job.mode == RunMode.MULTIRUN:
        print(f"job {job.job.num}: {' '.join(words)}", flush=True)
        typed.output = plain(str(site.folder / MODEL))
        words.append(f"output={quote(str(site.folder / MODEL))}")
    # what a process for each further device is started with
    sys.argv = [sys.argv[0], "train", *flags, *words]
    return typed


def _run(cfg: DictConfig, site: Site) -> Score:
    """Train in this process, or in several that this one waits for."""
    if distributed.is_started() or distributed.count(cfg) == 1:
        return _train(cfg, site)
    here = [f"hydra.run.dir={quote(str(site.folder.absolute()))}", "hydra.output_subdir=null"]
    number, nodes = distributed.count_here(cfg), cfg.trainer.num_nodes
    distributed.run_together([*sys.argv[1:], *here], number, nodes, site.folder, site.sweep)
    return Score.read(site.folder) or Score()


def _train(cfg: DictConfig, site: Site) -> Score:
    from hachimachi.training.fit import train

    began = time.monotonic()
    prune = _prune(cfg, site)
    run = train(cfg, site.folder, [prune] if prune else [])
    seconds = round(time.monotonic() - began, 1)
    score = Score(run.score, run.marginal, seconds, prune.pruned if prune else None, run.interrupted or None)
    if distributed.rank() == 0:
        score.write(site.folder)
    return score


def _prune(cfg: DictConfig, site: Site) -> Prune | None:
    """Return what writes the curve of a job of a sweep and, if that is wanted, ends it when it falls behind."""
    if site.sweep is None:
        return None
    from hachimachi.training.sweep.search import Prune

    return Prune(site.folder, site.sweep, cfg.sweep.prune_after if cfg.sweep.prune else None, cfg.sweep.warmup)


def _fail(folder: Path, error: str) -> None:
    if Score.read(folder) is None:
        Score(error=error).write(folder)


@contextmanager
def _log(folder: Path) -> Iterator[None]:
    """Write what a job says into its folder, where others speak at the same time."""
    with (folder / LOG).open("a", encoding="utf-8", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        yield


EXTRAS = {
    "sweep=optuna": ("hydra_optuna_sweeper", "sweep"),
    "hydra/sweeper=optuna": ("hydra_optuna_sweeper", "sweep"),
    "hydra/launcher=joblib": ("hydra_joblib_launcher", "sweep"),
    "hydra/launcher=submitit_local": ("hydra_submitit_launcher", "cluster"),
    "hydra/launcher=submitit_slurm": ("hydra_submitit_launcher", "cluster"),
}
"""Words with the plug-in of Hydra that they need, and the extra that brings it."""


def check_extras(words: Sequence[str]) -> None:
    """Check that what words ask for is installed.

    Raises:
        ConfigError: It is not; what to type.
    """
    for word in words:
        plugin, extra = EXTRAS.get(word, ("", ""))
        if plugin and not _is_here(plugin):
            raise ConfigError(f'{word}: not installed; pip install "hachimachi[{extra}]"')


def check_processes(words: Sequence[str], multirun: bool) -> None:
    """Check that words for a sweep are there with `-m`, once, and that what they need is installed.

    Raises:
        ConfigError: What to type instead.
    """
    check_extras(words)
    if distributed.is_ours():  # one of the processes of a job
        return
    if multirun and distributed.is_started():
        raise ConfigError("-m under torchrun or srun: expected one process; jobs start their own: trainer.devices=2")
    single = [word for word in words if word.startswith("sweep=") and word != "sweep=grid"]
    if single and not multirun:
        raise ConfigError(f"{single[0]}: a search is a sweep; expected -m with it")


def resume_words(cfg: DictConfig) -> list[str]:
    """Return words that have Hydra go on in the folder of an earlier sweep, with jobs numbered by rounds: 2.0, 2.1.

    Raises:
        ConfigError: There is no such folder.
    """
    if not cfg.sweep.resume:
        return []
    folder = Path(cfg.sweep.resume)
    if not read_jobs(folder):
        raise ConfigError(f"sweep.resume={folder}: no sweep; expected the folder of one, outputs/sweep/…")
    rounds = [job.name.partition(".")[0] for job in read_jobs(folder) if "." in job.name]
    number = max((int(text) for text in rounds if text.isdecimal()), default=1) + 1
    return [f"hydra.sweep.dir={quote(str(folder))}", f"hydra.sweep.subdir='{number}.${{hydra.job.num}}'"]


def _is_here(plugin: str) -> bool:
    return find_spec("hydra_plugins") is not None and find_spec(f"hydra_plugins.{plugin}") is not None
