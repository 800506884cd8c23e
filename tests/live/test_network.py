"""Hostile, broken and merely odd senders: none of them silences the model, and each is told what was not done."""

from __future__ import annotations

import random
import socket
import struct
import time
from typing import Any

import pytest
from pythonosc.osc_message import OscMessage

from hachimachi.errors import HachimachiError
from hachimachi.live.instrument import LoadedModel
from hachimachi.live.loop import Loop, describe_exposure, senders_among
from hachimachi.live.osc import MOST_CLOCKS, Inbox, Message, Wire, encode, encode_bundle, parse

ME, OTHER = ("127.0.0.1", 5001), ("192.168.0.9", 5002)


def typed(route: str, tags: str, data: bytes = b"") -> bytes:
    """A message with any type tags."""
    parts = [each.encode() for each in (route, "," + tags)]
    return b"".join(part + bytes(4 - len(part) % 4) for part in parts) + data


def found(packet: bytes) -> list[Any]:
    return [each.values if isinstance(each, Message) else each.kind for each in parse(packet, 0.0, 0.0)]


F = struct.pack(">f", 1.5)
TYPES = [
    ("ff", F + F, (1.5, 1.5)),
    ("ii", struct.pack(">ii", 1, -2), (1, -2)),
    ("dh", struct.pack(">dq", 0.1, 2**40), (0.1, 2**40)),
    ("[ff]", F + F, (1.5, 1.5)),  # an array, as TouchOSC and Wekinator write lists
    ("f[f[i]]", F + F + struct.pack(">i", 3), (1.5, 1.5, 3)),
    ("[]", b"", ()),
    ("[fs]", F + b"ab\0\0", (1.5, "ab")),
    ("TFN", b"", (True, False, None)),
    ("[f", F, "packet"),
    ("f]", F, "packet"),
    ("]f[", F, "packet"),
    ("I", b"", "packet"),
    ("S", b"ab\0\0", "packet"),
    ("c", struct.pack(">i", 65), "packet"),
    ("[ff]", F, "packet"),  # one value short
]


@pytest.mark.parametrize(("tags", "data", "expected"), TYPES, ids=[tags for tags, *_ in TYPES])
def test_values_of_every_type_are_read_or_refused(tags: str, data: bytes, expected: Any) -> None:
    assert found(typed("/input", tags, data)) == [expected]


def test_an_array_is_an_event_and_what_is_no_number_is_refused(bench) -> None:
    b = bench()
    for tags, data in (("[ff]", F + F), ("ff", F + F), ("[f]f", F + F)):
        b.ensemble.receive(typed("/input", tags, data))
    assert b.performer.counts.heard == 3
    for tags, data in (("TF", b""), ("NN", b""), ("ss", b"a\0\0\0b\0\0\0"), ("[[[f]]]", F)):
        b.ensemble.receive(typed("/input", tags, data))
    assert b.wire.refusals.counts == {"type": 3, "length": 1}


BUTTONS = ["/sample", "/start", "/pause", "/reset", "/panic", "/stop"]


@pytest.mark.parametrize("route", BUTTONS)
@pytest.mark.parametrize("up", [0, 0.0, -0.0])
def test_a_button_let_go_does_nothing(bench, route: str, up: float) -> None:
    b = bench(mode="loop")
    b.hear("/start")
    b.hear("/input", 60, 80)
    before, heard = b.performer.status(), list(b.player.heard)
    assert b.ask(route, up) == []
    b.ensemble.receive(typed(route, "F"))
    assert (b.performer.status(), b.player.heard, b.ensemble.stopped) == (before, heard, False)
    assert b.wire.refusals.total == 0


@pytest.mark.parametrize("route", BUTTONS)
@pytest.mark.parametrize("down", [1, 1.0, 127, -1])
def test_a_button_pressed_acts_as_a_bare_message_does(bench, route: str, down: float) -> None:
    bare, pressed = bench(mode="loop"), bench(mode="loop")
    for b in (bare, pressed):
        b.hear("/start")
    assert pressed.ask(route, down) == bare.ask(route)
    assert pressed.performer.status().predicted == bare.performer.status().predicted
    assert pressed.ensemble.stopped == bare.ensemble.stopped == (route == "/stop")


@pytest.mark.parametrize("route", BUTTONS)
def test_what_no_button_sends_is_refused(bench, route: str) -> None:
    b = bench(mode="loop")
    b.hear("/start")
    before = b.performer.status()
    for values, kind in (((1, 0), "length"), (("bang",), "type"), ((float("nan"),), "type")):
        b.clock.now += 2
        ((_, *said),) = b.ask(route, *values)
        assert said[:2] == ["error", kind] and route in said[2]
    assert b.performer.status() == before and not b.ensemble.stopped


def play(bench, skew: float, **options: Any) -> Any:
    """Play twelve events, one each half second, from a machine whose clock is ahead."""
    b = bench(**options)
    for _ in range(12):
        b.ensemble.receive(encode_bundle(encode("/input", 60.0, 80.0), b.clock.now + skew), OTHER)
        b.pass_time(0.5)
    return b


