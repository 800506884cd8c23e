"""The panel: one calm picture of a performance. Pure: a history goes in, lines of text come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.text import Text

from hachimachi.live.screen.counts import count_rows, draw_brief, draw_counts
from hachimachi.live.screen.history import STEP, History, ModelHistory, column_of
from hachimachi.live.screen.roll import FAINT, GUTTER, VALUE, draw_roll, draw_traces
from hachimachi.live.screen.text import ASCII, BLOCKS, Signs

TALLEST, WIDEST = 30, 160
SPARED = 4
"""Lines of the terminal left to what was printed before."""
LEAST_PICTURE = 4
"""Lines of picture below which a model's counts shrink to one line."""


class Panel:
    """A history as it looks at a moment, at whatever size the console has."""

    def __init__(self, history: History, now: float) -> None:
        self._history = history
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        height = options.height or options.size.height
        signs = ASCII if options.ascii_only else BLOCKS
        yield Group(*draw_lines(self._history, self._now, options.max_width, height, signs))


def render(history: History, now: float) -> RenderableType:
    """Return what rich prints: never wider than the console, and one line less than it is high at most.

    Args:
        history: What was told.
        now: Seconds of the clock that `History.add` was given.
    """
    return Panel(history, now)


def draw_lines(history: History, now: float, width: int, height: int, signs: Signs = BLOCKS) -> list[Text]:
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
