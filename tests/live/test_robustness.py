"""Whatever arrives, in whatever order: nothing breaks, nothing is lost, and the counts agree."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from hachimachi.live.osc import encode
from hachimachi.live.performer import MODES

numbers = st.floats(width=32) | st.integers(-(2**31), 2**31 - 1) | st.text("abc", max_size=3)
note = st.lists(st.floats(0, 127, width=32), min_size=2, max_size=3)
inputs = st.tuples(st.just("/input"), note)
waits = st.tuples(st.just("wait"), st.floats(0, 3).map(lambda s: [s]))
bare = st.sampled_from(["/start", "/pause", "/panic", "/reset", "/sample", "/status"])
moves = st.one_of(
    inputs,
    waits,
    st.tuples(bare, st.just([])),
    st.tuples(st.just("/mode"), st.sampled_from(sorted(MODES)).map(lambda name: [name])),
    st.tuples(st.just("/speed"), st.floats(0.125, 8, width=32).map(lambda speed: [speed])),
    st.tuples(st.sampled_from(["/input", "/mode", "/speed", "/prime", "/load", "/x"]), st.lists(numbers, max_size=4)),
    st.tuples(st.just("bytes"), st.binary(max_size=60).map(lambda b: [b])),
)


@given(
    script=st.lists(moves, max_size=60),
    temporal=st.booleans(),
    mode=st.sampled_from(sorted(MODES)),
    pending=st.sampled_from(["one", "all"]),
    lookahead=st.sampled_from([0.0, 0.1]),
)
def test_whatever_comes_the_counts_agree(
    script, temporal, mode, pending, lookahead, bench_class, fake_player, fake_clock
) -> None:
    mode = mode if temporal else "follow"
    pending = pending if mode == "follow" else "one"
    player = fake_player(temporal=temporal, dt=0.4)
    b = bench_class([player], fake_clock(), note_offs=True, mode=mode, pending=pending, lookahead=lookahead)
    b.ensemble.start()
    for route, values in script:
        if route == "wait":
            b.pass_time(values[0])
        elif route == "bytes":
            b.ensemble.receive(values[0])
        else:
            b.hear(route, *values)
            if route in {"/panic", "/reset"} and not values:
                assert b.performer.status().sounding == 0
    b.ensemble.turn()
    counts, waiting = b.performer.counts, b.performer.status().pending
    assert counts.predicted == counts.played + counts.cancelled + waiting
    assert b.outputs() == counts.played
    assert ended(b) + b.performer.status().sounding == counts.played
    assert waiting <= 1 or pending == "all" or b.performer.status().alone
    assert waiting == 0 or temporal
    assert len(b.wire.refusals.counts) <= len(b.said) <= b.wire.refusals.total
    b.ensemble.end()
    assert b.performer.status().sounding == 0 and ended(b) == counts.played


@given(script=st.lists(inputs | waits))
def test_in_follow_each_input_is_answered_or_skipped(script, bench_class, fake_player, fake_clock) -> None:
    b = bench_class([fake_player()], fake_clock())
    sent = 0
    for route, values in script:
        if route == "wait":
            b.pass_time(values[0])
        else:
            b.hear(route, *values)
            sent += 1
    b.ensemble.turn()
    counts = b.performer.counts
    assert counts.heard == sent == counts.answered + counts.skipped == len(b.player.heard)
    assert counts.predicted == counts.answered


def test_after_a_hundred_thousand_random_packets_the_next_good_one_is_answered(bench, fake_player) -> None:
    b = bench(fake_player(temporal=False))
    chance = random.Random(0)
    good = encode("/input", 1.0, 2.0)
    starts = [b"", b"/", b"/input\0\0,", b"#bundle\0", b"#bundle\0" + bytes(7) + b"\1", good[:-2]]
    for number in range(100_000):
        b.ensemble.receive(chance.choice(starts) + chance.randbytes(chance.randrange(60)))
        if number % 100 == 0:
            before = b.performer.counts.heard
            b.ensemble.receive(good)
            b.ensemble.turn()
            assert b.performer.counts.heard == before + 1
            b.sent.clear()
    assert not b.instrument.stopped
    assert b.wire.refusals.total > 80_000  # the others happened to be right
    assert len(b.said) <= 8
    b.hear("/input", 60, 80)
    b.ensemble.turn()
    assert b.outputs() == 1


def ended(b) -> int:
    return sum(message[0] == "/noteoff" for message in b.sent)


def test_a_time_that_is_not_a_number_is_none(bench) -> None:
    b = bench()
    b.hear("/speed", math.nan)
    assert b.performer.status().speed == 1.0
    assert b.wire.refusals.counts == {"finite": 1}
