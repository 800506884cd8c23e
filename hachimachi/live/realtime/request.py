"""Real-time scheduling: that the system wakes the playing thread first, however busy the machine is."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol, cast

_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}


class System(Protocol):
    """What the module of each system has: one function."""

    def ask(self, undo: ExitStack) -> str:
        """Ask for what the system has to give the calling thread.

        Args:
            undo: Is given what puts everything back.

        Returns:
            One sentence: what was granted, or why it was not, and what a person can do.

        Raises:
            OSError: The system refuses.
            AttributeError: The system has no such call.
        """
        ...


def request_realtime() -> str:
    """Ask for real-time scheduling of the calling thread, until it ends.

    Threads and processes that it starts do not inherit it where the system can tell them apart.

    Returns:
        One plain sentence: what was granted, or why it was not, and what a person can do. Nothing is raised.
    """
    return _ask(sys.platform, ExitStack())


@contextmanager
def realtime() -> Iterator[str]:
    """Do the same for a while: yields the sentence, and puts everything back at the end."""
    with ExitStack() as undo:
        yield _ask(sys.platform, undo)


def _ask(platform: str, undo: ExitStack) -> str:
    name = _SYSTEMS.get(platform)
    if name is None:
        return f"Real-time scheduling: not asked for, since nobody has told hxmx how on {platform}."
    system = cast("System", importlib.import_module(f"hachimachi.live.realtime.{name}"))
    try:
        return system.ask(undo)
    except (OSError, AttributeError) as error:
        return f"Real-time scheduling: not granted ({error}); hxmx plays on without it."
