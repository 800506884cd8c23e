from __future__ import annotations

import gc
import socket
import threading
import time
from contextlib import contextmanager
from typing import Any

import pytest
from pythonosc.osc_message import OscMessage

from hachimachi.errors import HachimachiError
from hachimachi.live.ensemble import Ensemble
from hachimachi.live.instrument import Instrument, Part
from hachimachi.live.loop import Loop
from hachimachi.live.osc import encode
from hachimachi.live.wire import OscOutlet, Wire


@pytest.fixture
def patch():
    """A program at the other end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))
        end.settimeout(10)
        yield end


@contextmanager
def running(player, *outs: tuple[str, int], reply: bool = False, **options):
    said: list[str] = []
    with Loop(("127.0.0.1", 0), outs, reply) as loop:
        wire = Wire(loop.send, said.append)
        ensemble = Ensemble([Instrument(Part("model", player), wire, [OscOutlet(wire)], **options)], wire)
        thread = threading.Thread(target=loop.run, args=[ensemble])
        thread.start()
        try:
            yield loop, ensemble, said
        finally:
            loop.stop()
            thread.join(10)
            assert not thread.is_alive()


def receive(patch: socket.socket) -> list[Any]:
    packet, _ = patch.recvfrom(65_536)
    message = OscMessage(packet)
    return [message.address, *message.params]


def test_a_patch_that_feeds_back_hears_it_improvise_in_time(fake_player, patch) -> None:
    player = fake_player(dt=0.01)
    with running(player, patch.getsockname()) as (loop, _, said):
        assert receive(patch) == ["/status", "ready", 1]
        model = ("127.0.0.1", loop.port)
        patch.sendto(encode("/sample"), model)
        for _ in range(60):
            route, *values = receive(patch)
            assert route == "/output"
            patch.sendto(encode("/input", *values), model)
    assert [row[0] for row in player.heard[1:]] == pytest.approx([0.01] * 59, abs=1e-9)
    assert said == []


def test_it_answers_from_the_port_on_which_it_hears(fake_player, patch) -> None:
    with running(fake_player(temporal=False), patch.getsockname()) as (loop, *_):
        assert receive(patch) == ["/status", "ready", 1]
        patch.sendto(encode("/input", 60, 80), ("127.0.0.1", loop.port))
        _, sender = patch.recvfrom(1000)
        assert sender == ("127.0.0.1", loop.port)


def test_bad_packets_do_not_keep_it_from_the_next(fake_player, patch) -> None:
    with running(fake_player(temporal=False), patch.getsockname()) as (loop, ensemble, said):
        assert receive(patch) == ["/status", "ready", 1]
        model = ("127.0.0.1", loop.port)
        for packet in (
            b"",
            b"nonsense",
            b"#bundle\0",
            encode("/nowhere"),
            encode("/input", "a", "b"),
            bytes(60_000),
        ):
            patch.sendto(packet, model)
        patch.sendto(encode("/input", 60, 80), model)
        heard = [receive(patch) for _ in range(4)]
    assert [message[0] for message in heard] == ["/status"] * 3 + ["/output"]
    assert [message[2] for message in heard[:3]] == ["packet", "route", "type"]
    assert ensemble.refusals.total == 6
    assert len(said) == 3


def test_it_plays_on_where_nobody_listens(fake_player, patch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        nobody = gone.getsockname()
    with running(fake_player(temporal=False), nobody) as (loop, ensemble, said):
        for _ in range(20):
            patch.sendto(encode("/input", 60, 80), ("127.0.0.1", loop.port))
            time.sleep(0.002)
        until(lambda: ensemble.instruments[0].performer.counts.heard == 20)
    assert said == []


def test_stop_on_the_wire_ends_it(fake_player, patch) -> None:
    with Loop(("127.0.0.1", 0), [patch.getsockname()]) as loop:
        wire = Wire(loop.send, print)
        ensemble = Ensemble([Instrument(Part("model", fake_player()), wire)], wire)
        patch.sendto(encode("/stop"), ("127.0.0.1", loop.port))
        loop.run(ensemble)  # returns
    assert ensemble.stopped


def test_it_leaves_the_collector_as_it_was(fake_player, patch) -> None:
    frozen = gc.get_freeze_count()
    with running(fake_player(), patch.getsockname()):
        pass
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_a_port_in_use_is_named(patch) -> None:
    port = patch.getsockname()[1]
    with pytest.raises(HachimachiError, match=f"port {port} of 127.0.0.1 is in use.*--in-port"):
        Loop(("127.0.0.1", port), [("127.0.0.1", 9000)])


@pytest.mark.parametrize(
    ("listen", "out", "option"),
    [
        ("192.0.2.1", "127.0.0.1", "--address"),  # TEST-NET-1: no machine has it
        ("not an address", "127.0.0.1", "--address"),
        ("127.0.0.1", "not an address", "--out"),
    ],
)
def test_an_address_that_is_none_is_named(listen: str, out: str, option: str) -> None:
    with pytest.raises(HachimachiError, match=option):
        Loop((listen, 0), [(out, 9000)])


def test_from_loopback_it_still_reaches_other_machines() -> None:
    with Loop(("127.0.0.1", 0), [("192.0.2.1", 9000)]) as loop:
        try:
            loop.send(encode("/status", "ready", 1))
        except OSError as error:  # a machine without a network says so; EINVAL would be our own doing
            assert error.errno != 22


def until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
