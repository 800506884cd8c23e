from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage

from hachimachi.live.instrument import Instrument
from hachimachi.live.osc import encode


class Bench:
    """An instrument on a clock that is moved by hand, with all that it sends and says."""

    def __init__(self, player, clock, **options) -> None:
        self.player, self.clock = player, clock
        self.sent: list[list[object]] = []
        self.said: list[str] = []
        self.instrument = Instrument(player, self._send, self.said.append, clock=clock, wall=clock, **options)

    def _send(self, packet: bytes) -> None:
        message = OscMessage(packet)
        self.sent.append([message.address, *message.params])

    def hear(self, route: str, *values: float | str) -> None:
        self.instrument.receive(encode(route, *values))

    def outputs(self) -> int:
        return sum(message[0] == "/output" for message in self.sent)


@pytest.fixture
def bench(fake_player, fake_clock):
    return lambda player=None, **options: Bench(player or fake_player(), fake_clock(), **options)


def test_it_is_warm_before_it_is_ready(bench) -> None:
    b = bench()
    b.instrument.performer.warm()
    assert b.player.samples >= 3 and b.player.heard == [] and b.sent == []
    b.instrument.start()
    assert b.sent == [["/status", "ready", 1]]


def test_output_has_every_feature_as_a_float_and_no_time(bench) -> None:
    b = bench()
    b.hear("/input", 60, 80)
    b.instrument.turn()
    b.clock.now += 1
    b.instrument.turn()
    assert b.sent == [["/output", pytest.approx(61), pytest.approx(0.1), pytest.approx(0.3)]]
    assert all(isinstance(value, float) for value in b.sent[0][1:])


def test_a_time_tag_is_the_time_of_the_event(bench) -> None:
    from pythonosc.osc_bundle_builder import OscBundleBuilder
    from pythonosc.osc_message_builder import build_msg

    b = bench()
    builder = OscBundleBuilder(b.clock.now + 0.5)
    builder.add_content(build_msg("/input", [60, 80]))
    b.instrument.receive(builder.build().dgram)
    assert b.instrument.turn() == pytest.approx(1000.75)
    assert len(b.player.heard) == 1


def test_status_answers_a_question_and_never_an_answer(bench) -> None:
    b = bench(name="lead.pt")
    b.hear("/input", 60, 80)
    b.hear("/input", 60)
    b.sent.clear()
    b.hear("/status")
    answers = {key: values for _, key, *values in b.sent}
    assert answers["model"] == ["lead.pt"]
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
    assert b.said == ["refused: /input has 4 values, expected 3 (pitch velocity duration) or 2 (pitch velocity)"]
    assert 5 <= len(b.sent) <= 6
    assert all(message[:3] == ["/status", "error", "length"] for message in b.sent)
    b.hear("/inptu", 1)
    assert len(b.said) == 2 and "'/inptu' is unknown" in b.said[1]
    assert b.instrument.refusals.counts == {"length": 100, "route": 1}
    assert "refused 101" in b.instrument.summary()
    assert "length 100, route 1" in b.instrument.details()


def test_an_output_that_cannot_be_sent_stops_nothing(fake_player, fake_clock) -> None:
    def broken(_: bytes) -> None:
        raise OSError(101, "Network is unreachable")

    said: list[str] = []
    clock = fake_clock()
    instrument = Instrument(fake_player(temporal=False), broken, said.append, clock=clock)
    for _ in range(10):
        instrument.receive(encode("/input", 1, 2))
        instrument.turn()
    instrument.receive(encode("/nonsense"))
    assert instrument.performer.counts.played == 10
    assert [line.split(": ")[1] for line in said] == [
        "cannot send /output",
        "'/nonsense' is unknown, expected one of /input /sample /reset /status /stop",
    ]


def test_the_summary_fits_a_line(bench) -> None:
    b = bench(bench().player)
    assert b.instrument.summary() == "heard 0, played 0, refused 0"
    b.hear("/sample")
    b.instrument.turn()
    b.clock.now += 0.2512
    b.instrument.turn()
    assert b.instrument.summary() == "heard 0, played 1, refused 0; late p50 1.20, p99 1.20, max 1.20 ms"


numbers = st.floats(width=32) | st.integers(-(2**31), 2**31 - 1) | st.text("abc", max_size=3)
moves = st.one_of(
    st.tuples(st.just("/input"), st.lists(st.floats(0, 127, width=32), min_size=2, max_size=3)),
    st.tuples(st.sampled_from(["/input", "/sample", "/reset", "/status", "/x"]), st.lists(numbers, max_size=4)),
    st.tuples(st.just("wait"), st.floats(0, 1).map(lambda s: [s])),
    st.tuples(st.just("bytes"), st.binary(max_size=60).map(lambda b: [b])),
)


@settings(deadline=None)
@given(
    script=st.lists(moves, max_size=40),
    temporal=st.booleans(),
    loop=st.booleans(),
    pending=st.sampled_from(["one", "all"]),
)
def test_whatever_comes_the_counts_agree(script, temporal, loop, pending, fake_player, fake_clock) -> None:
    loop, pending = loop and temporal, "one" if loop else pending
    b = Bench(fake_player(temporal=temporal), fake_clock(), loop=loop, pending=pending)
    b.instrument.start()
    counts, good, samples = b.instrument.performer.counts, 0, 0
    for route, values in script:
        if route == "wait":
            b.clock.now += values[0]
            b.instrument.turn()
        elif route == "bytes":
            b.instrument.receive(values[0])
        else:
            numeric = all(not isinstance(v, str) and math.isfinite(v) and abs(v) <= 1e9 for v in values)
            good += route == "/input" and len(values) in (2, 3) and numeric
            samples += route == "/sample"
            b.hear(route, *values)
    b.instrument.turn()
    pending_now = b.instrument.performer.pending
    assert counts.heard == good
    assert counts.predicted == counts.played + counts.cancelled + pending_now
    assert b.outputs() == counts.played
    if not loop:
        assert counts.predicted == counts.heard - counts.skipped + samples
    if pending == "one":
        assert pending_now <= 1
    if not temporal:
        assert pending_now == 0
    refused = b.instrument.refusals
    assert len(b.said) == len(refused.counts)
    assert refused.total >= sum(route == "/x" for route, _ in script)


def test_after_thousands_of_random_packets_the_next_good_one_is_answered(bench, fake_player) -> None:
    b = bench(fake_player(temporal=False))
    chance = random.Random(0)
    starts = [b"", b"/", b"/input\0\0,", b"#bundle\0", encode("/input", 1.0, 2.0)[:-2]]
    for _ in range(4000):
        b.instrument.receive(chance.choice(starts) + chance.randbytes(chance.randrange(80)))
    assert not b.instrument.stopped
    played = b.outputs()
    b.hear("/input", 60, 80)
    b.instrument.turn()
    assert b.outputs() > played
    assert b.instrument.refusals.total > 3000
    assert len(b.said) <= 6
