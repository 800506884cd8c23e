"""The feed: who is sent it, and what it tells of what is heard, scheduled, cancelled and played."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hachimachi.live.instrument import LoadedModel
from hachimachi.live.osc import Wire, encode
from hachimachi.live.screen import feed as feed_module
from hachimachi.live.screen.feed import LAPSE_SECONDS, MOST_READERS
from hachimachi.live.screen.snapshot import CANCELLED, CUT, LARGEST, MODEL, RELEASED, SCHEDULED, YOU
from hachimachi.live.stage import Outputs, PlaySettings, assemble

PAGE = ("127.0.0.1", 50_000)


class FakeLoop:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[object, dict[str, Any]]] = []
        self.readers: dict[Any, float] = {}

    def send_to(self, packet: bytes, to: object) -> None:
        assert len(packet) <= LARGEST
        self.sent.append((to, json.loads(packet)))

    def is_here(self, host: str) -> bool:
        return host == "127.0.0.1"


class Bench:
    """An ensemble with a feed, and what the feed has told."""

    def __init__(self, *players: Any, mode: str = "follow", standbys: Any = ()) -> None:
        self.loop, self.errors = FakeLoop(), []
        wire = Wire(lambda *_: None, self.errors.append)
        models = [LoadedModel(f"model{i}", player) for i, player in enumerate(players)]
        outputs = Outputs(loop=self.loop)  # type: ignore[arg-type]
        self.ensemble, _ = assemble(models, standbys, wire, PlaySettings(mode=mode), outputs)
        self.ensemble.start()

    def ask(self, route: str, *values: float | str, sender: Any = None) -> None:
        self.ensemble.receive(encode(route, *values), sender)
        self.ensemble.turn()

    def take(self, key: str) -> list[Any]:
        sent, self.loop.sent = self.loop.sent, []
        return [each for _, packet in sent for each in packet.get(key, [])]


def test_nothing_is_sent_until_somebody_asks(fake_player) -> None:
    stage = Bench(fake_player())
    stage.ask("/input", 60.0, 80.0)
    assert stage.loop.sent == []
    stage.ask("/feed", sender=PAGE)
    [about] = stage.take("about")
    assert (about["name"], about["prefix"], about["temporal"]) == ("model0", "", True)
    assert about["input"] == ["pitch", "velocity"]
    assert [column["name"] for column in about["columns"]] == ["time", "pitch", "velocity", "duration"]
    last = about["columns"][-1]
    assert (last["low"], last["high"], last["whole"], last["masked"], last["values"]) == (0.0, 127.0, True, False, [])


def test_it_tells_what_was_heard_scheduled_cancelled_and_played(fake_player) -> None:
    stage = Bench(fake_player(dts=[5.0, 6.0, 0.0, 7.0]))
    stage.ask("/feed", sender=PAGE)
    stage.take("events")
    stage.ask("/input", 60.0, 80.0)
    heard, scheduled = stage.take("events")
    assert heard[1:] == [YOU, [60.0, 80.0, pytest.approx(float("nan"), nan_ok=True)], 0, 0]
    assert scheduled[1] == SCHEDULED
    assert scheduled[0] == pytest.approx(heard[0] + 5)
    stage.ask("/input", 62.0, 80.0)
    kinds = {(who, number) for _, who, _, number, _ in stage.take("events")}
    assert kinds == {(YOU, 0), (CANCELLED, scheduled[3]), (SCHEDULED, scheduled[3] + 1)}
    stage.ask("/input", 64.0, 80.0)  # it answers at once
    kinds = [who for _, who, *_ in stage.take("events")]
    assert sorted(kinds) == [YOU, MODEL, CANCELLED]
    stage.ask("/panic")
    [cut] = stage.take("events")
    assert cut[1:3] == [CUT, [63.0]]


def test_what_was_scheduled_is_played_under_its_number(fake_player) -> None:
    stage = Bench(fake_player(dts=[0.02, 9.0]))
    stage.ask("/feed", sender=PAGE)
    stage.ask("/input", 60.0, 80.0)
    number = next(each[3] for each in stage.take("events") if each[1] == SCHEDULED)
    while not (played := [each for each in stage.take("events") if each[1] == MODEL]):
        stage.ensemble.turn()
    assert [each[3] for each in played] == [number]


def test_answers_come_with_all_their_digits(fake_player) -> None:
    stage = Bench(fake_player())
    stage.ask("/feed", sender=PAGE)
    stage.take("status")
    stage.ask("/temperature", "pitch", 0.7)
    stage.ask("/seed", "4294967295")
    stage.ask("/nonsense")
    temperature, seed, error = stage.take("status")
    assert temperature == ["/status", "temperature", "pitch", 0.7]
    assert seed == ["/status", "seed", "4294967295"]
    assert error[1:3] == ["error", "route"]


def test_only_this_machine_is_sent_it_and_not_for_ever(fake_player, monkeypatch) -> None:
    stage = Bench(fake_player())
    stage.ask("/feed", sender=("192.168.0.7", 5000))
    assert stage.errors == ["refused: /feed: only programs on this machine are sent it"]
    assert not stage.loop.readers
    for i in range(MOST_READERS + 3):
        stage.ask("/feed", sender=("127.0.0.1", 6000 + i))
    assert len(stage.loop.readers) == MOST_READERS
    later = feed_module.time.perf_counter() + LAPSE_SECONDS + 1
    monkeypatch.setattr(feed_module.time, "perf_counter", lambda: later)
    stage.ensemble.turn()
    assert not stage.loop.readers


def test_of_several_models_each_has_its_number(fake_player) -> None:
    stage = Bench(fake_player(dt=9.0), fake_player(dt=9.0))
    stage.ask("/feed", sender=PAGE)
    assert [each["prefix"] for each in stage.take("about")] == ["/1", "/2"]
    stage.ask("/2/input", 60.0, 80.0)
    assert {each[4] for each in stage.take("events")} == {1}


def test_an_exchanged_model_is_described_anew(fake_player) -> None:
    stage = Bench(fake_player(), standbys=[LoadedModel("other", fake_player())])
    stage.ask("/feed", sender=PAGE)
    assert stage.take("about")[0]["models"] == ["model0", "other"]
    stage.ask("/load", "other")
    assert [each["name"] for each in stage.take("about")] == ["other"]


def test_a_flood_is_cut_and_a_wide_event_too(fake_player, monkeypatch) -> None:
    from hachimachi.events import Feature

    now = feed_module.time.perf_counter()
    monkeypatch.setattr(feed_module.time, "perf_counter", lambda: now)  # however long the flood takes
    wide = tuple(Feature(f"x{i}") for i in range(60))
    stage = Bench(fake_player(features=wide, dt=9.0))
    stage.ask("/feed", sender=PAGE)
    stage.take("about")
    for number in range(2000):
        stage.ensemble.receive(encode("/input", *[float(number)] * 60))
    stage.ensemble.turn()
    snapshots = [len(packet.get("events", ())) for _, packet in stage.loop.sent]
    assert max(snapshots) <= 2 * feed_module.MOST_LISTED
    events = stage.take("events")
    assert {len(each[2]) for each in events if each[1] == YOU} == {feed_module.MOST_FEATURES}


def test_a_note_that_the_player_ends(fake_player) -> None:
    from hachimachi.live.protocols import Note

    stage = Bench(fake_player())
    stage.ask("/feed", sender=PAGE)
    stage.take("events")
    stage.ensemble.instruments[0].performer.release(Note(60, 4), 12.5)
    stage.ensemble.turn()
    assert stage.take("events") == [[12.5, RELEASED, [60.0, 4.0], 0, 0]]