SKEWS = [3.0, -3.0, 0.4, -0.9, 20.0, 59.5, 61.0, -86_400.0, 4e8, -1.5e9]


@pytest.mark.parametrize("skew", SKEWS)
def test_a_sender_whose_clock_is_wrong_is_answered_all_the_same_and_told(bench, skew: float) -> None:
    right, wrong = play(bench, 0.0), play(bench, skew)
    assert wrong.outputs() == right.outputs() == 12
    assert [row[0] for row in wrong.player.heard[1:]] == pytest.approx([0.5] * 11, abs=1e-3)
    side = "ahead of" if skew > 0 else "behind"
    assert wrong.said == [f"time tags from 192.168.0.9 are {abs(skew):,.1f} s {side} this clock; that is taken off"]
    assert [message[2] for message in wrong.sent if message[:2] == ["/status", "clock"]] == [pytest.approx(skew, 1e-3)]
    assert right.said == [] and wrong.wire.refusals.total == 0


def test_tags_a_little_ahead_or_late_are_times(bench) -> None:
    for skew in (0.2, -0.2):
        assert play(bench, skew).said == []


def test_a_clock_that_wanders_is_told_seldom(bench) -> None:
    b = bench()
    chance = random.Random(0)
    for number in range(2000):
        skew = 3.0 + 0.001 * number + chance.uniform(-0.1, 0)
        b.ensemble.receive(encode_bundle(encode("/input", 60.0, 80.0), b.clock.now + skew), OTHER)
        b.pass_time(0.01)
    assert len(b.said) < 10
    assert all(0 <= row[0] < 0.15 for row in b.player.heard[1:])


def test_elements_of_one_packet_keep_the_times_between_them(bench) -> None:
    b = bench()
    elements = [encode_bundle(encode("/input", 60.0, 80.0), b.clock.now + 7 + i / 10) for i in range(5)]
    packet = b"#bundle\0" + struct.pack(">Q", 1) + b"".join(struct.pack(">i", len(each)) + each for each in elements)
    b.ensemble.receive(packet, OTHER)
    assert [row[0] for row in b.player.heard[1:]] == pytest.approx([0.1] * 4, abs=1e-3)


def test_no_more_clocks_are_remembered_than_there_is_room_for() -> None:
    said: list[str] = []
    inbox = Inbox(Wire(lambda *_: None, said.append, lambda: 0.0))
    for number in range(10_000):
        inbox.read(
            encode_bundle(encode("/input", 1.0), 100.0), (f"10.0.{number // 250}.{number % 250}", number), 0.0, 0.0
        )
    assert len(inbox._skews) == MOST_CLOCKS and len(inbox._told) <= MOST_CLOCKS + 1
    assert len(said) == 1


PATTERNS = [
    "/in*",
    "/{input,stop}",
    "/[is]*",
    "/?nput",
    "//input",
    "/#bundle",
    "/input/",
    "/",
    "/\u00fc",
    "/1/2/3/input",
]


def test_an_address_with_a_pattern_is_unknown(bench) -> None:
    b = bench()
    for route in PATTERNS:
        b.hear(route, 60, 80)
    assert b.performer.counts.heard == 0 and not b.ensemble.stopped
    assert b.wire.refusals.counts == {"route": len(PATTERNS)}


def test_a_very_long_address_costs_little_and_is_cut_in_what_is_said(bench) -> None:
    b = bench()
    began = time.perf_counter()
    for number in range(200):
        b.hear("/" + "input" * 3000, number)
    assert time.perf_counter() - began < 2
    assert b.wire.refusals.counts == {"route": 200} and max(map(len, b.said)) < 200


def nest(packet: bytes, size: int) -> bytes:
    while len(packet) < size:
        packet = b"#bundle\0" + struct.pack(">Qi", 1, len(packet)) + packet
    return packet


def test_the_largest_datagrams_cost_little(bench) -> None:
    b = bench()
    good = encode("/input", 60.0, 80.0)
    deep = nest(good, 65_000)
    began = time.perf_counter()
    for _ in range(20):
        b.ensemble.receive(deep)
    assert time.perf_counter() - began < 2  # 20 times three thousand bundles, one in the other
    assert b.performer.counts.heard == 20
    for packet in (b"/" * 65_507, b"#bundle\0" * 8000, bytes(65_507), b"/input\0\0," + b"f" * 65_000):
        b.ensemble.receive(packet)
    assert b.performer.counts.heard == 20


