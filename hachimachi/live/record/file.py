"""Where journals lie, and whether somebody writes into one."""

from __future__ import annotations

import os
from pathlib import Path

from hachimachi.io.files import WRITERS

FORMAT, VERSION = "hachimachi.journal", 1
ENDING = ".journal"
MAGIC = f'{{"format": "{FORMAT}"'.encode()
"""How every journal begins."""
SUFFIXES = {suffix: WRITERS[suffix] for suffix in (".json", ".csv")}
"""The formats that hold any features, each with its module in `hachimachi.io`."""


def beside(path: str | os.PathLike[str]) -> Path:
    """Return the journal of a data set: its path and ``.journal``."""
    return Path(f"{os.fspath(path)}{ENDING}")


def target(journal: str | os.PathLike[str]) -> Path:
    """Return the data set of a journal."""
    return Path(os.fspath(journal).removesuffix(ENDING))


def free(path: Path, *, with_journal: bool = False) -> Path:
    """Return the path if nothing is there, else the first of ``name-2``, ``name-3``… that is free.

    A name is taken, too, where its journal waits; of the path itself only if its journal has to be free as well.
    """
    number, candidate = 1, path
    while os.path.lexists(candidate) or ((with_journal or number > 1) and os.path.lexists(beside(candidate))):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def find_unfinished(where: str | os.PathLike[str]) -> list[Path]:
    """Return the journals that a crash left, sorted: of one data set, or all that lie in a folder.

    One that is being written at this moment is none of them, nor is another program's file.
    """
    path = Path(where)
    found = sorted(path.glob(f"*{ENDING}")) if path.is_dir() else [beside(path)]
    return [journal for journal in found if _is_journal(journal) and not in_use(journal)]


def is_empty(journal: Path) -> bool:
    """Return whether a crash came before even the first line was written."""
    with journal.open("rb") as file:
        first = file.readline(1 << 20)
    return MAGIC.startswith(first[: len(MAGIC)]) and not first.endswith(b"\n")


def in_use(journal: Path) -> bool:
    """Return whether a process writes into a journal; always ``False`` where the system has no `flock`."""
    try:
        fd = os.open(journal, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not is_locked_here(fd)
    finally:
        os.close(fd)


def _is_journal(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError:
        return False
    return MAGIC.startswith(head)


def is_locked_here(fd: int) -> bool:
    """Lock an open file against other processes, until it is closed; return ``False`` if another one has it.

    The system gives the lock up with the process, however that ends.
    """
    try:
        import fcntl
    except ImportError:  # Windows keeps an open file from being removed by itself
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
