"""A study of Optuna from the jobs that a sweep has already: what of a search needs the extra `sweep`."""

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


def replay_trials(config: DictConfig) -> optuna.storages.InMemoryStorage:
    """Return a storage with a study that has the jobs in the folder of a sweep: Optuna goes on from there."""
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name=STUDY, direction="minimize")
    params = config.hydra.sweeper.params or {}
    words = [f"{key}={value}" for key, value in params.items()] + as_words(config.hydra.overrides.task)
    choices, fixed = create_params_from_overrides(words)
    space = {key: choice for key, choice in choices.items() if key not in fixed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for job in read_jobs(Path(config.hydra.sweep.dir)):
            values = _values(space, dict(map(split, read_overrides(job.folder))))
            if job.state in ("", "pruned") and math.isfinite(job.score) and len(values) == len(space):
                study.add_trial(optuna.create_trial(params=values, distributions=space, value=job.score))
    return storage


def _values(space: Mapping[str, BaseDistribution], words: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a job that lie in the search space."""
    values: dict[str, Any] = {}
    for key in space.keys() & words.keys():
        choice = space[key]
        if isinstance(choice, CategoricalDistribution):
            values |= [(key, value) for value in choice.choices if str(value) == words[key]]
        elif choice._contains(float(words[key])):
            values[key] = choice.to_external_repr(float(words[key]))
    return values
