"""Where the page is served from: its socket, its names, and its process beside the one that plays."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hachimachi.errors import HachimachiError
from hachimachi.live.loop import is_loopback, resolve
from hachimachi.live.protocols import Address
from hachimachi.live.screen.process import start_process

ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where a performance that hears on all addresses is reached


@dataclass(frozen=True)
class PageOptions:
    """How a page is served: where the performance hears, the names under which the server answers (each with the port,
    the one to print first), the token, empty where none is needed, and whether to open a browser."""

    performer: Address
    hosts: tuple[str, ...]
    token: str = ""
    browse: bool = False

    @property
    def link(self) -> str:
        """What to open in a browser."""
        return f"http://{self.hosts[0]}/" + (f"#{self.token}" if self.token else "")

    @property
    def line(self) -> tuple[str, str, str]:
        """What to print: where the page is, and who can open it."""
        opens = "who has this link hears, plays, steers and saves; it opens nothing else here"
        return "page", self.link, opens if self.token else ""

    def print_code(self) -> None:
        """Print a link with a token as a QR code too, on a terminal, where segno is installed."""
        if self.token and sys.stdout.isatty() and find_spec("segno") is not None:
            import_module("segno").make(self.link).terminal(compact=True)


def bind(address: str, port: int, performer: Address, browse: bool = False) -> tuple[socket.socket, PageOptions]:
    """Return the socket of a page's server, and how to serve; `HachimachiError`: no aiohttp, or no such port here."""
    if find_spec("aiohttp") is None:
        raise HachimachiError("the page needs aiohttp, which is not installed here; pip install aiohttp")
    family, where = resolve(address, port, "--web-address")
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere this would share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
        sock.listen()  # who comes before the server is ready waits
    except OSError as error:
        sock.close()
        advice = "choose another with --web-port, or an address of this machine with --web-address"
        raise HachimachiError(f"the page cannot be on port {port} of {address}: {error.strerror}; {advice}") from error
    host, port = sock.getsockname()[:2]
    token = "" if is_loopback(host) else secrets.token_urlsafe(16)
    if host in ANY:  # of all addresses, the one that leads out
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as out:
            out.connect(("2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1", 9))  # nothing is sent
            host = out.getsockname()[0]
    names = dict.fromkeys([f"[{host}]" if ":" in host else host, "localhost", "127.0.0.1"])
    reached = ANY.get(performer[0], performer[0]), performer[1]
    return sock, PageOptions(reached, tuple(f"{name}:{port}".removesuffix(":80") for name in names), token, browse)


@contextlib.contextmanager
def page_process(address: str, port: int, performer: Address, browse: bool = False) -> Iterator[PageOptions]:
    """Serve the page in a process of its own for a while; it may die, and the performance goes on. Raises as `bind`."""
    sock, options = bind(address, port, performer, browse)
    with sock:  # the port is free once that process has ended
        process = start_process("hachimachi.web.launch", sock, json.dumps(asdict(options)))
    try:
        yield options
    finally:
        process.kill()  # it has nothing to lose
        process.wait()


async def serve(sock: socket.socket, options: PageOptions, parent: int | None = None) -> None:
    """Serve the page until cancelled, or until the parent process is not the one of this number any more."""
    from hachimachi.web.server import PageServer

    server = PageServer(options.hosts, options.token)
    following = asyncio.create_task(server.relay.follow(options.performer))
    async with server.answering(sock):
        if options.browse:
            await asyncio.to_thread(webbrowser.open, options.link)
        while not following.done() and parent in (None, os.getppid()):
            await asyncio.wait([following], timeout=1.0)


def main(descriptor: int, options: str) -> None:
    """Serve the page on an inherited socket, given its descriptor, until the parent has ended."""
    read: dict[str, Any] = json.loads(options)
    read = {key: tuple(value) if isinstance(value, list) else value for key, value in read.items()}
    try:
        asyncio.run(serve(socket.socket(fileno=descriptor), PageOptions(**read), os.getppid()))
    except Exception as error:
        sys.exit(f"hxmx: the page ended with {error!r}; what is played goes on, and hxmx page serves it again")
