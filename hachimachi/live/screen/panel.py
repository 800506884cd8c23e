"""The panel: a piano roll of notes, or traces of other features, and counts. A history goes in, lines come out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import groupby

from rich.text import Text

from hachimachi.live.screen.snapshot import BLOCKS, CUT, MODEL, YOU, ModelState, ScreenEvent, Signs, Snapshot, shown

STEP = 1 / 8  # seconds a column
KEPT = 256  # columns: half a minute, more than the widest panel shows
KEPT_SECONDS = KEPT * STEP
RATE_SECONDS = 2.0
BY_YOU, BY_MODEL, YOU_BEGIN, MODEL_BEGINS = 1, 2, 4, 8  # what is in a cell, as bits
YOU_STYLE, MODEL_STYLE, BOTH_STYLE, FAINT = "cyan", "magenta", "bold", "dim"
GUTTER = 7  # columns left of the picture, for note names and names of features
VALUE = 11  # columns right of a trace, for its newest value
NUMBER, CELL, ACROSS = 9, 20, 4  # columns of a number, and from one to the next; numbers side by side at most
TALLEST, WIDEST = 30, 160
SPARED = 4  # lines of the terminal left to what was printed before
LEAST_PICTURE = 4  # lines of picture below which a model's counts shrink to one line
LABELS = (
    *("you", "heard", "skipped", "refused"),
    *("model", "played", "cancelled", "pending"),
    *("late p50", "late p99", "late max"),
)
RELEASED = "released"  # there is room for it beside the last of them; shown where any was received
BRIEF = {"you": 7, "model": 7, "refused": 5, "skipped": 5, "late p99": 8}  # on one line, and the columns of each

Cell = tuple[str, str]  # a sign and its style


def column_of(time: float) -> int:
    """Return the column in which a moment lies."""
    return math.floor(time / STEP)


class ModelHistory:
    """The last seconds of one model."""

    def __init__(self, state: ModelState) -> None:
        self.state = state
        self.notes = "pitch" in state.features
        self.names = [state.features[column] for column in shown(state.features)]
        self.roll: dict[int, dict[int, int]] = {}  # of notes: column → pitch → bits of the cell
        self.values: dict[int, tuple[int, list[float]]] = {}  # of others: column → bits, newest values that are shown
        self.newest = -KEPT
        self._counts: deque[tuple[float, int, int]] = deque()

    def add(self, state: ModelState, events: Sequence[ScreenEvent], late: float, now: float) -> None:
        """Take in what is new; its times are ``late`` seconds behind those of ``now``."""
        self.state = state
        for event in events:
            if math.isfinite(event.at):
                self._add_event(event, min(max(event.at + late, now - 2 * KEPT_SECONDS), now + KEPT_SECONDS), now)
        self._counts.append((now, state.heard, state.played))
        while len(self._counts) > 2 and self._counts[1][0] < now - 2 * RATE_SECONDS:
            self._counts.popleft()
        for columns in (self.roll, self.values):
            for old in [column for column in columns if column < column_of(now) - KEPT]:
                del columns[old]

    def rates(self, now: float) -> tuple[float, float]:
        """Return events heard and played per second, over the last two seconds."""
        if not self._counts:
            return 0.0, 0.0
        past = [count for count in self._counts if count[0] <= now - RATE_SECONDS]
        before, newest = past[-1] if past else self._counts[0], self._counts[-1]
        return max(0, newest[1] - before[1]) / RATE_SECONDS, max(0, newest[2] - before[2]) / RATE_SECONDS

    def _add_event(self, event: ScreenEvent, at: float, now: float) -> None:
        column = column_of(at)
        if column < column_of(now) - KEPT:
            return
        if event.who == CUT:
            for later, cells in self.roll.items():
                if later > column and event.values and event.values[0] in cells:
                    cells[int(event.values[0])] &= ~(BY_MODEL | MODEL_BEGINS)
        elif event.who in (YOU, MODEL) and not self.notes:
            bits, values = self.values.get(column, (0, [math.nan] * len(self.names)))
            new = [new if math.isfinite(new) else old for new, old in zip(event.values, values, strict=False)]
            self.values[column] = bits | 1 << event.who, new + values[len(new) :]
            self.newest = max(self.newest, column)
        elif event.who in (YOU, MODEL) and event.values and math.isfinite(event.values[0]):
            pitch = round(min(max(event.values[0], 0), 127))
            seconds = event.values[1] if len(event.values) > 1 and math.isfinite(event.values[1]) else 0.0
            end = max(column, column_of(at + min(max(seconds, 0.0), KEPT_SECONDS) - STEP / 2))
            who = 1 << event.who
            for held in range(column, end + 1):
                cells = self.roll.setdefault(held, {})
                cells[pitch] = cells.get(pitch, 0) | who
            self.roll[column][pitch] |= who << 2
            self.newest = max(self.newest, end)


class PanelHistory:
    """The last seconds of a performance: what `draw_lines` draws."""

    def __init__(self) -> None:
        self.latest: Snapshot | None = None
        self.models: list[ModelHistory] = []
        self.lines: deque[str] = deque(maxlen=4)
        self._late = math.inf

    def add(self, snapshot: Snapshot, now: float) -> None:
        """Take in a snapshot that came at ``now``, in seconds of the clock by which it is drawn."""
        self.latest = snapshot
        self.lines.extend(snapshot.lines)
        if math.isfinite(snapshot.at):
            # two clocks that tick alike: the quickest delivery shows how far apart they are
            self._late = min(self._late, now - snapshot.at)
        late = self._late if math.isfinite(self._late) else 0.0
        previous, self.models = self.models, []
        for i, state in enumerate(snapshot.models):
            known = i < len(previous) and previous[i].state.features == state.features
            self.models.append(previous[i] if known else ModelHistory(state))
            self.models[-1].add(state, [each for each in snapshot.events if each.model == i], late, now)

    def moves(self, now: float, width: int) -> bool:
        """Return whether a picture of so many columns changes by itself, since not all has scrolled out of it."""
        return any(model.newest + min(width, KEPT) + 1 >= column_of(now) for model in self.models)


def draw_lines(history: PanelHistory, now: float, width: int, height: int, signs: Signs = BLOCKS) -> list[Text]:
    """Return the panel for a terminal of ``width`` × ``height``, on which alone its number of lines depends. The last
    column is left out, since some terminals wrap it."""
    latest = history.latest
    if latest is None:
        return []
    width = max(1, min(width - 1, WIDEST))
    rows = max(1, min(height - 1, max(height - SPARED, 10), TALLEST))
    warnings = 2 if rows >= 16 else 1
    ports = [("hears", latest.hears), ("plays to", latest.plays_to)]
    drawn = [_join([f"{label} {', '.join(where)}" for label, where in ports if where], signs)]
    # every model gets as many lines, whatever there is to show, so that nothing moves
    room, models = max(0, rows - 1 - warnings), history.models
    fitting = len(models) if len(models) <= room else max(0, room - 1)
    for number, model in enumerate(models[:fitting], 1):
        label = f"{number} " if len(models) > 1 else ""
        drawn += _draw_model(label, model, now, width, room // fitting if fitting == len(models) else 1, signs)
    if fitting < len(models) and room:
        drawn.append(Text(f"and {len(models) - fitting} more", FAINT))
    drawn += [Text() for _ in range(rows - warnings - len(drawn))]
    lines = [Text(signs.show(line), "yellow") for line in history.lines][-warnings:]
    drawn += [*lines, *(Text() for _ in range(warnings - len(lines)))]
    return [_fit(line, width, signs) for line in drawn[:rows]]


def _draw_model(label: str, model: ModelHistory, now: float, width: int, rows: int, signs: Signs) -> list[Text]:
    state, draw, newest = model.state, _draw_roll if model.notes else _draw_traces, column_of(now)
    title = Text().append(label, FAINT).append(signs.show(state.name), "bold")
    status = Text(f"{signs.show(state.mode)} {signs.dot} {signs.show(state.state):<7}")
    steering = _join(state.steering, signs)
    across = max(1, min(ACROSS, (width + 1) // CELL))
    picture = rows - 3 - -(-len(LABELS) // across)
    numbers = {label: f"{getattr(state, label):,}" for label in (*LABELS, RELEASED) if hasattr(state, label)}
    rates = [f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.1f}/s" for rate in model.rates(now)]
    late = ["-" if state.late is None else f"{value:.2f} ms" for value in state.late or (0.0, 0.0, 0.0)]
    numbers.update(zip(("you", "model", *LABELS[-3:]), rates + late, strict=True))
    if picture < LEAST_PICTURE:
        head = _spread(title.append("  ").append(steering), status, width, signs)
        drawn = draw(model, newest, max(GUTTER + 1, width), rows - 2, signs) if rows > 2 else []
        brief = [Text().append(f"{label} ", FAINT).append(f"{numbers[label]:>{size}}") for label, size in BRIEF.items()]
        return [head, *drawn, Text("  ").join(brief)][:rows]
    axis = width - VALUE * (not model.notes)
    left, right = f"{int((axis - GUTTER) * STEP)} s ago ", " now"
    line = signs.line * max(0, axis - GUTTER - len(left) - len(right))
    # all counts, and with the rates how the player and the model are drawn
    legend = {"you": (signs.you[0] * 2, YOU_STYLE), "model": (signs.model[0] * 2, MODEL_STYLE)}
    counts: list[Text] = []
    labels = (*LABELS, RELEASED) if state.released and across > 1 else LABELS
    for i, key in enumerate(labels):
        if i % across == 0:
            counts.append(Text())
        name = Text(f"{key} ").append(*legend[key]) if key in legend else Text().append(key, FAINT)
        name.truncate(CELL - NUMBER - 1, pad=True)
        counts[-1].append(f"{numbers[key]:>{NUMBER}} ").append(name)
    return [
        _spread(title, status, width, signs),
        steering,
        *draw(model, newest, max(GUTTER + 1, width), picture, signs),
        Text(f"{'':{GUTTER}}{left}{line}{right}", FAINT),
        *counts,
    ]


def _draw_roll(model: ModelHistory, newest: int, width: int, rows: int, signs: Signs) -> list[Text]:
    """Draw notes, the column ``newest`` at the right: ``rows`` lines of at most ``width`` characters."""
    slots = rows * (2 if signs.halves else 1)
    # whole octaves, of all that was kept, so that the scale seldom changes
    pitches = [pitch for cells in model.roll.values() for pitch in cells]
    low, high = min(pitches, default=48) // 12 * 12, max(pitches, default=71) // 12 * 12 + 12
    per = max(1, math.ceil((high - low) / max(1, slots)))  # semitones in a slot
    low = max(0, low - (slots * per - (high - low)) // 2 // 12 * 12)  # where there is room, octaves below and above
    columns: list[list[int]] = []
    for column in range(newest - (width - GUTTER - 1), newest + 1):
        columns.append([0] * slots)
        for pitch, bits in model.roll.get(column, {}).items():
            columns[-1][min((pitch - low) // per, slots - 1)] |= bits
    lines = []
    for row in range(rows):
        if signs.halves:
            top, bottom = slots - 1 - 2 * row, slots - 2 - 2 * row
            cells = [_cell(column[top], column[bottom], signs) for column in columns]
        else:
            top = bottom = slots - 1 - row
            cells = [_cell(column[top], 0, signs) for column in columns]
        octave = -(-(low + bottom * per) // 12)  # a C is named; middle C, 60, is C4
        lines.append(_line(f"C{octave - 1}" if octave * 12 < low + (top + 1) * per else "", cells))
    return lines


def _draw_traces(model: ModelHistory, newest: int, width: int, rows: int, signs: Signs) -> list[Text]:
    """Draw one trace for each shown feature, as `_draw_roll` does."""
    oldest = newest - max(0, width - GUTTER - VALUE) + 1
    bits = [model.values[column][0] if column in model.values else 0 for column in range(oldest, newest + 1)]
    # who played is a line of its own, so that it can be seen without colour; with two lines or one there is no room
    lines = [_line("", [_cell(who << 2 | who, 0, signs) for who in bits])] if rows > 2 else []
    total, room = len(model.state.features), rows - len(lines)
    fitting = max(0, min(len(model.names), room if total <= min(len(model.names), room) else room - 1))
    for i, name in enumerate(model.names[:fitting]):
        known = {column: values[i] for column, (_, values) in model.values.items() if math.isfinite(values[i])}
        # halved: the difference of the largest floats is finite
        low, high = min(known.values(), default=0.0) / 2, max(known.values(), default=0.0) / 2
        held = [value for column, value in sorted(known.items()) if column < oldest]
        value, style = held[-1] if held else math.nan, FAINT
        cells: list[Cell] = []
        for column, who in enumerate(bits, oldest):
            value, style = known.get(column, value), _style(who) or style
            level = " "
            if math.isfinite(value):
                share = (value / 2 - low) / (high - low) if high > low else 0.5
                level = signs.levels[min(int(share * len(signs.levels)), len(signs.levels) - 1)]
            cells.append((level, style))
        newest_value = f"{value:{VALUE}.4g}" if math.isfinite(value) else ""
        lines.append(_line(signs.show(name), cells).append(newest_value))
    if total > fitting and len(lines) < rows:
        lines.append(Text(f"{'':{GUTTER}}and {total - fitting} more"[:width], FAINT))
    return [*lines, *[Text()] * (rows - len(lines))]


def _cell(top: int, bottom: int, signs: Signs) -> Cell:
    """Return the sign and the style of two halves; the model's is drawn where both want one half."""
    halves = bool(top) + 2 * bool(bottom)
    if not halves:
        return " ", ""
    if not (top | bottom) & BY_MODEL:
        return signs.you[halves - 1], _style(top | bottom)
    above, below = bool(top & BY_MODEL), bool(bottom & BY_MODEL)
    style = _style(top if above else bottom)
    if halves == 3 and above != below:
        style = f"{style} on {YOU_STYLE}"
    return signs.model[above + 2 * below - 1], style


