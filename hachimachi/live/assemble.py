"""Puts a performance together: models, their outlets, and what serves them between notes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from hachimachi.errors import HachimachiError
from hachimachi.live.ensemble import Ensemble
from hachimachi.live.instrument import Instrument, Part
from hachimachi.live.midi.setup import MidiSetup
from hachimachi.live.osc.wire import OscOutlet, Wire
from hachimachi.live.outlet import Outlet
from hachimachi.live.playing.agenda import Pending
from hachimachi.live.record.logbook import Logbook
from hachimachi.live.refusals import Refused
from hachimachi.live.screen.reporter import Reporter
from hachimachi.live.screen.snapshot import Screen
from hachimachi.live.screen.trace import Trace


@dataclass(frozen=True)
class Manner:
    """How models play.

    Args:
        mode: See `hachimachi.live.playing.modes`.
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
class Surroundings:
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
    parts: Sequence[Part], standbys: Sequence[Part], wire: Wire, manner: Manner, around: Surroundings
) -> tuple[Ensemble, Reporter | None]:
    """Return the ensemble, ready to be run, and who tells the screen."""
    traces = [Trace([feature.name for feature in part.player.features]) for part in parts]
    instruments = []
    for place, part in enumerate(parts):
        prefix = f"/{place + 1}" if len(parts) > 1 else ""
        outlets: list[Outlet] = [
            OscOutlet(wire, prefix, note_offs=manner.note_offs, ahead=manner.lookahead > 0),
            *around.midi.outlets[place : place + 1],
            *(around.logbook.outlets[place : place + 1] if around.logbook else ()),
            *([traces[place]] if around.screen else ()),
        ]
        loaded = partial(_exchange, around.midi, place)
        instruments.append(
            Instrument(
                part,
                wire,
                outlets,
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


def _check(standby: Part, instruments: Sequence[Instrument]) -> None:
    """Refuse a standby that could take no model's place, before the evening begins."""
    try:
        instruments[0].performer.hearing.check(standby.player)
    except Refused as refused:
        for instrument in instruments[1:]:
            with contextlib.suppress(Refused):
                return instrument.performer.hearing.check(standby.player)
        raise HachimachiError(f"--standby {standby.name}: {str(refused).removeprefix('/load: ')}") from refused


def _exchange(midi: MidiSetup, place: int, part: Part) -> None:
    midi.exchange(place, part.player.columns)


def _hear_midi(midi: MidiSetup, ensemble: Ensemble, logbook: Logbook | None) -> None:
    """Do what keys, knobs and a sequencer's transport ask for."""
    from hachimachi.live.midi.midi_in import Asked, Heard

    for action in midi.inlet.take() if midi.inlet else ():
        if isinstance(action, Heard):
            instrument = ensemble.instruments[action.model]
            if not instrument.stopped:
                ensemble.guard(partial(instrument.performer.hear, action.values, action.at))
        elif isinstance(action, Asked):
            for instrument in ensemble.instruments:
                if not instrument.stopped:
                    ensemble.guard(getattr(instrument.performer, action.what))
        elif logbook is not None:
            logbook.outlets[action.model].released(action.pitch, action.at)
