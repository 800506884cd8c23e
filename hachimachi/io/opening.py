"""Opening a data set of any size."""

from __future__ import annotations

from hachimachi.io.collection import Collection
from hachimachi.io.files import Progress, Sources, paths_of, read
from hachimachi.io.formats import ARROW, READERS
from hachimachi.io.report import Report
from hachimachi.io.sources import find_files, names_of


def open_collection(source: Sources, report: Report | None = None, *, progress: Progress = iter) -> Collection:
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
    sources, found = paths_of(source), Report()
    files = find_files(sources, READERS, found)
    if all(file.suffix.lower() == ARROW for file in files):
        from hachimachi.io.arrow.source import ArrowSource

        opened = ArrowSource(list(progress(files)), names_of(files, sources), found)
        if not opened.is_compressed():
            found.files += len(files)
            if report is not None:
                report.add(found)
            return Collection.whole(opened)
    return Collection.of(read(source, report, progress=progress))
