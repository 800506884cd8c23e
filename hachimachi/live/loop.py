"""The only room with sockets: one thread, one select, absolute deadlines."""

from __future__ import annotations

import contextlib
import errno
import gc
import ipaddress
import select
import socket
import time
from collections.abc import Iterator
from types import TracebackType

from hachimachi.errors import HachimachiError
from hachimachi.live.instrument import Instrument

SPIN_SECONDS = 0.0005
"""The system may wake us this much late, so the last stretch before a deadline is spent awake."""
DRAIN = 256
"""Packets taken in one turn: a flood must not keep what is due from sounding."""
LONGEST_WAIT = 3600.0
REST_SECONDS, REST_EVERY = 0.05, 10.0
"""Garbage is collected only in a pause of the first length, and no more often than the second."""


class Loop:
    """The socket on which an instrument hears and from which it plays.

    Args:
        listen: Address and port to hear on; port 0 takes any free one.
        out: Address and port to play to.

    Raises:
        HachimachiError: An address that is not known or not ours, or a port in use.
    """

    def __init__(self, listen: tuple[str, int], out: tuple[str, int]) -> None:
        family, here = _resolve(*listen, "--address")
        out_family, self._out = _resolve(*out, "--out-address")
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._waker, self._wake = socket.socketpair()
        try:
            self._socket.bind(here)
        except OSError as error:
            self.close()
            raise HachimachiError(_why(error, *listen)) from error
        for one in (self._socket, self._waker, self._wake):
            one.setblocking(False)
        with contextlib.suppress(OSError):  # room for a burst, where the system grants it
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._sender = self._socket
        # One port for both directions, so that a program can answer where it was called from; but what is
        # bound to loopback reaches no other machine, and a socket speaks one family.
        if out_family != family or (_is_loopback(here[0]) and not _is_loopback(self._out[0])):
            self._sender = socket.socket(out_family, socket.SOCK_DGRAM)
            self._sender.setblocking(False)
        self._stopping = False

    @property
    def port(self) -> int:
        """The port it hears on."""
        return int(self._socket.getsockname()[1])

    @property
    def wakeup(self) -> int:
        """File descriptor that ends a wait when written to, for `signal.set_wakeup_fd`."""
        return self._wake.fileno()

    def send(self, packet: bytes) -> None:
        """Send one packet out. That nobody listens is no error."""
        with contextlib.suppress(ConnectionError):
            self._sender.sendto(packet, self._out)

    def stop(self) -> None:
        """End `run` soon; from any thread or signal handler."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")

    def run(self, instrument: Instrument) -> None:
        """Start the instrument, and hear and play until `stop` or ``/stop``."""
        with _no_sudden_garbage():
            instrument.start()  # only now: the first collection takes longer than many an event
            collected = time.perf_counter()
            while not (self._stopping or instrument.stopped):
                deadline = instrument.turn()
                now = time.perf_counter()
                wait = LONGEST_WAIT if deadline is None else deadline - now - SPIN_SECONDS
                if wait > REST_SECONDS and now - collected > REST_EVERY:
                    gc.collect()
                    collected = now
                    continue
                if self._wait(wait):
                    self._drain(instrument)

    def close(self) -> None:
        """Give the port back."""
        for one in (self._socket, self._waker, self._wake, getattr(self, "_sender", self._socket)):
            one.close()

    def __enter__(self) -> Loop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, seconds: float) -> bool:
        readable, _, _ = select.select([self._socket, self._waker], [], [], min(max(0.0, seconds), LONGEST_WAIT))
        if self._waker in readable:
            self._waker.recv(4096)
        return self._socket in readable

    def _drain(self, instrument: Instrument) -> None:
        for _ in range(DRAIN):
            try:
                packet = self._socket.recv(65_536)
            except BlockingIOError:
                return
            except OSError:  # Windows reports here that nobody listened to what was sent
                continue
            instrument.receive(packet)


@contextlib.contextmanager
def _no_sudden_garbage() -> Iterator[None]:
    """What is here stays out of the collector's way, and the collector waits for a pause."""
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


def _why(error: OSError, address: str, port: int) -> str:
    if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", None)):
        return f"port {port} of {address} is in use, perhaps by another hxmx run; choose another with --in-port"
    if error.errno in (errno.EADDRNOTAVAIL, getattr(errno, "WSAEADDRNOTAVAIL", None)):
        return f"--address: {address} is not an address of this machine; try 127.0.0.1, or 0.0.0.0 for all"
    return f"cannot listen on port {port} of {address}: {error.strerror}; see --in-port and --address"
