"""The best model is kept and only it, and the screen stays calm."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from rich.console import Console

from hachimachi.checkpoint import load_model
from hachimachi.models.event_model import build_model
from hachimachi.training import callbacks
from hachimachi.training.callbacks import Baseline, KeepBest, TrainingProgress
from hachimachi.training.limits import Limits
from hachimachi.training.module import EventModule


@pytest.fixture
def module(make_pieces: Any) -> EventModule:
    return EventModule(build_model(make_pieces([30]), {"name": "gru", "size": 4}))


def trainer(score: float | None, epoch: int = 0, train: float = 9.0, **other: Any) -> Any:
    metrics = {"train/nll": torch.tensor(train)} | ({} if score is None else {"val/nll": torch.tensor(score)})
    values = {"sanity_checking": False, "is_global_zero": True, "global_step": epoch} | other
    loop = SimpleNamespace(epoch_progress=SimpleNamespace(current=SimpleNamespace(ready=epoch + 1)))
    return SimpleNamespace(callback_metrics=metrics, fit_loop=loop, **values)


def epochs_kept(keep: KeepBest, module: EventModule, scores: list[float | None]) -> list[int]:
    """Validate once for each score; return the epochs, from 1, after which the file was written anew."""
    written = []
    for epoch, score in enumerate(scores):
        keep.path.unlink(missing_ok=True)
        keep.on_validation_end(trainer(score, epoch), module)
        if keep.path.exists():
            done = {"epochs": epoch + 1, "steps": epoch, "val_nll": score}
            assert load_model(keep.path).summary == {"note": "a", **done}
            written.append(epoch + 1)
    return written


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([5.0, 4.0, 4.5, 3.0, 3.0], [1, 2, 4]),
        ([None, 5.0, None, 4.0], [2, 4]),
        ([math.nan, 5.0, math.nan, math.inf, 4.0], [2, 5]),
        ([math.inf, math.nan], []),
    ],
)
def test_written_at_each_improvement(
    module: EventModule, tmp_path: Path, scores: list[float | None], kept: list[int]
) -> None:
    assert epochs_kept(KeepBest(tmp_path / "model.pt", {"note": "a"}), module, scores) == kept


def test_not_written_while_sanity_checking_nor_by_a_second_process(module: EventModule, tmp_path: Path) -> None:
    keep = KeepBest(tmp_path / "model.pt", {})
    keep.on_validation_end(trainer(5.0, sanity_checking=True), module)
    keep.on_validation_end(trainer(4.0, is_global_zero=False), module)
    assert not keep.path.exists()
    assert keep.best == 4.0


@pytest.mark.parametrize("scores", [[], [None, None]])
def test_without_a_score_the_last_model_is_written(
    module: EventModule, tmp_path: Path, scores: list[float | None]
) -> None:
    keep = KeepBest(tmp_path / "model.pt", {"note": "a"})
    assert not epochs_kept(keep, module, scores)
    keep.on_train_end(trainer(None, 7), module)
    assert load_model(keep.path).summary["epochs"] == 8


def test_with_a_score_the_last_model_is_not(module: EventModule, tmp_path: Path) -> None:
    keep = KeepBest(tmp_path / "model.pt", {})
    keep.on_validation_end(trainer(5.0, 0), module)
    keep.on_validation_end(trainer(6.0, 1), module)
    keep.on_train_end(trainer(6.0, 1), module)
    assert load_model(keep.path).summary["epochs"] == 1


@pytest.mark.parametrize(("error", "written"), [(KeyboardInterrupt(), True), (ValueError("ours"), False)])
def test_interrupted_before_the_first_score(
    module: EventModule, tmp_path: Path, error: BaseException, written: bool
) -> None:
    keep = KeepBest(tmp_path / "model.pt", {})
    keep.on_exception(trainer(None), module, error)
    assert keep.path.exists() == written


def test_weights_that_are_no_numbers_are_never_written(module: EventModule, tmp_path: Path) -> None:
    keep = KeepBest(tmp_path / "model.pt", {})
    with torch.no_grad():
        module.model.bos[0] = torch.nan
    keep.on_train_end(trainer(None), module)
    assert keep.diverged
    assert not keep.path.exists()


def test_a_resumed_run_has_to_beat_the_best_that_is_still_there(module: EventModule, tmp_path: Path) -> None:
    first = KeepBest(tmp_path / "model.pt", {})
    first.on_validation_end(trainer(5.0), module)
    state = first.state_dict()
    again, elsewhere = KeepBest(tmp_path / "model.pt", {}), KeepBest(tmp_path / "other.pt", {})
    for keep in (again, elsewhere):
        keep.load_state_dict(state)
    assert again.best == 5.0
    assert math.isnan(elsewhere.best)  # there is no model there yet: any score is the best
    again.on_validation_end(trainer(5.5, 3), module)
    again.on_train_end(trainer(5.5, 3), module)
    assert load_model(again.path).summary["epochs"] == 1
    other_data = KeepBest(again.path, {"data": {"fingerprint": "another"}})
    worse = KeepBest(again.path, {})
    other_data.load_state_dict(state)
    worse.load_state_dict({**state, "best": 4.9})  # something else has been written there since
    first.on_validation_end(trainer(4.5, 5), module)
    later = KeepBest(again.path, {})  # of a checkpoint from before the best
    later.load_state_dict(state)
    assert math.isnan(other_data.best)
    assert math.isnan(worse.best)
    assert later.best == 4.5
    again.path.unlink()
    gone = KeepBest(tmp_path / "model.pt", {})
    gone.load_state_dict(state)
    assert math.isnan(gone.best)


def test_baseline_is_logged_in_total_and_by_column() -> None:
    logged: list[dict[str, float]] = []
    baseline = Baseline({"time": 1.0, "nll": 2.0})
    baseline.on_validation_epoch_end(trainer(1.0), SimpleNamespace(log_dict=logged.append))  # pyright: ignore
    assert logged == [{"marginal/time": 1.0, "marginal/column:nll": 2.0, "marginal/nll": 3.0}]


def show(
    module: EventModule, scores: Sequence[float | None], terminal: bool, error: BaseException | None = None
) -> str:
    """Train a while, one epoch for each score, and return what is seen; what has no score is validated at the end."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=80, soft_wrap=True, highlight=False)
    keep: Any = SimpleNamespace(best=4.0)
    held_out = any(score is not None for score in scores)
    progress = TrainingProgress(14.42 if held_out else math.nan, keep, Limits(None, None, 1.0), console)
    nothing: Any = None
    module.validated_step = None if held_out and scores[-1] is None else 0
    progress.on_train_start(trainer(None), nothing)
    for epoch, score in enumerate(scores):
        for loss in (120.0, 126.912):
            progress.on_train_batch_end(trainer(score, epoch), nothing, {"loss": torch.tensor(loss)}, nothing, 0)
        if score is not None:
            progress.on_validation_end(trainer(score, epoch), nothing)
        progress.on_train_epoch_end(trainer(score, epoch), nothing)
    if error:
        progress.on_exception(trainer(None), module, error)
    else:
        progress.on_train_end(trainer(None), module)
    if module.unvalidated and not isinstance(error, KeyboardInterrupt):
        progress.on_validation_end(trainer(4.5, len(scores) - 1), module)
        progress.teardown(trainer(None), module, "validate")
    return screen.getvalue()


