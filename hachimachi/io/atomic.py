"""Output files that are whole or not there."""

from __future__ import annotations

import os
import secrets
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
    target = Path(os.path.realpath(path))  # a link stays a link
    if not target.parent.is_dir():
        raise HachimachiError(f"{path}: there is no folder {Path(path).parent} to write into; create it first")
    if target.is_dir():
        raise HachimachiError(f"{path}: is a folder; name a file to write")
    beside = target.with_name(f".hxmx-{secrets.token_hex(6)}{target.suffix}")
    try:
        beside.touch(exist_ok=False)
        yield beside
        beside.replace(target)
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)
