"""The loss is nats per event, whatever the padding; validation says what `evaluate` says."""

import json
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor

from hachimachi import io, plugins
from hachimachi.checkpoint import load_model
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.training.data import EventDataModule, Windows
from hachimachi.training.module import EventModule
from hachimachi.training.trainer import quiet

BACKBONES, HEADS = plugins.names("backbone"), plugins.names("head")


@pytest.fixture
def pieces(make_pieces: Any) -> list[EventSequence]:
    return make_pieces([70, 33, 21, 2, 9, 48])


def build(pieces: list[EventSequence], backbone: str = "gru", head: str = "mixture") -> EventModel:
    torch.manual_seed(1)
    return build_model(pieces, {"name": backbone, "size": 12}, {"name": head})


class Log(dict[str, float]):
    """Stands for Lightning's log: keeps values."""

    def __call__(self, name: str, value: Tensor, **how: Any) -> None:
        del how
        self[name] = float(value.detach())


def listen(module: EventModule, monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(module, "log", log)
    return log


def validate(module: EventModule, *batches: Tensor) -> None:
    module.on_validation_epoch_start()
    with torch.no_grad():
        for rows in batches:
            module.validation_step(rows, 0)
    module.on_validation_epoch_end()


def test_loss_is_the_mean_surprise_of_events(pieces: list[EventSequence], monkeypatch: pytest.MonkeyPatch) -> None:
    module = EventModule(build(pieces)).eval()
    log = listen(module, monkeypatch)
    [rows] = Windows(pieces, window=100, batch_size=99, seed=0)
    padding = rows.isnan().all(-1)
    loss = module.training_step(rows, 0)
    windows = [window[~gap][None] for window, gap in zip(rows, padding, strict=True)]
    by_hand = [-module.model.log_prob(window, None, window).sum() for window in windows]  # what each is learned from
    events = sum(map(len, pieces))
    assert padding.any()
    assert float(loss.detach()) == pytest.approx(float(torch.stack(by_hand).sum().detach()) / events, rel=1e-5)
    assert not log  # nothing at each step
    told = module.metrics.take()
    assert told["train/nll"] == pytest.approx(float(loss.detach()), rel=1e-6)
    assert set(told) == {f"train/{name}" for name in ("nll", "time", "pitch", "velocity", "duration", "instrument")} | {
        "training/events_per_second"
    }


def test_padding_changes_nothing(pieces: list[EventSequence], monkeypatch: pytest.MonkeyPatch) -> None:
    module = EventModule(build(pieces)).eval()
    log = listen(module, monkeypatch)
    rows = torch.from_numpy(np.stack([piece.rows()[:20] for piece in pieces[:3]]))
    gap = torch.full((3, 15, rows.shape[-1]), torch.nan, dtype=rows.dtype)
    padded = torch.cat([torch.cat([rows, gap], 1), torch.full((2, 35, rows.shape[-1]), torch.nan).double()])
    gradients = []
    for batch in (rows, padded):
        module.zero_grad()
        module.training_step(batch, 0).backward()
        learned = module.metrics.take()["train/nll"]
        validate(module, batch)
        gradients.append([weight.grad.clone() for weight in module.parameters() if weight.grad is not None])
        gradients[-1].append(torch.tensor([learned, log["val/nll"], float(module.scored)]))
    assert module.scored == 3 * 19
    for ours, others in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, others, rtol=1e-4, atol=1e-6)


def test_validation_equals_evaluation(pieces: list[EventSequence], tmp_path: Path) -> None:
    io.write(tmp_path / "data.json", pieces)
    data = EventDataModule(tmp_path / "data.json", valid_fraction=0.5)
    data.setup()
    model = build(list(data.train))
    trainer = L.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False)
    with quiet():
        trainer.validate(EventModule(model), data, verbose=False)
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    told = evaluate(model, data.valid)
    assert len(data.valid) > 1
    assert scores.pop("val/nll") == pytest.approx(told.nats_per_event, abs=1e-3)
    expected = {f"val/{name}": nats["nats"] for name, nats in told.by_feature().items()}
    assert scores == pytest.approx(expected, abs=1e-3)
    assert sum(scores.values()) == pytest.approx(told.nats_per_event, abs=1e-3)


