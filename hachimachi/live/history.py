"""A model and what it has heard: when the last event was, which inputs are its own come back, how fast time goes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import Feature
from hachimachi.live.protocols import PlayableModel, Refused, Row, quote

LARGEST = 1e9
"""No feature has values beyond this; a network that hears one may not recover."""


class InputForm:
    """Which values an ``/input`` may carry, told apart by their number.

    All features in order; or only the unmasked ones; and of either, features that had one value in training
    may be left out. Where two of these ask for the same number of values, the first in this order is meant:
    all, unmasked, unmasked without constants, all without constants.

    Args:
        features: The model's features, F of them.
        constants: Column → the only value that this feature had in training.

    >>> form = InputForm((Feature("pitch"), Feature("velocity"), Feature("duration", masked=True)), {1: 80.0})
    >>> form.row([60]).tolist()
    [60.0, 80.0, nan]
    >>> str(form)
    '3 (pitch velocity duration), 2 (pitch velocity) or 1 (pitch)'
    """

    def __init__(self, features: Sequence[Feature], constants: Mapping[int, float]) -> None:
        self.features = tuple(features)
        every = range(len(features))
        unmasked = [i for i in every if not features[i].masked]
        self._columns: dict[int, list[int]] = {}
        for columns in (every, unmasked):
            self._columns.setdefault(len(columns), list(columns))
        for columns in (unmasked, every):
            varied = [i for i in columns if i not in constants]
            self._columns.setdefault(len(varied), varied)
        self._unknown = [math.nan if features[i].masked else constants.get(i, math.nan) for i in every]

    @property
    def shortest(self) -> list[str]:
        """Names of the fewest values that will do."""
        return [self.features[i].name for i in self._columns[min(self._columns)]]

    def row(self, values: Sequence[object]) -> NDArray[np.float64]:
        """Return the features of an event, shape (F,); what is not known is NaN.

        Raises:
            Refused: The wrong number of values, or one that is not a finite number of sensible size.
        """
        columns = self._columns.get(len(values))
        if columns is None:
            raise Refused("length", f"/input has {len(values)} values, expected {self}")
        row = self._unknown.copy()
        for column, value in zip(columns, values, strict=True):
            if type(value) is float and -LARGEST <= value <= LARGEST:  # what OSC brings: nothing more to ask
                row[column] = value
            else:
                row[column] = _number(self.features[column].name, value)
        return np.array(row)

    def __str__(self) -> str:
        forms = [
            f"{size} ({' '.join(self.features[i].name for i in columns)})" if size else "none"
            for size, columns in sorted(self._columns.items(), reverse=True)
        ]
        return " or ".join([", ".join(forms[:-1]), forms[-1]] if len(forms) > 1 else forms)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise Refused("type", f"/input: {name} is {quote(value)}, expected a number")
    number = float(value)
    if not math.isfinite(number):
        raise Refused("finite", f"/input: {name} is {number}, expected a finite number")
    if abs(number) > LARGEST:
        raise Refused("size", f"/input: {name} is {number:g}, expected at most {LARGEST:g} in size")
    return number


ECHO_SECONDS = 0.5
"""How long after an output an equal input is its echo; later it is somebody who plays the same."""


class Echoes:
    """Outputs that may come back as inputs.

    An input is the echo of an output if its known values equal those of the output as float32, which is
    what OSC carries, and if the output was sent at most `ECHO_SECONDS` ago. Each output is claimed once.
    Echoes come in the order of their outputs, so a claim also settles the outputs before it.
    """

    def __init__(self) -> None:
        self._sent: deque[tuple[float, float, list[float]]] = deque(maxlen=16)

    def add(self, scheduled: float, sent: float, features: NDArray[np.float64]) -> None:
        """Remember an output: when it was due, when it went out, and its features, shape (F,)."""
        self._sent.append((scheduled, sent, _as_sent(features)))

    def claim(self, features: NDArray[np.float64], now: float) -> float | None:
        """Return when the output was due of which this input, NaN where unknown, is the echo; else
        ``None``."""
        if not self._sent:
            return None
        while self._sent and now - self._sent[0][1] > ECHO_SECONDS:
            self._sent.popleft()
        if not self._sent:
            return None
        heard = _as_sent(features)
        known = [column for column, value in enumerate(heard) if not math.isnan(value)]
        for position, (scheduled, _, played) in enumerate(self._sent):
            if known and heard[known[0]] != played[known[0]]:
                continue  # most differ here already, and this is in the way of every answer
            if all(heard[column] == played[column] for column in known):
                for _ in range(position + 1):
                    self._sent.popleft()
                return scheduled
        return None

    def clear(self) -> None:
        """Forget all outputs."""
        self._sent.clear()


def _as_sent(features: NDArray[np.float64]) -> list[float]:
    """Round to what OSC carries. A list, since NumPy takes longer than Python over so few numbers."""
    return features.astype(np.float32).tolist()


KEPT = 512
"""Events; a longer past changes little in what a model of this size foretells."""


class Heard(NamedTuple):
    """One event that the model heard."""

    at: float
    row: Row
    own: bool
    """Whether the model itself had played it."""


class RecentEvents:
    """The last events that a model heard."""

    def __init__(self) -> None:
        self._heard: deque[Heard] = deque(maxlen=KEPT)
        self.total = 0
        """How many there have been, those included that are no longer kept."""

    def add(self, at: float, row: Row, own: bool) -> None:
        """Keep an event: when it happened, and the row that the model heard."""
        self._heard.append(Heard(at, row, own))
        self.total += 1

    def last(self, count: int) -> list[Row]:
        """Return the last rows as they were heard."""
        return [heard.row for heard in list(self._heard)[-count:]]

    def phrase(self, since: float, temporal: bool, speed: float) -> list[Heard]:
        """Return what the player, not the model, played since a moment, with rows as of a sequence of its own.

        Args:
            since: Seconds of the clock.
            temporal: Whether rows begin with the time since the one before.
            speed: Seconds of the model in one of the clock.
        """
        played = [heard for heard in self._heard if not heard.own and heard.at >= since]
        if not temporal:
            return played
        between = (np.diff([heard.at for heard in played], prepend=np.nan) * speed).clip(0)
        rows = (np.concatenate(([dt], heard.row[1:])) for dt, heard in zip(between, played, strict=True))
        return [heard._replace(row=row) for heard, row in zip(played, rows, strict=True)]

    def drop(self, count: int) -> None:
        """Forget the last events."""
        for _ in range(min(count, len(self._heard))):
            self._heard.pop()
        self.total -= count

    def clear(self) -> None:
        """Forget all."""
        self._heard.clear()


class Tempo:
    """Between the features of a model and those of the stage.

    At double speed the feature ``duration`` is half as long on the stage; the model hears it as it learned it.

    Args:
        features: The model's features.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.speed = 1.0
        """Seconds of the model in one of the stage."""
        places = [place for place, feature in enumerate(features) if feature.name == "duration"]
        self._duration = places[0] if places else None

    def to_stage(self, row: Row) -> Row:
        """Return features, shape (F,), as they sound."""
        return self._scaled(row, 1 / self.speed)

    def to_model(self, row: Row) -> Row:
        """Return features, shape (F,), as the model hears them."""
        return self._scaled(row, self.speed)

    def _scaled(self, row: Row, factor: float) -> Row:
        if self._duration is None or factor == 1:
            return row
        row = row.copy()
        row[self._duration] *= factor
        return row


