from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

import pytest
from pythonosc.udp_client import SimpleUDPClient

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.live.performer import Performer
from hachimachi.live.stage import PlaySettings, perform
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import Player
from hachimachi.sampling import Sampling


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
    assert stage.instrument.performer.turns.mode.name == "loop"
    assert stage.instrument.part.player.sampling.temperature == 0.5
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
