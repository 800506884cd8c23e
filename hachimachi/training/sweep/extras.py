"""What a sweep, a search and a cluster need beside the config: extras that are installed, processes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig

from hachimachi.training import processes
from hachimachi.training.overrides import ConfigError, quote
from hachimachi.training.sweep.results import read_jobs

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
    if processes.is_ours():  # one of the processes of a job
        return
    if multirun and processes.is_started():
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
