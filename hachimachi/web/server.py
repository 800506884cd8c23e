"""The server of the page: who is answered, with what, and how much of it.

Any page that a browser has open can reach loopback, so requests are answered only under the server's own names (DNS
rebinding), and the socket only to the server's own page. No path in a request reaches the file system.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from hachimachi.errors import HachimachiError
from hachimachi.web.relay import Relay

FOLDER = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
MOST_CONNECTIONS, MOST_PAGES = 64, 16
LONGEST_MESSAGE, LONGEST_BODY = 16_384, 1024  # bytes
MOST_A_SECOND, BURST = 250, 500  # messages of one page; more of them wait
UNSENT = 512  # packets that wait for a page that does not read; then it is let go
Queue = asyncio.Queue[str | None]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PageServer:
    """Serves the page, to browsers that bring one of the ``hosts``, with the port, and the ``token``: `PageOptions`."""

    def __init__(self, hosts: Sequence[str], token: str = "") -> None:
        self.relay = Relay(self._tell)
        self._hosts, self._token = hosts, token
        self._cookie = f"hxmx-{hosts[0].rpartition(':')[2]}"  # cookies know no ports
        self._queues: set[Queue] = set()
        self._rendering = asyncio.Lock()
        # read once: what a request asks for is looked up here
        self._files = {path.name: (path.read_bytes(), TYPES[path.suffix]) for path in sorted(FOLDER.iterdir())}
        self._app = web.Application(middlewares=[self._guard], client_max_size=LONGEST_BODY)
        for path, handler in (("/", self._page), ("/page/{name}", self._page), ("/keep/{name}", self._keep)):
            self._app.router.add_get(path, handler)
        self._app.router.add_get("/socket", self._socket)
        self._app.router.add_post("/enter", self._enter)

    @contextlib.asynccontextmanager
    async def answering(self, sock: Any) -> AsyncIterator[None]:
        """Answer on a socket."""
        runner = web.AppRunner(self._app, access_log=None, keepalive_timeout=15, shutdown_timeout=0.5)
        await runner.setup()
        server = runner.server
        assert server is not None

        def connect() -> asyncio.Protocol:
            return server() if len(server.connections) < MOST_CONNECTIONS else _Refusal()

        try:
            async with await asyncio.get_running_loop().create_server(connect, sock=sock, backlog=MOST_PAGES):
                yield
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if host not in self._hosts:
            return web.Response(status=421, text=f"This server is called {' or '.join(self._hosts)}\n")
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.reason}\n")
        if not response.prepared:
            response.headers.update({name: value.format(host=host) for name, value in HEADERS.items()})
        return response

    def _allow(self, request: web.Request) -> None:
        """Raise unless a request comes from the page itself, and with the token."""
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
        own = origin == f"http://{request.headers['Host']}" if origin is not None else request.path != "/socket"
        if not own or site not in ("same-origin", "none"):
            raise web.HTTPForbidden(reason="Only the page of this server may ask for that")
        cookie = request.cookies.get(self._cookie, "").encode()
        if self._token and not hmac.compare_digest(cookie, self._token.encode()):
            raise web.HTTPUnauthorized(reason="Open the page by the link that was printed where it plays")

    async def _page(self, request: web.Request) -> web.Response:
        content, kind = self._files.get(request.match_info.get("name", "index.html"), (b"", ""))
        if not kind:
            raise web.HTTPNotFound
        return web.Response(body=content, content_type=kind, charset="utf-8")

    async def _enter(self, request: web.Request) -> web.Response:
        if not hmac.compare_digest((await request.text()).encode(), self._token.encode()):
            await asyncio.sleep(1.0)
            raise web.HTTPUnauthorized(reason="Another token; open the page by the link that was printed")
        response = web.Response(status=204)
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="Strict", path="/")
        return response

    async def _keep(self, request: web.Request) -> web.Response:
        self._allow(request)
        name = request.match_info["name"]
        try:
            seconds, model = float(request.query.get("seconds", math.inf)), int(request.query.get("model", 0))
            take = self.relay.takes[model]
        except (ValueError, IndexError):
            raise web.HTTPNotFound from None
        if name not in ("performance.mid", "performance.json", "performance.wav"):
            raise web.HTTPNotFound
        async with self._rendering:
            try:
                content = await asyncio.to_thread(take.render, name, seconds)
            except HachimachiError as error:
                return web.Response(status=409, text=f"{error}\n")
        saved = f"hachimachi-{time.strftime('%Y-%m-%d_%H-%M-%S')}{Path(name).suffix}"
        return web.Response(body=content, headers={"Content-Disposition": f'attachment; filename="{saved}"'})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self._allow(request)
        if len(self._queues) >= MOST_PAGES:
            raise web.HTTPServiceUnavailable(reason=f"{MOST_PAGES} pages are open already")
        socket = web.WebSocketResponse(max_msg_size=LONGEST_MESSAGE, heartbeat=20, compress=False)
        queue = Queue(UNSENT)
        self._queues.add(queue)
        queue.put_nowait(self.relay.hello())
        spare, at, sending = float(BURST), time.monotonic(), None
        try:
            await socket.prepare(request)
            sending = asyncio.create_task(_pump(queue, socket))
            self.relay.send("/status", [])
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                now = time.monotonic()
                spare, at = min(BURST, spare + (now - at) * MOST_A_SECOND) - 1, now
                if spare < 0:
                    await asyncio.sleep(-spare / MOST_A_SECOND)
                self._obey(message.data, queue)
        finally:
            self._queues.discard(queue)
            if sending is not None:
                sending.cancel()
        return socket

    def _obey(self, text: str, queue: Queue) -> None:
        """Do what a page says: ``{"osc": [route, …], "at": t}``, or tell it the time for ``{"ping": t}``."""
        answer: dict[str, Any] = {}
        try:
            asked = json.loads(text)
            if "ping" in asked:
                answer = {"pong": float(asked["ping"]), "clock": time.perf_counter()}
            else:
                route, *values = asked["osc"]
                self.relay.send(str(route), values, None if asked.get("at") is None else float(asked["at"]))
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
            answer = {"refused": str(error)[:200]}
        if answer and not queue.full():
            queue.put_nowait(json.dumps(answer))

    def _tell(self, packet: str) -> None:
        for queue in list(self._queues):
            if queue.qsize() < UNSENT - 1:
                queue.put_nowait(packet)
            else:  # it takes nothing any more
                self._queues.discard(queue)
                queue.put_nowait(None)


async def _pump(queue: Queue, socket: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while (packet := await queue.get()) is not None:
            await socket.send_str(packet)
    await socket.close()


class _Refusal(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: Any) -> None:
        transport.abort()
