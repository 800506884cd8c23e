"""Plug-ins for the length of a test: what they register is forgotten after it."""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Iterator

from hydra.core.config_store import ConfigStore

from hachimachi import plugins
from hachimachi.io import files, own
from hachimachi.models import parts

NAMES = ("echo_parts", "mine", "other", "broken", "empty", "taken", "needs")
"""Modules of the tests."""


@contextlib.contextmanager
def plugins_apart() -> Iterator[None]:
    """Put everything that a plug-in can change back to what it was, as in a new process."""
    tables: list[dict] = [plugins._registered, *parts._PARTS.values(), files.READERS, files.WRITERS, own.FORMATS]
    kept = [dict(table) for table in tables]
    named, path = plugins._named.copy(), sys.path.copy()
    repo = copy.deepcopy(ConfigStore.instance().repo)
    for kind in parts.CONTEXT:
        parts.names(kind)
    kept[1:3] = [dict(table) for table in parts._PARTS.values()]
    try:
        yield
    finally:
        for table, before in zip(tables, kept, strict=True):
            table.clear()
            table.update(before)
        plugins._named[:], sys.path[:] = named, path
        ConfigStore.instance().repo = repo
        for name in NAMES:
            sys.modules.pop(name, None)
