"""Models from files, loaded, primed and warm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from hachimachi.checkpoint import load_model
from hachimachi.errors import HachimachiError
from hachimachi.generation import read_primer
from hachimachi.live.instrument import Part
from hachimachi.live.instrumentalist import Instrumentalist
from hachimachi.models.sampling import Sampling
from hachimachi.models.step import Player
from hachimachi.models.threads import one_thread

PRIMER_EVENTS = 512
"""The last events of a primer: a longer past changes little in what a model of this size foretells."""
WARM_STEPS = 50
"""After so many steps the first answer is as quick as the others."""
SHAPES = (Sampling(0.9), Sampling(2.0))
"""Cool and hot draws, which have different tables."""


def load_part(path: Path, sampling: Sampling, seed: int, primer_files: Sequence[Path] = ()) -> Part:
    """Return a model that is ready to play.

    Raises:
        HachimachiError: A file that is no model, a sampling that the model cannot play, or a primer it cannot hear.
    """
    model = load_model(path)
    try:
        player = Player(model, seed=seed, sampling=sampling)
    except HachimachiError as error:
        raise HachimachiError(f"{path}: {error}") from error
    primers = {each.stem: _remember(player, read_primer(each, model).rows()) for each in primer_files}
    warm(player)
    return Part(path.stem, player, primers, seed)


def check_names(paths: Sequence[Path], option: str, others: Sequence[Path] = ()) -> None:
    """Refuse files that would be called the same on the wire.

    Args:
        paths: Files given with an option.
        option: That option.
        others: Files that are called by their names, too.

    Raises:
        HachimachiError: The first of them that has a name that is taken.
    """
    taken = {path.stem: path for path in others}
    for path in paths:
        if path.stem in taken:
            raise HachimachiError(f"{option} {path}: is called {path.stem}, as {taken[path.stem]} is; rename one")
        taken[path.stem] = path


def warm(player: Instrumentalist) -> None:
    """Let a model take a few steps for itself, shaped ones too: the first of them makes tables, which takes a while."""
    asked = player.sampling
    for sampling in (*SHAPES, asked):
        with suppress(HachimachiError):  # too fine to be shaped: then it never will be
            sampling.check(player.columns)
            player.sampling = sampling
            for _ in range(WARM_STEPS):
                player.hear(player.sample())
    player.sampling = asked
    player.reset()


@contextmanager
def quick_steps() -> Iterator[None]:
    """Compute as is best for steps: on one thread, and without the numbers so small that processors slow down."""
    with one_thread(), torch.inference_mode():
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(False)


def _remember(player: Player, rows: Any) -> Any:
    player.reset()
    for row in rows[-PRIMER_EVENTS:]:
        player.hear(row)
    return player.remember()
