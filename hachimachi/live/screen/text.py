"""Texts as a terminal can show them: what came over the network or from a file name among them."""

from __future__ import annotations

from dataclasses import dataclass


def clean(text: str) -> str:
    """Return a text on one line, without control characters, marks of direction and lone surrogates.

    >>> clean("a\\x1b[2Jb\\n")
    'a�[2Jb�'
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "�" for sign in text)


@dataclass(frozen=True)
class Signs:
    """What a terminal can draw with.

    Attributes:
        you: A cell with a note of the player in its upper half, its lower half, both.
        model: The same of the model, thicker, so that the two are told apart without colour.
        levels: A value from low to high.
        halves: Whether a cell has two halves.
        dot: Between two texts.
        line: Of the axis of time.
    """

    you: str = "▔▁═"
    model: str = "▀▄█"
    levels: str = "▁▂▃▄▅▆▇█"
    halves: bool = True
    dot: str = "·"
    line: str = "─"

    def show(self, text: str) -> str:
        """Return a text as this terminal can show it."""
        text = clean(text)
        return text if self.halves else text.encode("ascii", "replace").decode("ascii")


BLOCKS = Signs()
ASCII = Signs(you="---", model="###", levels="0123456789", halves=False, dot="-", line="-")