def _style(bits: int) -> str:
    if bits & BY_YOU and bits & BY_MODEL:
        return BOTH_STYLE
    name = YOU_STYLE if bits & BY_YOU else MODEL_STYLE if bits & BY_MODEL else ""
    return name if bits & (YOU_BEGIN | MODEL_BEGINS) or not name else f"{FAINT} {name}"


def _line(name: str, cells: Sequence[Cell]) -> Text:
    line = Text().append(f"{name[: GUTTER - 1]:>{GUTTER - 1}} ", FAINT)
    for style, run in groupby(cells, key=lambda cell: cell[1]):
        line.append("".join(sign for sign, _ in run), style)
    return line


def _join(texts: Sequence[str], signs: Signs) -> Text:
    return Text(f" {signs.dot} ".join(signs.show(text) for text in texts))


def _spread(left: Text, right: Text, width: int, signs: Signs) -> Text:
    left = _fit(left, max(0, width - right.cell_len - 2), signs)
    return left.append(" " * max(0, width - left.cell_len - right.cell_len)).append(right)


def _fit(line: Text, width: int, signs: Signs) -> Text:
    line.rstrip()
    line.truncate(width, overflow="ellipsis" if signs.halves else "crop")
    line.no_wrap, line.end = True, "\n"
    return line
