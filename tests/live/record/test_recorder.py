"""A recording as messages see it, without sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import build_msg

from hachimachi.events import Feature
from hachimachi.io import read
from hachimachi.live.osc import Wire, encode
from hachimachi.live.protocols import Address
from hachimachi.live.record.journal import Journal
from hachimachi.live.record.recorder import Recorder

WALL = 1.7e9


class Desk:
    """A recorder of two columns, and what it said and sent."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.clock, self.said, self.shown = clock, list[str](), list[tuple[int, float]]()
        self.sent: list[list[Any]] = []
        features = (Feature("x"), Feature("late", masked=True))
        self.journal = Journal(folder / "take.json", features, clock=clock)
        self.recorder = Recorder(
            self.journal,
            Wire(self._send, self.said.append, clock),
            show=lambda *counted: self.shown.append(counted),
            clock=clock,
            wall=lambda: WALL,
        )

    def _send(self, packet: bytes, _: Address | None) -> None:
        message = OscMessage(packet)
        self.sent.append([message.address, *message.params])

    def rows(self) -> list[list[float]]:
        self.journal.close()
        return read(self.journal.path)[0].data.tolist()


@pytest.fixture
def desk(tmp_path: Path, fake_clock: Any) -> Desk:
    return Desk(tmp_path, fake_clock())


def test_a_wrong_message_is_refused_and_the_next_one_recorded(desk: Desk) -> None:
    bad = [
        (encode("/input", 1.0), "length", "expected 2 (x late)"),
        (encode("/input", "a", "b"), "type", "expected a number"),
        (encode("/input", float("nan"), 1.0), "finite", "finite"),
        (encode("/output", 1.0, 2.0), "route", "/input /reset /status /stop"),
        (b"nonsense", "packet", "not OSC"),
    ]
    for number, (packet, kind, words) in enumerate(bad):
        desk.recorder.receive(packet)
        desk.recorder.receive(encode("/input", float(number), 0.5), ("127.0.0.1", 9))
        assert desk.sent[-1][:3] == ["/status", "error", kind]
        assert words in desk.sent[-1][3]
        assert words in desk.said[-1]
    assert desk.recorder.refusals.total == len(bad)
    assert desk.rows() == [[number, 0.5] for number in range(len(bad))]


def tagged(ahead: float, value: float) -> bytes:
    """A bundle of a sender whose clock is ahead of this one."""
    bundle = OscBundleBuilder(WALL + ahead)  # pyright: ignore[reportArgumentType]
    bundle.add_content(build_msg("/input", [value, 0.0]))  # pyright: ignore[reportArgumentType]
    return bundle.build().dgram


def test_time_is_the_bundles_less_what_its_clock_is_wrong(desk: Desk) -> None:
    for ahead in (5.0, 0.25, 1e6):
        desk.recorder.receive(tagged(ahead, ahead))
    desk.clock.now += 2
    desk.recorder.receive(encode("/input", 2.0, 0.0))
    desk.journal.close()
    [sequence] = read(desk.journal.path)
    assert sequence.time is not None
    assert sequence.column("x").tolist() == [5, 1e6, 0.25, 2]
    assert sequence.time.tolist() == pytest.approx([0, 0, 0.25, 2], abs=1e-3)


@pytest.mark.parametrize("ahead", [3.0, -3.0, 0.8, 59.0, 61.0, 3e8, -1.5e9])
@pytest.mark.parametrize("corrected", [0.0, 30.0, -30.0])
def test_a_clock_that_is_wrong_changes_no_order_and_is_told(desk: Desk, ahead: float, corrected: float) -> None:
    """A phone whose bundles are ahead or behind, between plain messages; in the middle its clock is put right."""
    for number in range(12):
        desk.clock.now += 0.5
        skew = corrected if number >= 6 else ahead
        phone = number % 2 == 0
        desk.recorder.receive(tagged(skew, number) if phone else encode("/input", float(number), 0.0))
    assert desk.said and f"time tags from a sender are {abs(ahead):,.1f} s" in desk.said[0]
    desk.journal.close()
    [sequence] = read(desk.journal.path)
    assert sequence.time is not None
    assert sequence.column("x").tolist() == list(range(12))
    assert np.diff(sequence.time) == pytest.approx([0.5] * 11, abs=0.3)


