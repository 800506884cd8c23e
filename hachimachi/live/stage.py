"""Puts a performance together: models, their listeners, and what serves them between notes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hachimachi.checkpoint import load_model
from hachimachi.errors import HachimachiError
from hachimachi.generation import read_primer
from hachimachi.live.ensemble import Ensemble
from hachimachi.live.instrument import Instrument, LoadedModel
from hachimachi.live.loop import Loop
from hachimachi.live.midi.ports import MidiSetup
from hachimachi.live.osc import OscListener, Wire
from hachimachi.live.protocols import Address, Listener, PlayableModel, Refused
from hachimachi.live.record.logbook import Logbook
from hachimachi.live.schedule import Counts, Pending
from hachimachi.live.screen.reporter import Reporter
from hachimachi.live.screen.snapshot import Screen, Trace
from hachimachi.models.event_model import EventModel
from hachimachi.player.engine import Player, one_thread
from hachimachi.sampling import Sampling


@dataclass(frozen=True)
class PlaySettings:
    """How models play.

    Args:
        mode: See `hachimachi.live.performer`.
        pending: See `Performer`.
        silence: Seconds after which the mode ``respond`` goes on alone.
        speed: Seconds of the model in one of the stage.
        lookahead: Seconds by which what sounds is sent ahead, in bundles that say when.
        note_offs: Whether the ends of notes are sent.
        begin: Whether models begin to play alone at once.
    """

    mode: str = "follow"
    pending: Pending = "one"
    silence: float = 2.0
    speed: float = 1.0
    lookahead: float = 0.0
    note_offs: bool = False
    begin: bool = False


@dataclass(frozen=True)
class Outputs:
    """Who takes part besides the models.

    Args:
        midi: MIDI ports.
        logbook: Keeps what is played; ``None`` for nothing.
        screen: Shows it; ``None`` for nothing.
        hears: Where it is heard on, for the screen.
        plays_to: Where it is played to, for the screen.
    """

    midi: MidiSetup = field(default_factory=MidiSetup)
    logbook: Logbook | None = None
    screen: Screen | None = None
    hears: Sequence[str] = ()
    plays_to: Sequence[str] = ()


def assemble(
    parts: Sequence[LoadedModel], standbys: Sequence[LoadedModel], wire: Wire, manner: PlaySettings, around: Outputs
) -> tuple[Ensemble, Reporter | None]:
    """Return the ensemble, ready to be run, and who tells the screen."""
    traces = [Trace([feature.name for feature in part.player.features]) for part in parts]
    instruments = []
    for place, part in enumerate(parts):
        prefix = f"/{place + 1}" if len(parts) > 1 else ""
        listeners: list[Listener] = [
            OscListener(wire, prefix, note_offs=manner.note_offs, ahead=manner.lookahead > 0),
            *around.midi.listeners[place : place + 1],
            *(around.logbook.listeners[place : place + 1] if around.logbook else ()),
            *([traces[place]] if around.screen else ()),
        ]
        loaded = partial(_exchange, around.midi, place)
        instruments.append(
            Instrument(
                part,
                wire,
                listeners,
                prefix=prefix,
                standbys=[standby.twin(place) for standby in standbys] if place else standbys,
                loaded=loaded,
                mode=manner.mode,
                pending=manner.pending,
                silence=manner.silence,
                lookahead=manner.lookahead,
            )
        )
        instruments[-1].performer.set_speed(manner.speed)
    for standby in standbys:
        _check(standby, instruments)
    ensemble = Ensemble(instruments, wire, begin=manner.begin)
    if around.midi.inlet is not None:
        ensemble.inlets.append(partial(_hear_midi, around.midi, ensemble, around.logbook))
    if around.logbook is not None:
        ensemble.chores.append(around.logbook.flush)
    if around.screen is None:
        return ensemble, None
    reporter = Reporter(ensemble, around.screen, traces, around.hears, around.plays_to)
    ensemble.chores.append(reporter)
    return ensemble, reporter


def _check(standby: LoadedModel, instruments: Sequence[Instrument]) -> None:
    """Refuse a standby that could take no model's place, before the evening begins."""
    try:
        instruments[0].performer.history.check(standby.player)
    except Refused as refused:
        for instrument in instruments[1:]:
            with contextlib.suppress(Refused):
                return instrument.performer.history.check(standby.player)
        raise HachimachiError(f"--standby {standby.name}: {str(refused).removeprefix('/load: ')}") from refused


def _exchange(midi: MidiSetup, place: int, part: LoadedModel) -> None:
    midi.exchange(place, part.player.columns)


