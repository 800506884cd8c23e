"""Which files are meant: files as they are, folders with all that is below them, patterns."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from hachimachi.errors import HachimachiError
from hachimachi.io.atomic import is_dir
from hachimachi.io.report import Report

SPLIT = "split.json"
"""Lists names under train, valid and test; it stands beside data and is none itself."""
Identity = tuple[int, int]
"""Device and number of a file or folder: the same however it is reached."""


def find_files(
    sources: Sequence[Path], suffixes: Collection[str], report: Report, without: Collection[Path] = ()
) -> list[Path]:
    """Return files as they are and, for a folder, every file below it that has one of the suffixes; each once.

    Below folders, links are followed, each folder once; hidden files and ``split.json`` are passed over.

    Args:
        sources: Files, folders, or patterns such as ``midi/*.mid``, which not every shell expands.
        suffixes: In lower case, with the dot.
        report: Takes note of files with other suffixes, and of folders that cannot be looked into.
        without: Files to pass over below folders and among those that fit a pattern.

    Raises:
        HachimachiError: No sources, a folder without such files, or a pattern that fits nothing.
    """
    apart = {identity for path in without if (identity := _identity(path))}
    files: dict[str, Path] = {}
    for given in sources:
        for path in _expand(given):
            if path == given or _identity(path) not in apart:
                found = _below(path, suffixes, report, apart) if is_dir(path) else [path]
                files.update({os.path.abspath(each): each for each in found})  # noqa: PTH100  (links stay links)
    if not files:
        raise HachimachiError("no files to read: name at least one file or folder")
    return list(files.values())


def names_of(files: Sequence[Path], sources: Sequence[Path]) -> list[str]:
    """Return what each file is called: its path relative to the folder, or to what all sources lie in."""
    folders = [_whole(path if is_dir(path) else path.parent) for source in sources for path in _expand(source)]
    try:
        base = Path(os.path.commonpath(folders))
        return [_readable(_whole(path).relative_to(base)) for path in files]
    except ValueError:  # on several drives
        return [_readable(_whole(path)) for path in files]


def _readable(path: Path) -> str:
    """Return a name that text can hold, where the file's is no UTF-8."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _expand(source: Path) -> list[Path]:
    text = str(source)
    if not glob.has_magic(text) or os.path.lexists(text):
        return [source]
    found = [Path(name) for name in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207  (an absolute pattern works)
    if not found:
        raise HachimachiError(f"{text}: no file fits this pattern")
    return found


def _below(folder: Path, suffixes: Collection[str], report: Report, apart: Collection[Identity]) -> list[Path]:
    """Return the files below a folder, sorted by their path."""
    found: list[tuple[str, Path]] = []
    for path in _walk(folder, report):
        if path.name.startswith(".") or path.name == SPLIT or _identity(path) in apart:
            continue
        if path.suffix.lower() in suffixes and (path.is_file() or path.is_symlink()):  # no pipe, which would not end
            found.append((path.relative_to(folder).as_posix(), path))
        else:
            report.passed[path.suffix.lower()] += 1
    if why := report.refused.get(_readable(folder)):
        raise HachimachiError(f"{folder}: {why}")
    if not found:
        raise HachimachiError(f"{folder}: no files ending in {' '.join(suffixes)} below this folder")
    return [path for _, path in sorted(found)]


def _walk(top: Path, report: Report) -> Iterator[Path]:
    """Give everything below a folder that is no folder; what lies in it goes before what links lead to."""
    seen: set[Identity | None] = set()
    waiting = deque([top])
    while waiting:
        folder = waiting.popleft()
        if (identity := _identity(folder)) in seen:  # links may go round in circles
            continue
        seen.add(identity)
        for entry in _look_into(folder, report):
            if not entry.is_dir():
                yield Path(entry.path)
            elif entry.is_symlink():
                waiting.append(Path(entry.path))
            elif not entry.name.startswith("."):
                waiting.appendleft(Path(entry.path))


def _look_into(folder: Path, report: Report) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        report.refuse(_readable(folder), f"cannot be looked into: {error.strerror or error}")
        return []


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _whole(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (names stay as given: links are not followed)
