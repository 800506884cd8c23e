"""A performance: load models, assemble them with all that listens and plays besides, and perform."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hachimachi.bases import find_base
from hachimachi.checkpoint import load_player
from hachimachi.errors import HachimachiError
from hachimachi.generation import read_primer
from hachimachi.live.instrument import Ensemble, Instrument, LoadedModel
from hachimachi.live.learning import LAST, Learning, warming_up
from hachimachi.live.loop import Loop, describe_exposure, senders_among
from hachimachi.live.midi.ports import MidiSetup
from hachimachi.live.osc import OscListener, Wire
from hachimachi.live.protocols import Address, Listener, Note
from hachimachi.live.record.logbook import Logbook
from hachimachi.live.schedule import Counts, Pending
from hachimachi.live.screen.feed import Feed
from hachimachi.live.screen.snapshot import Reporter, Screen, Trace
from hachimachi.player.engine import Player, quick_steps
from hachimachi.sampling import Sampling

if TYPE_CHECKING:
    from hachimachi.models.event_model import EventModel

PRIMER_EVENTS = 512  # the last of a primer: a longer past changes little in what a model of this size predicts


@dataclass(frozen=True)
class PlaySettings:
    """How models play. ``speed``: Seconds of the model in one of the clock. ``lookahead``: Seconds by which outputs are
    sent ahead, in bundles that say when. ``begin``: Whether they begin to play alone at once. ``control_from``: Who
    may steer, by address, name or network; empty for anyone. ``learn``: Whether they learn after each silence."""

    mode: str = "follow"
    pending: Pending = "one"
    silence: float = 2.0
    speed: float = 1.0
    lookahead: float = 0.0
    note_offs: bool = False
    begin: bool = False
    control_from: Sequence[str] = ()
    learn: bool = False


Manner = PlaySettings  # the earlier name


@dataclass(frozen=True)
class Outputs:
    """What takes part besides OSC; ``hears`` and ``plays_to`` are addresses to show, the loop sends the feed."""

    midi: MidiSetup = field(default_factory=MidiSetup)
    logbook: Logbook | None = None
    screen: Screen | None = None
    hears: Sequence[str] = ()
    plays_to: Sequence[str] = ()
    loop: Loop | None = None


def load_playable(path: Path, sampling: Sampling, seed: int, primer_files: Sequence[Path] = ()) -> LoadedModel:
    """Return a model that is ready to play; `HachimachiError`: no model, or not with this sampling or primer."""
    player = load_player(path, seed, sampling)
    primers, phrases = {}, {}
    with quick_steps():
        for file in primer_files:
            player.reset()
            phrases[file.stem] = read_primer(file, player).rows()[-PRIMER_EVENTS:]
            for row in phrases[file.stem]:
                player.observe(row)
            primers[file.stem] = player.remember()
        deque(warming_up(player), 0)
    return LoadedModel(path.stem, player, primers, seed, path if path.exists() else find_base(str(path)), phrases)


def check_names(paths: Sequence[Path], option: str, others: Sequence[Path] = ()) -> None:
    """Raise `HachimachiError` for the first file whose name on the wire is that of an earlier one or of ``others``."""
    taken = {path.stem: path for path in others}
    for path in paths:
        if path.stem in taken:
            raise HachimachiError(f"{option} {path}: is called {path.stem}, as {taken[path.stem]} is; rename one")
        taken[path.stem] = path


def assemble(
    models: Sequence[LoadedModel], standbys: Sequence[LoadedModel], wire: Wire, settings: PlaySettings, outputs: Outputs
) -> tuple[Ensemble, Reporter | None]:
    """Return the ensemble and what reports to the screen; `HachimachiError`: a standby that fits no model's place."""
    midi, logbook, screen = outputs.midi, outputs.logbook, outputs.screen
    names = [[feature.name for feature in model.player.features] for model in models]
    traces = [Trace(features) for features in names]
    feed_traces = [Trace(features, whole=True) for features in names]
    instruments: list[Instrument] = []
    for i, model in enumerate(models):
        prefix = f"/{i + 1}" if len(models) > 1 else ""
        listeners: list[Listener] = [
            OscListener(wire, prefix, note_offs=settings.note_offs, ahead=settings.lookahead > 0),
            *midi.listeners[i : i + 1],
            *(logbook.listeners[i : i + 1] if logbook else ()),
            *([traces[i]] if screen else ()),
            *([feed_traces[i]] if outputs.loop else ()),
        ]
        instrument = Instrument(
            model,
            wire,
            listeners,
            prefix=prefix,
            standbys=[replace(each, player=each.player.fork(i), seed=i) for each in standbys] if i else standbys,
            loaded=lambda loaded, i=i: midi.exchange(i, loaded.player.columns),
            mode=settings.mode,
            pending=settings.pending,
            silence=settings.silence,
            lookahead=settings.lookahead,
        )
        instrument.performer.set_speed(settings.speed)
        instruments.append(instrument)
    for standby in standbys:
        objections = [instrument.performer.history.compare(standby.player) for instrument in instruments]
        if all(objections):
            raise HachimachiError(f"--standby {standby.name}: {objections[0]}")
    ensemble = Ensemble(instruments, wire, begin=settings.begin, may_steer=senders_among(settings.control_from))
    if outputs.loop is not None:
        feed = Feed(ensemble, outputs.loop, feed_traces)
        ensemble.routes["/feed"], wire.watch = feed.subscribe, feed.note_status
        ensemble.chores.append(feed)
    if midi.inlet is not None:
        ensemble.inlets.append(partial(_take_midi, midi, ensemble))
    if logbook is not None:
        ensemble.chores.append(logbook.flush)
    journals = logbook.journals if logbook else [None]
    for i, instrument in enumerate(instruments):
        journal, number = journals[i % len(journals)], f"-{i + 1}" if i else ""
        folder = (journal.path if journal else LAST).with_suffix("")
        folder = folder if len(journals) > 1 else folder.with_name(folder.name + number)
        last = LAST.with_name(LAST.name + number)
        Learning(instrument, ensemble, journal, folder, last, unasked=settings.learn)
    if screen is None:
        return ensemble, None
    reporter = Reporter(ensemble, screen, traces, outputs.hears, outputs.plays_to)
    ensemble.chores.append(reporter)
    return ensemble, reporter


