"""Atomic output: files and folders are written beside their target and renamed, so they are whole or not there.

A file that hachimachi has not written, or that was changed since, is kept under another name. Its own are known by
their digests, kept in the user's state folder (XDG Base Directory Specification), and for this process in memory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hachimachi.errors import NOTICES, HachimachiError

MOST = 2**22  # bytes of the list of digests, 33 for each file, before its older half goes
_written: set[str] = set()  # digests of the files that this process has written


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which replaces it on success and is removed on failure.

    What was there and hachimachi has not written is moved to ``NAME.bak``, or ``.bak2`` and so on, and a notice given.
    HachimachiError where the folder is missing, or the target cannot be written.
    """
    check_file(path)
    target = Path(os.path.realpath(path))  # a link stays a link
    temporary = target.with_name(f".hxmx-{os.urandom(6).hex()}{target.suffix}")
    kept: Path | None = None
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        digest = _digest(temporary)
        if target.exists() and not is_ours(target) and _digest(target) != digest:
            kept = _keep(target)
        _remember(digest)
        temporary.replace(target)
        if kept is not None:
            NOTICES[-1](f"{path}: was there and not written by hxmx; it is kept as {kept.name}")
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    found = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()


def _digests_path() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.local/state"
    return Path(os.path.expanduser(base), "hachimachi", "written")  # noqa: PTH111  (which fails without a home)


def is_ours(path: str | os.PathLike[str]) -> bool:
    """Return whether hachimachi has written what is in a file, as far as it knows."""
    with suppress(OSError):
        digest = _digest(Path(path))
        return digest in _written or digest in _digests_path().read_text(encoding="ascii", errors="replace")
    return False


def _remember(digest: str) -> None:
    """Keep a digest; where that is not allowed, this process alone knows it."""
    if digest in _written:
        return
    _written.add(digest)
    path = _digests_path()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="ascii") as file:
            file.write(f"{digest}\n")
            size = file.tell()
        if size > MOST:
            lines = path.read_text(encoding="ascii", errors="replace").splitlines(keepends=True)
            beside = path.with_name(f"written-{os.urandom(6).hex()}")
            beside.write_text("".join(lines[len(lines) // 2 :]), encoding="ascii")
            beside.replace(path)


def _keep(target: Path) -> Path:
    """Give a file a second name that is free, or another one where the disk has no links."""
    number = 1
    while True:
        kept = target.with_name(f"{target.name}.bak{number if number > 1 else ''}")
        number += 1
        try:
            os.link(target, kept)
        except FileExistsError:
            continue
        except OSError:
            if os.path.lexists(kept):
                continue
            target.rename(kept)
        return kept


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``, which replaces it on success and is removed on failure. Raises
    `HachimachiError`: the folder is not empty, or cannot be written."""
    check_free(path)
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".hxmx-{os.urandom(6).hex()}")
    try:
        temporary.mkdir()
        yield temporary
        if target.is_dir():
            target.rmdir()
        temporary.rename(target)
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_dir(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a folder; unlike `Path.is_dir`, also for names that are too long."""
    return os.path.isdir(path)  # noqa: PTH112


def check_file(path: str | os.PathLike[str]) -> None:
    """Raise HachimachiError where no file can be written: a folder has this name, or there is none to write into."""
    _check_parent(path)
    if is_dir(path):
        raise HachimachiError(f"{path}: is a folder; name a file to write")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  (as in is_dir)
        raise HachimachiError(f"{path}: is no plain file; name a file to write")


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise HachimachiError for a path that cannot be a folder to add files to."""
    _check_parent(path)
    if os.path.exists(Path(path)) and not is_dir(path):  # noqa: PTH110  (as in is_dir; a last / goes)
        raise HachimachiError(f"{path}: is a file; name a folder to write")


def check_free(path: str | os.PathLike[str]) -> None:
    """Raise HachimachiError for a path that can be neither a new folder nor an empty one."""
    check_folder(path)
    if is_dir(path) and any(Path(path).iterdir()):
        raise HachimachiError(f"{path}: there is something in this folder; name a new one, or an empty one")


def _check_parent(path: str | os.PathLike[str]) -> None:
    if not is_dir(Path(os.path.realpath(path)).parent):
        raise HachimachiError(f"{path}: there is no folder {Path(path).parent} to write into; create it first")
