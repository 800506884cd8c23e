"""What the model is measured on: performances in two halves, and corpora with their splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hachimachi import io
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.split import read_split, select

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
"""The corpora beside the checkout."""
SINGLES = ("fresh", "piano", "drums", "multi", "control")
CORPORA = {
    "piano_midi_de_small": "midi",
    "groove_dev": "midi",
    "freedoom_small": "midi",
    "control_impsy4d_small": "csv",
}
"""Name of a corpus → the folder in it that holds its files."""


@dataclass(frozen=True)
class Task:
    """Something to learn from and something to be judged by.

    Args:
        name: How it is called.
        train: The data set that training reads.
        test: The data set that evaluation reads.
        split: Which sequences are for what, if one data set is for both.
        part: Which of them to be judged by.
    """

    name: str
    train: Path
    test: Path
    split: Path | None = None
    part: str = "test"

    def train_words(self) -> list[str]:
        """Return the overrides of `hxmx train`."""
        return [f"dataset.split='{self.split}'"] if self.split else []

    def eval_words(self) -> list[str]:
        """Return the options of `hxmx eval`."""
        return ["--split", str(self.split), "--part", self.part] if self.split else []

    def read(self) -> tuple[Sequence[EventSequence], Sequence[EventSequence]]:
        """Return what is learned from and what is judged by."""
        if not self.split:
            return io.read(self.train), io.read(self.test)
        split, sequences = read_split(self.split), io.read(self.train)
        return select(sequences, split, "train"), select(sequences, split, self.part)


def find_tasks(data: Path, names: Sequence[str], corpora: bool, part: str = "test") -> list[Task]:
    """Find the tasks of these names, all performances or all corpora if there are none.

    Raises:
        HachimachiError: A name that is no task, or files that are not there.
    """
    known = (*SINGLES, *CORPORA)
    for name in names:
        if name not in known:
            raise HachimachiError(f"{name}: no such task; expected some of {', '.join(known)}")
    wanted = names or (CORPORA if corpora else SINGLES)
    tasks = [_single(data, name) if name in SINGLES else _corpus(data, name, part) for name in wanted]
    for task in tasks:
        for path in filter(None, (task.train, task.test, task.split)):
            if not path.exists():
                raise HachimachiError(
                    f"{path}: not there; expected the corpora beside the checkout, or name their folder"
                )
    return tasks


def _single(data: Path, name: str) -> Task:
    return Task(name, data / "single" / f"{name}_train.json", data / "single" / f"{name}_test.json")


def _corpus(data: Path, name: str, part: str) -> Task:
    files = data / name / CORPORA[name]
    return Task(name, files, files, data / name / "split.json", part)
