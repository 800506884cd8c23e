"""Pictures as files and as pixels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.io.atomic import check_place, replacing


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Save a picture whole or not at all; the suffix says how: .png, .svg, .pdf and so on.

    Raises:
        HachimachiError: A suffix that is no picture's, or a file that cannot be written.
    """
    check_picture(path)
    with replacing(path) as beside:
        figure.savefig(beside, format=Path(path).suffix.lower().removeprefix("."), dpi=160)


def check_picture(path: str | os.PathLike[str]) -> None:
    """Refuse, before any work is done, a name that is not a picture's, or where nothing can be written.

    Raises:
        HachimachiError: A suffix that names no kind of picture, or no place to write.
    """
    if Path(path).suffix.lower().removeprefix(".") not in FigureCanvasBase.get_supported_filetypes():
        raise HachimachiError(f"{path}: not a picture's name; expected it to end in .png, .svg or .pdf")
    check_place(path)


def to_pixels(figure: Figure, dpi: float = 60) -> NDArray[np.uint8]:
    """Return a picture as red, green and blue, shape (height, width, 3)."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
