"""What runs depend on, and reading them back: configs, scores and curves as tables for a notebook."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = ("hachimachi", "torch", "lightning", "numpy", "hydra-core", "omegaconf", "tensorboard")
"""What the weights and the logs depend on."""
CHECKPOINTS, SCRATCH = "checkpoints", "scratch"  # folders in that of a run
PATIENCE = 5.0  # seconds that git may take


def find_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a run depends on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def find_platform() -> str:
    """Return the system and the processor, as in ``Linux-6.1-x86_64``."""
    return f"{platform.system()}-{platform.release()}-{platform.machine()}"


def find_revision(folder: Path) -> dict[str, Any] | None:
    """Return the git commit that a folder is at, and whether files that git knows have changed since, or ``None``."""
    commit = _git(folder, "rev-parse", "HEAD")
    dirty = commit and _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(dirty)} if commit else None


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


RUNS = Path("outputs/train")
LAST = "last"  # name of the run that learned last


def find_checkpoint(name: str) -> tuple[Path, Path | None]:
    """Return the checkpoint to go on from and the folder of its run, `None` where it lies alone. ``name`` is a file, a
    folder of one run or of many, the name of a run in ``outputs/train``, or ``last``: of many the one written last.
    Raises `HachimachiError`: there is none."""
    path = Path(name)
    if not os.path.isfile(path):  # noqa: PTH113  (Path.is_file raises for a name too long)
        folders = (path, RUNS / name, *([RUNS] if name == LAST else []))
        found = [file for each in folders if os.path.isdir(each) for file in each.rglob("last.ckpt")]  # noqa: PTH112
        found = [each for each in found if each.absolute().parents[1].name != SCRATCH]
        if not found:
            wanted = f"expected one (.ckpt), the folder or the name of a run, or {LAST}"
            raise HachimachiError(f"ckpt_path={name}: no such file, nor a run with a checkpoint; {wanted}")
        path = max(found, key=lambda each: each.stat().st_mtime)
    home = path.absolute().parents[1]
    return path, home if path.absolute().parent.name == CHECKPOINTS and (home / "config.yaml").is_file() else None


SCORES = {"val_nll": "score/nll", "gain": "score/gain", "test_nll": "score/test"}
SCORES |= {name: name for name in ("weights", "events", "seconds")}  # in score.json → in the table


def read_runs(folder: str | Path = "outputs") -> pd.DataFrame:
    """Return one row for each training run in a folder (its own, or one that holds runs) and below, jobs of sweeps too.

    Columns are ``run`` (the path below ``folder``), every key of the config, such as ``model.name``, and scores:
    ``score/nll`` is the held-out nats per event, ``score/gain`` how far that is below the marginal baseline,
    ``score/test`` those of the test part; others are there where TensorBoard's log was kept. ``weights``, ``events``
    and ``seconds`` say how large the model is, and how much and how long it learned. What a run does not have is
    missing: the score of one still going. Raises `HachimachiError`: no such folder, no runs in it, or no pandas.

    >>> import tempfile; from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = Path(folder.name, "config.yaml").write_text("model: {name: gru, size: 8}")
    >>> _ = Path(folder.name, "score.json").write_text('{"val_nll": 5.25}')
    >>> runs = read_runs(folder.name)
    >>> list(runs.columns), runs.loc[0, "score/nll"].item()
    (['run', 'model.name', 'model.size', 'score/nll'], 5.25)
    >>> folder.cleanup()
    """
    pandas, home = _pandas(), Path(folder)
    rows = []
    for run in _find(home):
        config = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
        scores = {name: value for *_, name, value in _points(run) if name.startswith("score/")}
        path = run / "score.json"  # the run may still be going
        kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if None not in (kept.get("val_nll"), kept.get("marginal")):
            kept["gain"] = kept["marginal"] - kept["val_nll"]
        scores |= {name: kept[key] for key, name in SCORES.items() if kept.get(key) is not None}
        rows.append({"run": _name(run, home), **dict(flatten(config)), **scores})
    return pandas.DataFrame(rows)


def read_curves(folder: str | Path = "outputs") -> pd.DataFrame:
    """Return every point of every curve of the runs in a folder and below it, from TensorBoard's logs or CSV alike.

    One row a point: ``run`` (the path below ``folder``), ``step``, ``epoch`` (missing where it is not known), ``time``
    (seconds since the run's first point, not in CSV), ``name``, as ``val/nll``, ``value``. Raises as :func:`read_runs`.
    """
    pandas, home = _pandas(), Path(folder)
    points = [(_name(run, home), *point) for run in _find(home) for point in _points(run)]
    table = pandas.DataFrame(points, columns=["run", "step", "epoch", "time", "name", "value"])
    table = table.astype({"epoch": "Int64"})
    return table.drop_duplicates(["run", "step", "name"], keep="last", ignore_index=True)  # several loggers


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise HachimachiError('tables of runs need pandas: pip install "hachimachi[notebook]"') from error
    return pandas


def _find(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise HachimachiError(f"{folder}: there is no such folder; expected one that training left")
    runs = sorted(path.parent for path in folder.rglob("config.yaml") if path.parent.name != ".hydra")
    if not runs:
        raise HachimachiError(f"{folder}: no runs in it; expected folders with a config.yaml, as training leaves them")
    return runs


def _name(run: Path, home: Path) -> str:
    return run.relative_to(home).as_posix() if run != home else run.resolve().name


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys of a config with dots between, ``model.name``, and their values."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _points(run: Path) -> Iterator[tuple[int, int | None, float | None, str, float]]:
    """Yield step, epoch, time, name and value of each point of a run."""
    for path in sorted(run.glob("*/metrics.csv")):
        table = _pandas().read_csv(path)
        if {"step", "epoch"} <= set(table.columns):
            tidy = table.melt(["step", "epoch"]).dropna(subset=["step", "value"])
            for step, epoch, name, value in tidy.itertuples(index=False):
                yield int(step), None if epoch != epoch else int(epoch), None, name, float(value)  # noqa: PLR0124  (NaN)
    for path in sorted({log.parent for log in run.glob("*/*tfevents*")}):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        log = EventAccumulator(str(path), {"scalars": 0, "images": 1, "audio": 1, "tensors": 1})
        log.Reload()
        curves = {name: log.Scalars(name) for name in log.Tags()["scalars"]}
        epochs = {point.step: int(point.value) for point in curves.pop("epoch", [])}
        begun = min((points[0].wall_time for points in curves.values()), default=0.0)
        for name, points in curves.items():
            for point in points:
                yield point.step, epochs.get(point.step), point.wall_time - begun, name, point.value
