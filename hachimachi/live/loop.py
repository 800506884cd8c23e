"""The loop between datagrams and what is due: one thread, one select, absolute deadlines, real-time scheduling."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import ipaddress
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from hachimachi.errors import HachimachiError
from hachimachi.live.osc import encode
from hachimachi.live.protocols import Address

if TYPE_CHECKING:
    from hachimachi.live.instrument import Ensemble
    from hachimachi.live.record.recorder import Recorder

SPIN_SECONDS = 0.0005  # the system may wake us so late: the last stretch before a deadline is spent awake
LAST_SECONDS = 0.00005  # before a deadline, nothing else is begun any more
DRAIN_SECONDS = 0.0005  # of receiving in one turn: a flood must not keep what is due from sounding
PRIORITY = 40  # above all that is not real-time, below the interrupts (50) and what moves sound (JACK, PipeWire)
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
ADVICE = (
    "to allow it, put the line '@audio - rtprio 95' into /etc/security/limits.d/audio.conf, join the group audio and "
    "log in again ('ulimit -r' then says 95), or run 'sudo setcap cap_sys_nice=ep {python}'"
)
WARM_UP = (60.0, 80.0, 0.5, 0.0)  # values of the message to nobody
LONGEST_WAIT = 3600.0
REST_SECONDS, REST_EVERY = 0.05, 10.0  # garbage is collected in a pause of the first, no more often than the second


class Loop(AbstractContextManager["Loop", None]):
    """The socket of a service. ``reply``: Whether to send to those who send, too: to who asked, else to who sent last.
    Raises `HachimachiError`: an address that is not known or not ours, or a port in use."""

    def __init__(self, listen: Address, outs: Sequence[Address], reply: bool = False) -> None:
        family, here = resolve(*listen, "--address")
        there = [resolve(*out, "--out") for out in outs]
        self._reply = reply
        self._last_sender: Address | None = None
        self.readers: Container[Address] = ()  # who is answered otherwise, and is no one to reply to
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
        self.port = int(self._socket.getsockname()[1])
        self.wakeup = self._wake.fileno()  # ends a wait when written to, for `signal.set_wakeup_fd`
        self.exposed = not is_loopback(here[0])  # whether other machines can reach it
        self._unread = socket.socket(family, socket.SOCK_DGRAM)  # what is full takes no more
        with contextlib.suppress(OSError):  # where it cannot be bound, nothing is warmed up
            self._unread.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self._nobody = self._unread.getsockname()
        # sent from the socket that receives, it can be answered; but loopback reaches no other machine, IPv4 no IPv6
        self._outs: list[tuple[socket.socket, tuple[str, int]]] = []
        for out_family, out in there:
            sender = self._socket
            if out_family != family or (is_loopback(here[0]) and not is_loopback(out[0])):
                sender = socket.socket(out_family, socket.SOCK_DGRAM)
                sender.setblocking(False)
            with contextlib.suppress(OSError):  # IPv6 has no broadcasts
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self._outs.append((sender, out))
        self._stopping = False

    def send(self, packet: bytes, to: Address | None = None) -> None:
        """Send a packet out, and to who asked; nobody needs to listen. Raises `OSError` once all the others have it."""
        receivers = self._outs
        asker = (self._last_sender if to is None or to in self.readers else to) if self._reply else None
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

    def send_to(self, packet: bytes, to: Address) -> None:
        """Send one packet to one program, without waiting. Raises `OSError`."""
        self._socket.sendto(packet, to)

    def is_here(self, host: str) -> bool:
        """Return whether a sender is on this machine: on loopback, or where this listens."""
        return is_loopback(host) or host == self._socket.getsockname()[0]

    def wake(self) -> None:
        """End a wait; from any thread."""
        with contextlib.suppress(OSError):  # full: it will wake anyway
            self._wake.send(b"\0")

    def stop(self) -> None:
        """End `run` soon; from any thread or signal handler."""
        self._stopping = True
        self.wake()

    def run(self, service: Ensemble | Recorder) -> None:
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
                    # what has rested for some milliseconds takes ten times as long to encode and send
                    with contextlib.suppress(OSError):
                        self._socket.sendto(encode("/output", *WARM_UP), self._nobody)
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

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drain(self, service: Ensemble | Recorder) -> None:
        until = time.perf_counter() + DRAIN_SECONDS
        while time.perf_counter() < until:
            try:
                packet, sender = self._socket.recvfrom(65_536)
            except BlockingIOError:
                return
            except OSError:  # Windows reports here that nobody listened to what was sent
                continue
            if sender not in self.readers:
                self._last_sender = sender
            service.receive(packet, sender)


@contextmanager
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


def resolve(address: str, port: int, option: str) -> tuple[int, tuple[str, int]]:
    """Return the family of an address and where it is. Raises `HachimachiError`, which names the option."""
    try:
        family, _, _, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        raise HachimachiError(f"{option}: {address!r} is not a known address; try 127.0.0.1") from error
    return family, where  # type: ignore[return-value]  # an address of IPv6 has two members more


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return a numeric address, without its zone, and of IPv4 where one of IPv6 stands for it."""
    found = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    return getattr(found, "ipv4_mapped", None) or found


