"""The panel: one calm picture of a performance. Pure: a history goes in, lines of text come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.text import Text

from hachimachi.live.screen.roll import (
    FAINT,
    GUTTER,
    MODEL_STYLE,
    STEP,
    VALUE,
    YOU_STYLE,
    ModelHistory,
    PanelHistory,
    column_of,
    draw_roll,
    draw_traces,
)
from hachimachi.live.screen.snapshot import ASCII, BLOCKS, Signs

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


TALLEST, WIDEST = 30, 160
SPARED = 4
"""Lines of the terminal left to what was printed before."""
LEAST_PICTURE = 4
"""Lines of picture below which a model's counts shrink to one line."""


class Panel:
    """A history as it looks at a moment, at whatever size the console has."""

    def __init__(self, history: PanelHistory, now: float) -> None:
        self._history = history
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        height = options.height or options.size.height
        signs = ASCII if options.ascii_only else BLOCKS
        yield Group(*draw_lines(self._history, self._now, options.max_width, height, signs))


def render(history: PanelHistory, now: float) -> RenderableType:
    """Return what rich prints: never wider than the console, and one line less than it is high at most.

    Args:
        history: What was told.
        now: Seconds of the clock that `PanelHistory.add` was given.
    """
    return Panel(history, now)


def draw_lines(history: PanelHistory, now: float, width: int, height: int, signs: Signs = BLOCKS) -> list[Text]:
    """Return the panel for a terminal of ``width`` × ``height``: lines of a number that depends on these alone."""
    told = history.latest
    if told is None:
        return []
    width = max(1, min(width - 1, WIDEST))  # a line that fills the last column wraps in some terminals
    rows = max(1, min(height - 1, max(height - SPARED, 10), TALLEST))
    warnings = 2 if rows >= 16 else 1
    ports = [("hears", told.hears), ("plays to", told.plays_to)]
    drawn = [_words((f"{label} {', '.join(where)}" for label, where in ports if where), signs)]
    drawn += _models(history.models, now, width, max(0, rows - 1 - warnings), signs)
    drawn += [Text() for _ in range(rows - warnings - len(drawn))]
    said = [Text(signs.show(line), "yellow") for line in history.said][-warnings:]
    drawn += [*said, *(Text() for _ in range(warnings - len(said)))]
    return [_fitted(line, width, signs) for line in drawn[:rows]]


def _models(models: Sequence[ModelHistory], now: float, width: int, room: int, signs: Signs) -> list[Text]:
    """Share the room among the models: as many lines for each, whatever there is to show, so that nothing moves."""
    fitting = len(models) if len(models) <= room else max(0, room - 1)
    drawn: list[Text] = []
    for number, model in enumerate(models[:fitting], 1):
        label = f"{number} " if len(models) > 1 else ""
        drawn += _model(label, model, now, width, room // fitting if fitting == len(models) else 1, signs)
    if fitting < len(models) and room:
        drawn.append(Text(f"and {len(models) - fitting} more", FAINT))
    return drawn


def _model(label: str, model: ModelHistory, now: float, width: int, rows: int, signs: Signs) -> list[Text]:
    state = model.state
    title = Text().append(label, FAINT).append(signs.show(state.name), "bold")
    doing = Text(f"{signs.show(state.mode)} {signs.dot} {signs.show(state.state):<7}")
    steering = _words(state.steering, signs)
    spare = rows - 3 - count_rows(width)
    if spare >= LEAST_PICTURE:
        counts = [_axis(width - VALUE * (not model.notes), signs), *draw_counts(model, now, width, signs)]
        return [_spread(title, doing, width, signs), steering, *_picture(model, now, width, spare, signs), *counts]
    head = _spread(title.append("  ").append(steering), doing, width, signs)
    return [head, *_picture(model, now, width, max(0, rows - 2), signs), draw_brief(model, now)][:rows]


def _picture(model: ModelHistory, now: float, width: int, rows: int, signs: Signs) -> list[Text]:
    if rows < 1:
        return []
    draw = draw_roll if model.notes else draw_traces
    return draw(model, column_of(now), max(GUTTER + 1, width), rows, signs)


def _axis(width: int, signs: Signs) -> Text:
    left, right = f"{int((width - GUTTER) * STEP)} s ago ", " now"
    line = max(0, width - GUTTER - len(left) - len(right))
    return Text(f"{'':{GUTTER}}{left}{signs.line * line}{right}", FAINT)


def _words(words: Iterable[str], signs: Signs) -> Text:
    return Text(f" {signs.dot} ".join(signs.show(word) for word in words))


def _spread(left: Text, right: Text, width: int, signs: Signs) -> Text:
    """Put one text at the left end of a line and one at the right."""
    left = _fitted(left, max(0, width - right.cell_len - 2), signs)
    return left.append(" " * max(0, width - left.cell_len - right.cell_len)).append(right)


def _fitted(line: Text, width: int, signs: Signs) -> Text:
    line.rstrip()
    line.truncate(width, overflow="ellipsis" if signs.halves else "crop")
    line.no_wrap, line.end = True, "\n"
    return line
