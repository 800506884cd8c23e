"""One model behind the routes of the protocol. It knows neither packets nor sockets."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME
from hachimachi.live.osc import Message, Value, Wire
from hachimachi.live.performer import Performer
from hachimachi.live.protocols import Address, Listener, PlayableModel, Refused, quote
from hachimachi.live.steering import ROUTES as STEERED
from hachimachi.live.steering import Steering, Words, read_number

FASTEST = 100.0
"""Highest speed; its inverse is the lowest."""


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to play.

    Args:
        name: How it is called on the wire.
        player: The model.
        primers: What it can go on from, by name: what it remembers after each.
        seed: Where its random numbers began.
    """

    name: str
    player: PlayableModel
    primers: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def twin(self, seed: int) -> LoadedModel:
        """Return the same for another instrument, with a state and random numbers of its own."""
        return replace(self, player=self.player.fork(seed), seed=seed)


class Instrument:
    """The routes of the protocol, bound to one performer.

    Args:
        part: The model that begins.
        wire: Says what there is to say.
        listeners: Who is told what is heard and played.
        clock: Seconds that never go back.
        prefix: Comes before ``/status`` where several models play.
        standbys: Models that ``/load`` may put in its place.
        loaded: Is told when one of them has.
        playing: Further arguments of `Performer`.
    """

    def __init__(
        self,
        part: LoadedModel,
        wire: Wire,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.perf_counter,
        *,
        prefix: str = "",
        standbys: Sequence[LoadedModel] = (),
        loaded: Callable[[LoadedModel], None] = lambda _: None,
        **playing: Any,
    ) -> None:
        self.part = part
        self.performer = Performer(part.player, listeners, clock, **playing)
        self.steering = Steering(part.player.columns, part.player.sampling)
        part.player.sampling = self.steering.sampling
        self.stopped = False
        self.seed = part.seed
        self.loaded = loaded
        self._wire = wire
        self.prefix = prefix
        self._parts = {each.name: each for each in (part, *standbys)}
        self._primer = ""  # the one that it has gone on from
        self._asker: Address | None = None  # who is answered
        self.routes: dict[str, Callable[[Message], object]] = {
            "/input": lambda message: self.performer.hear(message.values, message.time, self._asker),
            "/sample": lambda message: self.performer.sample(message.time, self._asker),
            "/start": lambda _: self._do(self.performer.start),
            "/pause": lambda _: self._do(self.performer.pause),
            "/reset": lambda _: self._do(self._reset),
            "/panic": lambda _: self._do(self.performer.panic),
            "/mode": self._set_mode,
            "/silence": self._set_silence,
            "/speed": self._set_speed,
            "/seed": self._seed,
            "/load": self._load,
            "/prime": self._prime,
            **dict.fromkeys(STEERED, self._steer),
            "/status": self._status,
            "/stop": self._stop,
        }

    def obey(self, message: Message, asker: Address | None = None) -> None:
        """Do what a message asks.

        Raises:
            Refused: It cannot be done; nothing has changed.
        """
        self._asker = asker
        action = self.routes.get(message.route)
        if action is None:
            near = difflib.get_close_matches(message.route, self.routes, 1)
            expected = f"did you mean {near[0]}?" if near else "expected /input, /status or another of the protocol"
            raise Refused("route", f"{quote(message.route)} is unknown; {expected}")
        action(message)

    def say(self, key: Value, *values: Value) -> None:
        """Send ``/status key value …``."""
        self._wire.post(f"{self.prefix}/status", key, *values, to=self._asker)

    @property
    def state(self) -> str:
        """What it is doing, in a word."""
        performer = self.performer
        if self.stopped:
            return "stopped"
        if performer.turns.paused:
            return "paused"
        return "playing" if performer.turns.alone else "listening"

    @property
    def asked(self) -> list[Words]:
        """What is asked of sampling, a line each; the temperature always."""
        lines = self.steering.describe()
        return lines if any(line[0] == "temperature" for line in lines) else [("temperature", 1.0), *lines]

    def _do(self, action: Callable[[], None]) -> None:
        action()
        self.say("state", self.state)

    def _set_mode(self, message: Message) -> None:
        self.performer.set_mode(str(_one(message, "the name of a mode")))
        self.say("mode", self.performer.turns.mode.name)

    def _set_silence(self, message: Message) -> None:
        self.performer.turns.silence = _number(message, 0.0, 3600.0, "seconds")
        self.say("silence", self.performer.turns.silence)

    def _set_speed(self, message: Message) -> None:
        self.performer.set_speed(_number(message, 1 / FASTEST, FASTEST, "a factor"))
        self.say("speed", self.performer.history.speed)

    def _seed(self, message: Message) -> None:
        number = _number(message, 0, 2**32 - 1, "a whole number")
        if not number.is_integer():
            raise Refused("value", f"/seed {number:g}: expected a whole number")
        seed = int(number)
        self.seed = seed
        self.part.player.reseed(seed)
        self.performer.planner.unhear()
        self.say("seed", seed)

    def _steer(self, message: Message) -> None:
        before = self.part.player.sampling
        sampling, said = self.steering.obey(message.route, message.values)
        self.part.player.sampling = sampling
        self.performer.planner.unhear()  # only what comes next was drawn as it was asked before
        if sampling.of(TIME).constraint != before.of(TIME).constraint:  # it may be long to wait
            self.performer.redraw()
        for key, *values in said:
            self.say(key, *values)

    def _load(self, message: Message) -> None:
        part = self._find(message, self._parts, "--standby")
        self.performer.history.check(part.player)
        try:
            part.player.sampling = self.steering.move(part.player.columns)
        except HachimachiError as error:
            raise Refused("value", f"/load {part.name}: {error}; /release it first") from error
        self.performer.planner.exchange(part.player, part.primers.get(self._primer))
        self.part = part
        self.say("model", part.name)
        self.loaded(part)

    def _reset(self) -> None:
        self._primer = ""
        self.performer.reset()

    def _prime(self, message: Message) -> None:
        if message.values[:1] == ("last",) and len(message.values) == 2:
            seconds = _number(message._replace(values=message.values[1:]), 0.0, 3600.0, "seconds")
            count = self.performer.prime_with_last(seconds)
            self._primer = ""
            self.say("prime", "last", count)
        else:
            name = str(_one(message, "the name of a primer, or last SECONDS"))
            self.performer.prime(self._find(message, self.part.primers, "--primer-file"))
            self._primer = name
            self.say("prime", name)

    def _find(self, message: Message, among: Mapping[str, Any], option: str) -> Any:
        name = str(_one(message, "a name"))
        if name not in among:
            there = f"expected one of {' '.join(among)}" if among else "there are none"
            raise Refused("value", f"{message.route} {quote(name)}: {there}; {option} adds one")
        return among[name]

    def _status(self, message: Message) -> None:
        if message.values:  # the answer of another program: to answer it would begin an endless exchange
            return
        form, counts = self.performer.history.form, self.performer.counts
        self.say("ready", 1)
        self.say("model", self.part.name)
        self.say("features", *(feature.name for feature in form.features))
        self.say("input", *form.shortest)
        self.say("mode", self.performer.turns.mode.name)
        self.say("state", self.state)
        self.say("silence", self.performer.turns.silence)
        self.say("speed", self.performer.history.speed)
        self.say("seed", self.seed)
        for key, *values in self.asked:
            self.say(key, *values)
        for key in ("heard", "answered", "skipped", "played", "cancelled"):
            self.say(key, getattr(counts, key))
        self.say("pending", len(self.performer.schedule))
        self.say("sounding", len(self.performer.notes))
        self.say("late", *self.performer.notes.lateness.in_ms())

    def _stop(self, _: Message) -> None:
        self.performer.panic()
        self.stopped = True
        self.say("state", self.state)


def _one(message: Message, expected: str) -> object:
    if len(message.values) != 1:
        raise Refused("length", f"{message.route} has {len(message.values)} values, expected {expected}")
    return message.values[0]


def _number(message: Message, low: float, high: float, expected: str) -> float:
    number = read_number(message.route, _one(message, expected))
    if not low <= number <= high:
        raise Refused("value", f"{message.route} {number:g}: expected {expected} from {low:.10g} to {high:.10g}")
    return number