def test_a_button_let_go_neither_drops_nor_ends(desk: Desk) -> None:
    desk.recorder.receive(encode("/input", 1.0, 1.0))
    for route in ("/reset", "/stop"):
        desk.recorder.receive(encode(route, 0.0))
    assert (desk.recorder.recorded, desk.recorder.stopped, desk.said) == (1, False, [])
    desk.recorder.receive(encode("/reset", 1.0))
    desk.recorder.receive(encode("/stop", 1))
    assert (desk.recorder.recorded, desk.recorder.stopped) == (0, True)


def test_reset_drops_and_says_where_it_still_is(desk: Desk) -> None:
    desk.recorder.receive(encode("/reset"))
    assert not desk.said
    desk.recorder.receive(encode("/input", 1.0, 1.0))
    desk.recorder.receive(encode("/reset"))
    desk.recorder.receive(encode("/input", 2.0, 2.0))
    assert desk.said == [f"/reset: 1 event dropped; until the end they are in {desk.journal.file}"]
    assert "1.0, 1.0]" in desk.journal.file.read_text()
    assert desk.rows() == [[2, 2]]


def test_status_is_answered_and_an_answer_is_not(desk: Desk) -> None:
    desk.recorder.start()
    desk.recorder.receive(encode("/input", 1.0, 1.0))
    desk.recorder.receive(encode("/status"))
    desk.recorder.receive(encode("/status", "ready", 1))
    desk.recorder.end()
    file = str(desk.journal.path)
    answers = [["ready", 1], ["file", file], ["input", "x", "late"], ["recorded", 1], ["lost", 0], ["refused", 0]]
    assert desk.sent == [["/status", *answer] for answer in [["ready", 1], *answers, ["ready", 0]]]
    desk.journal.abandon()


def test_stop_ends_it_at_once(desk: Desk) -> None:
    bundle = b"#bundle\0" + bytes(7) + b"\1"
    for message in (encode("/input", 1.0, 1.0), encode("/stop"), encode("/input", 2.0, 2.0)):
        bundle += len(message).to_bytes(4, "big") + message
    desk.recorder.receive(bundle)
    assert desk.recorder.stopped
    assert desk.rows() == [[1, 1]]


def test_the_counter_moves_twice_a_second(desk: Desk) -> None:
    start = desk.clock.now
    for _ in range(9):
        desk.recorder.receive(encode("/input", 1.0, 1.0))
        assert desk.recorder.turn() == pytest.approx(start + 0.5 * (1 + len(desk.shown)))
        desk.clock.now += 0.125
    desk.recorder.receive(encode("/reset"))
    desk.recorder.turn()
    assert desk.shown == [(5, 10), (9, 8)]
    desk.journal.abandon()


def test_unwatched_it_sleeps_until_a_message_comes(desk: Desk) -> None:
    recorder = Recorder(desk.journal, Wire(lambda *_: None, desk.said.append))
    assert recorder.turn() is None
    desk.journal.abandon()


def test_that_nothing_can_be_sent_is_said_once(desk: Desk) -> None:
    def fail(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    recorder = Recorder(desk.journal, Wire(fail, desk.said.append), clock=desk.clock)
    recorder.receive(encode("/status"))
    assert len(desk.said) == 1
    assert "cannot send /status" in desk.said[0]
    desk.journal.abandon()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    packets=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.binary(max_size=40).map(lambda body: b"/input\0\0,ff\0" + body),
            st.binary(max_size=40).map(lambda body: b"#bundle\0" + body),
        )
    )
)
def test_no_packet_ends_it_or_costs_an_event(tmp_path: Path, fake_clock: Any, packets: list[bytes]) -> None:
    (tmp_path / "take.json").unlink(missing_ok=True)
    desk = Desk(tmp_path, fake_clock())
    for number, packet in enumerate(packets):
        desk.recorder.receive(packet)
        desk.recorder.receive(encode("/input", float(number), -1.0))
        desk.recorder.turn()
    desk.recorder.receive(encode("/input", -1.0, -1.0))
    rows = np.array(desk.rows())
    assert rows[rows[:, 1] == -1, 0][-len(packets) - 1 :].tolist() == [*range(len(packets)), -1]
