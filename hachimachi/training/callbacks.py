"""What happens beside the training loop: the best model is kept, and the screen says how it goes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L
from rich.console import Console
from rich.live import Live
from rich.text import Text

from hachimachi.checkpoint import save_model
from hachimachi.evaluation import Evaluation
from hachimachi.training.module import EventModule


def score_of(trainer: L.Trainer) -> float | None:
    """Return the held-out nats per event of the last validation, if there was one."""
    score = trainer.callback_metrics.get("val/nll")
    return None if score is None else float(score)


class KeepBest(L.Callback):
    """Writes the model file at every new best, so that whatever happens leaves a usable model.

    Without anything held out the last model is the best.

    Args:
        path: The model file.
        summary: What to store with the model; the score is added.
    """

    def __init__(self, path: Path, summary: dict[str, Any]) -> None:
        self.path, self.summary = path, summary
        self.best = float("nan")
        self.written = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the model if it is the best so far."""
        score = score_of(trainer)
        if trainer.sanity_checking or score is None or score >= self.best:
            return
        self.best = score
        self._write(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the last model if nothing was held out."""
        if not self.written:
            self._write(trainer, pl_module)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Leave a usable model after Ctrl-C too."""
        if isinstance(exception, KeyboardInterrupt) and not self.written:
            self._write(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return the best score, which a resumed run has to beat."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best score of the run that is resumed."""
        self.best = state_dict["best"]

    def _write(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        assert isinstance(module, EventModule)
        module.model.summary = {**self.summary, "epochs": trainer.current_epoch + 1}
        self.written = True
        save_model(module.model, self.path)


class Baseline(L.Callback):
    """Logs the marginal baseline beside every validation score, in total and by column.

    Args:
        evaluation: Of any model on what is held out.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.values = {f"marginal/{name}": nats["marginal"] for name, nats in evaluation.by_feature().items()}
        self.values["marginal/nll"] = evaluation.marginal_nats_per_event

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Log what does not change, to draw a line to stay below."""
        pl_module.log_dict(self.values)


class Progress(L.Callback):
    """One calm line: epoch, time, training and held-out nats per event, the best, the marginal baseline.

    Args:
        marginal: The marginal baseline on the held-out part, NaN if there is none.
        console: Where to write; lines come seldom where it is no terminal.
    """

    def __init__(self, marginal: float, console: Console) -> None:
        self.marginal, self.console = marginal, console
        self.best = float("nan")
        self.epochs = 0
        self.live = Live(console=console, refresh_per_second=8, transient=True)
        self.started = self.said = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin to show."""
        self.started = self.said = time.monotonic()
        if self.console.is_terminal:
            self.live.start()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Show how it goes."""
        self.epochs = trainer.current_epoch + 1
        line = self._line(trainer)
        if self.live.is_started:
            self.live.update(line)
        elif time.monotonic() - self.said > 10:
            self.said = time.monotonic()
            self.console.print(line)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Leave the last line standing."""
        self._stop(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Give the terminal back."""
        self._stop(trainer)

    def _stop(self, trainer: L.Trainer) -> None:
        self.live.stop()
        self.console.print(self._line(trainer))

    def _line(self, trainer: L.Trainer) -> Text:
        score = score_of(trainer)
        train = float(trainer.callback_metrics.get("train/nll", float("nan")))
        line = Text(f"epoch {self.epochs:4d}  {time.monotonic() - self.started:4.0f} s  train {train:.2f}")
        if score is not None:
            self.best = score if not score >= self.best else self.best
            line.append(f"  held out {score:.2f}  best {self.best:.2f}  baseline {self.marginal:.2f}")
        return line
