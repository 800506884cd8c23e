"""Training on what the user's own augmentations make of windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi.augment.apply import parse
from hachimachi.columns import fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import write
from hachimachi.training.config.compose import ConfigError, compose
from hachimachi.training.data import EventDataModule
from hachimachi.training.fit import train
from hachimachi.training.window_augmentation import MusicAugmentation, OpsAugmentation

Pieces = Callable[[Sequence[int]], "list[EventSequence]"]
SHIFT = "addrand(range=(1, 6), dims=pitch)"


def chained(pieces: list[EventSequence], ops: str, among: float = 1.0) -> OpsAugmentation:
    return OpsAugmentation(among, parse(ops).bind(fit_columns(pieces)))


def windows(pieces: list[EventSequence], number: int) -> torch.Tensor:
    return torch.from_numpy(pieces[0].rows()).repeat(number, 1, 1)


def test_windows_that_were_changed_are_marked_and_no_others(make_pieces: Pieces) -> None:
    pieces = make_pieces([20])
    rows = windows(pieces, 2000)
    before = rows.clone()
    torch.manual_seed(0)
    changed, told = chained(pieces, f"{SHIFT[:-1]}, p=0.5)", among=0.6)(rows)
    varied = told[:, 0] == 1
    assert told.shape == (2000, 1)
    assert told[:, 0].unique().tolist() == [0, 1]
    assert torch.equal(rows.nan_to_num(-1), before.nan_to_num(-1))
    assert changed.dtype == rows.dtype
    assert varied.double().mean() == pytest.approx(0.3, abs=0.04)
    assert chained(pieces, f"{SHIFT[:-1]}, p=0.5)", among=0.6).share == pytest.approx(0.3)
    assert not chained(pieces, f"{SHIFT[:-1]}, p=0)")
    moved = (changed - rows)[..., 1]
    assert torch.equal((moved != 0).all(1), varied)
    assert torch.equal((moved != 0).any(1), varied)
    assert moved[varied].unique().tolist() == [1, 2, 3, 4, 5, 6]


def test_it_draws_anew_each_time_and_by_the_seed_of_the_run(make_pieces: Pieces) -> None:
    pieces = make_pieces([20])
    rows, variation = windows(pieces, 50), chained(pieces, SHIFT)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append([variation(rows)[0] for _ in range(2)])
    same = [torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)) for a, b in zip(drawn[0], drawn[1], strict=True)]
    assert same == [True, True]
    assert not torch.equal(drawn[0][0].nan_to_num(-1), drawn[0][1].nan_to_num(-1))
    assert not torch.equal(drawn[0][0].nan_to_num(-1), drawn[2][0].nan_to_num(-1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_windows_may_have_any_precision(make_pieces: Pieces, dtype: torch.dtype) -> None:
    pieces = make_pieces([20])
    changed, varied = chained(pieces, SHIFT)(windows(pieces, 4).to(dtype))
    assert changed.dtype == dtype
    assert varied.all()


def test_it_tells_what_left_its_range(make_pieces: Pieces) -> None:
    pieces = make_pieces([20])
    quiet = chained(pieces, SHIFT)
    quiet(windows(pieces, 4))
    assert quiet.lines() == []
    loud = chained(pieces, f"{SHIFT}; add(value=200, dims=(pitch, velocity))")
    for _ in range(3):
        loud(windows(pieces, 4))
    [line] = loud.lines()
    assert line.startswith("100.0% of pitch, 100.0% of velocity left their range and were held")
    assert line.endswith(", by add(dims=(pitch, velocity), value=200)")
    assert loud.counts[1].windows == 12


def run_words(tmp_path: Path, *words: str) -> list[str]:
    files = [f"dataset.path={tmp_path / 'data.json'}", f"output={tmp_path / 'model.pt'}"]
    quick = ["trainer.max_epochs=2", "model.size=8", "logger=none", "callbacks.pictures=false"]
    return [*files, *quick, *words]


@pytest.mark.parametrize(
    "written",
    [
        'augment.ops=["addrand(range=(1, 6), dims=pitch)", "rev(p=0.5)"]',
        'augment.ops="addrand(range=(1, 6), dims=pitch); rev(p=0.5)"',
    ],
)
def test_a_whole_run(make_pieces: Pieces, tmp_path: Path, written: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "data.json", make_pieces([200]))
    run = train(compose(run_words(tmp_path, written)), tmp_path / "run")
    out = capsys.readouterr().out
    assert "75% of the windows varied: time, pitch, velocity, duration, instrument\n" in out
    assert "\n  addrand(dims=pitch, range=(1, 6))\n  rev(p=0.5)\n" in out
    assert np.isfinite(run.score)
    kept = run.model.summary["config"]["augment"]["ops"]
    assert parse(kept) == parse(["addrand(range=(1, 6), dims=pitch)", "rev(p=0.5)"])


def test_without_ops_the_recipe_decides(make_pieces: Pieces, tmp_path: Path) -> None:
    write(tmp_path / "data.json", make_pieces([200]))
    data = EventDataModule(tmp_path / "data.json")
    data.setup()
    options = {"share": 0.75, "transpose": 6, "louder": 10, "stretch": 0.2}
    assert isinstance(data.decide_augmentation(**options), MusicAugmentation)
    assert isinstance(data.decide_augmentation(**options, ops=[]), MusicAugmentation)
    assert data.decide_augmentation(**options, ops=[SHIFT]).names(data.columns) == ["pitch"]
    with pytest.raises(HachimachiError, match=r"^augment.ops: no feature pich; did you mean pitch\?\n  abs.*\n +\^$"):
        data.decide_augmentation(**options, ops="abs(dims=pich)")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        (
            'augment.ops=["rev()", "abs(dim=pitch)"]',
            "augment.ops: abs has no argument dim; did you mean dims?\n  abs(dim=",
        ),
        ("augment.ops=addrnd", "augment.ops: no operation addrnd; did you mean addrand?\n  addrnd\n  ^"),
        ("augment.ops=[1]", "augment.ops: found [1], expected a list of augmentations, such as"),
        ("augment.ops=3", "augment.ops: found 3, expected a list of augmentations, such as"),
        ("augment.ops=addrand(range=(1,2))", "cannot be read; expected key=value"),
    ],
)
def test_a_mistake_is_told_before_data_is_read(word: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose([word])
    assert says in str(caught.value)


def test_no_augmentation_takes_no_ops() -> None:
    with pytest.raises(ConfigError, match="augment=none has no such key"):
        compose(["augment=none", "augment.ops=rev"])
