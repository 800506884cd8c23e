from __future__ import annotations

import gc
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from pythonosc.osc_message import OscMessage

from hachimachi.errors import HachimachiError
from hachimachi.live.instrument import Ensemble, Instrument, LoadedModel
from hachimachi.live.loop import Loop
from hachimachi.live.osc import OscListener, Wire, encode


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
        ensemble = Ensemble([Instrument(LoadedModel("model", player), wire, [OscListener(wire)], **options)], wire)
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
        ensemble = Ensemble([Instrument(LoadedModel("model", fake_player()), wire)], wire)
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


@contextmanager
def sockets(count: int):
    with ExitStack() as stack:
        ends = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for end in ends:
            end.bind(("127.0.0.1", 0))
            end.settimeout(10)
        yield ends


def test_two_clients_are_each_answered_where_they_asked_from(fake_player) -> None:
    with sockets(2) as clients, running(fake_player(temporal=False), reply=True) as (loop, ensemble, _):
        for number in range(40):
            client = clients[number % 2]
            client.sendto(encode("/input", 60.0, 80.0), ("127.0.0.1", loop.port))
            assert receive(client)[0] == "/output"
        clients[0].sendto(encode("/nonsense"), ("127.0.0.1", loop.port))
        assert receive(clients[0])[:3] == ["/status", "error", "route"]
        clients[1].setblocking(False)
        with pytest.raises(BlockingIOError):
            clients[1].recv(1000)
    assert ensemble.instruments[0].performer.counts.played == 40


def test_several_listeners_hear_the_same(fake_player) -> None:
    with sockets(3) as (patch, one, two):
        outs = [one.getsockname(), two.getsockname()]
        with running(fake_player(temporal=False), *outs, reply=True) as (loop, *_):
            for listener in (one, two):
                assert receive(listener) == ["/status", "ready", 1]
            patch.sendto(encode("/input", 60.0, 80.0), ("127.0.0.1", loop.port))
            heard = [receive(each) for each in (one, two, patch)]
            one.sendto(encode("/input", 60.0, 80.0), ("127.0.0.1", loop.port))  # who listens is not told twice
            assert [receive(each)[0] for each in (one, two)] == ["/output"] * 2
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.recv(1000)
    assert heard[0] == heard[1] == heard[2]


def test_models_are_exchanged_under_load_without_a_gap(fake_player, patch) -> None:
    second = fake_player(temporal=False)
    standby = LoadedModel("second", second)
    with running(fake_player(temporal=False), patch.getsockname(), standbys=[standby]) as (loop, ensemble, said):
        assert receive(patch) == ["/status", "ready", 1]
        model = ("127.0.0.1", loop.port)
        answers = loads = 0
        for number in range(300):
            if number % 10 == 5:
                patch.sendto(encode("/load", "second" if number % 20 == 5 else "model"), model)
                loads += 1
            patch.sendto(encode("/input", 60.0, 80.0), model)
            while (message := receive(patch))[0] != "/output":
                assert message[:2] == ["/status", "model"]
            answers += 1
    assert answers == ensemble.instruments[0].performer.counts.answered == 300
    assert said == []
    assert len(second.heard) > 0
