"""Atomic output: files and folders are written beside their target and renamed, so they are whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hachimachi.errors import HachimachiError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which replaces it on success and is removed on failure.

    Raises:
        HachimachiError: The folder is missing, or the target cannot be written.
    """
    check_file(path)
    target = Path(os.path.realpath(path))  # a link stays a link
    temporary = target.with_name(f".hxmx-{os.urandom(6).hex()}{target.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``, which replaces it on success and is removed on failure.

    Raises:
        HachimachiError: The folder is not empty, or cannot be written.
    """
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
