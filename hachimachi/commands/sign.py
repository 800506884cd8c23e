"""What a command that waits for messages says at its start."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence


def sign(lines: Sequence[tuple[str, str, str]]) -> str:
    """Return lines of what, where and a text that may be long, in columns, on 80 characters.

    >>> print(sign([("hears", "127.0.0.1:8000", "/input a b"), ("end", "Ctrl-C", "")]))
    hears    127.0.0.1:8000  /input a b
    end      Ctrl-C
    """
    width = max(len(where) for _, where, _ in lines) + 2
    return "\n".join(
        textwrap.fill(
            f"{what:9}{where:{width}}{text}", 79, subsequent_indent=" " * (11 + width), break_on_hyphens=False
        ).rstrip()
        for what, where, text in lines
    )
