"""What happened to a performer's files on the way in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Report:
    """An account of what was mended or left out, so that nothing is lost in silence.

    Args:
        remarks: What happened → how often in which file.
        refused: File → the one-line message that says why it could not be read.
        constants: Column that was left out because it has one value throughout → that value.
    """

    remarks: dict[str, Counter[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)

    def count(self, remark: str, file: str, times: int) -> None:
        """Count what happened in a file; 0 times leaves no trace."""
        if times:
            self.remarks.setdefault(remark, Counter())[file] += times

    def lines(self, most: int = 10) -> list[str]:
        """Say it: a line for each remark, then for each refused file, at most ``most`` of them."""
        remarks = [f"{files.total():,} {remark} ({_where(files)})" for remark, files in self.remarks.items()]
        refused = [f"left out: {message}" for message in list(self.refused.values())[:most]]
        rest = len(self.refused) - most
        return remarks + refused + ([f"left out: {rest:,} more files"] if rest > 0 else [])


def _where(files: Counter[str]) -> str:
    return next(iter(files)) if len(files) == 1 else f"in {len(files):,} files"
