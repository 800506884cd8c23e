"""What a model has observed: the form of inputs, which of them are its own outputs come back, the last events."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import Feature
from hachimachi.live.midi.mapping import NoteNames, velocity_of_releases
from hachimachi.live.protocols import Note, Refused, Row, quote

if TYPE_CHECKING:
    from hachimachi.player.engine import Player, PlayerState

LARGEST = 1e9  # no feature has values beyond this; a network that observes one may not recover
LARGEST_SENT = float(np.finfo(np.float32).max)  # OSC carries numbers as float32
ECHO_SECONDS = 0.5  # after an output an equal input is its echo; later it is somebody who plays the same
RECENT = 512  # events; a longer past changes little in what a model of this size predicts
CATCH_UP = 64  # events of the past that a model observes when it takes over from another
HEARD_AGAIN = 4  # last events that are observed anew once the duration of one is known: more would hold up the stage


class InputForm:
    """Which values an ``/input`` may carry; their number decides which are meant. All features in order, or only the
    unmasked ones; of either, features that had one value in training may be left out. Where two of these ask for the
    same number of values, the first is meant: all, unmasked, unmasked without constants, all without constants.
    ``constants``: Column → the only value that this feature had in training.

    >>> form = InputForm((Feature("pitch"), Feature("velocity"), Feature("duration", masked=True)), {1: 80.0})
    >>> form.row([60]).tolist()
    [60.0, 80.0, nan]
    >>> str(form)
    '3 (pitch velocity duration), 2 (pitch velocity) or 1 (pitch)'
    """

    def __init__(self, features: Sequence[Feature], constants: Mapping[int, float]) -> None:
        self.features = tuple(features)
        self.names = tuple(feature.name for feature in features)
        every = range(len(features))
        unmasked = [i for i in every if not features[i].masked]
        self._columns: dict[int, list[int]] = {}
        for columns in (every, unmasked):
            self._columns.setdefault(len(columns), list(columns))
        for columns in (unmasked, every):
            variable = [i for i in columns if i not in constants]
            self._columns.setdefault(len(variable), variable)
        self._defaults = [math.nan if features[i].masked else constants.get(i, math.nan) for i in every]
        self.shortest = tuple(self.names[i] for i in self._columns[min(self._columns)])  # the fewest that will do

    def row(self, values: Sequence[object]) -> NDArray[np.float64]:
        """Return features, shape (F,), NaN where unknown; `Refused`: another number of them, or no sensible number."""
        columns = self._columns.get(len(values))
        if columns is None:
            raise Refused("length", f"/input has {len(values)} values, expected {self}")
        row = self._defaults.copy()
        for column, value in zip(columns, values, strict=True):
            if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
                raise Refused("type", f"/input: {self.names[column]} is {quote(value)}, expected a number")
            row[column] = check_number(f"/input: {self.names[column]}", float(value))
        return np.array(row)

    def __str__(self) -> str:
        forms = [
            f"{size} ({' '.join(self.names[i] for i in columns)})" if size else "none"
            for size, columns in sorted(self._columns.items(), reverse=True)
        ]
        return " or ".join([", ".join(forms[:-1]), forms[-1]] if len(forms) > 1 else forms)


def check_number(what: str, number: float, largest: float = LARGEST) -> float:
    """Return a number that is finite and of sensible size; ``what`` begins the message of what is `Refused`."""
    if not math.isfinite(number):
        raise Refused("finite", f"{what} is {number}, expected a finite number")
    if abs(number) > largest:
        raise Refused("size", f"{what} is {number:g}, expected at most {largest:g} in size")
    return number


class ObservedEvent(NamedTuple):
    """One event that the model observed; ``own`` if it had played it itself."""

    at: float
    row: Row
    own: bool


class Past(NamedTuple):
    """What a model has observed, to come back to."""

    memory: PlayerState
    last: float | None
    events: int


class History:
    """What a model has observed, and when. Features are those that are played, shape (F,); rows are the model's. At
    double speed the feature ``duration`` is half as long as in the model's rows, and so is the time between events.
    ``lookahead``: Seconds by which outputs are sent, and so observed, ahead of time."""

    def __init__(self, player: Player, lookahead: float = 0.0) -> None:
        self._lookahead = lookahead
        self._total = 0  # events observed, those included that are no longer kept
        self.speed = 1.0  # seconds of the model in one of the clock
        self._use(player)
        self._clear()

    def set_speed(self, speed: float, now: float) -> None:
        """Let the model's time go by faster or slower from now on; the time since the last event stays what it is."""
        if self.last is not None:
            self.last = now - (now - self.last) * self.speed / speed
        self.speed = speed

    def claim(self, features: Row, now: float) -> tuple[float | None, bool]:
        """Return when the output was due of which an input is the echo, ``None`` if it is none, and whether the model
        has observed it already. An echo comes within `ECHO_SECONDS`, its known values equal those of the output as
        float32, and the others are filled in from there. They come in order: a claim settles those before it too."""
        while self._sent and now - self._sent[0][1] > ECHO_SECONDS:
            self._sent.popleft()
        values = features.astype(np.float32).tolist() if self._sent else []
        for i, (due, _, output, observed) in enumerate(self._sent):
            if all(math.isnan(value) or value == other for value, other in zip(values, output, strict=True)):
                for _ in range(i + 1):
                    self._sent.popleft()
                np.copyto(features, output, where=np.isnan(features))
                return due, observed
        return None, False

    def expect(self, features: Row, at: float, now: float, observed: bool) -> None:
        """Keep an output that may come back, whether or not the model observes it without that."""
        self._sent.append((at, max(at, now), features.astype(np.float32).tolist(), observed))

    def observe(self, features: Row, at: float, own: bool) -> None:
        """Let the model observe an event that happened at a moment; ``own`` if the model had played it."""
        row = self.scale_duration(features, self.speed)
        if self.player.temporal:
            # an event with an older time than the last is simultaneous with it; a first one has no time before it
            between = math.nan if self.last is None else max(0.0, at - self.last) * self.speed
            row = np.concatenate(([between], row))
        if self.player.hears_masked:
            self._before.append(self.player.remember())
        self.player.observe(row)
        self._recent.append(ObservedEvent(at, row, own))
        self._total += 1
        if not own and self._duration is not None and (note := self._names.of(features.tolist())) is not None:
            self._held[note] = self._recent[-1]
        # Time counts on from an older event too, unless it is the lookahead that put the last one ahead: one time tag
        # from the future must not hold up all that come after it.
        if self.last is None or not 0 < self.last - at <= self._lookahead:
            self.last = at

    def find_release(self, features: Row) -> Note | None:
        """Return the note that an input ends, ``None`` if it is an event; see `velocity_of_releases`."""
        return None if self._velocity is None or features[self._velocity] != 0 else self._names.of(features.tolist())

    def release(self, note: Note, at: float) -> None:
        """Fill in the duration of a player's note; a model that makes use of it observes the last few events anew."""
        event, column = self._held.pop(note, None), (self._duration or 0) + self.player.temporal
        if event is None or self._duration is None or not math.isnan(event.row[column]):
            return
        event.row[column] = max(0.0, at - event.at) * self.speed
        latest = [self._recent[-i] for i in range(1, len(self._before) + 1)]  # the newest first
        if (last := next((i for i, each in enumerate(latest) if each is event), None)) is not None:
            self.player.recall(self._before[-last - 1])
            for i in range(last, -1, -1):
                self._before[-i - 1] = self.player.remember()
                self.player.observe(latest[i].row)

    def predict(self) -> tuple[float, Row]:
        """Sample the next event: in how many seconds of the clock, and its features. Raises `Refused`: nothing finite
        can be sampled; the model is back in its start state."""
        try:
            row = np.asarray(self.player.sample(), dtype=np.float64)
        except HachimachiError as error:
            self.restart()
            raise Refused("model", f"{error}; the model starts afresh") from error
        between, row = (float(row[0]), row[1:]) if self.player.temporal else (0.0, row)
        features = self.scale_duration(row, 1 / self.speed)
        if not all(abs(value) <= LARGEST_SENT for value in features.tolist()):  # false for NaN, too
            self.restart()
            raise Refused("model", f"the prediction is {row}, expected finite numbers; the model starts afresh")
        # a first event has no time before it
        return (max(0.0, between) / self.speed if math.isfinite(between) else 0.0), features

    def scale_duration(self, features: Row, factor: float) -> Row:
        """Return features, shape (F,), with the feature ``duration`` times a factor."""
        if self._duration is None or factor == 1:
            return features
        features = features.copy()
        features[self._duration] *= factor
        return features

    def remember(self) -> Past:
        """Return what was observed so far."""
        return Past(self.player.remember(), self.last, self._total)

    def rewind(self, past: Past) -> None:
        """Go back to an earlier past; the model must be the same."""
        memory, taken_back = past.memory, self._total - past.events
        if 0 < taken_back <= len(self._before):  # that one knows of notes which have ended since
            memory = self._before[-taken_back]
        if taken_back or not self._before:
            self.player.recall(memory)
        self.last = past.last
        for _ in range(min(taken_back, len(self._recent))):
            self._recent.pop()
            if self._before:
                self._before.pop()
        self._total = past.events

    def restart(self) -> None:
        """Go back to the start state, as if nothing had been observed."""
        self.player.reset()
        self._clear()

    def recall(self, memory: PlayerState, now: float) -> None:
        """Go on from a state that the model has been in, as if its last event were now."""
        self.player.recall(memory)
        self._clear()
        self.last = now

    def recall_phrase(self, seconds: float, now: float) -> int:
        """Go on from what somebody else has played in the last seconds; return how many events. `Refused`: none."""
        phrase = [event for event in self._recent if not event.own and event.at >= now - seconds]
        if not phrase:
            raise Refused("value", f"/prime last: nothing was played to it in the last {seconds:g} s")
        if self.player.temporal:  # a sequence of its own: times are those between its events
            between = (np.diff([event.at for event in phrase], prepend=np.nan) * self.speed).clip(0)
            rows = [np.concatenate(([dt], event.row[1:])) for dt, event in zip(between, phrase, strict=True)]
            phrase = [event._replace(row=row) for event, row in zip(phrase, rows, strict=True)]
        self.player.reset()
        for event in phrase:
            self.player.observe(event.row)
        self._clear()
        self.last = now
        self._recent.extend(phrase)
        self._total += len(phrase)
        return len(phrase)

    def compare(self, player: Player) -> str:
        """Return why another model could not take over, whose events are others; empty if it could."""

        def describe(model: Player) -> str:  # equal texts mean equal events
            names = " ".join(f"~{feature.name}" if feature.masked else feature.name for feature in model.features)
            return f"{names} {'in time' if model.temporal else 'without time'}"

        ours, theirs = describe(self.player), describe(player)
        return "" if ours == theirs else f"it plays {theirs}, this one {ours}; start another hxmx run for it"

    def check(self, player: Player) -> None:
        """Raise `Refused` where another model could not take over; see `compare`."""
        if objection := self.compare(player):
            raise Refused("value", f"/load: {objection}")

    def catch_up(
        self, player: Player, heard: ObservedEvent | None = None, start: PlayerState | None = None, most: int = RECENT
    ) -> ObservedEvent | None:
        """Let a model that is to take over observe up to so many events of the past, after the one that it observed
        last; return the last it knows then. One that has observed none, or what is no longer the past, begins anew with
        the last of the past, from ``start`` on, a state. What is known of time passed goes on."""
        events = list(self._recent)
        place = next((i for i in range(len(events), 0, -1) if events[i - 1] is heard), 0)
        if not place:
            heard, events = None, events[-CATCH_UP:]
            elapsed, index = self.player.moment
            player.reset()
            if start is not None:
                player.recall(start)
            if index >= len(events):  # what came before those is behind it too
                passed = float(np.nansum([event.row[0] for event in events])) if self.player.temporal else 0.0
                player.moment = elapsed - passed, index - len(events)
        for heard in events[place : place + most]:
            player.observe(heard.row)
        return heard

    def exchange(self, player: Player, start: PlayerState | None = None, heard: ObservedEvent | None = None) -> None:
        """Let another model with the same events take over, once it has caught up; see `catch_up`."""
        self.catch_up(player, heard, start)
        self._use(player)
        self._before.clear()  # states of the other model

    def _use(self, player: Player) -> None:
        self.player = player
        self.form = InputForm(player.features, player.constants)
        self._duration = self.form.names.index("duration") if "duration" in self.form.names else None
        self._names, self._velocity = NoteNames(player.features), velocity_of_releases(player.columns)

    def _clear(self) -> None:
        # outputs that may come back: when each was due and sent, its values, and whether the model has observed it
        self._sent: deque[tuple[float, float, list[float], bool]] = deque(maxlen=16)
        self._recent: deque[ObservedEvent] = deque(maxlen=RECENT)
        # the states before the last of them, to observe those anew
        self._before: deque[PlayerState] = deque(maxlen=HEARD_AGAIN)
        self._held: dict[Note, ObservedEvent] = {}  # a player's notes that have not ended, where durations matter
        self.last: float | None = None  # when the event that was observed last happened
