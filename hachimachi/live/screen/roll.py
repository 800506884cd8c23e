"""The moving part of the panel: a piano roll of notes, one trace for each of other features."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import groupby

from rich.text import Text

from hachimachi.live.screen.snapshot import CUT, MODEL, YOU, ModelState, Seen, Signs, Snapshot, shown

STEP = 1 / 8
"""Seconds a column."""
KEPT = 256
"""Columns kept: half a minute, more than the widest panel shows."""
KEPT_SECONDS = KEPT * STEP
RATE_SECONDS = 2.0
BY_YOU, BY_MODEL, YOU_BEGIN, MODEL_BEGINS = 1, 2, 4, 8
"""What is in a cell, as bits."""
LOWEST, HIGHEST = 0, 127

Cells = dict[int, int]


def column_of(time: float) -> int:
    """Return the column in which a moment lies."""
    return math.floor(time / STEP)


class ModelHistory:
    """The last seconds of one model.

    Attributes:
        state: The last that was told of it.
        roll: Of notes: column → pitch → bits of the cell.
        values: Of other events: column → bits, and the newest values of the shown features.
    """

    def __init__(self, state: ModelState) -> None:
        self.state = state
        self.notes = "pitch" in state.features
        self.names = [state.features[column] for column in shown(state.features)]
        self.roll: dict[int, Cells] = {}
        self.values: dict[int, tuple[int, list[float]]] = {}
        self.newest = -KEPT
        self._counts: deque[tuple[float, int, int]] = deque()

    def add(self, state: ModelState, late: float, now: float) -> None:
        """Take in what is new; its times are ``late`` seconds behind those of ``now``."""
        self.state = state
        for event in state.events:
            if math.isfinite(event.at):
                self._see(event, min(max(event.at + late, now - 2 * KEPT_SECONDS), now + KEPT_SECONDS), now)
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
        before = self._counts[0]
        for told in self._counts:
            if told[0] <= now - RATE_SECONDS:
                before = told
        _, heard, played = self._counts[-1]
        return max(0, heard - before[1]) / RATE_SECONDS, max(0, played - before[2]) / RATE_SECONDS

    def _see(self, event: Seen, at: float, now: float) -> None:
        column = column_of(at)
        if column < column_of(now) - KEPT:
            return
        if event.who == CUT:
            self._cut(event.values, column)
        elif event.who not in (YOU, MODEL):
            return
        elif self.notes:
            self._note(event, at, column)
        else:
            bits, values = self.values.get(column, (0, [math.nan] * len(self.names)))
            new = [new if math.isfinite(new) else old for new, old in zip(event.values, values, strict=False)]
            self.values[column] = bits | 1 << event.who, new + values[len(new) :]
            self.newest = max(self.newest, column)

    def _note(self, event: Seen, at: float, column: int) -> None:
        if not event.values or not math.isfinite(event.values[0]):
            return
        pitch = round(min(max(event.values[0], LOWEST), HIGHEST))
        seconds = event.values[1] if len(event.values) > 1 and math.isfinite(event.values[1]) else 0.0
        last = max(column, column_of(at + min(max(seconds, 0.0), KEPT_SECONDS) - STEP / 2))
        mine = 1 << event.who
        for place in range(column, last + 1):
            cells = self.roll.setdefault(place, {})
            cells[pitch] = cells.get(pitch, 0) | mine
        self.roll[column][pitch] |= mine << 2
        self.newest = max(self.newest, last)

    def _cut(self, values: Sequence[float], column: int) -> None:
        for place, cells in self.roll.items():
            if place > column and values and values[0] in cells:
                cells[int(values[0])] &= ~(BY_MODEL | MODEL_BEGINS)


class PanelHistory:
    """The last seconds of a performance; snapshots go in, `hachimachi.live.screen.panel` draws it."""

    def __init__(self) -> None:
        self.latest: Snapshot | None = None
        self.models: list[ModelHistory] = []
        self.said: deque[str] = deque(maxlen=4)
        self._late = math.inf

    def add(self, snapshot: Snapshot, now: float) -> None:
        """Take in a snapshot that came at ``now``, in seconds of the clock by which it is drawn."""
        self.latest = snapshot
        self.said.extend(snapshot.said)
        if math.isfinite(snapshot.at):
            # two clocks that tick alike: the quickest delivery tells how far apart they are
            self._late = min(self._late, now - snapshot.at)
        late = self._late if math.isfinite(self._late) else 0.0
        kept = dict(enumerate(self.models))
        self.models = []
        for number, state in enumerate(snapshot.models):
            known = kept.get(number)
            model = known if known and known.state.features == state.features else ModelHistory(state)
            model.add(state, late, now)
            self.models.append(model)

    def moves(self, now: float, width: int) -> bool:
        """Return whether a picture of so many columns changes by itself, since not all has scrolled out of it."""
        return any(model.newest + min(width, KEPT) + 1 >= column_of(now) for model in self.models)


YOU_STYLE, MODEL_STYLE, BOTH_STYLE, FAINT = "cyan", "magenta", "bold", "dim"
GUTTER = 7
"""Columns left of the picture, for note names and names of features."""
VALUE = 11
"""Columns right of a trace, for its newest value."""

Cell = tuple[str, str]


def draw_roll(model: ModelHistory, last: int, width: int, rows: int, signs: Signs) -> list[Text]:
    """Draw notes, the column ``last`` at the right: ``rows`` lines of at most ``width`` characters."""
    low, per = _scale(model, rows * (2 if signs.halves else 1))
    slots = rows * (2 if signs.halves else 1)
    columns = [_slots(model.roll.get(last - back), low, per, slots) for back in range(width - GUTTER - 1, -1, -1)]
    lines = []
    for row in range(rows):
        if signs.halves:
            top, bottom = slots - 1 - 2 * row, slots - 2 - 2 * row
            cells = [_cell(column[top], column[bottom], signs) for column in columns]
        else:
            top = bottom = slots - 1 - row
            cells = [_cell(column[top], 0, signs) for column in columns]
        lines.append(_line(_note_name(low + bottom * per, low + (top + 1) * per), cells))
    return lines


def draw_traces(model: ModelHistory, last: int, width: int, rows: int, signs: Signs) -> list[Text]:
    """Draw one trace for each shown feature, as `draw_roll` does."""
    across = max(0, width - GUTTER - VALUE)
    first = last - across + 1
    bits = [model.values[column][0] if column in model.values else 0 for column in range(first, last + 1)]
    # who played is a line of its own, so that it can be seen without colour; with two lines or one there is no room
    lines = [_line("", [_cell(who << 2 | who, 0, signs) for who in bits])] if rows > 2 else []
    total = len(model.state.features)
    room = rows - len(lines)
    fitting = min(len(model.names), room if total <= min(len(model.names), room) else room - 1)
    for place in range(max(0, fitting)):
        lines.append(_trace(model, place, (first, last), bits, signs))
    if total > fitting and len(lines) < rows:
        more = f"and {total - max(0, fitting)} more"
        lines.append(Text(f"{'':{GUTTER}}{more}"[:width], FAINT))
    return [*lines, *[Text()] * (rows - len(lines))]


def _trace(model: ModelHistory, place: int, span: tuple[int, int], bits: Sequence[int], signs: Signs) -> Text:
    known = {column: values[place] for column, (_, values) in model.values.items() if math.isfinite(values[place])}
    low, high = min(known.values(), default=0.0), max(known.values(), default=0.0)
    held = [value for column, value in sorted(known.items()) if column < span[0]]
    value, style = held[-1] if held else math.nan, FAINT
    cells: list[Cell] = []
    for column, who in zip(range(span[0], span[1] + 1), bits, strict=True):
        value, style = known.get(column, value), _style(who) or style
        cells.append((_level(value, low, high, signs), style))
    line = _line(signs.show(model.names[place]), cells)
    line.append(f"{value:{VALUE}.4g}" if math.isfinite(value) else "")
    return line


def _level(value: float, low: float, high: float, signs: Signs) -> str:
    if not math.isfinite(value):
        return " "
    share = (
        (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
    )  # halved: the largest floats have a width
    return signs.levels[min(int(share * len(signs.levels)), len(signs.levels) - 1)]


def _scale(model: ModelHistory, slots: int) -> tuple[int, int]:
    """Return the lowest pitch and the semitones in a slot: whole octaves, all that was kept, seldom another."""
    pitches = [pitch for cells in model.roll.values() for pitch in cells]
    low, high = min(pitches, default=48) // 12 * 12, max(pitches, default=71) // 12 * 12 + 12
    per = max(1, math.ceil((high - low) / max(1, slots)))
    spare = (slots * per - (high - low)) // 2 // 12 * 12  # octaves that there is room for, half of them below
    return max(0, low - spare), per


def _slots(cells: dict[int, int] | None, low: int, per: int, slots: int) -> list[int]:
    found = [0] * slots
    for pitch, bits in (cells or {}).items():
        found[min((pitch - low) // per, slots - 1)] |= bits
    return found


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


def _note_name(low: int, above: int) -> str:
    """Return the name of a C in this range of pitches, or nothing; middle C, 60, is C4."""
    octave = -(-low // 12)
    return f"C{octave - 1}" if octave * 12 < above else ""


def _line(name: str, cells: Sequence[Cell]) -> Text:
    line = Text().append(f"{name[: GUTTER - 1]:>{GUTTER - 1}} ", FAINT)
    for style, run in groupby(cells, key=lambda cell: cell[1]):
        line.append("".join(sign for sign, _ in run), style)
    return line