def test_one_line_at_the_end_where_there_is_no_terminal(module: EventModule) -> None:
    [line] = show(module, [5.0] * 99 + [123.456], terminal=False).splitlines()
    assert line.split() == (
        ["epoch", "100", "0", "s", "train", "123.46", "held", "out", "123.46", "best", "4.00", "baseline", "14.42"]
    )
    assert len(line) <= 80


@pytest.mark.parametrize("error", [None, SIGTERMException()])
def test_the_line_at_the_end_has_the_last_validation(module: EventModule, error: BaseException | None) -> None:
    [line] = show(module, [5.0, None], terminal=False, error=error).splitlines()
    assert line.split()[:9] == ["epoch", "2", "0", "s", "train", "123.46", "held", "out", "4.50"]
    [line] = show(module, [5.0, None], terminal=False, error=KeyboardInterrupt()).splitlines()  # there is none
    assert line.split()[:6] == ["epoch", "2", "0", "s", "train", "123.46"]


def test_lines_come_now_and_then_and_none_twice(module: EventModule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "SELDOM", -1.0)
    lines = show(module, [5.0, 6.0], terminal=False).splitlines()
    assert [line.split()[1] for line in lines] == ["1", "2"]


def test_nothing_held_out_shows_no_score(module: EventModule) -> None:
    [line] = show(module, [None], terminal=False).splitlines()
    assert line.split() == ["epoch", "1", "0", "s", "train", "123.46"]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
def test_a_terminal_is_given_back_with_the_last_line_on_it(module: EventModule, error: BaseException | None) -> None:
    shown = show(module, [5.0, 6.0], terminal=True, error=error)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is hidden, then shown
    assert "held out 6.00" in shown.rpartition("\x1b[2K")[2]


def test_ended_before_the_first_epoch_there_is_nothing_to_show(module: EventModule) -> None:
    assert show(module, [], terminal=False, error=KeyboardInterrupt()) == ""
