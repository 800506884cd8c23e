"""One of several processes that learn together, and writes down what it saw: `python rank.py DATA FOLDER`."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import lightning as L
import torch

import hachimachi.training.data as data_module
from hachimachi.training.config.compose import compose
from hachimachi.training.config.overrides import quote
from hachimachi.training.fit import train

data_module.PASS = 64  # several batches to validate, so that each process has a share


class Record(L.Callback):
    """Keeps windows of the first epoch, the last score as told, and the same by going through all that is held out."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.said: dict[str, Any] = {}

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        if trainer.current_epoch == 0:
            self.seen += [hashlib.sha256(rows.numpy().tobytes()).hexdigest() for rows in batch]

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        told = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        costs, scored = torch.zeros(len(pl_module.model.columns), dtype=torch.float64), 0
        with torch.no_grad():
            for rows in trainer.val_dataloaders:
                costs -= pl_module.played.log_prob(rows)[:, 1:].double().sum((0, 1))
                scored += int((~rows[:, 1:].isnan().all(-1)).sum())
        names = [f"val/{column.name}" for column in pl_module.model.columns]
        alone = dict(zip(names, (costs / scored).tolist(), strict=True))
        self.said = {"told": told, "alone": {**alone, "val/nll": float(costs.sum() / scored)}}

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        weights = torch.cat([weight.detach().flatten() for weight in pl_module.parameters()])
        self.said |= {"seen": self.seen, "weights": hashlib.sha256(weights.numpy().tobytes()).hexdigest()}


def main() -> None:
    """Train, and write what was seen beside the model."""
    data, folder = sys.argv[1:3]
    words = ["model.size=8", "head.components=2", "logger=none", "trainer.max_epochs=2", "dataset.window=16"]
    words += ["dataset.batch_size=4", "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", *sys.argv[3:]]
    words += ["callbacks.pictures=false", "callbacks.progress=false", "dataset.valid_fraction=0.4"]
    record = Record()
    model = Path(folder) / "model.pt"
    train(
        compose([*words, f"dataset.path={quote(data)}", f"output={quote(str(model))}"]), Path(folder) / "run", [record]
    )
    (Path(folder) / f"{os.environ['RANK']}.json").write_text(json.dumps(record.said))


if __name__ == "__main__":
    main()
