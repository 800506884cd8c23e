"""Going on with a search: what Optuna knows of the jobs that are in the folder of the sweep already.

Optuna's own storage needs a database whose versions no longer fit the Optuna that Hydra's sweeper takes. The folder
holds all there is to know, and can be looked at.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from hachimachi.training.sweep.results import as_words, read_jobs, read_overrides, split

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what Optuna's database, which is not used, will miss one day
    import optuna
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
    from optuna.distributions import BaseDistribution, CategoricalDistribution

STUDY = "hachimachi"


def remember(config: DictConfig) -> optuna.storages.InMemoryStorage:
    """Return a storage with a study that knows the jobs in the folder of a sweep; Optuna goes on from there.

    Args:
        config: Of the sweep that begins, with Hydra's part.
    """
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name=STUDY, direction="minimize")
    space = _space(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for job in read_jobs(Path(config.hydra.sweep.dir)):
            values = _values(space, dict(map(split, read_overrides(job.folder))))
            if job.state in ("", "pruned") and math.isfinite(job.score) and len(values) == len(space):
                study.add_trial(optuna.create_trial(params=values, distributions=space, value=job.score))
    return storage


def _space(config: DictConfig) -> dict[str, BaseDistribution]:
    """Return what is searched: what the config has, and what the command line says of it."""
    params = config.hydra.sweeper.params or {}
    words = [f"{key}={value}" for key, value in params.items()] + as_words(config.hydra.overrides.task)
    space, fixed = create_params_from_overrides(words)
    return {key: choice for key, choice in space.items() if key not in fixed}


def _values(space: Mapping[str, BaseDistribution], words: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of what is searched, as far as a job has some that lie in the space."""
    values: dict[str, Any] = {}
    for key in space.keys() & words.keys():
        choice = space[key]
        if isinstance(choice, CategoricalDistribution):
            values |= [(key, value) for value in choice.choices if str(value) == words[key]]
        elif choice._contains(float(words[key])):
            values[key] = choice.to_external_repr(float(words[key]))
    return values
