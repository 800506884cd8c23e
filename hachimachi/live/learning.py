"""Learning on stage: a process beside the loop tunes a copy of the model that plays, which then takes its place.

The loop asks nobody and waits for nobody: it looks now and then at what the process has said, makes a new model ready
in small steps between what is due, and exchanges it for the one that plays in a rest, or else between two events.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from hachimachi import plugins
from hachimachi.checkpoint import make_player, read_model, read_summary
from hachimachi.errors import HachimachiError
from hachimachi.live.history import RECENT
from hachimachi.live.instrument import Ensemble, Instrument, LoadedModel
from hachimachi.live.osc import Message, Value
from hachimachi.live.performer import STEPS
from hachimachi.live.protocols import Address, Refused, quote
from hachimachi.live.record.journal import Journal
from hachimachi.live.screen.process import start_process
from hachimachi.player.engine import Player, PlayerState
from hachimachi.sampling import Sampling

LEAST = 50  # events that are worth learning from
POLL_SECONDS = 0.1  # between two looks at the process
REST_SECONDS = 0.5  # of silence on both sides are a rest
PATIENCE_SECONDS = 10.0  # for so long a new model waits for one; then it comes between two events
QUICK_SECONDS = 0.001  # that a step towards a model that is ready may take
LONG_SECONDS = 0.02  # that reading it, building it and starting a process may take, each
SWAP_SECONDS = 0.004  # that the exchange may take
WARM_STEPS = 50  # after these the first answer is as quick as the others
WARM_SAMPLINGS = (Sampling(0.9), Sampling(2.0))  # low and high temperatures, which have different tables
NEEDED = ("torch", "lightning", "hydra")  # what only training needs
OTHER = "another model was loaded meanwhile, which is not the one that learned"
LAST = Path("outputs/run/last")  # leads to the version that played last
VERSION = re.compile(r"version(\d+)(-split)?")  # what the names of its files are, but for their suffixes


def warming_up(player: Player) -> Iterator[None]:
    """Let a model take a few steps, also at other temperatures: the first of them makes tables, which takes a while."""
    original = player.sampling
    for sampling in (*WARM_SAMPLINGS, original):
        with suppress(HachimachiError):  # a column too fine for tables
            sampling.check(player.columns)
            player.sampling = sampling
            for _ in range(WARM_STEPS):
                player.observe(player.sample())
                yield
    player.sampling = original
    player.reset()


def find_version(path: Path, number: int | None = None) -> Path:
    """Return the model file that a path means: a file, the newest version in a performance's folder, or where the link
    to the last leads; or, of those it comes from, the one of a number, 0 the first. `HachimachiError`: none."""
    if not path.suffix and path.is_symlink():
        path = path.resolve()
    elif not path.suffix and path.is_file() and (said := path.read_bytes()[-4096:]).endswith(b".pt"):
        path = Path(said.decode())
    if path.is_dir():
        path = max(path.glob("version*.pt"), key=_number_of, default=path)
    if number is None:
        return path
    line, summary = [path], read_summary(path)
    while name := (summary := summary.get("init") or {}).get("name"):
        line.append(Path(name))
    if found := [each for each in line if _number_of(each) == number]:
        return found[0]
    names = ", ".join(each.stem for each in line)
    raise HachimachiError(f"--from-version {number}: {path} does not come from it; it comes from {names}")


def _number_of(path: Path) -> int:
    """Return the number of a version by the name of its file, 0 for other models."""
    found = VERSION.fullmatch(path.stem)
    return int(found[1]) if found else 0


class Learning:
    """What one instrument learns on stage: adds routes to it, and a chore to its ensemble, where one learns at a time.
    ``journal``: The record of the performance, ``None`` where it is not kept. ``folder``: Where versions go. ``last``:
    The link that leads to the one that plays. ``unasked``: Whether it learns after each silence."""

    def __init__(
        self,
        instrument: Instrument,
        ensemble: Ensemble,
        journal: Journal | None,
        folder: Path,
        last: Path,
        clock: Callable[[], float] = time.perf_counter,
        *,
        unasked: bool = False,
    ) -> None:
        self.versions: list[Path] = []  # what played before, the last of which is gone back to
        self.status: tuple[Value, ...] = ("nothing", 0.0)
        self._instrument, self._ensemble, self._journal, self._folder = instrument, ensemble, journal, folder
        self.last, self._unasked, self._clock = last, unasked, clock
        self._origin: Path | None = None  # the first that the version began with
        self._number = _number_of(Path(instrument.model.name))  # of the newest version
        self._work: list[Path] = []  # folders of what is being learned, or was and is left
        self._before = instrument.model  # the model that is learned from, or whose place another is to take
        self._wanted: list[str] = []  # what is learned and what waits for that: all, or mine
        self._asker: Address | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ours: socket.socket | None = None
        self._said = b""
        self._steps: Iterator[float] | None = None  # towards a model that is ready
        self._step = 0.0  # seconds that the next may take
        self._since = 0.0  # when a new model came
        self._free_at = 0.0  # since when a process could be started, but for what is due
        self._made: LoadedModel | None = None  # the version that plays
        self._learned = 0  # events that were there when it learned last
        self._heard, self._heard_at = 0, clock()
        self._speeds = [(0, instrument.performer.history.speed)]  # how fast, from which event on
        instrument.learning = self
        instrument.routes["/speed"] = partial(self._change_speed, instrument.routes["/speed"])
        instrument.routes |= {"/learn": self._obey, "/forget": lambda message: message.pressed and self.forget()}
        ensemble.chores.append(self)

    def _obey(self, message: Message) -> None:
        match message.values:
            case ("all" | "mine",):
                self.ask(str(message.values[0]))
            case (str(word), *_):
                raise Refused("value", f"/learn {quote(word)}: expected all, mine or nothing")
            case _ if message.pressed:
                self.ask()

    def _change_speed(self, change: Callable[[Message], object], message: Message) -> None:
        change(message)
        played = self._journal.events if self._journal is not None else 0
        self._speeds.append((played, self._instrument.performer.history.speed))

    def ask(self, scope: str = "all") -> None:
        """Learn ``all`` that was played, or ``mine``, what the player did; `Refused`: it cannot, or one waits."""
        self._asker, journal = self._instrument.asker, self._journal
        reason = ""
        if journal is None:
            reason = "this performance is not kept, so there is nothing to learn from; leave --log none out"
        elif self._instrument.model.path is None:
            reason = "this model has no file to learn on from"
        elif missing := [name for name in NEEDED if find_spec(name) is None]:
            reason = f"{missing[0]} is not installed here, without which nothing is learned; pip install hachimachi"
        elif self._instrument.model.player.encoder.clock is not None:
            reason = "this model knows how much time has passed, and would have to learn whole performances"
        elif journal.events < LEAST:
            reason = f"{journal.events} events were played, expected {LEAST} or more"
        elif len(self._wanted) > 1:
            reason = "one is at work and one waits for it; ask again when the first is done"
        if reason:
            raise Refused("learn", f"/learn: {reason}")
        self._free_at = self._free_at if self._wanted else self._clock()
        self._wanted.append(scope)
        self._tell("waiting", 0.0)

    def forget(self) -> None:
        """Leave what is being learned; where nothing is, go back one version. Raises `Refused`: there is none."""
        self._asker = self._instrument.asker
        if self._wanted or self._steps is not None:
            self._leave()
            self._tell("left", 0.0)
            self.status = ("nothing", 0.0)
        elif self.versions:
            self._come(self.versions[-1], back=True)
            self._tell("forgetting", 0.0)
            link_last(self.last, self.versions[-1])  # now, for the performance may end before the exchange
        else:
            raise Refused("learn", "/forget: nothing has been learned in this performance")

    def __call__(self) -> float | None:
        """Go on, as far as there is time; return when to be called again. Never raises: what goes wrong is told."""
        try:
            return self._do_next()
        except Exception as error:
            if self._steps is None:
                self._leave()
                self._unasked = False
            self._steps = None
            what = str(error) if isinstance(error, HachimachiError) else f"{type(error).__name__}: {error}"
            self._fail(f"{what}; what plays goes on")
            return self._clock() + POLL_SECONDS

    def _do_next(self) -> float | None:
        performer, now = self._instrument.performer, self._clock()
        if (heard := performer.counts.heard) != self._heard:
            self._heard, self._heard_at = heard, now
        if not (self._wanted or self._steps or self._unasked):
            return None
        if self._instrument.stopped:
            self._leave()
            self._unasked = False
        elif self._steps is not None:
            return self._go_on(now)
        elif self._ours is not None:
            self._listen()
        elif self._wanted:
            all_learn = [each.learning for each in self._ensemble.instruments if each.learning is not None]
            if any(each.at_work for each in all_learn):
                self._free_at = now
            elif self._gap(now) > LONG_SECONDS or now - self._free_at > 2 * PATIENCE_SECONDS:
                self._send_off()
        elif self._journal is not None and self._heard and self._journal.events - self._learned >= LEAST:
            silent = self._heard_at + performer.status().silence
            if now < silent:
                return silent
            try:
                self.ask()
            except Refused as refused:
                self._unasked = False  # nor would it be otherwise after the next silence
                self._ensemble.refusals.note(refused, None, "/learn")
        else:
            return None
        return now + POLL_SECONDS

    @property
    def at_work(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """Leave what is being learned and what waits; nothing is left running."""
        self._leave()
        if self._process is not None:
            self._process.wait()
        for work in self._work:
            shutil.rmtree(work, ignore_errors=True)

    def _leave(self) -> None:
        if self._ours is not None and self._process is not None:
            self._ours.close()
            self._process.kill()  # it is not waited for: to give back its memory may take a while
        self._ours = self._steps = None
        self._wanted.clear()

    def _tell(self, *values: Value) -> None:
        self.status, self._instrument.asker = values, self._asker
        self._instrument.answer("learn", *values)

    def _fail(self, text: str) -> None:
        self.status = ("nothing", 0.0)
        self._ensemble.refusals.note(Refused("learn", f"/learn: {text}"), self._asker, "/learn")

    def _send_off(self) -> None:
        assert self._journal is not None
        self._learned, self._said = self._journal.events, b""
        self._before = model = self._instrument.model
        self._origin = self._origin if model is self._made else model.path
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._number = max([self._number, *map(_number_of, self._folder.iterdir())])  # nothing is written over
            output, work = self._folder / f"version{self._number + 1}.pt", tempfile.mkdtemp(dir=self._folder)
            self._work.append(Path(work))
            paths = {"journal": self._journal.file, "model": model.path, "origin": self._origin, "output": output}
            others = {"scope": self._wanted[0], "plugins": plugins.loaded, "speeds": self._speeds, "work": work}
            options = json.dumps(paths | others, default=str)
            self._ours, theirs = socket.socketpair()
            self._ours.setblocking(False)
            with theirs:
                self._process = start_process("hachimachi.commands.learner", theirs, options)
        except OSError as error:
            self._leave()
            self._fail(f"a process cannot be started in {self._folder}: {error.strerror or error}")

    def _listen(self) -> None:
        """Take in what the process has said: lines of JSON, what is told on the wire; the last is what came of it."""
        assert self._ours is not None
        try:
            said = self._ours.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        *lines, self._said = (self._said + said).split(b"\n")
        told: list[list[Value]] = [*map(json.loads, lines)]
        if not said:
            told.append(["error", "the process that learned has ended; what plays goes on"])
        for what, *values in told:
            name = f"version{self._number + 1}"
            if what == "better":
                if self._instrument.model is not self._before:
                    raise HachimachiError(OTHER)
                for file in (f"{name}.json", f"{name}-split.json", f"{name}.pt"):  # where the model is, all is there
                    (self._work[-1] / file).replace(self._folder / file)
                self._number += 1
            if what == "error":
                self._fail(str(values[0]))
            else:
                self._tell(what, *values)
            if what in ("error", "better", "no better"):
                waiting = self._wanted[1:]
                self._leave()
                self._wanted = waiting
                if what == "better":
                    self._come(self._folder / f"{name}.pt")
                break

    def _come(self, path: Path, *, back: bool = False) -> None:
        self._before = self._instrument.model
        self._steps, self._step, self._since = self._exchange(path, back), LONG_SECONDS, self._clock()

    def _go_on(self, now: float) -> float | None:
        """Take the next step towards a model that is ready, if there is time; return when to be called again."""
        assert self._steps is not None
        if self._instrument.model is not self._before:
            raise HachimachiError(OTHER)
        gap = self._gap(now)
        if self._step > QUICK_SECONDS:  # in a rest: nothing sounds, nothing is heard or due for a while
            waited = now - self._since
            rests = gap > REST_SECONDS < now - self._heard_at and not self._instrument.performer.status().sounding
            ready = rests or (waited > PATIENCE_SECONDS and gap > self._step) or waited > 2 * PATIENCE_SECONDS
        else:
            ready = gap > self._step
        if not ready:
            return now + POLL_SECONDS
        try:
            self._step = next(self._steps)
        except StopIteration:
            self._steps = None
        return now

    def _gap(self, now: float) -> float:
        """Return the seconds until anything is due."""
        due = (each.performer.next for each in self._ensemble.instruments if not each.stopped)
        return min((at for at in due if at is not None), default=math.inf) - now

    def _exchange(self, path: Path, back: bool) -> Iterator[float]:
        """Let a model take the place of the one that plays. Yields before each step what that may take."""
        if path != self._before.path:  # which was loaded by hand
            yield from self._get_ready(path)
        if back:
            self.versions.pop()
            self._tell("nothing", 0.0)
        elif self._before.path is not None:
            self.versions.append(self._before.path)
        link_last(self.last, path)

    def _get_ready(self, path: Path) -> Iterator[float]:
        instrument, before = self._instrument, self._before
        performer, name, model = instrument.performer, path.stem, instrument.models.get(path.stem)
        if model is None or model.path != path:
            stored = read_model(path)
            yield LONG_SECONDS
            player = make_player(path, stored, instrument.seed)
            performer.history.check(player)
            for _ in warming_up(player):
                yield QUICK_SECONDS
            primers: dict[str, PlayerState] = {}
            for phrase, rows in before.phrases.items():
                player.reset()
                for i, row in enumerate(rows):
                    player.observe(row)
                    if i % STEPS == 0:
                        yield QUICK_SECONDS
                primers[phrase] = player.remember()
            model = LoadedModel(name, player, primers, instrument.seed, path, before.phrases)
        heard = None
        for _ in range(RECENT // STEPS):  # the rest of it at the exchange: little, or what has come since
            yield QUICK_SECONDS
            known, start = heard, model.primers.get(instrument.primer)
            if (heard := performer.prepare(model.player, start, known)) is known:
                break
        yield SWAP_SECONDS
        performer.history.check(model.player)
        model.player.sampling = instrument.steering.adapt(model.player.columns)
        others = {key: each for key, each in instrument.models.items() if each is not self._made}
        self._made = None if name in others else model
        if instrument.models.get(name) is not model:
            instrument.seeds[name] = model.seed  # not that of an earlier one of this name
        instrument.models, instrument.asker = {**others, name: model}, self._asker
        instrument.take_over(model, heard)


def link_last(link: Path, path: Path) -> None:
    """Let a link lead to a file, if it can be written; where there are no links it is a text file with the path."""
    made = link.with_name(f".{link.name}-{os.getpid()}")
    with suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            made.unlink(missing_ok=True)
            made.symlink_to(os.path.relpath(path, link.parent))
        except (OSError, ValueError):  # or on another drive of Windows
            made.write_text(str(path.resolve()), encoding="utf-8")
        made.replace(link)
