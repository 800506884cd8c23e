from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import build_msg

from hachimachi.live import osc
from hachimachi.live.osc import Message, encode, parse
from hachimachi.live.protocols import Refused

NOW, WALL = 50.0, 1_700_000_000.0


def messages(packet: bytes) -> list[Message | Refused]:
    return list(parse(packet, NOW, WALL))


def bundle(at: float, *contents) -> bytes:
    builder = OscBundleBuilder(at)  # pyright: ignore[reportArgumentType]
    for content in contents:
        builder.add_content(content)
    return builder.build().dgram


def raw_bundle(*elements: tuple[int, bytes], tag: int = 1) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", n) + e for n, e in elements)


@given(st.lists(st.floats(width=32, allow_nan=False) | st.integers(-(2**31), 2**31 - 1), max_size=8))
def test_numbers_come_back(values: list[float]) -> None:
    assert messages(encode("/input", *values)) == [Message("/input", tuple(values), NOW)]


def test_python_osc_reads_what_is_written() -> None:
    message = OscMessage(encode("/status", "features", "pitch", 3, 0.5))
    assert (message.address, message.params) == ("/status", ["features", "pitch", 3, 0.5])


def test_a_message_without_type_tags_has_no_values() -> None:
    assert messages(b"/sample\0") == [Message("/sample", (), NOW)]


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [(0.25, 50.25), (-0.25, 49.75), (59.0, 109.0), (3e8, 3e8 + 50)],
)
def test_a_time_tag_is_the_time_of_its_messages(ahead: float, expected: float) -> None:
    packet = bundle(WALL + ahead, build_msg("/input", [1.0]), build_msg("/sample"))
    assert [m.time for m in messages(packet) if isinstance(m, Message)] == pytest.approx([expected] * 2)


def test_immediately_is_now() -> None:
    assert messages(bundle(IMMEDIATELY, build_msg("/sample"))) == [Message("/sample", (), NOW)]


def test_nested_bundles_keep_their_order_and_their_own_times() -> None:
    late, soon = OscBundleBuilder(int(WALL) + 2), OscBundleBuilder(int(WALL) + 1)
    late.add_content(build_msg("/a"))
    soon.add_content(build_msg("/b"))
    found = messages(bundle(IMMEDIATELY, late.build(), build_msg("/c"), soon.build()))
    assert [(m.route, m.time) for m in found if isinstance(m, Message)] == [
        ("/a", pytest.approx(52)),
        ("/c", 50.0),
        ("/b", pytest.approx(51)),
    ]


def test_a_bad_element_costs_only_itself() -> None:
    good, bad = encode("/input", 1.0), b"nonsense"
    found = messages(raw_bundle((len(good), good), (len(bad), bad), (len(good), good)))
    assert [type(one) for one in found] == [Message, Refused, Message]


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0" * 64,
        b"#bundle\0",
        b"#bundle\0\0\0\0\0",
        raw_bundle((-4, b"")),  # a reader that trusts it never moves on
        raw_bundle((0, b"")),
        raw_bundle((2**31 - 1, b"/a\0\0")),
        raw_bundle((8, b"/a")),
        b"/input",
        b"/input\0\0,ff\0\0\0\0\0",  # one float short
        encode("/input", 1.0, 2.0)[:-1],
        b"/input\0\0ff\0\0\0\0\0\0",  # no comma
        b"/input\0\0,f]\0\0\0\0\0",
        b"/input\0\0,[[[\0\0\0\0",
        b"/input\0\0,I\0\0",  # a type that python-osc passes over in silence
        b"/input\0\0,s\0\0\xff\xfe\0\0",  # not UTF-8
        b"/in\xffut\0,\0\0\0",
        b"/input\0\0,b\0\0\x7f\xff\xff\xff",
        b"/input\0\0,t\0\0\0\0",
        b"/" + b"a" * 60_000,
        encode("/input", *[1.0] * 10_000),
    ],
)
def test_what_is_not_osc_is_refused(packet: bytes) -> None:
    found = messages(packet)
    assert len(found) == 1
    assert isinstance(found[0], Refused)
    assert found[0].kind == "packet"
    assert str(found[0]).isprintable()


def test_bundles_nested_as_deep_as_a_datagram_allows() -> None:
    packet = encode("/sample")
    while len(packet) < 65_000:
        packet = raw_bundle((len(packet), packet))
    assert messages(packet) == [Message("/sample", (), NOW)]


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(packet: bytes) -> None:
    for start in (b"", b"/", b"#bundle\0", b"/input\0\0,"):
        assert all(isinstance(one, Message | Refused) for one in messages(start + packet))


NUMBERS = st.lists(st.floats(width=32) | st.integers(-(2**63), 2**63 - 1), max_size=5)


@given(st.sampled_from(["/input", "/a,b", "/", "/sample", "/ü"]), NUMBERS, st.data())
def test_what_is_read_is_what_python_osc_reads(route: str, values: list[float], data: st.DataObject) -> None:
    packet = bytearray(build_msg(route, values).dgram)  # h for what does not fit into i
    for _ in range(data.draw(st.integers(0, 3))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.sampled_from(b"\0,fihdsT/A"))
    element = bytes(packet[: len(packet) - data.draw(st.integers(0, 4))])
    try:
        read = osc._read_message(element, NOW)
    except Refused:
        assert element != build_msg(route, values).dgram
        return
    theirs = OscMessage(element)
    assert repr((read.route, read.values)) == repr((theirs.address, tuple(theirs.params)))


@pytest.mark.parametrize("values", [(), (1.0,), (0.25, -0.0, 3e38, 1e-45)])
def test_what_is_written_in_one_go_is_what_python_osc_writes(values: tuple[float, ...]) -> None:
    assert encode("/output", *values) == build_msg("/output", list(values)).dgram


def test_a_hundred_kinds_of_messages_are_read_and_written() -> None:
    for _ in range(2):
        for size in range(100):
            values = tuple(float(value) for value in range(size))
            assert messages(encode(f"/{size}", *values)) == [Message(f"/{size}", values, NOW)]
