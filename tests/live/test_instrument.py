"""The routes of one instrument and of several."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle

from hachimachi.events import Feature
from hachimachi.live import routes
from hachimachi.live.instrument import LoadedModel
from hachimachi.live.osc import OscListener, Wire, encode, encode_bundle


def test_it_says_when_it_is_ready(bench) -> None:
    b = bench()
    b.ensemble.start()
    assert b.sent == [["/status", "ready", 1]]
    assert b.player.resets == 1


def test_output_has_every_feature_as_a_float_and_no_time(bench) -> None:
    b = bench()
    b.hear("/input", 60, 80)
    b.ensemble.turn()
    b.clock.now += 1
    b.ensemble.turn()
    assert b.sent == [["/output", pytest.approx(61), pytest.approx(0.1), pytest.approx(0.3)]]
    assert all(isinstance(value, float) for value in b.sent[0][1:])


def test_a_time_tag_is_the_time_of_the_event(bench) -> None:
    from pythonosc.osc_bundle_builder import OscBundleBuilder
    from pythonosc.osc_message_builder import build_msg

    b = bench()
    builder = OscBundleBuilder(b.clock.now + 0.2)
    builder.add_content(build_msg("/input", [60, 80]))
    b.ensemble.receive(builder.build().dgram)
    assert b.ensemble.turn() == pytest.approx(1000.45)
    assert len(b.player.heard) == 1


def test_status_answers_a_question_and_never_an_answer(bench) -> None:
    b = bench()
    b.hear("/input", 60, 80)
    b.hear("/input", 60)
    b.sent.clear()
    b.hear("/status")
    answers = {key: values for _, key, *values in b.sent}
    assert answers["model"] == ["lead"]
    assert answers["features"] == ["pitch", "velocity", "duration"]
    assert answers["input"] == ["pitch", "velocity"]
    assert answers["heard"] == [1] and answers["refused"] == [1]
    for _, *answer in list(b.sent):
        b.sent.clear()
        b.hear("/status", *answer)
        assert b.sent == []


def test_stop_ends_it_and_what_follows_is_not_obeyed(bench) -> None:
    b = bench()
    b.hear("/stop")
    assert b.instrument.stopped
    b.hear("/input", 60, 80)
    assert b.player.heard == []


def test_a_kind_of_refusal_is_said_once_and_told_once_a_second(bench) -> None:
    b = bench()
    for i in range(100):
        b.hear("/input", *[1.0] * (4 + i % 2))
        b.clock.now += 0.05
    assert b.said[0] == "refused: /input has 4 values, expected 3 (pitch velocity duration) or 2 (pitch velocity)"
    assert 2 <= len(b.said) <= 3  # 5 s
    said = len(b.said)
    assert 5 <= len(b.sent) <= 6
    assert all(message[:3] == ["/status", "error", "length"] for message in b.sent)
    b.hear("/inptu", 1)
    assert len(b.said) == said + 1 and "'/inptu' is unknown; did you mean /input?" in b.said[-1]
    assert b.wire.refusals.counts == {"length": 100, "route": 1}
    assert str(b.wire.refusals) == "length 100, route 1"


def test_an_output_that_cannot_be_sent_stops_nothing(bench, fake_player) -> None:
    def broken(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    b = bench(fake_player(temporal=False))
    b.wire._send = broken
    for _ in range(10):
        b.hear("/input", 1, 2)
        b.ensemble.turn()
    b.hear("/nonsense")
    assert b.performer.counts.played == 10
    assert [line.split(": ")[1].split(";")[0] for line in b.said] == ["cannot send /output", "'/nonsense' is unknown"]


def test_a_wait_that_is_no_longer_asked_for_is_not_waited_for(bench) -> None:
    b = bench(mode="loop")
    b.player._dt = 30.0
    b.hear("/constrain", "time", "range", 20, 30)
    b.hear("/start")
    b.ensemble.turn()
    b.clock.now += 5
    b.player._dt = 0.25
    b.hear("/release", "time")
    b.ensemble.turn()
    assert b.outputs() == 0
    b.clock.now += 0.3
    b.ensemble.turn()
    assert b.outputs() == 1
    assert b.ask("/constrain", "time", "range", 0, 0)[0][:3] == ["/status", "error", "value"]


def test_primed_twice_with_the_same_phrase_it_knows_the_same(bench) -> None:
    b = bench()
    for pitch in (60, 62, 64):
        b.hear("/input", pitch, 80)
        b.clock.now += 1
    for _ in range(2):
        assert b.ask("/prime", "last", 10)[-1] == ["/status", "prime", "last", 3]
        assert [row[0] for row in b.player.heard[1:]] == pytest.approx([1.0, 1.0])


HERE, THERE = ("127.0.0.1", 5001), ("127.0.0.1", 5002)


def test_a_number_addresses_one_and_the_bare_address_all(bench, fake_player) -> None:
    b = bench(fake_player(temporal=False), fake_player(temporal=False))
    b.hear("/2/input", 60, 80)
    b.ensemble.turn()
    b.hear("/input", 61, 80)
    b.ensemble.turn()
    assert [len(player.heard) for player in b.players] == [1, 2]
    assert [message[0] for message in b.sent] == ["/2/output", "/1/output", "/2/output"]


def test_one_alone_may_be_called_by_its_number(bench, fake_player) -> None:
    b = bench(fake_player(temporal=False))
    b.hear("/1/input", 60, 80)
    b.ensemble.turn()
    assert b.outputs() == 1
    b.hear("/2/input", 60, 80)
    b.hear("/0/input", 60, 80)
    b.hear("/99999999999999999999/input", 60, 80)
    assert b.wire.refusals.counts == {"route": 3}
    assert "no model has this number" in b.said[0]


def test_one_may_stop_and_the_others_go_on(bench, fake_player) -> None:
    b = bench(fake_player(temporal=False), fake_player(temporal=False))
    assert b.ask("/1/stop") == [["/1/status", "state", "stopped"]]
    assert not b.ensemble.stopped
    assert b.ask("/1/start")[0][:2] == ["/status", "error"]
    b.sent.clear()
    b.hear("/input", 60, 80)
    b.ensemble.turn()
    assert [message[0] for message in b.sent] == ["/2/output"]
    b.hear("/stop")
    assert b.ensemble.stopped


def test_one_that_refuses_keeps_a_message_from_no_other(bench, fake_player) -> None:
    b = bench(fake_player(temporal=False, features=(Feature("x"),)), fake_player(temporal=False))
    b.hear("/input", 60, 80)
    assert [len(player.heard) for player in b.players] == [0, 1]
    assert b.wire.refusals.counts == {"length": 1}


def test_what_cannot_be_said_in_osc_ends_nothing(bench, fake_player) -> None:
    player = fake_player(temporal=False)
    b = bench(player, names=("model\udcff",), note_offs=True)
    player.sample = lambda: np.array([3e9, 0.1, 0.3])
    b.hear("/status")
    b.hear("/input", 60, 80)
    b.ensemble.turn()
    b.hear("/panic")
    assert b.sent[-2][:2] == ["/noteoff", 3e9]


def test_told_ahead_of_time_a_note_does_not_end_before_it_begins(stage) -> None:
    s = stage(lookahead=0.2)
    s.performer.hear([60, 80])
    s.wait(0.1)
    assert [at for at, _ in s.played] == [1000.25]
    s.performer.panic()
    assert s.listener.ends == [(1000.25, 61, True)]


def test_who_asks_is_answered(bench, fake_player) -> None:
    b = bench(fake_player(temporal=False))
    b.hear("/input", 60, 80, sender=HERE)
    b.ensemble.turn()
    b.hear("/input", 60, 80, sender=THERE)
    b.ensemble.turn()
    b.hear("/input", 1, sender=HERE)
    b.hear("/speed", 2, sender=THERE)
    assert b.asked == [HERE, THERE, HERE, THERE]
    assert [message[:2] for message in b.sent[2:]] == [["/status", "error"], ["/status", "speed"]]


def test_what_is_steered_is_answered(bench) -> None:
    b = bench()
    assert b.ask("/mode", "loop") == [["/status", "mode", "loop"]]
    assert b.ask("/start") == [["/status", "state", "playing"]]
    assert b.ask("/pause") == [["/status", "state", "paused"]]
    assert b.ask("/silence", 1) == [["/status", "silence", 1.0]]
    assert b.ask("/seed", 7.0) == [["/status", "seed", 7]]
    assert b.player.seeds == [7]
    for wrong in (("/mode", "solo"), ("/mode",), ("/speed", 0), ("/seed", "x"), ("/silence", -1), ("/prime", "no")):
        b.clock.now += 2
        ((route, key, *_),) = b.ask(*wrong)
        assert (route, key) == ("/status", "error")
    answers = {key: values for _, key, *values in b.ask("/status")}
    assert answers["mode"] == ["loop"] and answers["state"] == ["paused"]


def test_twice_the_speed_takes_half_the_time(bench) -> None:
    b = bench(note_offs=True)
    b.hear("/speed", 2)
    b.sent.clear()
    b.hear("/input", 60, 80)
    assert b.ensemble.turn() == pytest.approx(b.clock.now + 0.125)
    b.clock.now += 0.125
    assert b.ensemble.turn() == pytest.approx(b.clock.now + 0.15)
    assert b.sent[0][3] == pytest.approx(0.15)
    b.hear("/input", 60, 80, 0.5)
    assert b.player.heard[-1] == pytest.approx([0.25, 60, 80, 1.0])  # as it was learned


def test_another_model_takes_over_without_a_gap(bench, fake_player) -> None:
    second = fake_player(dt=0.1)
    b = bench(standbys=[LoadedModel("second", second)], mode="loop")
    b.hear("/start")
    for _ in range(100):
        b.clock.now = max(b.clock.now, b.ensemble.turn())
    b.sent.clear()
    b.hear("/load", "second")
    assert b.sent == [["/status", "model", "second"]]
    assert b.performer.status().pending == 1  # what comes next is decided
    assert second.heard[1:] == b.player.heard[1 - len(second.heard) :] and len(second.heard) > 20
    played = b.performer.counts.played
    b.clock.now += 0.25
    b.ensemble.turn()
    assert b.performer.counts.played == played + 1
    assert b.performer.status().pending >= 1
    b.hear("/load", "lead")  # and back
    assert b.instrument.model.player is b.player


def test_for_another_model_time_and_events_count_on(bench, fake_player) -> None:
    second = fake_player(dt=0.1)
    b = bench(standbys=[LoadedModel("second", second)], mode="loop")
    b.hear("/start")
    for _ in range(300):
        b.clock.now = max(b.clock.now, b.ensemble.turn())
    b.hear("/load", "second")
    elapsed, index = b.player.moment
    assert index > 100
    assert second.moment == (pytest.approx(elapsed), index) and len(second.heard) == 64
    b.hear("/load", "lead")
    assert b.player.moment == (pytest.approx(elapsed), index)
    b.hear("/reset")
    b.hear("/load", "second")
    assert second.moment == (0.0, -1)


def test_a_model_with_other_events_does_not_take_over(bench, fake_player) -> None:
    b = bench(standbys=[LoadedModel("other", fake_player(features=(Feature("x"),)))])
    b.hear("/load", "other")
    b.hear("/load", "unknown")
    assert b.instrument.model.player is b.player
    assert "it plays x in time, this one pitch velocity ~duration in time" in b.said[0]
    assert b.wire.refusals.counts == {"value": 2}


def test_a_primer_is_gone_on_from(bench) -> None:
    memory = [[float("nan"), 60.0, 80.0, 0.1]] * 3
    b = bench(primers={"song": memory})
    b.hear("/input", 1, 2)
    assert b.ask("/prime", "song")[-1] == ["/status", "prime", "song"]
    assert b.player.heard == memory
    assert b.performer.status().pending == 0
    b.clock.now += 0.5
    b.hear("/input", 60, 80)
    assert b.player.heard[-1][0] == pytest.approx(0.5)


def test_what_was_played_last_is_gone_on_from(bench) -> None:
    b = bench()
    assert b.ask("/prime", "last", 5)[0][:2] == ["/status", "error"]
    for pitch in (60, 62, 64):
        b.hear("/input", pitch, 80)
        b.clock.now += 3
        b.ensemble.turn()
    assert b.ask("/prime", "last", 7)[-1] == ["/status", "prime", "last", 2]
    assert [row[1] for row in b.player.heard] == [62, 64]
    assert b.player.heard[1][0] == pytest.approx(3.0)


def test_a_panic_ends_every_note_and_so_does_the_end(bench) -> None:
    b = bench(mode="loop")
    for how in (lambda: b.hear("/panic"), lambda: b.hear("/reset"), lambda: b.hear("/stop"), b.ensemble.end):
        b.instrument.stopped = False
        b.hear("/start")
        b.clock.now += 0.26
        b.ensemble.turn()
        b.sent.clear()
        how()
        assert [message[0] for message in b.sent].count("/noteoff") == 1


def test_note_offs_come_when_notes_end(bench) -> None:
    b = bench(note_offs=True)
    b.hear("/input", 60, 80)
    for _ in range(3):
        b.clock.now = max(b.clock.now, b.ensemble.turn() or 0)
    b.ensemble.turn()
    assert [message[0] for message in b.sent] == ["/output", "/noteoff"]
    assert b.sent[1][1] == round(b.sent[0][1])
    assert b.clock.now == pytest.approx(1000.55)


def test_ahead_of_time_a_bundle_says_when_it_sounds(stage) -> None:
    packets: list[bytes] = []
    s = stage(lookahead=0.1)
    listener = OscListener(
        Wire(lambda packet, _: packets.append(packet), print), ahead=True, clock=s.clock, wall=s.clock
    )
    s.performer._notes._listeners += (listener,)
    s.performer.hear([60, 80])
    assert s.performer.play() == pytest.approx(1000.15)
    s.clock.now = 1000.16
    s.performer.play()
    (packet,) = packets
    assert OscBundle(packet).timestamp == pytest.approx(1000.25)
    assert next(iter(OscBundle(packet))).address == "/output"
    assert s.performer.status().latency.largest == 0


def test_a_bundle_can_be_read_again() -> None:
    bundle = OscBundle(encode_bundle(encode("/output", 1.5), 1_700_000_000.25))
    assert bundle.timestamp == pytest.approx(1_700_000_000.25, abs=1e-6)
    assert next(iter(bundle)).params == [1.5]


def test_ahead_of_time_it_hears_itself_in_time(stage) -> None:
    s = stage(mode="loop", lookahead=0.2)
    s.performer.start()
    s.wait(5)
    assert [row[0] for row in s.player.heard[1:]] == pytest.approx([0.25] * (len(s.player.heard) - 1))
    at = s.played[-1][0]
    assert s.clock.now - 0.05 <= at <= s.clock.now + 0.2
    s.performer.hear([60, 80])  # while one has gone out that sounds later
    s.wait(1)
    assert all(row[0] >= 0 for row in s.player.heard[1:])


def test_every_route_stands_in_the_protocol(bench) -> None:
    ours = set(bench().instrument.routes) | {"/feed", "/learn", "/forget"}  # which the loop and what learns answer
    assert set(re.findall(r"(?<![\w.])/[a-z_]+", routes.HEARD)) == ours