def is_loopback(address: str) -> bool:
    """Return whether an address, as a socket has it, is that of this machine alone."""
    return _plain(address).is_loopback


def describe_exposure(address: str, port: int, control_from: Sequence[str]) -> str:
    """Return what it means to listen on an address that other machines can reach."""
    may = "may play to it, steer it and stop it, unless --control-from ADDRESS says who may"
    if control_from:
        may = f"may play to it, and {', '.join(control_from)} may steer it and stop it"
    return f"listens on {address}: whoever reaches port {port} of this machine {may}"


def senders_among(addresses: Sequence[str]) -> Callable[[Address | None], bool]:
    """Return whether a sender is one of those with these addresses, names or networks (192.168.0.0/24); any is, where
    there are none. Raises `HachimachiError`: an address that is not known."""
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for address in addresses:
        try:
            networks.append(ipaddress.ip_network(address, strict=False))
        except ValueError:
            networks.append(ipaddress.ip_network(_plain(resolve(address, 0, "--control-from")[1][0])))

    @lru_cache(64)
    def is_among(host: str) -> bool:
        return any(_plain(host) in network for network in networks)

    return lambda sender: not networks or (sender is not None and is_among(sender[0]))


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


@contextmanager
def realtime() -> Iterator[str]:
    """Request real-time scheduling for a while: yields what was granted, and puts everything back at the end."""
    with ExitStack() as undo:
        yield request_realtime(undo)


def request_realtime(undo: ExitStack | None = None, platform: str = sys.platform) -> str:
    """Ask for SCHED_FIFO, sched(7), for the calling thread, not for what it starts, and for memory that is not paged
    out, mlockall(2); ``undo`` takes that back. Returns what was granted, or why not and what to do. It never raises."""
    undo = undo or ExitStack()
    if platform != "linux":
        return f"Real-time scheduling: hxmx asks for it on Linux only, not on {platform}; it plays on without it."
    try:
        import resource

        policy, param = os.sched_getscheduler(0), os.sched_getparam(0)

        def put_back() -> None:
            try:
                os.sched_setscheduler(0, policy, param)
            except PermissionError:  # only a privileged thread may take this flag back
                os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, param)

        granted = 0
        for priority in dict.fromkeys((PRIORITY, min(PRIORITY, resource.getrlimit(resource.RLIMIT_RTPRIO)[0]))):
            with contextlib.suppress(OSError, ValueError):
                # what is started from here, such as the panel, must not be real-time too
                os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
                undo.callback(put_back)
                granted = priority
                break
        # every page that is touched stays in RAM; under a limit, what is allocated later would fail
        unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] < 0
        libc = ctypes.CDLL(None)
        locked = not libc.mlockall(MCL_CURRENT | MCL_ONFAULT | (MCL_FUTURE if unlimited else 0))
        if locked:
            undo.callback(libc.munlockall)
    except (OSError, AttributeError, ImportError) as error:  # there is no such call, or the system refuses
        return f"Real-time scheduling: not granted ({error}); hxmx plays on without it."
    memory = "memory stays in RAM" if locked else "memory may be paged out"
    if granted:
        return f"Real-time scheduling: granted, SCHED_FIFO at priority {granted}; {memory}."
    advice = ADVICE.format(python=os.path.realpath(sys.executable))
    return f"Real-time scheduling: not permitted, it runs like any other program; {memory}; {advice}."
