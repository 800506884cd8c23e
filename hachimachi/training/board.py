"""What TensorBoard shows besides single curves: charts in which lines stand together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger

from hachimachi.training.module import tag

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LINES = ("train", "val", "marginal")
"""What stands in one chart: learned from, held out, and the marginal baseline to stay below."""


def find_board(trainer: L.Trainer) -> SummaryWriter | None:
    """Return what writes for TensorBoard, if anything does and this is the process that writes."""
    found = (logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger))
    logger = next(found, None) if trainer.is_global_zero else None
    return logger.experiment if logger else None


def lay_out(board: SummaryWriter, columns: Sequence[str]) -> None:
    """Put train, held-out and baseline nats into one chart, in total and for each column, under "Custom Scalars"."""
    charts = {"total": [f"{line}/nll" for line in LINES]}
    charts |= {column: [tag(line, column) for line in LINES] for column in columns}
    # TensorBoard takes tags for patterns
    patterns = {title: [f"^{re.escape(name)}$" for name in names] for title, names in charts.items()}
    board.add_custom_scalars({"nats per event": {title: ["Multiline", names] for title, names in patterns.items()}})
