"""Opening a data set of any size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hachimachi.io.collection import Collection
from hachimachi.io.files import READERS, SPLIT, PathLike, Progress, read
from hachimachi.io.report import Report

ARROW = ".arrow"


def open_collection(
    source: PathLike | Sequence[PathLike], report: Report | None = None, *, progress: Progress = iter
) -> Collection:
    """Open a data set: Arrow files stay on disk and are read as they are needed, everything else is read into memory.

    So are Arrow files that are compressed or that stand beside files of other formats.

    Args:
        source: What :func:`~hachimachi.io.read` takes.
        report: Takes note of what was mended or left out.
        progress: Wraps the list of files, to show how far reading is.

    Raises:
        HachimachiError: As :func:`~hachimachi.io.read`; of Arrow files any that cannot be read.

    >>> import tempfile
    >>> from hachimachi import io
    >>> from hachimachi.events import make_sequence
    >>> folder = tempfile.TemporaryDirectory()
    >>> io.write(f"{folder.name}/takes.arrow/", [make_sequence([[60 + i % 12] for i in range(64)], names=["pitch"])])
    >>> takes = open_collection(f"{folder.name}/takes.arrow")
    >>> len(takes), takes.events, takes.rows(0, 10, 13).tolist()
    (1, 64, [[70.0], [71.0], [60.0]])
    >>> folder.cleanup()
    """
    folder = Path(source) if isinstance(source, str | os.PathLike) else None
    if folder and (paths := _find_arrow(folder)):
        from hachimachi.io.arrow.source import ArrowSource

        names = [path.relative_to(folder).as_posix() if folder.is_dir() else path.name for path in paths]
        opened = ArrowSource(list(progress(paths)), names, Report() if report is None else report)
        if not opened.is_compressed():
            return Collection.whole(opened)
    return Collection.of(read(source, report, progress=progress))


def _find_arrow(source: Path) -> list[Path]:
    """Return the Arrow files that a data set is made of, nothing where it is made of others too."""
    below = sorted(source.rglob("*")) if source.is_dir() else [source]
    shown = [path for path in below if not path.name.startswith(".") and path.name != SPLIT and not path.is_dir()]
    data = [path for path in shown if path.suffix.lower() in READERS]
    return data if all(path.suffix.lower() == ARROW for path in data) else []
