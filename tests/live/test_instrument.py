from __future__ import annotations

import pytest


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
    builder = OscBundleBuilder(b.clock.now + 0.5)
    builder.add_content(build_msg("/input", [60, 80]))
    b.ensemble.receive(builder.build().dgram)
    assert b.ensemble.turn() == pytest.approx(1000.75)
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
