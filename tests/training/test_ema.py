"""The running average of the weights is what is validated, kept and gone on with, as if nothing were augmented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor

from hachimachi.checkpoint import load_model
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.training.callbacks import KeepBest
from hachimachi.training.data import Windows
from hachimachi.training.module import EventModule
from hachimachi.training.trainer import quiet
from hachimachi.training.window_augmentation import MusicAugmentation, Shift

VARIED = MusicAugmentation(0.5, [Shift(1, 6, 0, 127)], [0, 3], 0.2)


@pytest.fixture(scope="module")
def pieces(make_pieces: Any) -> list[EventSequence]:
    return make_pieces([70, 33, 21, 48])


def build(pieces: list[EventSequence], seed: int = 1, wild: float = 0) -> EventModel:
    torch.manual_seed(seed)
    parts = {"name": "gru", "size": 8}, {"name": "autoregressive", "width": 8}
    model = build_model(pieces, *parts, augmentation=VARIED.size)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(wild * torch.randn_like(weight))
    return model


def fit(module: EventModule, pieces: list[EventSequence], steps: int, ckpt_path: Path | None = None) -> L.Trainer:
    options: dict[str, Any] = {"logger": False, "accelerator": "cpu", "enable_checkpointing": False}
    trainer = L.Trainer(max_steps=steps, enable_progress_bar=False, enable_model_summary=False, **options)
    with quiet():
        trainer.fit(module, Windows(pieces, 16, 4, 0), ckpt_path=ckpt_path)  # pyright: ignore[reportArgumentType]
    return trainer


def validate(module: EventModule, pieces: list[EventSequence]) -> float:
    """Return what is logged as the score."""
    logged: dict[str, Tensor] = {}
    module.log = lambda name, value, **_: logged.update({name: value})  # pyright: ignore
    module.eval()
    module.on_validation_epoch_start()
    with torch.no_grad():
        for piece in pieces:
            module.validation_step(torch.from_numpy(piece.rows())[None], 0)
    module.on_validation_epoch_end()
    columns = [float(value) for name, value in logged.items() if name != "val/nll"]
    assert float(logged["val/nll"]) == pytest.approx(sum(columns), abs=1e-4)
    return float(logged["val/nll"])


def follow(module: EventModule) -> None:
    if module.average:
        module.average.update(module.model)


def equal(one: EventModel, other: EventModel) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(weight, theirs[name]) for name, weight in one.state_dict().items())


@pytest.mark.parametrize("stays", [0.5, 0.9, 0.99])
def test_the_average_forgets_where_training_began(pieces: list[EventSequence], stays: float) -> None:
    module = EventModule(build(pieces), average=stays)
    expected = module.model.bos.detach().clone()
    for step in range(60):
        with torch.no_grad():
            module.model.bos.add_(torch.randn_like(expected))
        follow(module)
        share = min(stays, (1 + step) / (10 + step)) if step else 0.0
        expected = share * expected + (1 - share) * module.model.bos.detach()
        torch.testing.assert_close(module.played.bos, expected)
    for _ in range(2000):  # what no longer moves is its own average
        follow(module)
    torch.testing.assert_close(module.played.bos, module.model.bos.detach())


def test_the_average_follows_weights_and_nothing_else(pieces: list[EventSequence]) -> None:
    module = EventModule(build(pieces), average=0.9)
    for model, mark in ((module.model, 1.0), (module.played, 0.0)):
        model.encoder.augmented.fill_(mark)
    follow(module)
    assert not module.played.encoder.augmented.any()
    assert not any(weight.requires_grad for weight in module.played.parameters())
    assert all(torch.equal(a, b) for a, b in zip(module.played.parameters(), module.model.parameters(), strict=True))


def test_without_an_average_the_weights_are_played(pieces: list[EventSequence]) -> None:
    module = EventModule(build(pieces), average=0)
    assert module.played is module.model
    follow(module)
    assert not [name for name in module.state_dict() if name.startswith("average")]


def test_the_average_is_validated_and_kept(pieces: list[EventSequence], tmp_path: Path) -> None:
    module = EventModule(build(pieces), lr=0.05, warmup=0, augmentation=VARIED)
    trainer = fit(module, pieces, 12)
    assert not equal(module.model, module.played)
    assert module.average
    assert int(module.average.n_averaged) == 12
    score = validate(module, pieces)
    assert score == pytest.approx(evaluate(module.played, pieces).nats_per_event, abs=1e-3)
    assert score != pytest.approx(evaluate(module.model, pieces).nats_per_event, abs=1e-3)
    KeepBest(tmp_path / "model.pt", {}).on_train_end(trainer, module)
    assert equal(load_model(tmp_path / "model.pt"), module.played)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert equal(load_model(tmp_path / "last.ckpt"), module.played)


@pytest.mark.parametrize("part", ["model", "played"])
def test_weights_or_an_average_that_are_no_numbers_are_never_written(
    pieces: list[EventSequence], tmp_path: Path, part: str
) -> None:
    module = EventModule(build(pieces))
    trainer = fit(module, pieces, 1)
    with torch.no_grad():
        getattr(module, part).bos[0] = torch.inf
    keep = KeepBest(tmp_path / "model.pt", {})
    keep.on_train_end(trainer, module)
    assert keep.diverged
    assert not keep.path.exists()


@pytest.mark.parametrize(("before", "after"), [(0.99, 0.99), (0.99, 0), (0, 0.99)])
def test_a_run_that_goes_on_goes_on_with_the_average(
    pieces: list[EventSequence], tmp_path: Path, before: float, after: float
) -> None:
    first = EventModule(build(pieces), average=before, augmentation=VARIED)
    fit(first, pieces, 3).save_checkpoint(tmp_path / "last.ckpt")
    again = EventModule(build(pieces, seed=2), average=after, augmentation=VARIED)
    fit(again, pieces, 3, tmp_path / "last.ckpt")  # nothing is left to do
    assert equal(first.model, again.model)
    assert equal(again.played, first.played if after == before else first.model)
    fit(again, pieces, 5, tmp_path / "last.ckpt")
    assert not equal(first.model, again.model)
    if again.average:
        assert int(again.average.n_averaged) == (5 if before else 2)


def test_the_same_seed_gives_the_same_weights_to_the_bit(pieces: list[EventSequence]) -> None:
    modules = []
    for seed in (7, 7, 8):
        module = EventModule(build(pieces), augmentation=VARIED)
        torch.manual_seed(seed)
        fit(module, pieces, 6)
        modules.append(module)
    for part in ("model", "played"):
        one, again, other = (getattr(module, part) for module in modules)
        assert equal(one, again)
        assert not equal(one, other)


def test_training_shows_windows_augmented_and_how(pieces: list[EventSequence], monkeypatch: pytest.MonkeyPatch) -> None:
    module = EventModule(build(pieces), augmentation=MusicAugmentation(1, VARIED.shifts, VARIED.stretched, 0.2)).eval()
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    rows = torch.from_numpy(pieces[0].rows())[None]
    torch.manual_seed(3)
    changed, varied = MusicAugmentation(1, VARIED.shifts, VARIED.stretched, 0.2)(rows)
    torch.manual_seed(3)
    loss = float(module.training_step(rows, 0).detach())
    assert loss == pytest.approx(float(-module.model.log_prob(changed, varied, rows).sum().detach()) / 70, rel=1e-6)
    assert loss != pytest.approx(float(-module.model.log_prob(changed, None, rows).sum().detach()) / 70, rel=1e-6)


def test_a_model_is_validated_as_if_nothing_were_augmented(pieces: list[EventSequence]) -> None:
    model = build(pieces, wild=0.3)
    module = EventModule(model, average=0, augmentation=VARIED)
    assert validate(module, pieces) == pytest.approx(evaluate(model, pieces).nats_per_event, abs=1e-3)
    model.encoder.augmented.fill_(0.5)
    other = evaluate(model, pieces).nats_per_event
    assert validate(module, pieces) == pytest.approx(other, abs=1e-3)  # what the model says of itself holds
    assert other != pytest.approx(evaluate(build(pieces, wild=0.3), pieces).nats_per_event, abs=1e-3)


def test_a_model_for_another_augmentation_is_refused(pieces: list[EventSequence]) -> None:
    model = build_model(pieces, {"name": "gru", "size": 8})
    with pytest.raises(HachimachiError, match=f"augmentation={VARIED.size}"):
        EventModule(model, augmentation=VARIED)
