"""A performance put together of fakes, and one that plays beside other work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pythonosc.udp_client import SimpleUDPClient

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import read
from hachimachi.live.instrument import LoadedModel
from hachimachi.live.midi.ports import MidiSetup
from hachimachi.live.osc import Wire, encode
from hachimachi.live.performer import Performer
from hachimachi.live.record.logbook import Logbook, check_log
from hachimachi.live.screen.snapshot import Snapshot
from hachimachi.live.stage import Outputs, PlaySettings, assemble, perform
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import Player
from hachimachi.sampling import Sampling


class Screen:
    """Keeps what it is shown."""

    interval = 0.0

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []

    def send(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)

    def close(self) -> None:
        pass


class Keys:
    """A MIDI port on which the given actions arrive."""

    def __init__(self, *actions: object) -> None:
        self.actions = list(actions)

    def take(self) -> Iterator[object]:
        actions, self.actions = self.actions, []
        return iter(actions)


@pytest.fixture
def wire() -> Wire:
    return Wire(lambda *_: None, print)


def test_each_of_several_models_has_a_standby_of_its_own(fake_player, wire) -> None:
    parts = [LoadedModel(name, fake_player(temporal=False)) for name in ("a", "b")]
    ensemble, _ = assemble(parts, [LoadedModel("c", fake_player(temporal=False))], wire, PlaySettings(), Outputs())
    ensemble.receive(encode("/load", "c"))
    ensemble.receive(encode("/input", 60.0, 80.0))
    players = [instrument.model.player for instrument in ensemble.instruments]
    assert players[0] is not players[1]
    assert [len(player.heard) for player in players] == [1, 1]  # pyright: ignore[reportAttributeAccessIssue]


def test_the_screen_is_told_what_changes_and_nothing_else(fake_player, wire) -> None:
    screen = Screen()
    around = Outputs(screen=screen, hears=["here"], plays_to=["there"])
    ensemble, reporter = assemble(
        [LoadedModel("lead", fake_player(temporal=False))], [], wire, PlaySettings(speed=2.0), around
    )
    assert reporter is not None
    ensemble.start()
    ensemble.turn()
    ensemble.turn()
    assert len(screen.snapshots) == 1
    ensemble.receive(encode("/input", 60.0, 80.0))
    ensemble.receive(encode("/temperature", 0.5))
    ensemble.receive(encode("/nonsense"))
    ensemble.receive(encode("/constrain", "velocity", "values", *range(1, 99)))
    ensemble.turn()
    reporter.say("a line")
    reporter.finish()
    state = screen.snapshots[-2].models[0]
    assert (state.name, state.heard, state.played, state.refused) == ("lead", 1, 1, 1)
    assert state.steering == ("speed 2", "temperature 0.5", "constrain velocity values 1 2 3 4 5 6 7 8 9 …")
    assert [event.who for event in screen.snapshots[-2].events] == [0, 1]
    assert screen.snapshots[-1].lines == ("a line",)


def test_a_keyboard_plays_and_its_durations_are_kept(fake_player, wire, tmp_path: Path) -> None:
    from hachimachi.live.midi.input import MidiEvent, MidiNoteOff, TransportRequest

    part = LoadedModel("lead", fake_player())
    logbook = Logbook(tmp_path / "night.json", [part], print)
    midi = MidiSetup(inlet=Keys())  # type: ignore[arg-type]
    ensemble, _ = assemble([part], [], wire, PlaySettings(), Outputs(midi=midi, logbook=logbook))
    ensemble.start()
    at = ensemble._clock()
    midi.inlet.actions = [MidiEvent(0, (60.0, 80.0), at), MidiNoteOff(0, 60, None, at + 0.4)]  # type: ignore[union-attr]
    ensemble.turn()
    midi.inlet.actions = [TransportRequest("panic", at)]  # type: ignore[union-attr]
    ensemble.turn()
    assert ensemble.instruments[0].performer.status().pending == 0
    lines = logbook.close()
    (kept,) = read(tmp_path / "night.json")
    assert kept.data.tolist() == [[60.0, 80.0, pytest.approx(0.4), 0.0]]
    assert lines[0].startswith("kept 1 event")
    assert logbook.close() == []


def test_models_with_other_events_have_a_log_each(fake_player, tmp_path: Path) -> None:
    from hachimachi.events import Feature

    parts = [LoadedModel("a", fake_player()), LoadedModel("b", fake_player(features=(Feature("x"),)))]
    logbook = Logbook(tmp_path / "night.json", parts, print)
    assert [journal.path.name for journal in logbook.journals] == ["night-1.json", "night-2.json"]
    assert logbook.close() == []  # nothing was played, and nothing is left


def test_a_log_that_cannot_be_is_refused(tmp_path: Path) -> None:
    from hachimachi.errors import HachimachiError

    (tmp_path / "there.json").write_text("{}")
    for name, said in (("there.json", "is there already"), ("x.mid", ".json or .csv"), ("no/x.json", "no folder")):
        with pytest.raises(HachimachiError, match=said):
            check_log(tmp_path / name)


def test_two_that_begin_in_one_second_are_kept_apart(fake_player, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hachimachi.live.record.logbook.datetime", type("Clock", (), {"now": lambda: date(2026, 1, 2)}))
    logbooks = [Logbook(None, [LoadedModel("a", fake_player())], print) for _ in range(3)]
    names = [logbook.journals[0].path.name for logbook in logbooks]
    assert len(set(names)) == 3
    for logbook in logbooks:
        logbook.listeners[0].heard(np.array([60.0, 80.0, 0.5]), 0.0)
        logbook.close()
    assert sorted(path.name for path in (tmp_path / "outputs" / "run").iterdir()) == sorted(names)


@pytest.fixture(scope="module")
def model(make_pieces: Callable[[list[int]], list[EventSequence]]) -> EventModel:
    return build_model(make_pieces([120]), {"name": "gru", "size": 8, "layers": 1})


def answers(client: SimpleUDPClient, route: str) -> list[list[float]]:
    """Return what comes back until there is something on a route."""
    for message in client.get_messages(10):
        if message.address == route:
            return [message.params]
    return []


def test_who_sends_is_answered(model: EventModel) -> None:
    with perform(model) as stage, closing(SimpleUDPClient(*stage.address)) as client:
        client.send_message("/input", [60, 80, 0])
        [values] = answers(client, "/output")
    assert stage.counts.heard == stage.counts.played == 1
    assert len(values) == len(model.features)


def test_it_ends_with_the_block_whatever_happens_in_it(model: EventModel) -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), perform(model) as stage, closing(SimpleUDPClient(*stage.address)) as client:
        client.send_message("/stop", [])  # by itself it has come to its end before
        raise ZeroDivisionError
    assert threading.active_count() == before
    with perform(model, listen=stage.address):  # the port is free again
        pass


def test_it_plays_in_the_manner_that_is_asked_for(model: EventModel) -> None:
    sampling = Sampling(temperature=0.5)
    with (
        perform(model, sampling=sampling, manner=PlaySettings(mode="loop"), seed=5) as stage,
        closing(SimpleUDPClient(*stage.address)) as client,
    ):
        client.send_message("/start", [])
        assert answers(client, "/output")
    assert stage.instrument.performer.status().mode == "loop"
    assert stage.instrument.model.player.sampling.temperature == 0.5
    assert stage.instrument.seed == 5


def test_what_is_refused_is_said(model: EventModel) -> None:
    said: list[str] = []
    with perform(model, say=said.append) as stage, closing(SimpleUDPClient(*stage.address)) as client:
        client.send_message("/inptu", [1.0])
        assert answers(client, "/status")
        client.send_message("/input", [60, 80, 0])
        assert answers(client, "/output")
    assert "/inptu" in said[0]


def test_a_port_in_use_is_told(model: EventModel) -> None:
    with perform(model) as stage, pytest.raises(HachimachiError, match="in use"), perform(model, listen=stage.address):
        pass


def test_a_performer_takes_a_model_as_it_takes_a_player(model: EventModel) -> None:
    now = 0.0
    played = []
    for player in (model, Player(model)):
        performer = Performer(player, clock=lambda: now)
        performer.hear([60, 80, 0])
        performer.play()
        played.append(performer.next)
    assert played[0] == played[1] is not None