def _hear_midi(midi: MidiSetup, ensemble: Ensemble, logbook: Logbook | None) -> None:
    """Do what keys, knobs and a sequencer's transport ask for."""
    from hachimachi.live.midi.input import MidiEvent, TransportRequest

    for action in midi.inlet.take() if midi.inlet else ():
        if isinstance(action, MidiEvent):
            instrument = ensemble.instruments[action.model]
            if not instrument.stopped:
                ensemble.guard(partial(instrument.performer.hear, action.values, action.at))
        elif isinstance(action, TransportRequest):
            for instrument in ensemble.instruments:
                if not instrument.stopped:
                    ensemble.guard(getattr(instrument.performer, action.action))
        elif logbook is not None:
            logbook.listeners[action.model].released(action.pitch, action.at)


PRIMER_EVENTS = 512
"""The last events of a primer: a longer past changes little in what a model of this size foretells."""
WARM_STEPS = 50
"""After so many steps the first answer is as quick as the others."""
SHAPES = (Sampling(0.9), Sampling(2.0))
"""Cool and hot draws, which have different tables."""


def load_part(path: Path, sampling: Sampling, seed: int, primer_files: Sequence[Path] = ()) -> LoadedModel:
    """Return a model that is ready to play.

    Raises:
        HachimachiError: A file that is no model, a sampling that the model cannot play, or a primer it cannot hear.
    """
    model = load_model(path)
    try:
        player = Player(model, seed=seed, sampling=sampling)
    except HachimachiError as error:
        raise HachimachiError(f"{path}: {error}") from error
    primers = {each.stem: _remember(player, read_primer(each, model).rows()) for each in primer_files}
    warm(player)
    return LoadedModel(path.stem, player, primers, seed)


def check_names(paths: Sequence[Path], option: str, others: Sequence[Path] = ()) -> None:
    """Refuse files that would be called the same on the wire.

    Args:
        paths: Files given with an option.
        option: That option.
        others: Files that are called by their names, too.

    Raises:
        HachimachiError: The first of them that has a name that is taken.
    """
    taken = {path.stem: path for path in others}
    for path in paths:
        if path.stem in taken:
            raise HachimachiError(f"{option} {path}: is called {path.stem}, as {taken[path.stem]} is; rename one")
        taken[path.stem] = path


def warm(player: PlayableModel) -> None:
    """Let a model take a few steps for itself, shaped ones too: the first of them makes tables, which takes a while."""
    asked = player.sampling
    for sampling in (*SHAPES, asked):
        with suppress(HachimachiError):  # too fine to be shaped: then it never will be
            sampling.check(player.columns)
            player.sampling = sampling
            for _ in range(WARM_STEPS):
                player.observe(player.sample())
    player.sampling = asked
    player.reset()


@contextmanager
def quick_steps() -> Iterator[None]:
    """Compute as is best for steps: on one thread, and without the numbers so small that processors slow down."""
    with one_thread(), torch.inference_mode():
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(False)


def _remember(player: Player, rows: Any) -> Any:
    player.reset()
    for row in rows[-PRIMER_EVENTS:]:
        player.observe(row)
    return player.remember()


@dataclass(frozen=True)
class Stage:
    """Where a model plays while other work goes on.

    Args:
        address: Host and port on which it hears.
        ensemble: The model behind the routes of the protocol.
    """

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
    model: EventModel,
    *outs: Address,
    listen: Address = ("127.0.0.1", 0),
    seed: int = 0,
    sampling: Sampling | None = None,
    manner: PlaySettings | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[Stage]:
    """Play a model live over OSC until the block ends; the protocol is that of `hxmx run`.

    Args:
        model: The model.
        outs: Hosts and ports to play to; without any, who sends is answered.
        listen: Host and port to hear on; port 0 takes any that is free.
        seed: Where the random numbers begin.
        sampling: How it draws, before it is steered otherwise.
        manner: The mode, the speed and so on.
        say: Shows a line, of what was refused.

    Raises:
        HachimachiError: An address that is not ours, a port in use, or what the model cannot play.

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
    warm(player)
    with Loop(listen, outs, reply=not outs) as loop:
        wire = Wire(loop.send, say, rehearse=loop.rehearse)
        ensemble, _ = assemble([LoadedModel("model", player, seed=seed)], [], wire, manner or PlaySettings(), Outputs())
        thread = threading.Thread(target=_play, args=[loop, ensemble], name="hachimachi", daemon=True)
        thread.start()
        try:
            yield Stage((listen[0], loop.port), ensemble)
        finally:
            loop.stop()
            thread.join()


def _play(loop: Loop, ensemble: Ensemble) -> None:
    with quick_steps():  # here: denormals are flushed by the thread
        try:
            loop.run(ensemble)
        finally:  # no note is left hanging
            ensemble.end()


Manner = PlaySettings
"""The earlier name."""
