"""One job under Hydra: a run of its own, or one of a sweep; and what a sweep needs before it begins."""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, read_write

from hachimachi.errors import HachimachiError
from hachimachi.training import distributed
from hachimachi.training.config.compose import check
from hachimachi.training.config.overrides import plain, quote
from hachimachi.training.config.schema import ConfigError
from hachimachi.training.sweep.results import MODEL, Job, Score, as_words
from hachimachi.training.sweep.search import BASIC, Prune

LOG = "log.txt"
SWEEP_DIR = "hydra.sweep.dir="
FAILED = float("inf")  # what a job without a score is worth to a sweeper; Optuna takes no NaN


@dataclass(frozen=True)
class Site:
    """Where the job is that Hydra began."""

    folder: Path
    sweep: Path | None  # a process that Lightning started is given the folder of the sweep
    beside: bool  # whether others run at the same time


def make_task(flags: list[str], failures: list[HachimachiError]) -> Callable[[DictConfig], float]:
    """Return the function Hydra calls for each job: train, write score.json, return the score.

    Hydra prints and swallows exceptions, and one ends a sweep. So an error that the user can mend goes to `failures`
    and score.json, and in a sweep any other error to score.json too. Processes of further devices get the flags too.
    """

    def task(cfg: DictConfig) -> float:
        job = HydraConfig.get()
        many = job.mode == RunMode.MULTIRUN
        given = not distributed.is_first() and any(word.startswith(SWEEP_DIR) for word in job.overrides.hydra)
        sweep = Path(job.sweep.dir) if many or given else None
        site = Site(Path(job.runtime.output_dir), sweep, beside=many and job.launcher._target_ != BASIC)
        with ExitStack() as stack:
            if site.beside or (site.sweep and distributed.is_first()):  # one line a job is on the screen
                if not site.beside:
                    print(f"job {job.job.num}: {' '.join(as_words(job.overrides.task))}", end="  ", flush=True)
                stack.callback(_say_what_came, site)
                log = stack.enter_context((site.folder / LOG).open("a", 1, "utf-8", "backslashreplace"))
                stack.enter_context(redirect_stdout(log))
                stack.enter_context(redirect_stderr(log))
            try:
                score = _run(_prepare(cfg, site, flags), site)
            except HachimachiError as error:
                failures.append(error)
                return _fail(site, str(error))
            except Exception as error:
                if site.sweep is None or not distributed.is_first():
                    raise
                (site.folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
                return _fail(site, f"{type(error).__name__}: {' '.join(str(error).split())}")
        if score.stopped and distributed.is_first():
            raise KeyboardInterrupt("said")
        return FAILED if score.val_nll is None else score.val_nll

    return task


def _prepare(cfg: DictConfig, site: Site, flags: list[str]) -> DictConfig:
    typed, job = check(cfg), HydraConfig.get()
    words = as_words(job.overrides.task)
    if job.mode == RunMode.MULTIRUN:
        typed.output = plain(str(site.folder / MODEL))
        words.append(f"output={quote(str(site.folder / MODEL))}")
        if distributed.count(typed) > 1:
            words.append(f"{SWEEP_DIR}{quote(job.sweep.dir)}")
            with read_write(job):  # pyright: ignore[reportArgumentType]
                job.run.dir = str(site.folder)  # where Lightning starts processes
    # what Lightning starts a process for each further device with
    sys.argv = [sys.argv[0], "train", *flags, *words]
    return typed


def _run(cfg: DictConfig, site: Site) -> Score:
    from hachimachi.training.fit import train

    number = distributed.count(cfg)
    if number > 1 and site.beside and not distributed.is_started():
        found = f"trainer.devices={cfg.trainer.devices}: jobs side by side have one device each"
        raise HachimachiError(f"{found}; leave out hydra/launcher, or use srun")
    callbacks: list[Any] = []
    if site.sweep:  # write the curve and, if that is wanted, end a job that falls behind
        after = cfg.sweep.prune_after if cfg.sweep.prune else None
        callbacks = [Prune(site.folder, site.sweep, after, cfg.sweep.warmup)]
    with distributed.LaunchedProcesses(number) if number > 1 else nullcontext() as processes:
        run = train(cfg, site.folder, [*callbacks, processes] if processes else callbacks)
    score = replace(run.result, pruned=callbacks[0].pruned if callbacks else None)
    if distributed.is_first():
        score.write(site.folder)
    return score


def _fail(site: Site, error: str) -> float:
    if distributed.is_first() and Score.read(site.folder) is None:
        Score(error=error).write(site.folder)
    return FAILED


def _say_what_came(site: Site) -> None:
    job = Job(site.folder, {}, Score.read(site.folder))
    score = (job.ended and job.ended.error) or (f"{job.score:.4f}" if math.isfinite(job.score) else "no score")
    state = f" ({job.state})" if job.state else ""
    if not site.beside:  # the line has been begun
        print(f"{score}{state}", flush=True)
    elif job.ended and distributed.is_first():
        print(f"job {job.name}{state}: {score}  {' '.join(as_words(HydraConfig.get().overrides.task))}", flush=True)


EXTRAS = {  # words with the plug-in of Hydra that they need, and the extra that brings it
    "sweep=optuna": ("hydra_optuna_sweeper", "sweep"),
    "hydra/sweeper=optuna": ("hydra_optuna_sweeper", "sweep"),
    "hydra/launcher=joblib": ("hydra_joblib_launcher", "sweep"),
    "hydra/launcher=submitit_local": ("hydra_submitit_launcher", "cluster"),
    "hydra/launcher=submitit_slurm": ("hydra_submitit_launcher", "cluster"),
}


def check_sweep(words: Sequence[str], multirun: bool) -> None:
    """Check that words for a sweep come with `-m`, once, and what they need is there; raises a `ConfigError`."""
    for word in words:
        plugin, extra = EXTRAS.get(word, ("", ""))
        if plugin and not (find_spec("hydra_plugins") and find_spec(f"hydra_plugins.{plugin}")):
            raise ConfigError(f'{word}: not installed; pip install "hachimachi[{extra}]"')
    if multirun and distributed.is_started():
        raise ConfigError("-m under torchrun or srun: expected one process; jobs start their own: trainer.devices=2")
    single = [word for word in words if word.startswith("sweep=") and word != "sweep=grid"]
    if single and not multirun and distributed.is_first():
        raise ConfigError(f"{single[0]}: a search is a sweep; expected -m with it")
