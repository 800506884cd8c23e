"""What training writes: never half a file, and checkpoints that play like the model they hold."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hachimachi.checkpoint import load_model, save_model
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel, build_model


@pytest.fixture(scope="module")
def data(make_pieces: Callable[..., list[EventSequence]]) -> EventSequence:
    return make_pieces([60])[0]


@pytest.fixture(scope="module")
def model(data: EventSequence) -> EventModel:
    torch.manual_seed(0)
    model = build_model([data], {"name": "gru", "size": 8})
    model.summary = {"config": {"seed": 7}}
    return model.eval()


def test_saving_leaves_the_old_file_or_the_new_one(
    model: EventModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pt"
    save_model(model, path)
    before = path.read_bytes()

    def full_disk(file: Path, _: bytes) -> None:
        with file.open("wb") as half:
            half.write(b"half of a mod")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(HachimachiError, match="No space left on device"):
        save_model(model, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt"]


TRAIN = """
import sys, warnings
warnings.simplefilter("ignore")
import lightning as L, torch
from torch.utils.data import DataLoader
from hachimachi.checkpoint import load_model, save_model
from hachimachi.training.module import EventModule
folder = sys.argv[1]
model = load_model(folder + "/start.pt")
rows = torch.load(folder + "/rows.pt")
trainer = L.Trainer(max_steps=2, accelerator="cpu", logger=False, enable_progress_bar=False,
                    enable_checkpointing=False, enable_model_summary=False, default_root_dir=folder)
module = EventModule(model)
trainer.fit(module, DataLoader(rows, batch_size=2))
trainer.save_checkpoint(folder + "/last.ckpt")
save_model(module.played.eval(), folder + "/trained.pt")
save_model(model.eval(), folder + "/weights.pt")
"""


PLAY = """
import sys
from hachimachi.checkpoint import load_model
from hachimachi.generation import generate
generate(load_model(sys.argv[1]), 3)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"lightning", "hydra", "omegaconf", "tensorboard"}))
"""


def test_a_checkpoint_of_lightning_plays_without_lightning(
    model: EventModel, data: EventSequence, tmp_path: Path
) -> None:
    rows = torch.from_numpy(data.rows()).view(4, 15, 5)
    save_model(model, tmp_path / "start.pt")
    torch.save(rows, tmp_path / "rows.pt")
    subprocess.run([sys.executable, "-c", TRAIN, tmp_path], check=True, capture_output=True)
    checkpoint, trained = load_model(tmp_path / "last.ckpt"), load_model(tmp_path / "trained.pt")
    assert torch.equal(checkpoint.log_prob(rows), trained.log_prob(rows))
    for other in (load_model(tmp_path / "weights.pt"), model):
        assert not torch.equal(checkpoint.log_prob(rows), other.log_prob(rows))
    assert checkpoint.summary == model.summary
    assert checkpoint.grams["copying"].found(data).all()
    played = subprocess.run([sys.executable, "-c", PLAY, tmp_path / "last.ckpt"], check=True, capture_output=True)
    assert played.stdout.decode().strip() == ""
