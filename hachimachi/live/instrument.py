"""The routes of the protocol: of one model, and of all that play together. It knows neither sockets nor sleep."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.live.history import LARGEST, ObservedEvent
from hachimachi.live.osc import Inbox, Message, Value, Wire
from hachimachi.live.performer import MODES, Performer
from hachimachi.live.protocols import Address, Listener, Refused, quote
from hachimachi.live.steering import ROUTES as STEERING_ROUTES
from hachimachi.live.steering import Line, Steering, read_number

if TYPE_CHECKING:
    from hachimachi.live.learning import Learning
    from hachimachi.player.engine import Player

FASTEST = 100.0  # the inverse is the lowest speed
LONGEST_ROUTE = 40  # letters of an unknown one that are compared with those there are
OPEN_ROUTES = ("/input", "/status")  # what anybody may send
BUSY_SECONDS = 0.002  # after so long in one packet, what is due meanwhile sounds before its next message


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to play; ``primers`` are its states after each, ``seed`` where its random numbers began.
    ``path``: Its file, of which it can learn on. ``phrases``: The rows of each primer."""

    name: str
    player: Player
    primers: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    path: Path | None = None
    phrases: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


class Instrument:
    """The routes of the protocol for one performer. ``loaded``: Is told each load. ``options``: Of `Performer`."""

    def __init__(
        self,
        model: LoadedModel,
        wire: Wire,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.perf_counter,
        *,
        prefix: str = "",
        standbys: Sequence[LoadedModel] = (),
        loaded: Callable[[LoadedModel], None] = lambda _: None,
        **options: Any,
    ) -> None:
        self.model, self.prefix, self.seed = model, prefix, model.seed
        self.performer = Performer(model.player, listeners, clock, **options)
        self.steering = Steering(model.player.columns, model.player.sampling)
        model.player.sampling = self.steering.sampling
        self.stopped = False
        self._wire, self._loaded = wire, loaded
        self.models = {each.name: each for each in (model, *standbys)}  # those that may take its place among them
        self.seeds = {each.name: each.seed for each in self.models.values()}
        self.learning: Learning | None = None
        self.primer = ""  # the one that it has gone on from
        self.asker: Address | None = None  # who is answered
        self.routes: dict[str, Callable[[Message], object]] = {
            "/input": lambda message: self.performer.hear(message.values, message.time, self.asker),
            "/sample": lambda message: message.pressed and self.performer.sample(message.time, self.asker),
            "/start": self._start,
            "/pause": partial(self._do, self.performer.pause),
            "/reset": partial(self._do, self._reset),
            "/panic": partial(self._do, self.performer.panic),
            "/mode": self._set_mode,
            "/silence": partial(self._set_number, self.performer.set_silence, 0.0, 3600.0, "seconds"),
            "/speed": partial(self._set_number, self.performer.set_speed, 1 / FASTEST, FASTEST, "a factor"),
            "/seed": self._seed,
            "/load": self._load,
            "/prime": self._prime,
            **dict.fromkeys(STEERING_ROUTES, self._steer),
            "/status": self._status,
            "/stop": partial(self._do, self._stop),
        }

    def obey(self, message: Message, asker: Address | None = None) -> None:
        """Do what a message asks. Raises `Refused`: it cannot be done; nothing has changed."""
        self.asker = asker
        action = self.routes.get(message.route)
        if action is None:
            near = difflib.get_close_matches(message.route[:LONGEST_ROUTE], self.routes, 1)
            expected = f"did you mean {near[0]}?" if near else "expected /input, /status or another of the protocol"
            raise Refused("route", f"{quote(message.route)} is unknown; {expected}")
        action(message)

    def answer(self, key: Value, *values: Value) -> None:
        """Send ``/status key value …``."""
        self._wire.post(f"{self.prefix}/status", key, *values, to=self.asker)

    @property
    def state(self) -> str:
        """``stopped``, ``paused``, ``playing`` or ``listening``."""
        return "stopped" if self.stopped else self.performer.status().state

    @property
    def steering_lines(self) -> list[Line]:
        """How it samples where that is not as learned, a line each; the temperature always."""
        lines = self.steering.lines
        return lines if any(line[0] == "temperature" for line in lines) else [("temperature", 1.0), *lines]

    def _do(self, action: Callable[[], None], message: Message) -> None:
        if message.pressed:
            action()
            self.answer("state", self.state)

    def _start(self, message: Message) -> None:
        status = self.performer.status()
        if message.pressed and not (status.paused or MODES[status.mode].alone):
            raise Refused("value", f"/start: in mode {status.mode} there is nothing to start; say /mode loop or duet")
        self._do(self.performer.start, message)

    def _set_mode(self, message: Message) -> None:
        self.performer.set_mode(str(_one(message, "the name of a mode")))
        self.answer("mode", self.performer.status().mode)

    def _set_number(
        self, change: Callable[[float], None], low: float, high: float, expected: str, message: Message
    ) -> None:
        number = _number(message, low, high, expected)
        change(number)
        self.answer(message.route[1:], number)

    def _seed(self, message: Message) -> None:
        number = _number(message, 0, 2**32 - 1, "a whole number")
        if not number.is_integer():
            raise Refused("value", f"/seed {number:g}: expected a whole number")
        self.seed = self.seeds[self.model.name] = int(number)
        self.performer.reseed(self.seed)
        self.answer("seed", self.seed if self.seed < 2**31 else str(self.seed))  # a single would be another one

    def _steer(self, message: Message) -> None:
        sampling, lines = self.steering.obey(message.route, message.values)
        self.performer.set_sampling(sampling)
        for line in lines:
            self.answer(*line)

    def _load(self, message: Message) -> None:
        model = self._find(message, self.models, "--standby")
        self.performer.history.check(model.player)
        try:
            model.player.sampling = self.steering.adapt(model.player.columns)
        except HachimachiError as error:
            raise Refused("value", f"/load {model.name}: {error}; /release it first") from error
        self.take_over(model)

    def take_over(self, model: LoadedModel, heard: ObservedEvent | None = None) -> None:
        """Let a model that fits take the place of the one that plays, and tell it; see `Performer.exchange`."""
        self.performer.exchange(model.player, model.primers.get(self.primer), heard)
        self.model, self.seed = model, self.seeds.setdefault(model.name, model.seed)
        self.answer("model", model.name)
        self._loaded(model)

    def _reset(self) -> None:
        self.primer = ""
        self.performer.reset()

    def _prime(self, message: Message) -> None:
        if message.values[:1] == ("last",) and len(message.values) == 2:
            seconds = _number(message._replace(values=message.values[1:]), 0.0, 3600.0, "seconds")
            count = self.performer.prime_with_last(seconds)
            self.primer = ""
            self.answer("prime", "last", count)
        else:
            name = str(_one(message, "the name of a primer, or last SECONDS"))
            self.performer.prime(self._find(message, self.model.primers, "--primer-file"))
            self.primer = name
            self.answer("prime", name)

    def _find(self, message: Message, among: Mapping[str, Any], option: str) -> Any:
        name = str(_one(message, "a name"))
        if name not in among:
            there = f"expected one of {' '.join(among)}" if among else "there are none"
            raise Refused("value", f"{message.route} {quote(name)}: {there}; {option} adds one")
        return among[name]

    def _status(self, message: Message) -> None:
        if message.values:  # the answer of another program: to answer it would begin an endless exchange
            return
        status = self.performer.status()
        self.answer("ready", 1)
        self.answer("model", self.model.name)
        self.answer("features", *status.features)
        self.answer("input", *status.shortest_input)
        self.answer("mode", status.mode)
        self.answer("state", self.state)
        self.answer("silence", status.silence)
        self.answer("speed", status.speed)
        self.answer("seed", self.seed if self.seed < 2**31 else str(self.seed))  # a single would be another one
        for line in self.steering_lines:
            self.answer(*line)
        if self.learning is not None:
            self.answer("learn", *self.learning.status)
        for key in ("heard", "released", "answered", "skipped", "played", "cancelled", "pending", "sounding"):
            self.answer(key, getattr(status, key))
        self.answer("late", *status.latency.in_ms())

    def _stop(self) -> None:
        self.performer.panic()
        self.stopped = True


