"""How large collections are learned from: memory, speed, time to the first batch, and how well they are shuffled.

`rows()` makes synthetic collections under `outputs/`, of 10 and of 100 million events, measures each in processes of
their own, and deletes them. It takes about ten minutes, and 2.5 GB of disk for that time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hachimachi import io
from hachimachi.events import EventSequence, Feature

TEN, HUNDRED = 10_000_000, 100_000_000
SHORTEST, LONGEST = 3, 100_000
SHARD = 4_000_000
FEATURES = (
    Feature("pitch", kind="integer", min=0, max=127, resolution=1),
    Feature("velocity", kind="integer", min=1, max=127, resolution=1),
    Feature("duration", masked=True),
    Feature("instrument", kind="categorical"),
)
Row = tuple[str, str, str]
"""What was measured, what came out, and what is wanted."""


def rows(ten: int = TEN, hundred: int = HUNDRED) -> list[Row]:
    """Measure all there is to measure of large collections."""
    with collection(ten) as path:
        first = [_measure("first_batch", path) for _ in range(3)]
        work, whole = (float(np.median([each[key] for each in first])) for key in ("work", "process"))
        loader, shuffled = _measure("loader", path), _measure("shuffle", path)
    with collection(hundred) as path:
        trained = _measure("train", path)
    faster = loader["loader"] / loader["model"]
    blocks = f"{shuffled['blocks']:.1f} of 16; {shuffled['ideal']:.1f} if all were shuffled"
    return [
        (f"{ten:,} events: first batch, without imports", f"{work:.2f} s", "below 2 s"),
        (f"{ten:,} events: first batch, from the start of the process", f"{whole:.2f} s", "as little as imports allow"),
        ("loader ÷ default model, events per second", f"{faster:.0f} ({loader['loader']:,.0f})", "above 1"),
        ("places that a batch of 16 windows is from", blocks, "about as many"),
        (f"{hundred:,} events: resident memory in training, at most", f"{trained['peak']:.2f} GB", "below 1.5 GB"),
        (f"{hundred:,} events: the same once all were read", f"{trained['epoch']:.2f} GB", "below 1.5 GB"),
    ]


@contextmanager
def collection(events: int, seed: int = 0) -> Iterator[Path]:
    """Give a collection in shards, there for so long; sequences have 3 to 100,000 events, even on a log scale."""
    Path("outputs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="outputs", prefix="large-") as folder:
        path = Path(folder) / "takes"
        random = np.random.default_rng(seed)
        made = 0
        while made < events:
            part = list(_make_shard(min(SHARD, events - made), made, random))
            io.write(f"{path}/", part)
            made += sum(map(len, part))
        yield path


def _make_shard(events: int, first: int, random: np.random.Generator) -> Iterator[EventSequence]:
    """Make notes that go up and down, held and struck as they come."""
    steps = random.integers(-4, 5, events)
    pitch = 60 + np.abs(np.cumsum(steps) % 48 - 24)
    columns = [
        pitch,
        80 + random.integers(-20, 20, events),
        random.exponential(0.3, events),
        random.integers(0, 9, events),
    ]
    data, between = np.column_stack(columns), np.round(random.exponential(0.15, events), 3)
    at = 0
    while at < events:
        length = int(np.exp(random.uniform(np.log(SHORTEST), np.log(LONGEST))))
        stop = events if events - at - length < SHORTEST else at + length
        yield EventSequence(FEATURES, data[at:stop], np.cumsum(between[at:stop]), f"take {first + at}")
        at = stop


def _measure(what: str, path: Path) -> dict[str, float]:
    began = time.time()
    command = [sys.executable, "-m", "benchmarks.data_columnar", what, str(path), repr(began)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _module(path: Path) -> Any:
    from hachimachi.training.data import EventDataModule

    data = EventDataModule(path)
    data.setup()
    return data


def first_batch(path: Path, began: float) -> dict[str, float]:
    """Do what a training run does before its first step."""
    from hachimachi.models.event_model import build_model
    from hachimachi.training.module import EventModule
    from hachimachi.training.recipe import suit

    imported = time.time()
    data = _module(path)
    EventModule(
        build_model(data.train, columns=data.columns), variation=_decide(data, suit("augment.share", data.events))
    )
    data.fingerprint(), data.openings(data.train), data.marginals()
    next(iter(data.train_dataloader()))
    now = time.time()
    return {"work": now - imported, "process": now - began}


def loader(path: Path, _: float) -> dict[str, float]:
    """Compare how fast windows come with how fast the default model learns from them, on one core."""
    import torch

    from hachimachi.models.event_model import build_model
    from hachimachi.training.module import EventModule

    torch.set_num_threads(1)
    data = _module(path)
    began, batches = time.perf_counter(), list(islice(iter(data.train_dataloader()), 1000))
    loaded = sum(_count(batch) for batch in batches) / (time.perf_counter() - began)
    module = EventModule(build_model(data.train, columns=data.columns)).train()
    optimizer = torch.optim.AdamW(module.model.parameters(), lr=1e-3)
    began, some = time.perf_counter(), batches[:30]
    for batch in some:
        optimizer.zero_grad()
        (-module.model.log_prob(batch).sum() / _count(batch)).backward()
        optimizer.step()
    learned = sum(_count(batch) for batch in some) / (time.perf_counter() - began)
    return {"loader": loaded, "model": learned}


def shuffle(path: Path, _: float) -> dict[str, float]:
    """Count from how many blocks of the collection the windows of a batch are."""
    from hachimachi.io.collection import BLOCK
    from hachimachi.training.windows import Windows, cut

    data = _module(path)
    windows = Windows(data.train, data.window, 16, 0)
    random = np.random.default_rng([0, 0])
    sequence, start, _ = cut(data.train.lengths, data.window, random)
    block = (data.train.places[sequence] + start) // BLOCK
    order = random.permutation(len(start))
    pooled = windows.order(sequence, start, np.random.default_rng(1))
    counts = [np.mean([len(set(block[each[i : i + 16]])) for i in range(0, len(each), 16)]) for each in (pooled, order)]
    return {"blocks": float(counts[0]), "ideal": float(counts[1])}


def train(path: Path, _: float) -> dict[str, float]:
    """Train for a few steps, then let a whole epoch of windows go by; return the most memory that was resident."""
    from hachimachi import compose
    from hachimachi import train as run_training

    with tempfile.TemporaryDirectory() as folder:
        words = [
            f"dataset.path={path}",
            f"output={folder}/model.pt",
            "trainer.max_steps=200",
            "callbacks.progress=false",
        ]
        run_training(compose(words), folder)
        peak = _peak()
    data = _module(path)
    for _ in data.train_dataloader():
        pass
    return {"peak": peak, "epoch": _peak()}


def _decide(data: Any, share: float) -> Any:
    return data.decide_variation(share=share, transpose=5, louder=10, stretch=0.1)


def _count(batch: Any) -> int:
    return int((~batch.isnan().all(-1)).sum())


def _peak() -> float:
    """Return the most memory that this process had resident, mapped pages among it, in GB."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e9


if __name__ == "__main__":
    what, path, began = sys.argv[1:] if len(sys.argv) > 1 else ("", "", "0")
    if what:
        print(json.dumps(globals()[what](Path(path), float(began))))
    else:
        for row in rows():
            print("  ".join(row))