def test_thousands_of_events_in_one_packet_hold_up_no_note(fake_player, bench_class) -> None:
    """On the real clock: what is due while they are heard sounds between them."""
    player = fake_player(dt=0.005)
    observe = player.observe

    def slow(row: Any) -> None:
        time.sleep(0.0002)  # about what a model takes
        observe(row)

    player.observe = slow
    b = bench_class([player], time.perf_counter, mode="loop")
    b.hear("/start")
    event = encode("/input", 60.0, 80.0)
    element = struct.pack(">i", len(event)) + event
    b.ensemble.receive(b"#bundle\0" + struct.pack(">Q", 1) + element * (65_000 // len(element)))
    assert b.performer.counts.heard > 2000
    late = b.performer.status().latency
    assert late.count > 20 and late.largest < 0.1


@pytest.mark.parametrize("route", ["/load", "/prime"])
def test_only_what_the_command_line_names_can_be_loaded(bench, fake_player, route: str, tmp_path) -> None:
    b = bench(standbys=[LoadedModel("second", fake_player())], primers={"song": []})
    (tmp_path / "evil.pt").write_bytes(b"")
    names = [str(tmp_path / "evil.pt"), "../second", "second.pt", "", "SECOND", "\0", "x" * 10_000, 1, 1e30]
    for name in names:
        b.hear(route, name)
    assert b.wire.refusals.total == len(names)
    assert b.instrument.model.name == "lead" and b.player.resets == 0
    assert max(map(len, b.said)) < 200


STEERING = [
    *BUTTONS,
    *("/mode", "/silence", "/speed", "/seed", "/load", "/prime", "/temperature", "/top_p", "/min_p", "/polyphony"),
    *("/constrain", "/release"),
]


def test_who_may_not_steer_may_play(bench) -> None:
    b = bench(mode="loop")
    b.ensemble._may_steer = senders_among(["127.0.0.1"])
    assert {*STEERING, "/input", "/status"} == b.instrument.routes.keys()
    for route in STEERING:
        b.clock.now += 2
        for address in (route, f"/1{route}"):
            b.hear(address, sender=OTHER)
    assert b.wire.refusals.counts == {"sender": 2 * len(STEERING)}
    assert "'/sample' from 192.168.0.9: may play /input, but not steer; see --control-from" in b.said[0]
    b.hear("/input", 60, 80, sender=OTHER)
    assert b.performer.counts.heard == 1 and not b.ensemble.stopped
    before = len(b.sent)
    b.hear("/status", sender=OTHER)
    assert b.sent[before:][-1] == ["/status", "refused", 2 * len(STEERING)]
    b.hear("/start", sender=ME)
    assert b.performer.status().alone


@pytest.mark.parametrize(
    ("given", "yes", "no"),
    [
        ([], ["127.0.0.1", "10.0.0.1", "::1"], []),
        (["192.168.0.7"], ["192.168.0.7", "::ffff:192.168.0.7"], ["192.168.0.70", "127.0.0.1", "::1"]),
        (["192.168.0.0/24", "localhost"], ["192.168.0.9", "127.0.0.1"], ["192.168.1.9"]),
        (["192.168.0.7/24"], ["192.168.0.9"], ["10.0.0.1"]),
        (["fe80::1"], ["fe80::1%eth0"], ["fe80::2%eth0"]),
    ],
)
def test_senders_are_told_apart_by_address_and_network(given: list[str], yes: list[str], no: list[str]) -> None:
    may = senders_among(given)
    assert [may((host, 1)) for host in yes] == [True] * len(yes)
    assert [may((host, 1)) for host in no] == [False] * len(no)
    assert may(None) is not bool(given)


def test_an_address_that_may_steer_has_to_be_one() -> None:
    with pytest.raises(HachimachiError, match="--control-from: 'not an address' is not a known address"):
        senders_among(["127.0.0.1", "not an address"])


def test_what_it_means_to_be_reached_is_said() -> None:
    with Loop(("127.0.0.1", 0), [ME]) as loop:
        assert not loop.exposed
    with Loop(("0.0.0.0", 0), [ME]) as loop:
        assert loop.exposed
    assert "may play to it, steer it and stop it, unless --control-from" in describe_exposure("0.0.0.0", 8000, [])
    assert "may play to it, and 10.0.0.1 may steer it" in describe_exposure("0.0.0.0", 8000, ["10.0.0.1"])


def test_a_broadcast_reaches_whoever_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as patch:
        patch.bind(("0.0.0.0", 0))
        patch.settimeout(10)
        with Loop(("127.0.0.1", 0), [("127.255.255.255", patch.getsockname()[1])]) as loop:
            loop.send(encode("/output", 1.0))
        assert OscMessage(patch.recv(1000)).params == [1.0]


def test_a_mistake_is_told_for_each_route(bench) -> None:
    """A kind and a route: after one wrong value, those of other routes are told at once."""
    b = bench()
    wrong = [
        ("/mode", "jazz"),
        ("/temperature", -1),
        ("/speed", 0),
        ("/load", "c"),
        ("/constrain", "pitch", "scale", "H"),
    ]
    told = [b.ask(*message)[0] for message in wrong]
    assert [message[:3] for message in told] == [["/status", "error", "value"]] * 5
    assert len(b.said) == 5
    for message in wrong:  # and not again within a second
        assert b.ask(*message) == []
    assert len(b.said) == 5
    for number in range(1000):  # of routes that there are not, one a second whatever they are called
        b.hear(f"/{number}")
    assert len(b.said) == 6
