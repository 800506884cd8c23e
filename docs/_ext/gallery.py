"""Sounds and pictures for the gallery, made as the site is built: what the base models play, from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BASES = {"piano": 4, "drums": 2, "ensemble": 5}
"""The base models that come with hachimachi, each with the seed of its take."""
SECONDS = 12
FOLDER = "takes"


def show_takes() -> str:
    """Return what the page has of each take."""
    parts = []
    for base, seed in BASES.items():
        source = f"../{FOLDER}/{base}"
        parts.append(
            f"**{base}**, seed {seed}\n\n"
            f'<audio controls preload="none" src="{source}.wav"></audio>\n'
            f'<img src="{source}.png" alt="Piano roll of what the base model of {base} plays">\n'
        )
    return "\n".join(parts)


def make_takes(app: Any) -> None:
    """Let each base play, and write what it plays beside the pages."""
    from hachimachi import generate, load_player, plot, write

    folder = Path(app.outdir) / FOLDER
    if app.builder.format != "html":
        return
    folder.mkdir(parents=True, exist_ok=True)
    for base, seed in BASES.items():
        take = generate(load_player(base), seconds=SECONDS, temperature=0.9, seed=seed)
        write(folder / f"{base}.wav", take)
        plot.save(plot.piano_roll(take), folder / f"{base}.png")
