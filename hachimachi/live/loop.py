"""The loop between datagrams and what is due: one thread, one select, absolute deadlines."""

from __future__ import annotations

import contextlib
import errno
import gc
import ipaddress
import select
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from hachimachi.errors import HachimachiError
from hachimachi.live.osc import encode
from hachimachi.live.protocols import Address

SPIN_SECONDS = 0.0005
"""The system may wake us this much late, so the last stretch before a deadline is spent awake."""
LAST_SECONDS = 0.00005
"""So long before a deadline nothing else is begun any more."""
DRAIN_SECONDS = 0.0005
"""So long packets are received in one turn: a flood must not keep what is due from sounding."""
WARM_UP = (60.0, 80.0, 0.5, 0.0)
"""Values of the message that is sent to nobody in the last stretch before a deadline."""
LONGEST_WAIT = 3600.0
REST_SECONDS, REST_EVERY = 0.05, 10.0
"""Garbage is collected only in a pause of the first length, and no more often than the second."""


class Service(Protocol):
    """What a loop runs: `Ensemble` and `Recorder`."""

    @property
    def stopped(self) -> bool:
        """Whether it has come to its end."""
        ...

    def start(self) -> None:
        """Begin."""
        ...

    def receive(self, packet: bytes, sender: Address, /) -> None:
        """Take in one datagram; must not raise."""
        ...

    def turn(self) -> float | None:
        """Do what is due and return the next deadline in seconds of `time.perf_counter`, ``None`` if nothing waits."""
        ...