def test_what_has_nothing_to_score_is_not_logged(pieces: list[EventSequence], monkeypatch: pytest.MonkeyPatch) -> None:
    module = EventModule(build(pieces)).eval()
    log = listen(module, monkeypatch)
    validate(module, torch.from_numpy(pieces[0].rows()[None, :1]))
    validate(module)
    assert not log


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("head", HEADS)
def test_gradient_reaches_every_parameter(
    pieces: list[EventSequence], monkeypatch: pytest.MonkeyPatch, backbone: str, head: str
) -> None:
    module = EventModule(build(pieces, backbone, head)).train()
    listen(module, monkeypatch)
    for rows in Windows(pieces, window=16, batch_size=4, seed=0):
        module.training_step(rows, 0).backward()
    gradients = {name: weight.grad for name, weight in module.model.named_parameters()}
    assert not [name for name, gradient in gradients.items() if gradient is None or not gradient.any()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    assert all(weight.grad is None for weight in module.played.parameters())  # the average is not learned


def test_a_step_of_training_lowers_the_loss(pieces: list[EventSequence], monkeypatch: pytest.MonkeyPatch) -> None:
    module = EventModule(build(pieces), lr=1e-2, warmup=0).eval()
    listen(module, monkeypatch)
    optimizer, [rows] = optimizer_of(module), list(Windows(pieces, 64, 99, 0))
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = module.training_step(rows, 0)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1


def optimizer_of(module: EventModule) -> torch.optim.Optimizer:
    return module.configure_optimizers()["optimizer"]


def test_weight_decay_on_matrices_only(pieces: list[EventSequence]) -> None:
    module = EventModule(build(pieces), lr=0.01, weight_decay=0.3, warmup=0)
    optimizer = optimizer_of(module)
    decay = {id(weight): group["weight_decay"] for group in optimizer.param_groups for weight in group["params"]}
    assert {group["lr"] for group in optimizer.param_groups} == {0.01}
    assert decay == {id(weight): 0.3 if weight.ndim > 1 else 0.0 for weight in module.model.parameters()}


@pytest.mark.parametrize("warmup", [0, 1, 4])
def test_the_rate_rises_to_its_height_and_stays(pieces: list[EventSequence], warmup: int) -> None:
    configured: Any = EventModule(build(pieces), lr=0.01, warmup=warmup).configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    assert schedule["interval"] == "step"
    assert rates == pytest.approx([0.01 * min(1, (step + 1) / max(1, warmup)) for step in range(6)])


@pytest.mark.parametrize("average", [0, 0.99])
def test_a_checkpoint_is_a_model_file_too(pieces: list[EventSequence], tmp_path: Path, average: float) -> None:
    model = build(pieces)
    trainer = L.Trainer(
        max_steps=3,
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with quiet():
        module = EventModule(model, average=average)
        trainer.fit(module, Windows(pieces, 16, 4, 0))  # pyright: ignore[reportArgumentType]
        trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = load_model(tmp_path / "last.ckpt")
    assert again.columns == model.columns
    assert not again.training
    for name, weight in module.played.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert (module.played is model) == (average == 0)


def test_lightning_scores_the_test_part(tmp_path: Path, make_pieces: Any) -> None:
    pieces = make_pieces([70, 33, 21, 2, 9, 48])
    (tmp_path / "pieces").mkdir()
    for i, piece in enumerate(pieces):
        io.write(tmp_path / "pieces" / f"{i}.json", piece)
    parts = {"train": ["0.json", "1.json"], "valid": ["2.json"], "test": ["3.json", "4.json", "5.json"]}
    (tmp_path / "split.json").write_text(json.dumps(parts))
    data = EventDataModule(tmp_path / "pieces", split=tmp_path / "split.json")
    module = EventModule(build(pieces), average=0.9)
    with quiet():
        trainer = L.Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
        [scores] = trainer.test(module, data, verbose=False)
    result = evaluate(module.played, pieces[3:])
    by_column = {f"test/{name}": each["nats"] for name, each in result.by_feature().items()}
    assert scores == pytest.approx({"test/nll": result.nats_per_event, **by_column}, rel=1e-5)


@pytest.mark.parametrize("split", [None, {"train": ["a"], "valid": ["b"]}, {"train": ["a", "b"], "test": ["c"]}])
def test_without_a_test_part_there_is_nothing_to_test(tmp_path: Path, make_pieces: Any, split: Any) -> None:
    pairs = zip(make_pieces([30, 40]), "ab", strict=True)
    pieces = [EventSequence(piece.features, piece.data, piece.time, name) for piece, name in pairs]
    io.write(tmp_path / "data.json", pieces)
    (tmp_path / "split.json").write_text(json.dumps(split))
    data = EventDataModule(tmp_path / "data.json", split=tmp_path / "split.json" if split else None)
    data.setup("test")
    with pytest.raises(HachimachiError, match=r"no test part: .*; expected a split with sequences under 'test'"):
        data.test_dataloader()


def test_a_batch_is_what_the_page_says(tmp_path: Path, make_pieces: Any) -> None:
    [piece] = make_pieces([50])
    io.write(tmp_path / "data.json", piece)
    data = EventDataModule(tmp_path / "data.json", window=16, batch_size=3, valid_fraction=0)
    data.setup()
    for rows in data.train_dataloader():
        assert rows.dtype == torch.float64
        assert rows.shape[1:] == (16, len(data.columns))
        events = rows[~rows.isnan().all(-1)]
        assert [column.name for column in data.columns][:2] == ["time", "pitch"]
        assert events[:, 0].nan_to_num(0).max() < 1  # seconds since the previous event, not since the beginning
        assert set(events[:, 1].tolist()) <= set(piece.column("pitch").tolist())
