"""Where the page is served from: its socket, its names, and its process beside the one that plays."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec

from hachimachi.errors import HachimachiError
from hachimachi.live.protocols import Address
from hachimachi.live.screen.process import be_a_child, start_process

END_SECONDS = 2.0
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where a performance that hears on all addresses is reached


@dataclass(frozen=True)
class PageOptions:
    """How a page is served.

    Args:
        performer: Where the performance hears, host and port.
        hosts: Names under which the server answers, each with the port, the one to print first.
        token: Empty where none is needed.
        open: Whether to open a browser.
    """

    performer: Address
    hosts: tuple[str, ...]
    token: str = field(default="")
    open: bool = False

    @property
    def link(self) -> str:
        """What to open in a browser."""
        return f"http://{self.hosts[0]}/" + (f"#{self.token}" if self.token else "")

    def lines(self) -> list[tuple[str, str, str]]:
        """Return what to print: where the page is, and who can open it."""
        if not self.token:
            return [("page", self.link, "")]
        return [("page", self.link, "who has this link hears, plays, steers and saves; it opens nothing else here")]


def bind(address: str, port: int, performer: Address, *, open_browser: bool = False) -> tuple[socket.socket, PageOptions]:
    """Return a socket for a page's server, bound and not yet listening, and how to serve. Raises `HachimachiError`: no
    aiohttp, an address that is not ours, or a port in use.
    """
    if find_spec("aiohttp") is None:
        raise HachimachiError("the page needs aiohttp, which is not installed here; pip install aiohttp")
    try:
        family, _, _, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HachimachiError(f"--web-address: {address!r} is not a known address; try 127.0.0.1") from error
    try:
        if os.name == "posix":  # elsewhere this would share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
    except OSError as error:
        sock.close()
        advice = "choose another with --web-port, or an address of this machine with --web-address"
        raise HachimachiError(f"the page cannot be served on port {port} of {address}: {error.strerror}; {advice}") from error
    host, port = sock.getsockname()[:2]
    loopback = ipaddress.ip_address(host).is_loopback
    names = ["127.0.0.1", "localhost", "[::1]"] if loopback else [*_addresses(host, family), "localhost", "127.0.0.1"]
    if loopback and host not in ("127.0.0.1", "::1"):
        names.insert(0, host)
    hosts = tuple(f"{name}:{port}" for name in dict.fromkeys(names))
    hosts += tuple(dict.fromkeys(names)) if port == 80 else ()
    token = "" if loopback else secrets.token_urlsafe(16)
    return sock, PageOptions((ANY.get(performer[0], performer[0]), performer[1]), hosts, token, open_browser)


def _addresses(host: str, family: int) -> list[str]:
    """Return how other machines call an address of ours; of all addresses, the one that leads out."""
    if host in ANY:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as out:
            out.connect(("2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1", 9))  # nothing is sent
            host = out.getsockname()[0]
    return [f"[{host}]" if ":" in host else host]


def print_code(link: str) -> None:
    """Print a link as a QR code on a terminal, where segno is installed."""
    if sys.stdout.isatty() and find_spec("segno") is not None:
        import segno

        segno.make(link).terminal(compact=True)


class PageProcess:
    """The page's server as a process of its own; if it dies, the performance goes on."""

    def __init__(self, sock: socket.socket, options: PageOptions) -> None:
        with sock:  # the port is free once that process has ended
            words = json.dumps(asdict(options))
            self._process: subprocess.Popen[bytes] | None = start_process("hachimachi.web.launch", sock, words)

    def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def serve(sock: socket.socket, options: PageOptions, parent: int | None = None) -> None:
    """Serve the page until cancelled, or until there is no parent process of this number any more."""
    from hachimachi.web.server import PageServer

    server = PageServer(options.hosts, options.token)
    runner = await server.serve(sock)
    following = asyncio.create_task(server.relay.follow(options.performer))
    if options.open:
        import webbrowser

        await asyncio.to_thread(webbrowser.open, options.link)
    try:
        while parent is None or os.getppid() == parent:
            await asyncio.wait([following], timeout=1.0)
    finally:
        following.cancel()
        await runner.cleanup()


def main(descriptor: int, options: str) -> None:
    """Serve the page on an inherited socket, given its descriptor, until the parent has ended."""
    be_a_child()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    read = json.loads(options)
    read.update(performer=tuple(read["performer"]), hosts=tuple(read["hosts"]))
    parent = os.getppid()
    try:
        asyncio.run(serve(socket.socket(fileno=descriptor), PageOptions(**read), parent))
    except Exception as error:
        print(f"hxmx: the page ended with {error!r}; what is played goes on, and hxmx page serves it again", file=sys.stderr)
        sys.exit(1)
