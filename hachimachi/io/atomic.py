"""Output files and folders that are whole or not there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hachimachi.errors import HachimachiError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; at success it takes its place, at failure it vanishes.

    Raises:
        HachimachiError: The folder is missing, or the target cannot be written.
    """
    check_place(path)
    target = Path(os.path.realpath(path))  # a link stays a link
    beside = target.with_name(f".hxmx-{secrets.token_hex(6)}{target.suffix}")
    try:
        beside.touch(exist_ok=False)
        yield beside
        beside.replace(target)
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a new folder beside ``path`` to write into; at success it takes its place, at failure it vanishes.

    Raises:
        HachimachiError: There is something in the folder already, or it cannot be written.
    """
    check_free(path)
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".hxmx-{secrets.token_hex(6)}")
    try:
        beside.mkdir()
        yield beside
        if target.is_dir():
            target.rmdir()
        beside.rename(target)
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def is_dir(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a folder, also for a name too long for any, of which `Path.is_dir` makes an error."""
    return os.path.isdir(path)  # noqa: PTH112


def check_place(path: str | os.PathLike[str]) -> None:
    """Refuse what cannot become a file.

    Raises:
        HachimachiError: There is a folder of that name, or none to write into.
    """
    _check_parent(path)
    if is_dir(path):
        raise HachimachiError(f"{path}: is a folder; name a file to write")


def check_folder(path: str | os.PathLike[str]) -> None:
    """Refuse what cannot become, or be, a folder that files are added to.

    Raises:
        HachimachiError: There is a file of that name, or no folder to make it in.
    """
    _check_parent(path)
    if os.path.exists(Path(path)) and not is_dir(path):  # noqa: PTH110  (as in is_dir; a last / goes)
        raise HachimachiError(f"{path}: is a file; name a folder to write")


def check_free(path: str | os.PathLike[str]) -> None:
    """Refuse what cannot become a new folder.

    Raises:
        HachimachiError: There is a file, or a folder with something in it, or no folder to make it in.
    """
    check_folder(path)
    if is_dir(path) and any(Path(path).iterdir()):
        raise HachimachiError(f"{path}: there is something in this folder; name a new one, or an empty one")


def _check_parent(path: str | os.PathLike[str]) -> None:
    if not is_dir(Path(os.path.realpath(path)).parent):
        raise HachimachiError(f"{path}: there is no folder {Path(path).parent} to write into; create it first")