def _one(message: Message, expected: str) -> object:
    if len(message.values) != 1:
        raise Refused("length", f"{message.route} has {len(message.values)} values, expected {expected}")
    return message.values[0]


def _number(message: Message, low: float, high: float, expected: str) -> float:
    number = read_number(message.route, _one(message, expected), max(high, LARGEST))
    if not low <= number <= high:
        raise Refused("value", f"{message.route} {number:g}: expected {expected} from {low:.10g} to {high:.10g}")
    return number


class Ensemble:
    """Several instruments, each under ``/<n>/…`` from 1 on, and all under the bare address. ``begin``: Whether those
    that play alone begin at once. ``may_steer``: Whether an address may send more than ``/input`` and ``/status``."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        wire: Wire,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
        *,
        begin: bool = False,
        may_steer: Callable[[Address | None], bool] = lambda _: True,
    ) -> None:
        self.instruments = list(instruments)
        self.refusals = wire.refusals
        self._wire, self._clock, self._wall, self._inbox = wire, clock, wall, Inbox(wire)
        self._begin, self._may_steer = begin, may_steer
        self.routes: dict[str, Callable[[Address | None], None]] = {}
        """What is asked of all of them at once: address → what is called with who asks."""
        self.inlets: list[Callable[[], None]] = []
        """Called before each turn, to take in what has arrived otherwise than over OSC; quick, and never raise."""
        self.chores: list[Callable[[], float | None]] = []
        """Called after each turn; each returns when to call it again at the latest, ``None`` for whenever."""

    @property
    def stopped(self) -> bool:
        """Whether all have been stopped."""
        return all(instrument.stopped for instrument in self.instruments)

    def start(self) -> None:
        """Begin, and send ``/status ready 1``; the models should be warm."""
        for instrument in self.instruments:
            self.guard(instrument.performer.reset)
        self._wire.post("/status", "ready", 1)
        if self._begin:
            for instrument in self.instruments:
                self.guard(instrument.performer.start)

    def receive(self, packet: bytes, sender: Address | None = None) -> None:
        """Obey what one datagram asks. Nothing in it raises; what cannot be obeyed is refused, to its sender too."""
        began = self._clock()
        for message in self._inbox.read(packet, sender, began, self._wall()):
            if isinstance(message, Refused):
                self.refusals.note(message, sender)
            else:
                self.guard(partial(self._obey, message, sender), sender, message.route)
            if self._clock() - began > BUSY_SECONDS:
                self.turn()
                began = self._clock()

    def turn(self) -> float | None:
        """Play what is due and return the next deadline, in seconds of the clock, ``None`` if nothing waits."""
        for take_in in self.inlets:
            take_in()
        deadlines: list[float | None] = []
        for instrument in self.instruments:
            if not instrument.stopped:
                self.guard(instrument.performer.play)
                deadlines.append(instrument.performer.next)
        deadlines += [chore() for chore in self.chores]
        return min((at for at in deadlines if at is not None), default=None)

    def end(self) -> None:
        """End every note and what is being learned, and send ``/status ready 0``."""
        for instrument in self.instruments:
            instrument.performer.end()
            if instrument.learning is not None:
                instrument.learning.end()
        self._wire.post("/status", "ready", 0)
        for chore in self.chores:
            chore()

    def guard(self, action: Callable[[], object], asker: Address | None = None, route: str = "") -> None:
        """Do something that may be refused; the route is that of the message that asks for it."""
        try:
            action()
        except HachimachiError as error:
            refused = error if isinstance(error, Refused) else Refused("value", str(error))
            self.refusals.note(refused, asker, route if refused.kind != "route" else "")

    def _obey(self, message: Message, sender: Address | None) -> None:
        if message.route in self.routes:
            self.routes[message.route](sender)
            return
        instruments = [each for each in self.instruments if not each.stopped]
        number, slash, rest = message.route[1:].partition("/")
        if slash and number.isdecimal():
            i = int(number[:9]) - 1
            if not 0 <= i < len(self.instruments):
                known = f"/1/… to /{len(self.instruments)}/…" if len(self.instruments) > 1 else "/1/…, or no number"
                raise Refused("route", f"{quote(message.route)}: no model has this number, expected {known}")
            if self.instruments[i].stopped:
                raise Refused("route", f"{quote(f'/{rest}')}: this model has been stopped; start hxmx run again")
            instruments, message = [self.instruments[i]], message._replace(route=f"/{rest}")
        route = message.route
        if route not in OPEN_ROUTES and not self._may_steer(sender):
            host = sender[0] if sender else "a sender"
            raise Refused("sender", f"{quote(route)} from {host}: may play /input, but not steer; see --control-from")
        for instrument in instruments:  # one that refuses keeps it from no other
            self.guard(partial(instrument.obey, message, sender), sender, route)
        if route == "/status" and not message.values:
            self._wire.post("/status", "refused", self.refusals.total, to=sender)