LARGEST_SENT = float(np.finfo(np.float32).max)
"""OSC carries numbers as float32."""
CATCH_UP = 64
"""Events that a model hears of the past when it takes over from another."""


class Past(NamedTuple):
    """What a model has heard, to come back to."""

    memory: object
    last: float | None
    events: int


class History:
    """What a model has heard, and when. Features are those of the stage, shape (F,); rows are the model's.

    Args:
        player: The model.
        lookahead: Seconds by which outputs are told, and so heard, ahead of time.
    """

    def __init__(self, player: PlayableModel, lookahead: float = 0.0) -> None:
        self._lookahead = lookahead
        self._unheard, self._own = Echoes(), Echoes()  # outputs that the model has not heard yet, and those that it has
        self._recents = RecentEvents()
        self._last: float | None = None  # when the event that was heard last happened
        self.tempo = Tempo(player.features)  # another model that takes over has the same
        self._take(player)

    @property
    def last(self) -> float | None:
        """When the event that was heard last happened."""
        return self._last

    @property
    def speed(self) -> float:
        """Seconds of the model in one of the stage."""
        return self.tempo.speed

    def set_speed(self, speed: float, now: float) -> None:
        """Let the model's time go by faster or slower from now on; the time since the last event stays what it is."""
        if self._last is not None:
            self._last = now - (now - self._last) * self.speed / speed
        self.tempo.speed = speed

    def claim(self, features: Row, now: float) -> tuple[float | None, bool]:
        """Return when the output was due of which an input is the echo, ``None`` if it is none; and whether the model
        has heard it already."""
        known = self._own.claim(features, now)
        return (known, True) if known is not None else (self._unheard.claim(features, now), False)

    def expect(self, features: Row, at: float, now: float, known: bool) -> None:
        """Keep an output that may come back, whether or not the model knows it already."""
        (self._own if known else self._unheard).add(at, max(at, now), features)

    def hear(self, features: Row, at: float, own: bool) -> None:
        """Let the model hear an event that happened at a moment; ``own`` if the model had played it."""
        row = self.tempo.to_model(features)
        if self.player.temporal:
            row = np.concatenate(([self._since_last(at)], row))
        self.player.observe(row)
        self._recents.add(at, row, own)
        # An event that comes with an older time than the last is simultaneous with it. Its time counts on from here
        # even so, unless it is the lookahead that put the last one ahead: one time tag from the future must not hold
        # up all that come after it.
        if self._last is None or not 0 < self._last - at <= self._lookahead:
            self._last = at

    def foretell(self) -> tuple[float, Row]:
        """Draw the next event: in how many seconds of the stage, and its features.

        Raises:
            Refused: Nothing finite can be drawn; the model is back in its start state.
        """
        try:
            row = np.asarray(self.player.sample(), dtype=np.float64)
        except HachimachiError as error:
            self.restart()
            raise Refused("model", f"{error}; the model starts afresh") from error
        between, row = (float(row[0]), row[1:]) if self.player.temporal else (0.0, row)
        features = self.tempo.to_stage(row)
        if not all(abs(value) <= LARGEST_SENT for value in features.tolist()):  # NaN is not either
            self.restart()
            raise Refused("model", f"the prediction is {row}, expected finite numbers; the model starts afresh")
        # a first event has no time before it
        return (max(0.0, between) / self.speed if math.isfinite(between) else 0.0), features

    def remember(self) -> Past:
        """Return what was heard so far."""
        return Past(self.player.remember(), self._last, self._recents.total)

    def go_back(self, past: Past) -> None:
        """Unhear what was heard since; the model must be the same."""
        self.player.recall(past.memory)
        self._last = past.last
        self._recents.drop(self._recents.total - past.events)

    def skip_to(self, now: float) -> None:
        """Take the last event to have happened now."""
        self._last = now

    def restart(self) -> None:
        """Go back to the start state, as if nothing had been heard."""
        self.player.reset()
        self._forget()

    def recall(self, memory: object, now: float) -> None:
        """Go on from a state that the model has been in, as if its last event were now."""
        self.player.recall(memory)
        self._forget()
        self._last = now

    def recall_phrase(self, seconds: float, now: float) -> int:
        """Go on from what the player has played in the last seconds; return how many events that are.

        Raises:
            Refused: There are none; nothing has changed.
        """
        phrase = self._recents.phrase(now - seconds, self.player.temporal, self.speed)
        if not phrase:
            raise Refused("value", f"/prime last: nothing was played to it in the last {seconds:g} s")
        self.player.reset()
        for heard in phrase:
            self.player.observe(heard.row)
        self._forget()
        self._last = now
        for heard in phrase:
            self._recents.add(*heard)
        return len(phrase)

    def check(self, player: PlayableModel) -> None:
        """Check that another model could take over.

        Raises:
            Refused: Its events are others.
        """
        ours, theirs = (describe_events(each) for each in (self.player, player))
        if ours != theirs:
            raise Refused("value", f"/load: it plays {theirs}, this one {ours}; start another hxmx run for it")

    def exchange(self, player: PlayableModel, start: object = None) -> None:
        """Let another model with the same events take over; it hears the last of the past.

        Args:
            player: The model.
            start: What it remembers of the primer that came before that past; ``None`` for its start state.
        """
        self._take(player)
        player.reset()
        if start is not None:
            player.recall(start)
        for row in self._recents.last(CATCH_UP):
            player.observe(row)

    def _take(self, player: PlayableModel) -> None:
        self.player = player
        self.form = InputForm(player.features, player.constants)

    def _forget(self) -> None:
        self._unheard.clear()
        self._own.clear()
        self._recents.clear()
        self._last = None

    def _since_last(self, at: float) -> float:
        """Return how long after the last event another happened, in seconds of the model; NaN for a first."""
        return math.nan if self._last is None else max(0.0, at - self._last) * self.speed


def describe_events(player: PlayableModel) -> str:
    """Say what an event of a model is, so that equal words mean equal events."""
    names = " ".join(f"~{feature.name}" if feature.masked else feature.name for feature in player.features)
    return f"{names} {'in time' if player.temporal else 'without time'}"
