"""Plug-ins for the length of a test: what they register is forgotten after it."""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Iterator

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from hachimachi import plugins
from hachimachi.augment import augmentation
from hachimachi.io import files, formats

NAMES = ("echo_parts", "folding", "mine", "other", "broken", "empty", "taken", "needs")
"""Modules of the tests."""


@contextlib.contextmanager
def plugins_apart() -> Iterator[None]:
    """Put everything that a plug-in can change back to what it was, as in a new process."""
    for kind in plugins.CONTEXT:  # what is of this package stays
        plugins.names(kind)
    augmentation.known()
    tables_of_formats = files.READERS, files.WRITERS, formats.FORMATS
    tables: list[dict] = [plugins._registered, *plugins._parts.values(), augmentation._KNOWN, *tables_of_formats]
    kept = [dict(table) for table in tables]
    named, path = plugins.loaded.copy(), sys.path.copy()
    Plugins.instance()  # Hydra's own put their configs into the store once, when they are first looked for
    repo = copy.deepcopy(ConfigStore.instance().repo)
    try:
        yield
    finally:
        for table, before in zip(tables, kept, strict=True):
            table.clear()
            table.update(before)
        plugins.loaded[:], sys.path[:] = named, path
        ConfigStore.instance().repo = repo
        for name in NAMES:
            sys.modules.pop(name, None)
