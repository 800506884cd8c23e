"""How large collections are learned from: memory, speed, time to the first batch, and how well they are shuffled.

`rows()` makes synthetic collections below `outputs/`, of 10 and of 100 million events, measures each in processes of
their own, and deletes them. It takes about ten minutes, and 2.5 GB of disk for that time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.large import collection

if TYPE_CHECKING:  # other benchmarks of data need not wait for them
    from torch import Tensor

    from hachimachi.training.data import EventDataModule

TEN, HUNDRED = 10_000_000, 100_000_000
BATCHES, STEPS = 1000, 30
"""Batches that are loaded, and learned from, to compare their speed."""
TRAINED = 200
"""Steps of the run whose memory is measured."""
Row = tuple[str, str, str]
"""What was measured, what came out, and what is wanted."""


def rows(ten: int = TEN, hundred: int = HUNDRED) -> list[Row]:
    """Measure all there is to measure of large collections."""
    with collection(ten) as path:
        first = [measure("first_batch", path) for _ in range(3)]
        loaded, shuffled = measure("loader", path), measure("shuffle", path)
    with collection(hundred) as path:
        trained = measure("memory", path)
    work, cpu, whole = (f"{np.median([each[key] for each in first]):.2f} s" for key in ("work", "cpu", "process"))
    faster = f"{loaded['loader'] / loaded['model']:.0f} ({loaded['loader']:,.0f} : {loaded['model']:,.0f})"
    blocks = f"{shuffled['pooled']:.1f} of 16; {shuffled['ideal']:.1f} if all were shuffled"
    return [
        (f"{ten:,} events: first batch, after the imports", f"{work}, {cpu} of them computing", "below 2 s"),
        (f"{ten:,} events: first batch, from the start of the process", whole, "no more than imports add"),
        ("events per second, loader ÷ default model, one core each", faster, "above 1"),
        ("blocks of 65,536 events that a batch of 16 windows is from", blocks, "about as many"),
        (f"{hundred:,} events: memory resident in training, at most", f"{trained['run']:.2f} GB", "below 1.5 GB"),
        (f"{hundred:,} events: the same once all were loaded", f"{trained['epoch']:.2f} GB", "below 1.5 GB"),
        (f"{hundred:,} events: visits of an event in an epoch, mean", f"{trained['visits']:.3f}", "1"),
    ]


def measure(what: str, path: Path) -> dict[str, float]:
    """Measure one thing in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.data_columnar", what, str(path), repr(time.time())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def first_batch(path: Path, began: float) -> dict[str, float]:
    """Do what a training run does before its first step."""
    import hachimachi.training.data  # noqa: F401
    from hachimachi.models.event_model import build_model
    from hachimachi.training.module import EventModule

    imported, computing = time.time(), time.process_time()
    data = _open(path)
    augmentation = data.decide_augmentation(share=0.5, transpose=5, louder=10, stretch=0.1)
    EventModule(build_model(data.train, columns=data.columns), augmentation=augmentation)
    data.fingerprint()
    data.openings(data.train)
    data.marginals()
    next(iter(data.train_dataloader()))
    now = time.time()
    return {"work": now - imported, "cpu": time.process_time() - computing, "process": now - began}


def loader(path: Path, _: float) -> dict[str, float]:
    """Compare how fast windows come with how fast the default model learns from them."""
    import torch

    from hachimachi.models.event_model import build_model
    from hachimachi.training.module import EventModule

    torch.set_num_threads(1)
    data = _open(path)
    began, batches = time.process_time(), list(islice(iter(data.train_dataloader()), BATCHES))
    loaded = sum(map(_count, batches)) / (time.process_time() - began)
    module = EventModule(build_model(data.train, columns=data.columns)).train()
    optimizer = torch.optim.AdamW(module.model.parameters(), lr=1e-3)
    began = time.process_time()
    for batch in batches[:STEPS]:
        optimizer.zero_grad()
        (-module.model.log_prob(batch).sum() / _count(batch)).backward()
        optimizer.step()
    learned = sum(map(_count, batches[:STEPS])) / (time.process_time() - began)
    return {"loader": loaded, "model": learned}


def shuffle(path: Path, _: float) -> dict[str, float]:
    """Count from how many blocks of the collection the windows of a batch are."""
    from hachimachi.io.collection import BLOCK
    from hachimachi.training.data import Windows, cut

    train = _open(path).train
    random = np.random.default_rng(0)
    sequence, start, _stop = cut(train.lengths, 128, random)
    block = (train.positions[sequence] + start) // BLOCK
    orders = {
        "pooled": Windows(train, 128, 16, 0).order(sequence, start, random),
        "ideal": random.permutation(len(start)),
    }
    split = {name: np.array_split(block[order], len(order) // 16) for name, order in orders.items()}
    return {name: float(np.mean([len(np.unique(each)) for each in batches])) for name, batches in split.items()}


def memory(path: Path, _: float) -> dict[str, float]:
    """Train for some steps, then let a whole epoch of windows go by; return the most memory that was resident."""
    from hachimachi.training.config.compose import compose
    from hachimachi.training.fit import train

    with tempfile.TemporaryDirectory() as folder:
        words = [f"dataset.path={path}", f"output={folder}/model.pt", f"trainer.max_steps={TRAINED}"]
        train(compose([*words, "callbacks.progress=false"]), folder)
        run = _peak()
    data = _open(path)
    visits = sum(map(_count, data.train_dataloader()))
    return {"run": run, "epoch": _peak(), "visits": visits / data.events}


def _open(path: Path) -> EventDataModule:
    from hachimachi.training.data import EventDataModule

    data = EventDataModule(path)
    data.setup()
    return data


def _count(batch: Tensor) -> int:
    return int((~batch.isnan().all(-1)).sum())


def _peak() -> float:
    """Return the most memory that this process had resident, mapped pages among it, in GB."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e9


PROBES = {probe.__name__: probe for probe in (first_batch, loader, shuffle, memory)}

if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(PROBES[sys.argv[1]](Path(sys.argv[2]), float(sys.argv[3]))))
    else:
        for row in rows():
            print(" | ".join(row))