def _take_midi(midi: MidiSetup, ensemble: Ensemble) -> None:
    from hachimachi.live.midi.input import MidiEvent, TransportRequest

    for action in midi.inlet.take() if midi.inlet else ():
        if isinstance(action, TransportRequest):
            for instrument in ensemble.instruments:
                if not instrument.stopped:
                    ensemble.guard(getattr(instrument.performer, action.action))
        elif not (instrument := ensemble.instruments[action.model]).stopped:
            if isinstance(action, MidiEvent):
                ensemble.guard(partial(instrument.performer.hear, action.values, action.at))
            else:
                instrument.performer.release(Note(action.pitch, action.channel), action.at)


@dataclass(frozen=True)
class Stage:
    """Where a model plays while other work goes on: host and port where it listens, and the model behind its routes."""

    address: Address
    ensemble: Ensemble

    @property
    def instrument(self) -> Instrument:
        """The model behind its routes."""
        return self.ensemble.instruments[0]

    @property
    def counts(self) -> Counts:
        """What has been heard and played so far."""
        return self.instrument.performer.counts


@contextmanager
def perform(
    model: EventModel | Player,
    *outs: Address,
    listen: Address = ("127.0.0.1", 0),
    seed: int = 0,
    sampling: Sampling | None = None,
    settings: PlaySettings | None = None,
    say: Callable[[str], None] = print,
    manner: PlaySettings | None = None,
) -> Iterator[Stage]:
    """Play a model live over OSC until the block ends; the protocol is that of `hxmx run`. ``outs``: Hosts and ports to
    play to; without any, who sends is answered. ``listen``: Host and port to listen on; port 0 takes any that is free.
    ``manner``: The earlier name of ``settings``. Raises `HachimachiError`: an address that is not ours, a port in use,
    or what the model cannot play.

    >>> import numpy as np
    >>> from pythonosc.udp_client import SimpleUDPClient
    >>> from hachimachi import build_model, perform
    >>> from hachimachi.events import make_sequence
    >>> model = build_model([make_sequence(np.arange(40.0)[:, None] % 5, names=["knob"])])
    >>> with perform(model) as stage, SimpleUDPClient(*stage.address) as patch:
    ...     patch.send_message("/input", [3.0])
    ...     answer = next(patch.get_messages(5))
    >>> answer.address, len(answer.params), stage.counts.heard
    ('/output', 1, 1)
    """
    player = Player(model, seed, sampling=sampling)
    deque(warming_up(player), 0)
    with Loop(listen, outs, reply=not outs) as loop:
        settings, outputs = settings or manner or PlaySettings(), Outputs(loop=loop)
        if loop.exposed:
            say(describe_exposure(listen[0], loop.port, settings.control_from))
        ensemble, _ = assemble([LoadedModel("model", player, seed=seed)], [], Wire(loop.send, say), settings, outputs)

        def play() -> None:
            with quick_steps():  # here: torch infers by the thread
                try:
                    loop.run(ensemble)
                finally:  # no note is left hanging
                    ensemble.end()

        thread = threading.Thread(target=play, name="hachimachi", daemon=True)
        thread.start()
        try:
            yield Stage((listen[0], loop.port), ensemble)
        finally:
            loop.stop()
            thread.join()
