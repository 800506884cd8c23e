"""The numbers of the panel, each in its place, so that one that grows moves no other."""

from __future__ import annotations

from rich.text import Text

from hachimachi.live.screen.history import ModelHistory
from hachimachi.live.screen.roll import FAINT, MODEL_STYLE, YOU_STYLE
from hachimachi.live.screen.text import Signs

NUMBER, CELL, ACROSS = 9, 20, 4
"""Columns of a number, columns from one number to the next, numbers side by side at most."""


def count_rows(width: int) -> int:
    """Return how many lines `draw_counts` takes."""
    return -(-len(_LABELS) // _across(width))


def draw_counts(model: ModelHistory, now: float, width: int, signs: Signs) -> list[Text]:
    """Return all counts, and with the rates how the player and the model are drawn."""
    legend = {"you": (signs.you[0] * 2, YOU_STYLE), "model": (signs.model[0] * 2, MODEL_STYLE)}
    numbers, across = _numbers(model, now), _across(width)
    lines: list[Text] = []
    for place, label in enumerate(_LABELS):
        if place % across == 0:
            lines.append(Text())
        named = Text().append(label, FAINT)
        if label in legend:
            named = Text(f"{label} ").append(*legend[label])
        named.truncate(CELL - NUMBER - 1, pad=True)
        lines[-1].append(f"{numbers[label]:>{NUMBER}} ").append(named)
    return lines


def draw_brief(model: ModelHistory, now: float) -> Text:
    """Return the most telling counts on one line, the most telling ones first."""
    numbers = _numbers(model, now)
    widths = {"you": 7, "model": 7, "refused": 5, "skipped": 5, "late p99": 8}
    return Text("  ").join(
        Text().append(f"{label} ", FAINT).append(f"{numbers[label]:>{widths[label]}}") for label in widths
    )


_LABELS = (
    *("you", "heard", "skipped", "refused"),
    *("model", "played", "cancelled", "pending"),
    *("late p50", "late p99", "late max"),
)


def _across(width: int) -> int:
    return max(1, min(ACROSS, (width + 1) // CELL))


def _numbers(model: ModelHistory, now: float) -> dict[str, str]:
    state, (heard, played) = model.state, model.rates(now)
    counts = {label: f"{getattr(state, label):,}" for label in _LABELS if hasattr(state, label)}
    late = ["-" if state.late is None else f"{value:.2f} ms" for value in state.late or (0.0, 0.0, 0.0)]
    return {**counts, "you": _rate(heard), "model": _rate(played), **dict(zip(_LABELS[-3:], late, strict=True))}


def _rate(a_second: float) -> str:
    return f"{a_second:,.0f}/s" if a_second >= 100 else f"{a_second:.1f}/s"