class Loop:
    """The socket that a service receives on and sends from.

    Args:
        listen: Address and port to receive on; port 0 takes any free one.
        outs: Addresses and ports to send to.
        reply: Whether to send to those who send, too: to the one who asked, else to the one who sent last.

    Raises:
        HachimachiError: An address that is not known or not ours, or a port in use.
    """

    def __init__(self, listen: Address, outs: Sequence[Address], reply: bool = False) -> None:
        family, here = _resolve(*listen, "--address")
        there = [_resolve(*out, "--out") for out in outs]
        self._reply = reply
        self._last_sender: Address | None = None
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._waker, self._wake = socket.socketpair()
        try:
            self._socket.bind(here)
        except OSError as error:
            for one in (self._socket, self._waker, self._wake):
                one.close()
            address, port = listen
            text = f"cannot listen on port {port} of {address}: {error.strerror}; see --in-port and --address"
            if error.errno == errno.EADDRINUSE:
                text = f"port {port} of {address} is in use, perhaps by another hxmx run; choose another with --in-port"
            elif error.errno == errno.EADDRNOTAVAIL:
                text = f"--address: {address} is not an address of this machine; try 127.0.0.1, or 0.0.0.0 for all"
            raise HachimachiError(text) from error
        for one in (self._socket, self._waker, self._wake):
            one.setblocking(False)
        with contextlib.suppress(OSError):  # room for a burst, where the system grants it
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._unread = socket.socket(family, socket.SOCK_DGRAM)  # what is full takes no more
        with contextlib.suppress(OSError):  # where it cannot be bound, nothing is warmed up
            self._unread.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self._nobody = self._unread.getsockname()
        self._outs = [(self._sender(family, here[0], *out), out[1]) for out in there]
        self._stopping = False

    @property
    def port(self) -> int:
        """The port it receives on."""
        return int(self._socket.getsockname()[1])

    @property
    def wakeup(self) -> int:
        """File descriptor that ends a wait when written to, for `signal.set_wakeup_fd`."""
        return self._wake.fileno()

    def send(self, packet: bytes, to: Address | None = None) -> None:
        """Send one packet out, and to one who asked. That nobody listens is no error.

        Raises:
            OSError: The system refuses to send it to somebody; the others have got it.
        """
        receivers = self._outs
        asker = (to or self._last_sender) if self._reply else None
        if asker is not None and all(where != asker for _, where in self._outs):
            receivers = [*self._outs, (self._socket, asker)]
        failed: OSError | None = None
        for sender, where in receivers:
            try:
                sender.sendto(packet, where)
            except ConnectionError:
                pass
            except OSError as error:
                failed = error
        if failed is not None:
            raise failed

    def wake(self) -> None:
        """End a wait; from any thread."""
        with contextlib.suppress(OSError):  # full: it will wake anyway
            self._wake.send(b"\0")

    def stop(self) -> None:
        """End `run` soon; from any thread or signal handler."""
        self._stopping = True
        self.wake()

    def run(self, service: Service) -> None:
        """Run a service until `stop`, or until it has come to its end."""
        with _collect_in_pauses():
            service.start()  # only now: the first collection takes longer than many an event
            collected = time.perf_counter()
            while not (self._stopping or service.stopped):
                deadline = service.turn()
                now = time.perf_counter()
                wait = LONGEST_WAIT if deadline is None else deadline - now - SPIN_SECONDS
                if deadline is not None and 0 < deadline - now < SPIN_SECONDS:
                    if deadline - now < LAST_SECONDS:
                        while time.perf_counter() < deadline:
                            pass
                        continue
                    self._warm_up()
                if wait > REST_SECONDS and now - collected > REST_EVERY:
                    gc.collect()
                    collected = now
                    continue
                sockets = [self._socket, self._waker]
                readable, _, _ = select.select(sockets, [], [], min(max(0.0, wait), LONGEST_WAIT))
                if self._waker in readable:
                    self._waker.recv(4096)
                if self._socket in readable:
                    self._drain(service)

    def close(self) -> None:
        """Give the port back."""
        for one in (self._socket, self._unread, self._waker, self._wake, *(sender for sender, _ in self._outs)):
            one.close()

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _warm_up(self) -> None:
        """Encode and send to where nobody listens: what has rested for some milliseconds takes ten times as long."""
        with contextlib.suppress(OSError):
            self._socket.sendto(encode("/output", *WARM_UP), self._nobody)

    def _drain(self, service: Service) -> None:
        until = time.perf_counter() + DRAIN_SECONDS
        while time.perf_counter() < until:
            try:
                packet, sender = self._socket.recvfrom(65_536)
            except BlockingIOError:
                return
            except OSError:  # Windows reports here that nobody listened to what was sent
                continue
            self._last_sender = sender
            service.receive(packet, sender)

    def _sender(self, family: int, here: str, out_family: int, out: Address) -> socket.socket:
        """Return the socket to send from: the one that receives, so that a program can answer to where it was called
        from. But what is bound to loopback reaches no other machine, and a socket has one family."""
        if out_family == family and not (_is_loopback(here) and not _is_loopback(out[0])):
            return self._socket
        sender = socket.socket(out_family, socket.SOCK_DGRAM)
        sender.setblocking(False)
        return sender


@contextlib.contextmanager
def _collect_in_pauses() -> Iterator[None]:
    """Exempt what exists from garbage collection, and leave the rest to the loop."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def _resolve(address: str, port: int, option: str) -> tuple[int, tuple[str, int]]:
    try:
        family, _, _, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        raise HachimachiError(f"{option}: {address!r} is not a known address; try 127.0.0.1") from error
    return family, where  # type: ignore[return-value]  # an address of IPv6 has two members more


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.split("%", maxsplit=1)[0]).is_loopback


@contextmanager
def ended_by_signals(loop: Loop) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal end the loop; afterwards they do what they did before."""
    kinds = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    kinds = [kind for kind in kinds if signal.getsignal(kind) != signal.SIG_IGN]  # as nohup wants it
    previous = [signal.signal(kind, lambda *_: loop.stop()) for kind in kinds]
    descriptor = signal.set_wakeup_fd(loop.wakeup)  # on Windows nothing else interrupts a wait
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for kind, handler in zip(kinds, previous, strict=True):
            signal.signal(kind, handler)
